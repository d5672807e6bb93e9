"""The procedural street scenes: reproducible, labelled throughout, varied, and not solvable by colour alone."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.street_scenes import StreetScenes
from keras_liteseg.errors import UserError

COUNT = 30
CLASSES = StreetScenes.classes


@pytest.fixture(scope="module")
def scenes():
    """(images, masks) of the first scenes, at half the default size."""
    dataset = StreetScenes(size=(128, 256))
    return tuple(np.stack(parts) for parts in zip(*(dataset.sample(i) for i in range(COUNT))))


def test_shapes_types_and_names():
    dataset = StreetScenes("val", size=(96, 160))
    image, mask = dataset.image(7), dataset.mask(7)
    assert (image.shape, image.dtype) == ((96, 160, 3), np.uint8)
    assert (mask.shape, mask.dtype) == ((96, 160), np.uint8)
    assert (dataset.name, dataset.split, len(dataset)) == ("street_scenes", "val", 200)
    assert len(dataset.classes.names) == len(dataset.classes.colors) == 9
    assert len({dataset.sample_id(i) for i in range(200)}) == 200


@pytest.mark.parametrize("size", [(64, 64), (100, 70), (360, 480), (512, 1024)])
def test_any_size(size):
    image, mask = StreetScenes(size=size).sample(3)
    assert image.shape == (*size, 3) and mask.shape == size
    assert len(np.unique(mask)) >= 6


def test_size_scales_the_same_scene():
    small, large = (StreetScenes(size=size).mask(4) for size in ((128, 256), (256, 512)))
    assert np.mean(small == large[::2, ::2]) > 0.9


def test_a_scene_depends_on_seed_split_and_index_only():
    first, second = StreetScenes(size=(96, 192)), StreetScenes(size=(96, 192), length=50)
    image, mask = first.sample(5)
    first.sample(6)
    for again in (first.sample(5), second.sample(5)):
        np.testing.assert_array_equal(image, again[0])
        np.testing.assert_array_equal(mask, again[1])
    others = [first.image(4), StreetScenes(size=(96, 192), seed=1).image(5)]
    others += [StreetScenes(split, size=(96, 192)).image(5) for split in ("val", "test")]
    assert all(np.mean(image != other) > 0.5 for other in others)


def test_image_and_mask_belong_together_and_are_the_callers_own():
    dataset = StreetScenes(size=(96, 192))
    image, mask = dataset.sample(2)
    dataset.image(2)[:] = 0
    dataset.mask(2)[:] = 0
    np.testing.assert_array_equal(dataset.image(2), image)
    np.testing.assert_array_equal(dataset.mask(2), mask)


def test_threads_and_processes_get_the_right_scenes():
    dataset = pickle.loads(pickle.dumps(StreetScenes(size=(64, 128))))
    expected = [dataset.sample(i) for i in range(6)]
    indices = list(range(6)) * 3
    with ThreadPoolExecutor(4) as pool:
        for index, image, mask in zip(indices, pool.map(dataset.image, indices), pool.map(dataset.mask, indices)):
            np.testing.assert_array_equal(image, expected[index][0])
            np.testing.assert_array_equal(mask, expected[index][1])


def test_labels_are_classes_or_ignored(scenes):
    _, masks = scenes
    assert set(np.unique(masks)) == {*range(len(CLASSES)), IGNORE_LABEL}


def test_every_class_is_common(scenes):
    _, masks = scenes
    floors = {"pole": 0.01, "sign": 0.01, "person": 0.01, "vehicle": 0.05, "vegetation": 0.02, "pavement": 0.02}
    for label, name in enumerate(CLASSES.names):
        found = masks == label
        assert found.any(axis=(1, 2)).mean() > 0.5, name
        assert found.mean() > floors.get(name, 0.05), name
    assert 0.002 < (masks == IGNORE_LABEL).mean() < 0.1


def test_light_and_weather_vary(scenes):
    images, _ = scenes
    brightness = images.mean(axis=(1, 2, 3))
    assert brightness.min() < 70 and brightness.max() > 130 and brightness.std() > 20


def test_colour_alone_does_not_tell_the_classes(scenes):
    """A classifier by the nearest mean colour of each class, fitted and scored on the same pixels."""
    images, masks = scenes
    known = masks != IGNORE_LABEL
    pixels, labels = images[known][::7].astype(np.float32), masks[known][::7]
    means = np.stack([pixels[labels == label].mean(axis=0) for label in range(len(CLASSES))])
    guess = np.argmin([np.square(pixels - mean).sum(axis=1) for mean in means], axis=0)
    ious = [
        np.sum((guess == label) & (labels == label)) / np.sum((guess == label) | (labels == label))
        for label in range(len(CLASSES))
    ]
    assert np.mean(ious) < 0.35


@pytest.mark.parametrize("index", [-1, 5, 500])
def test_an_index_out_of_range(index):
    dataset = StreetScenes(length=5)
    for read in (dataset.image, dataset.mask, dataset.sample, dataset.sample_id):
        with pytest.raises(IndexError, match=str(index)):
            read(index)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"split": "training"}, "'training' is not a split.*train, val, test"),
        ({"length": 0}, "length is 0"),
        ({"size": (32, 512)}, "32x512"),
        ({"seed": -1}, "-1"),
    ],
)
def test_a_users_mistake(arguments, message):
    with pytest.raises(UserError, match=message):
        StreetScenes(**arguments)
