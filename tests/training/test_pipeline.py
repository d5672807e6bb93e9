import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_liteseg.datasets import ClassList, SegmentationDataset, load_dataset
from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.errors import UserError
from keras_liteseg.training.pipeline import evaluation_pipeline, training_pipeline

MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.4, 0.3)
PLAIN = Augmentation(crop_size=(4, 6), flip=0)


class Numbered(SegmentationDataset):
    """Sample i has i in every pixel of its image and mask."""

    name, split, classes = "numbered", "train", ClassList(tuple(map(str, range(99))), ((0, 0, 0),) * 99)

    def __init__(self, length, size=(4, 6), mask_size=None):
        self.length, self.size, self.mask_size = length, size, mask_size or size
        self.reads = []

    def __len__(self):
        return self.length

    def sample_id(self, index):
        return f"sample{index}"

    def image(self, index):
        self.reads.append(("image", index))
        return np.full((*self.size, 3), index, np.uint8)

    def mask(self, index):
        self.reads.append(("mask", index))
        return np.full(self.mask_size, index, np.uint8)


def train(dataset, batch_size=4, augmentation=PLAIN, **options):
    return training_pipeline(dataset, augmentation, batch_size, MEAN, STD, **options)


def indices(batches, count):
    """Return the sample numbers of the first `count` batches, one list a batch."""
    return [masks[:, 0, 0].tolist() for _, masks in batches.take(count).as_numpy_iterator()]


def test_training_batches_are_normalised_and_static():
    data = train(Numbered(10))
    image_spec, mask_spec = data.element_spec
    assert (image_spec.shape, image_spec.dtype) == ((4, 4, 6, 3), tf.float32)
    assert (mask_spec.shape, mask_spec.dtype) == ((4, 4, 6), tf.int32)
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    images, masks = next(data.as_numpy_iterator())
    expected = (masks[..., None] / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(images, expected, atol=1e-6)


def test_every_pass_holds_every_sample_once_in_its_own_order():
    numbers = np.ravel(indices(train(Numbered(10), seed=3), 10)).reshape(4, 10)
    for one_pass in numbers:
        assert sorted(one_pass) == list(range(10))
    assert len({tuple(one_pass) for one_pass in numbers}) == 4
    assert indices(train(Numbered(10), seed=4), 2) != numbers[:1, :8].reshape(2, 4).tolist()


def test_a_data_set_may_be_smaller_than_the_batch():
    (batch,) = indices(train(Numbered(3), batch_size=6), 1)
    assert sorted(batch[:3]) == sorted(batch[3:]) == [0, 1, 2]


def test_a_resumed_stream_equals_the_uninterrupted_one_whatever_the_workers():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)

    class Noise(Numbered):
        def image(self, index):
            return np.roll(image, index, 0)

    options = dict(
        dataset=Noise(7, (30, 40)),
        augmentation=Augmentation(crop_size=(16, 16), scale_range=(0.4, 2), brightness=0.4, hue=0.1),
        seed=5,
    )
    whole = list(train(**options, workers=1).take(6).as_numpy_iterator())
    rest = list(train(**options, workers=4, first_step=3).take(3).as_numpy_iterator())
    for (images, masks), (images_again, masks_again) in zip(whole[3:], rest, strict=True):
        np.testing.assert_array_equal(images, images_again)
        np.testing.assert_array_equal(masks, masks_again)


def test_a_sample_looks_different_in_every_pass_and_with_every_seed():
    class Noise(Numbered):
        def image(self, index):
            return np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)

    def first_images(seed):
        data = train(Noise(1, (30, 40)), 2, Augmentation(crop_size=(16, 16)), seed=seed)
        return next(data.as_numpy_iterator())[0]

    first, second = first_images(0)
    assert (first != second).any()
    assert (first_images(1)[0] != first).any()


def test_evaluation_is_in_order_resized_and_complete():
    data = evaluation_pipeline(Numbered(7, (8, 10)), (4, 5), 3, MEAN, STD)
    assert data.cardinality() == 3
    assert indices(data, 5) == [[0, 1, 2], [3, 4, 5], [6]]
    images, masks = next(data.as_numpy_iterator())
    assert images.shape == (3, 4, 5, 3) and masks.shape == (3, 4, 5)
    assert images.dtype == np.float32 and masks.dtype == np.int32
    np.testing.assert_allclose(images[2, 0, 0], (2 / 255 - np.array(MEAN)) / np.array(STD), atol=1e-6)


def test_an_empty_data_set_is_refused():
    for make in (lambda: train(Numbered(0)), lambda: evaluation_pipeline(Numbered(0), (4, 6), 1, MEAN, STD)):
        with pytest.raises(UserError, match="numbered has no samples in its split 'train'"):
            make()


def test_a_mask_of_another_size_is_named():
    with pytest.raises(tf.errors.OpError, match="image of sample0 is 4x6 and its mask 4x5; run liteseg check"):
        next(iter(evaluation_pipeline(Numbered(2, mask_size=(4, 5)), (4, 6), 2, MEAN, STD)))


def test_a_fault_of_a_file_reaches_the_caller(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind / "train").mkdir(parents=True)
        Image.new("RGB" if kind == "images" else "L", (6, 4), 7 if kind == "masks" else 0).save(
            tmp_path / kind / "train/a.png"
        )
    (tmp_path / "classes.yaml").write_text("classes: [road, car]")
    with pytest.raises(tf.errors.OpError, match=r"a\.png holds label values outside 0-1, 255: 7 \(24 pixels\)"):
        next(iter(train(load_dataset("folder", tmp_path), batch_size=1)))


def test_keras_trains_on_it():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, 6, 3)), keras.layers.Conv2D(2, 1)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before = [np.array(weight) for weight in model.get_weights()]
    model.fit(train(Numbered(2), batch_size=2), steps_per_epoch=2, epochs=2, verbose=0)
    assert any((new != old).any() for new, old in zip(model.get_weights(), before, strict=True))
    assert np.isfinite(model.evaluate(evaluation_pipeline(Numbered(2), (4, 6), 2, MEAN, STD), verbose=0))


def test_real_frames(shared):
    dataset = load_dataset("camvid", shared / "data/camvid", "train")
    augmentation = Augmentation(crop_size=(120, 160), scale_range=(0.5, 2), brightness=0.4, saturation=0.4)
    images, masks = next(train(dataset, augmentation=augmentation).as_numpy_iterator())
    assert images.shape == (4, 120, 160, 3) and np.isfinite(images).all()
    assert len(np.unique(masks)) > 3
