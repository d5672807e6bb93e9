import concurrent.futures

import cv2
import numpy as np
import pytest

from keras_liteseg.classes import ClassList
from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.datasets.samples import CachedDataset, evaluation_samples, normalization, training_samples
from keras_liteseg.errors import UserError
from keras_liteseg.image_format import ImageFormat
from keras_liteseg.networks.registry import model_spec
from tests.training.test_pipeline import PLAIN, Numbered


def test_a_number_gives_the_same_sample_in_whatever_order_it_is_asked_for():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)

    class Noise(Numbered):
        def image(self, index):
            return np.roll(image, index, 0)

    augmentation = Augmentation(crop_size=(16, 16), scale_range=(0.4, 2), brightness=0.4)
    first, again = (training_samples(Noise(3, (30, 40)), augmentation, seed=5) for _ in range(2))
    forwards = [first(number) for number in range(9)]
    backwards = [again(number) for number in reversed(range(9))]
    for one, other in zip(forwards, reversed(backwards), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_every_pass_holds_every_sample():
    load = training_samples(Numbered(5), PLAIN, seed=1)
    passes = np.reshape([load(number)[1][0, 0] for number in range(15)], (3, 5))
    assert all(sorted(one) == list(range(5)) for one in passes.tolist())


REPEATS = (1, 1.5, 3.25, 1, 1)  # 7.75, so that a pass has 8


def drawn(numbers, seed=1, **options):
    load = training_samples(Numbered(5), PLAIN, seed=seed, repeats=REPEATS, **options)
    return [int(load(number)[1][0, 0]) for number in numbers]


def test_repeated_samples_come_as_often_as_they_should():
    passes = np.reshape(drawn(range(8 * 500)), (500, 8))
    counts = np.array([np.bincount(one, minlength=5) for one in passes])
    assert counts.min() == 1
    wanted = np.array(REPEATS) * 8 / 7.75
    assert (abs(counts - wanted) < 1).all()
    np.testing.assert_allclose(counts.mean(axis=0), wanted, atol=0.05)
    assert len({tuple(one) for one in passes.tolist()}) > 400
    assert not np.array_equal(passes[0], drawn(range(8), seed=2))


def test_repeated_samples_depend_on_their_number_alone():
    assert drawn(range(24))[13:] == drawn(range(13, 24)) == drawn(reversed(range(13, 24)))[::-1]


def test_a_sample_that_comes_again_is_augmented_otherwise(scenes):
    augmentation = Augmentation(crop_size=(32, 32), brightness=0.5)
    load = training_samples(scenes, augmentation, repeats=(3, 1, 1, 1))
    once = training_samples(scenes, augmentation)
    images = [load(number)[0].tobytes() for number in range(6)]
    assert len(set(images)) == 6
    # The first of each is what it would be without repeats.
    assert {once(number)[0].tobytes() for number in range(4)} < set(images)


def test_cutmix_takes_a_rectangle_from_another_sample_as_often_as_asked():
    augmentation = Augmentation(crop_size=(4, 6), flip=0, cutmix=0.5)
    load, again = (training_samples(Numbered(9), augmentation, seed=3) for _ in "ab")
    plain = training_samples(Numbered(9), PLAIN, seed=3)
    mixed = 0
    for number in range(900):
        image, mask = load(number)
        np.testing.assert_array_equal(image, mask[..., None].repeat(3, -1))
        np.testing.assert_array_equal(mask, again(number)[1])
        assert plain(number)[1][0, 0] in mask
        mixed += len(np.unique(mask)) == 2
    # Half of them, but for one in nine that is mixed with itself.
    assert 0.40 <= mixed / 900 <= 0.49


def test_copy_paste_takes_a_rare_class_from_another_sample_as_often_as_asked():
    class Spotted(Numbered):
        def mask(self, index):
            mask = np.zeros(self.mask_size, np.uint8)
            mask.flat[index] = index + 1
            return mask

    augmentation = Augmentation(crop_size=(4, 6), flip=0, copy_paste=0.5)
    load, again = (training_samples(Spotted(9), augmentation, seed=3) for _ in "ab")
    mixed = 0
    for number in range(900):
        image, mask = load(number)
        np.testing.assert_array_equal(mask, again(number)[1])
        own = np.bincount(image.ravel()).argmax()
        pasted = image[..., 0] != own
        assert mask.flat[own] == own + 1 and (mask[pasted] == image[pasted][:, 0] + 1).all()
        assert np.count_nonzero(mask) == 1 + pasted.sum()
        mixed += pasted.sum() == 1
    assert 0.40 <= mixed / 900 <= 0.49


def test_keys_that_are_off_draw_nothing():
    class Places(Numbered):
        def image(self, index):
            rows, columns = np.indices(self.size, np.uint8)
            return np.dstack([rows, columns, np.full_like(rows, index)])

    load = training_samples(Places(3, (20, 30)), Augmentation(crop_size=(8, 12), cutmix=0.5), seed=7)
    corners = [(image[0, 0].tolist(), image[-1, -1].tolist()) for image, _ in map(load, range(4))]
    # What these arguments gave before there were `class_crops` and `copy_paste`.
    before = [
        ([7, 4, 2], [14, 15, 2]),
        ([10, 9, 1], [17, 20, 1]),
        ([8, 17, 0], [15, 28, 0]),
        ([10, 12, 1], [19, 13, 2]),
    ]
    assert corners == before


def test_without_cutmix_and_copy_paste_no_other_sample_is_read():
    source = Numbered(9)
    load = training_samples(source, PLAIN)
    for number in range(9):
        load(number)
    assert sorted(source.reads) == sorted((part, index) for part in ("image", "mask") for index in range(9))


def test_evaluation_resizes():
    image, mask = evaluation_samples(Numbered(3, (8, 10)), (4, 5))(2)
    assert (image.shape, mask.shape) == ((4, 5, 3), (4, 5))
    assert (image == 2).all() and (mask == 2).all()


def test_normalization_is_that_of_the_data_else_of_the_network_which_has_one_for_8_bit_rgb_alone():
    data, spec = Numbered(1), model_spec("ndnet45")
    assert normalization(data, spec) == (spec.mean, spec.std)
    data.image_format = ImageFormat(channels=2)
    with pytest.raises(UserError, match="numbered are uint8 of 2 channels.* liteseg statistics measures them"):
        normalization(data, spec)
    data.mean, data.std = (0.1, 0.2), (0.3, 0.4)
    assert normalization(CachedDataset(data), spec) == ((0.1, 0.2), (0.3, 0.4))


def test_images_of_another_kind_than_the_data_set_says_are_refused():
    data = Numbered(1)
    data.image_format = ImageFormat(channels=1)
    with pytest.raises(UserError, match=r"The image of sample0 is uint8 \(4, 6, 3\), and the data set numbered says"):
        evaluation_samples(data, (4, 6))(0)


def test_an_empty_data_set_is_refused():
    for make in (lambda: training_samples(Numbered(0), PLAIN), lambda: evaluation_samples(Numbered(0), (4, 6))):
        with pytest.raises(UserError, match="numbered has no samples in its split 'train'"):
            make()


def test_a_mask_of_another_size_is_named():
    with pytest.raises(UserError, match="image of sample0 is 4x6 and its mask 4x5; run liteseg check"):
        evaluation_samples(Numbered(2, mask_size=(4, 5)), (4, 6))(0)


def test_the_cache_reads_every_file_once():
    source = Numbered(3)
    cached = CachedDataset(source, max_bytes=10_000)
    assert (cached.name, cached.split, cached.classes, len(cached)) == ("numbered", "train", source.classes, 3)
    assert cached.sample_id(1) == "sample1"
    load, plain = training_samples(cached, PLAIN), training_samples(Numbered(3), PLAIN)
    for number in range(9):
        np.testing.assert_array_equal(load(number)[0], plain(number)[0])
    assert sorted(source.reads) == sorted((part, index) for part in ("image", "mask") for index in range(3))


def test_the_cache_keeps_within_its_limit():
    source = Numbered(2)
    image_bytes, mask_bytes = 4 * 6 * 3, 4 * 6
    cached = CachedDataset(source, max_bytes=image_bytes + mask_bytes)
    for _ in range(2):
        for index in range(2):
            cached.image(index)
            cached.mask(index)
    assert source.reads.count(("image", 0)) == source.reads.count(("mask", 0)) == 1
    assert source.reads.count(("image", 1)) == source.reads.count(("mask", 1)) == 2


def test_cached_arrays_are_read_only():
    image = CachedDataset(Numbered(1), max_bytes=10_000).image(0)
    with pytest.raises(ValueError, match="read-only"):
        image[0] = 1


def test_threads_of_opencv_are_one_for_a_sample_and_as_before_after_it(scenes):
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    seen = []

    class Watched(type(scenes)):
        def image(self, index):
            seen.append(cv2.getNumThreads())
            return super().image(index)

    try:
        load = training_samples(Watched(length=4, size=(64, 128)), Augmentation(crop_size=(64, 128)))
        assert cv2.getNumThreads() == 3
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(load, range(8)))
        assert seen == [1] * 8 and cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


