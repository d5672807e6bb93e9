import colorsys

import cv2
import numpy as np
import pytest

from keras_liteseg.datasets import IGNORE_LABEL, load_dataset
from keras_liteseg.datasets.augment import Augmentation, augment, copy_paste, cutmix, resize_sample
from keras_liteseg.datasets.samples import training_samples
from keras_liteseg.errors import UserError
from keras_liteseg.image_format import ImageFormat
from tests.image_sets import THERMAL, write_set


def sample(height=40, width=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), np.uint8), rng.integers(0, 19, (height, width), np.uint8)


def run(image, mask, seed=0, **options):
    return augment(image, mask, Augmentation(**options), np.random.default_rng(seed))


def results(image, count=40, **options):
    mask = np.zeros(image.shape[:2], np.uint8)
    return [run(image, mask, seed, crop_size=mask.shape, flip=0, **options)[0] for seed in range(count)]


def test_nothing_asked_for_changes_nothing():
    image, mask = sample()
    new_image, new_mask = run(image, mask, crop_size=(40, 60), flip=0)
    np.testing.assert_array_equal(new_image, image)
    np.testing.assert_array_equal(new_mask, mask)


def test_the_generator_decides_everything():
    options = dict(crop_size=(16, 24), scale_range=(0.5, 2), rotation=5)
    options |= dict(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.1)
    image, mask = sample()
    first, again, other = (run(image, mask, seed, **options) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize("scale", [0.1, 0.33, 0.8, 1.0, 1.3, 2.0, 7.5])
@pytest.mark.parametrize("crop", [(16, 24), (40, 60), (33, 97), (1, 1)])
def test_the_result_has_the_crop_size(scale, crop):
    image, mask = sample()
    new_image, new_mask = run(image, mask, crop_size=crop, scales=(scale,))
    assert new_image.shape == (*crop, 3) and new_mask.shape == crop
    assert new_image.dtype == new_mask.dtype == np.uint8
    assert new_image.flags.c_contiguous and new_mask.flags.c_contiguous
    assert set(np.unique(new_mask)) <= {*range(19), IGNORE_LABEL}


def test_a_crop_is_a_window_of_the_frame_and_reaches_every_place():
    rows, columns = np.indices((5, 7), np.uint8)
    image, mask = np.stack([rows, columns, rows], -1), rows * 7 + columns
    corners = set()
    for seed in range(200):
        new_image, new_mask = run(image, mask, seed, crop_size=(3, 4), flip=0)
        top, left = new_image[0, 0, :2]
        np.testing.assert_array_equal(new_image, image[top : top + 3, left : left + 4])
        np.testing.assert_array_equal(new_mask, mask[top : top + 3, left : left + 4])
        corners.add((int(top), int(left)))
    assert corners == {(top, left) for top in range(3) for left in range(4)}


def test_a_small_frame_is_centred_with_the_extra_row_before():
    image, mask = np.full((2, 3, 3), 200, np.uint8), np.zeros((2, 3), np.uint8)
    new_image, new_mask = run(image, mask, crop_size=(5, 6), pad_value=127)
    inside = np.zeros((5, 6), bool)
    inside[2:4, 2:5] = True
    np.testing.assert_array_equal(new_mask, np.where(inside, 0, IGNORE_LABEL))
    np.testing.assert_array_equal(new_image, np.where(inside, 200, 127)[..., None].repeat(3, -1))


def test_the_fill_is_not_recolored():
    image, mask = np.full((2, 2, 3), 200, np.uint8), np.zeros((2, 2), np.uint8)
    color = dict(brightness=0.5, contrast=0.5, saturation=0.5, hue=0.5, color_probability=1)
    new_image, new_mask = run(image, mask, crop_size=(4, 4), pad_value=9, **color)
    assert (new_image[new_mask == IGNORE_LABEL] == 9).all()
    assert (new_image[new_mask == 0] != 200).any()


def test_a_pasted_rectangle_covers_half_of_image_and_mask_alike():
    first, second = ((np.full((40, 60, 3), i, np.uint8), np.full((40, 60), i, np.uint8)) for i in (1, 2))
    heights, touched = set(), np.zeros((40, 60), bool)
    for seed in range(200):
        image, mask = cutmix(first, second, np.random.default_rng(seed))
        np.testing.assert_array_equal(image, mask[..., None].repeat(3, -1))
        rows, columns = (mask == 2).any(1), (mask == 2).any(0)
        np.testing.assert_array_equal(mask == 2, rows[:, None] & columns)  # a product set
        for line in (rows, columns):
            assert np.ptp(np.flatnonzero(line)) + 1 == line.sum()  # and without gaps
        assert (mask == 2).mean() == pytest.approx(0.5, abs=0.03)
        heights.add(int(rows.sum()))
        touched |= mask == 2
    assert min(heights) <= 22 and max(heights) >= 38 and touched.all()
    assert (first[0] == 1).all() and (second[0] == 2).all()


def test_the_flip_mirrors_image_and_mask_together():
    image, mask = sample()
    new_image, new_mask = run(image, mask, crop_size=(40, 60), flip=1)
    np.testing.assert_array_equal(new_image, image[:, ::-1])
    np.testing.assert_array_equal(new_mask, mask[:, ::-1])
    flipped = [(run(image, mask, seed, crop_size=(40, 60), flip=0.25)[1] != mask).any() for seed in range(200)]
    assert 30 <= sum(flipped) <= 70


def test_scales_are_drawn_from_the_list_or_the_range():
    image, mask = np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), np.uint8)

    def heights(**options):
        crop = (40, 40)
        return {int((run(image, mask, seed, crop_size=crop, **options)[1] == 0).any(1).sum()) for seed in range(100)}

    assert heights(scales=(0.5, 0.75, 2)) == {10, 15, 40}
    assert heights(scale_range=(0.9, 1.1)) == {18, 19, 20, 21, 22}