class Own(Numbered):
    """A data set whose samples are all this image and this mask."""

    classes = ClassList(("a", "b"), ((0, 0, 0), (1, 1, 1)))

    def __init__(self, image, mask):
        super().__init__(2)
        self._sample = image, mask

    def image(self, index):
        return self._sample[0]

    def mask(self, index):
        return self._sample[1]


IMAGE, MASK = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8)


@pytest.mark.parametrize(
    ("image", "mask", "said"),
    [
        (IMAGE, MASK.astype(np.int64), r"mask of \w+ is int64 \(8, 8\); the data set numbered must give label maps"),
        (IMAGE, MASK > 0, "is bool"),
        (IMAGE, MASK[..., None], r"is uint8 \(8, 8, 1\)"),
        (IMAGE, MASK.tolist(), "is int64"),
        (IMAGE, None, "is object"),
        (IMAGE, MASK + 2, r"has the label 2; the 2 classes of numbered are 0 to 1, and 255 is for pixels"),
        (IMAGE, MASK[:4], "is 8x8 and its mask 4x8"),
        (IMAGE.astype(np.float32), MASK, r"image of \w+ is float32 \(8, 8, 3\)"),
        (None, MASK, r"image of \w+ is object \(\)"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda data: data, CachedDataset])
def test_a_data_set_of_ones_own_that_gives_something_else_is_told_so(image, mask, said, wrap):
    data = wrap(Own(image, mask))
    for load in (training_samples(data, PLAIN), evaluation_samples(data, (4, 4))):
        with pytest.raises(UserError, match=said):
            load(0)


def test_ignored_pixels_and_arrays_of_any_order_are_labels():
    mask = np.asfortranarray(MASK + np.arange(8, dtype=np.uint8) % 2)
    mask[0] = 255
    mask.flags.writeable = False
    _, read = evaluation_samples(Own(IMAGE, mask), (8, 8))(0)
    np.testing.assert_array_equal(read, mask)


def test_a_cache_leaves_the_arrays_of_a_data_set_writable():
    image, mask = IMAGE.copy(), MASK.copy()
    cached = CachedDataset(Own(image, mask))
    assert not cached.image(0).flags.writeable and not cached.mask(0).flags.writeable
    assert image.flags.writeable and mask.flags.writeable