def horizon(seed, rotation):
    """Return the angle in degrees of the boundary between two classes that was level before a random rotation."""
    mask = np.repeat([0, 1], 50).astype(np.uint8)[:, None].repeat(100, 1)
    image = np.zeros((100, 100, 3), np.uint8)
    new_mask = run(image, mask, seed, crop_size=(100, 100), rotation=rotation)[1]
    heights = (new_mask == 1).argmax(0)
    return np.degrees(np.arctan(np.polyfit(np.arange(25, 75), heights[25:75], 1)[0]))


def test_the_rotation_is_drawn_from_both_sides_up_to_the_given_angle():
    angles = [horizon(seed, rotation=8) for seed in range(60)]
    assert -8.3 < min(angles) < -6.5 and 6.5 < max(angles) < 8.3
    assert abs(np.mean(angles)) < 2


def test_a_rotation_keeps_the_centre_and_fills_the_corners():
    image, mask = np.full((41, 41, 3), 200, np.uint8), np.zeros((41, 41), np.uint8)
    mask[20, 20] = 3
    corners = 0
    for seed in range(10):
        new_image, new_mask = run(image, mask, seed, crop_size=(41, 41), rotation=90, pad_value=127)
        np.testing.assert_array_equal(np.argwhere(new_mask == 3), [[20, 20]])
        # Bilinear sampling mixes the padding into the outermost pixels of the frame and of the corners.
        assert new_image.min() >= 127 and (new_image[new_mask == 0] > 162).all()
        outside = cv2.erode((new_mask == IGNORE_LABEL).astype(np.uint8), np.ones((3, 3))) > 0
        assert (new_image[outside] == 127).all()
        corners += outside[[0, 0, -1, -1], [0, -1, 0, -1]].sum()
    assert corners >= 20


def test_rotated_images_and_masks_lie_on_each_other():
    ramp = np.tile(np.arange(99, dtype=np.uint8) * 2, (99, 1))
    for source in (ramp, ramp.T):
        image, mask = run(np.dstack([source] * 3), source, seed=3, crop_size=(99, 99), flip=0, rotation=20)
        inside = cv2.erode((mask != IGNORE_LABEL).astype(np.uint8), np.ones((3, 3))) > 0
        difference = image[inside][:, 0].astype(float) - mask[inside]
        assert abs(difference.mean()) < 0.2
        assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("width", [33, 70, 99, 160, 297])
def test_resized_images_and_masks_lie_on_each_other(width):
    # Along a ramp a shift of the mask against the image shows as a difference of the values: 2 per column.
    ramp = np.tile(np.arange(99, dtype=np.uint8) * 2, (99, 1))
    for axis in (0, 1):
        source = ramp if axis else ramp.T
        image, mask = resize_sample(np.dstack([source] * 3), source, (width, width))
        difference = image[..., 0].astype(float) - mask
        assert abs(difference.mean()) < 0.2
        assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("axis", [0, 1])
def test_lines_of_one_pixel_stay_on_their_labels(axis):
    pattern = np.random.default_rng(0).integers(0, 2, 30).astype(np.uint8)
    mask = np.tile(pattern, (30, 1))
    mask = mask if axis else mask.T
    image = np.dstack([mask * 255] * 3)
    for seed in range(10):
        new_image, new_mask = run(image, mask, seed, crop_size=(60, 60), scales=(3.0,))
        np.testing.assert_array_equal(new_image[..., 0] > 127, new_mask)


def test_class_colors_follow_the_mask_at_any_scale():
    colors = np.random.default_rng(0).integers(0, 256, (19, 3), np.uint8)
    mask = np.random.default_rng(1).integers(0, 19, (12, 16), np.uint8).repeat(12, 0).repeat(12, 1)
    for seed in range(10):
        image, labels = run(colors[mask], mask, seed, crop_size=(96, 96), scale_range=(0.4, 2))
        distance = np.abs(image[:, :, None].astype(int) - colors).sum(-1)
        agree = distance.argmin(-1) == labels
        assert agree[labels != IGNORE_LABEL].mean() > 0.75


def test_a_sample_that_has_the_size_is_returned_as_it_is():
    image, mask = sample()
    assert all(new is old for new, old in zip(resize_sample(image, mask, (40, 60)), (image, mask), strict=True))


def test_shrinking_averages_and_never_makes_new_labels():
    image, mask = sample(64, 64)
    new_image, new_mask = resize_sample(image, np.where(mask < 9, 3, 200).astype(np.uint8), (16, 16))
    np.testing.assert_allclose(new_image, image.reshape(16, 4, 16, 4, 3).mean((1, 3)), atol=0.51)
    assert set(np.unique(new_mask)) == {3, 200}


def test_brightness_scales_the_values():
    gray = np.full((2, 2, 3), 100, np.uint8)
    levels = [image[0, 0, 0] for image in results(gray, brightness=0.4, color_probability=1)]
    assert 60 <= min(levels) < 75 and 125 < max(levels) <= 140


def test_contrast_keeps_the_mean_and_changes_the_spread():
    image = np.array([[[80] * 3, [120] * 3]], np.uint8)
    spreads = set()
    for result in results(image, contrast=0.5, color_probability=1):
        assert abs(result.mean() - 100) <= 1
        spreads.add(int(np.ptp(result)))
    assert min(spreads) < 30 and max(spreads) > 50


def test_saturation_keeps_grey_and_changes_the_spread_of_channels():
    gray, color = np.full((1, 1, 3), 90, np.uint8), np.array([[[130, 100, 70]]], np.uint8)
    assert all((result == 90).all() for result in results(gray, saturation=1, color_probability=1))
    spreads = {int(np.ptp(result)) for result in results(color, saturation=1, color_probability=1)}
    assert min(spreads) < 15 and max(spreads) > 105


def test_hue_turns_the_color_and_keeps_grey():
    gray, red = np.full((1, 1, 3), 90, np.uint8), np.array([[[255, 0, 0]]], np.uint8)
    assert all((result == 90).all() for result in results(gray, hue=0.5, color_probability=1))
    turned = np.array(results(red, hue=0.5, color_probability=1)).reshape(-1, 3)
    assert (turned.max(1) == 255).all() and (turned.min(1) == 0).all()
    assert {0, 1, 2} == set(turned.argmax(1))
    slightly = np.array(results(red, hue=0.1, color_probability=1)).reshape(-1, 3)
    hues = [colorsys.rgb_to_hsv(*color)[0] for color in slightly / 255]
    shifts = [min(hue, 1 - hue) for hue in hues]
    assert 0.09 < max(shifts) < 0.1 + 1 / 256 and min(shifts) < 0.02
    assert 10 < sum(hue < 0.5 for hue in hues) < 30  # to either side


def test_colors_change_with_the_given_probability_and_never_the_mask():
    image, mask = sample()
    options = dict(crop_size=(40, 60), flip=0, brightness=0.4)
    changed = 0
    for seed in range(100):
        new_image, new_mask = run(image, mask, seed, color_probability=0.3, **options)
        np.testing.assert_array_equal(new_mask, mask)
        changed += (new_image != image).any()
    assert 15 <= changed <= 45
    np.testing.assert_array_equal(run(image, mask, color_probability=0, **options)[0], image)


def test_the_source_arrays_are_left_alone():
    image, mask = sample()
    image.flags.writeable = mask.flags.writeable = False
    run(image, mask, crop_size=(50, 70), brightness=0.5, contrast=0.5, saturation=0.5, hue=0.5, color_probability=1)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(crop_size=(0, 5)), "crop_size is"),
        (dict(crop_size=(5,)), "crop_size is"),
        (dict(scale_range=(2, 1)), "scale_range is"),
        (dict(scale_range=(0, 1)), "scale_range is"),
        (dict(scales=(1, -1)), "scales is"),
        (dict(flip=1.5), "flip is 1.5; it must be from 0 to 1"),
        (dict(hue=0.6), "hue is 0.6; it must be from 0 to 0.5"),
        (dict(brightness=-0.1), "brightness is"),
        (dict(cutmix=-0.1), "cutmix is -0.1; it must be from 0 to 1"),
        (dict(class_crops=1.1), "class_crops is 1.1; it must be from 0 to 1"),
        (dict(copy_paste=-0.1), "copy_paste is -0.1; it must be from 0 to 1"),
        (dict(rotation=181), "rotation is 181; it must be from 0 to 180"),
        (dict(pad_value=256), "pad_value is 256; it must be from 0 to 255"),
    ],
)
def test_a_value_out_of_range_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        Augmentation(**{"crop_size": (4, 4), **options})


def test_real_frame(shared):
    dataset = load_dataset("cityscapes", shared / "data/cityscapes", "val")
    image, mask = dataset.image(0), dataset.mask(0)
    for seed in range(3):
        new_image, new_mask = run(image, mask, seed, crop_size=(256, 512), scale_range=(0.5, 2), flip=0)
        assert new_image.shape == (256, 512, 3)
        road = new_image[new_mask == 0]
        assert len(road) == 0 or np.abs(road.mean(0) - image[mask == 0].mean(0)).max() < 40


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8, 130])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_channel_is_treated_like_those_of_rgb(channels, dtype):
    image_format = ImageFormat(channels, dtype)
    image, mask = sample()
    image = (image[..., :1].astype(dtype) * (image_format.max // 255)).repeat(channels, axis=2)
    for scale in (0.6, 1.7):
        augmentation = Augmentation(crop_size=(50, 70), scales=(scale,), rotation=20, pad_value=128)
        rgb, its_mask = augment(image[..., :1].repeat(3, 2), mask, augmentation, np.random.default_rng(3), image_format)
        found, new_mask = augment(image, mask, augmentation, np.random.default_rng(3), image_format)
        assert found.shape == (50, 70, channels) and found.dtype == dtype and found.flags.c_contiguous
        np.testing.assert_array_equal(found, rgb[..., :1].repeat(channels, 2))
        np.testing.assert_array_equal(new_mask, its_mask)


def test_brightness_and_contrast_of_other_images_stay_within_what_the_sensor_gives():
    image_format = ImageFormat(1, "uint16", 1000, 4000)
    image = np.linspace(1000, 4000, 600).reshape(20, 30, 1).astype(np.uint16)
    mask = np.zeros((20, 30), np.uint8)
    for kind in ("brightness", "contrast"):
        augmentation = Augmentation(crop_size=(20, 30), flip=0, color_probability=1, **{kind: 0.5})
        found = [augment(image, mask, augmentation, np.random.default_rng(s), image_format)[0] for s in range(20)]
        assert all(each.dtype == np.uint16 and each.min() >= 1000 and each.max() <= 4000 for each in found)
        means, spreads = [each.mean() for each in found], [each.std() for each in found]
        if kind == "brightness":  # black stays black
            assert np.ptp(means) > 500 and all(each.min() == 1000 for each in found)
        else:
            assert np.ptp(means) < 50 and np.ptp(spreads) > 300


def test_the_border_is_relative_to_what_the_sensor_gives():
    image_format = ImageFormat(1, "uint16", 1000, 4060)
    image, mask = np.full((4, 4, 1), 2000, np.uint16), np.zeros((4, 4), np.uint8)
    augmentation = Augmentation(crop_size=(8, 8), pad_value=85)
    found, _ = augment(image, mask, augmentation, np.random.default_rng(0), image_format)
    assert found[0, 0, 0] == 2020 and found[4, 4, 0] == 2000


def test_hue_and_saturation_are_for_8_bit_rgb(tmp_path):
    dataset = load_dataset("folder", write_set(tmp_path, THERMAL, size=(16, 16)))
    for options in (dict(hue=0.1), dict(saturation=0.2)):
        with pytest.raises(UserError, match="set both to 0 .* Brightness and contrast are for all images"):
            training_samples(dataset, Augmentation(crop_size=(16, 16), **options))
    training_samples(dataset, Augmentation(crop_size=(16, 16), brightness=0.2, contrast=0.3))(0)


def spotted():
    """Return a sample of 60x80 with five pixels of class 3 together, one of class 7, ignored ones and else class 0."""
    mask = np.zeros((60, 80), np.uint8)
    mask[2, 10:15], mask[57, 70], mask[30:32] = 3, 7, IGNORE_LABEL
    return np.dstack([mask] * 3), mask


def test_class_crops_hold_a_pixel_of_a_class_drawn_evenly():
    image, mask = spotted()
    # A window anywhere has such a pixel once in a hundred times, and each of the three classes is drawn in a third.
    for probability, least, most in ((0, 0, 30), (1, 130, 220)):
        crops = [run(image, mask, s, crop_size=(16, 16), class_crops=probability)[1] for s in range(500)]
        for label in (3, 7):
            assert least <= sum((crop == label).any() for crop in crops) <= most
    # Where it was drawn, it may be anywhere in the crop.
    places = np.array([np.argwhere(crop == 7)[0] for crop in crops if (crop == 7).any()])
    assert places.min(0).tolist() == [13, 0] and places.max(0).tolist() == [15, 15]


@pytest.mark.parametrize("scale", [0.3, 0.7, 1.0, 2.5])
def test_class_crops_are_windows_of_the_frame_at_any_scale(scale):
    image, mask = spotted()
    only = np.where(mask == 7, 7, IGNORE_LABEL).astype(np.uint8)
    for seed in range(30):
        options = dict(crop_size=(33, 24), scales=(scale,), class_crops=1)
        new_image, new_mask = run(image, only, seed, **options)
        assert new_mask.shape == (33, 24) and new_image.shape == (33, 24, 3)
        assert scale < 1 or (new_mask == 7).any()


def test_class_crops_of_a_frame_without_classes_lie_anywhere():
    image, mask = sample()
    ignored = np.full_like(mask, IGNORE_LABEL)
    assert len({run(image, ignored, s, crop_size=(8, 8), class_crops=1)[0].tobytes() for s in range(40)}) > 30


def test_a_pasted_class_is_a_rare_one_and_covers_its_own_pixels():
    _, other = spotted()
    first = np.full((60, 80, 3), 1, np.uint8), np.full((60, 80), 1, np.uint8)
    second = np.full((60, 80, 3), 2, np.uint8), other
    drawn = []
    for seed in range(60):
        image, mask = copy_paste(first, second, np.random.default_rng(seed))
        label = mask.max()
        np.testing.assert_array_equal(mask, np.where(other == label, label, 1))
        np.testing.assert_array_equal(image, np.where(other == label, 2, 1)[..., None].repeat(3, -1))
        drawn.append(int(label))
    assert set(drawn) == {3, 7} and 15 <= drawn.count(3) <= 45
    assert (first[1] == 1).all()


@pytest.mark.parametrize(("pixels", "is_rare"), [(120, True), (121, False)])
def test_rare_is_what_covers_a_twentieth_at_most(pixels, is_rare):
    first, second = ((np.full((40, 60, 3), i, np.uint8), np.full((40, 60), i, np.uint8)) for i in (1, 2))
    second[1].ravel()[:pixels] = 3
    mixed = copy_paste(first, second, np.random.default_rng(0))
    assert (mixed[1] == 3).sum() == (pixels if is_rare else 0)


def test_without_a_rare_class_nothing_is_pasted():
    first, second = ((np.full((40, 60, 3), i, np.uint8), np.full((40, 60), i, np.uint8)) for i in (1, 2))
    assert copy_paste(first, second, np.random.default_rng(0)) is first
