"""Augmentation of an image together with its mask, in NumPy and OpenCV, so that it serves every Keras backend.

Images may have any number of channels, of 8 or 16 bits. OpenCV is given four channels at a time at most: a border has
no more, and `cv2.resize` takes 128 in all.

Masks are resized by nearest neighbour with the pixel-centre convention that the images' resize has too; OpenCV's
plain INTER_NEAREST aligns corners and would shift the labels by up to half a source pixel.
"""

import dataclasses

import cv2
import numpy as np

from keras_liteseg.choices import require_size, require_types
from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.errors import UserError
from keras_liteseg.image_format import RGB

RARE_SHARE = 0.05
"""Largest share of a sample's pixels that a class covers which `copy_paste` takes."""


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What `augment` may do.

        >>> from keras_liteseg import Augmentation
        >>> Augmentation(crop_size=(256, 512), scale_range=(0.5, 2.0)).flip
        0.5

    Attributes:
        crop_size: (height, width) of the result in pixels.
        scale_range: (smallest, largest) factor, drawn uniformly.
        scales: factors to choose from instead, such as (0.75, 1.0, 1.5).
        flip: probability of a horizontal flip.
        rotation: largest angle in degrees, to either side, drawn uniformly; the crop turns about its centre.
        brightness, contrast, saturation: strength s in [0, 1]; the factor is uniform in [1 - s, 1 + s].
        hue: largest shift as a fraction of the colour circle, in [0, 0.5]. Hue and saturation are for 8-bit RGB alone.
        color_probability: probability of each of these four, which come in random order.
        class_crops: probability that the crop holds, before any rotation, a pixel of a class drawn evenly from those
            of the picture, so that rare classes are seen more often.
        cutmix: probability that a rectangle of the result is taken from another sample, see `cutmix`.
        copy_paste: probability that a rare class of another sample is pasted into the result, see `copy_paste`.
        pad_value: value of the image where the scaled frame is smaller than the crop, and in turned corners: from 0 to
            255, which stand for the smallest and the largest value of any `ImageFormat`.

    Raises:
        UserError: a value of another kind than its default, or outside its range.
    """

    crop_size: tuple = (256, 512)
    scale_range: tuple = (1.0, 1.0)
    scales: tuple = ()
    flip: float = 0.5
    rotation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    color_probability: float = 0.5
    class_crops: float = 0.0
    cutmix: float = 0.0
    copy_paste: float = 0.0
    pad_value: int = 0

    def __post_init__(self):
        require_size("crop_size", self.crop_size)
        require_types(self)
        if len(self.scale_range) != 2 or not 0 < self.scale_range[0] <= self.scale_range[1]:
            raise UserError(f"scale_range is {self.scale_range}; it must be (smallest, largest), both above 0.")
        if any(scale <= 0 for scale in self.scales):
            raise UserError(f"scales is {self.scales}; every factor must be above 0.")
        limits = dict.fromkeys(("flip", "color_probability", "class_crops", "cutmix", "copy_paste"), 1)
        limits |= {"brightness": 1, "contrast": 1, "saturation": 1, "hue": 0.5, "rotation": 180, "pad_value": 255}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise UserError(f"{name} is {getattr(self, name)}; it must be from 0 to {limit}.")


def require_colors(dataset, augmentation):
    """Raise a `UserError` when `augmentation` changes hue or saturation, but no image of `dataset` is 8-bit RGB."""
    if (augmentation.hue or augmentation.saturation) and not dataset.image_format.is_rgb:
        raise UserError(
            f"hue is {augmentation.hue} and saturation {augmentation.saturation}, which change the colours of 8-bit "
            f"RGB, and the images of {dataset.name} are {dataset.image_format}; set both to 0 (--override hue=0 "
            "--override saturation=0). Brightness and contrast are for all images."
        )


def augment(image, mask, augmentation, rng, image_format=RGB):
    """Return a sample randomly scaled, cropped, flipped, changed in its colours and rotated. The one given stays as it
    is; what nothing changed may share its memory.

    Only the part of the image that ends up in the crop is cut out and resized, so that the cost does not grow with the
    scale. Colours are changed before resizing when the picture is enlarged, and after it when the picture is reduced.
    A picture that is smaller than the crop after scaling is centred; where the margins cannot be equal, the one above
    or on the left is a pixel larger. The margins hold `augmentation.pad_value` in the image and `IGNORE_LABEL` in the
    mask.

    Args:
        image: (height, width, channels) as `image_format` says.
        mask: uint8 (height, width).
        augmentation: an `Augmentation`; `require_colors` tells which do not go with the `image_format`.
        rng: a `numpy.random.Generator`; the result depends on nothing else.
        image_format: an `ImageFormat`.

    Returns:
        (image, mask) of the types given, (crop height, crop width, channels) and (crop height, crop width).
    """
    pad_value = pad_value_in(image_format, augmentation)
    scale = rng.choice(augmentation.scales) if augmentation.scales else rng.uniform(*augmentation.scale_range)
    row = column = None
    if augmentation.class_crops and rng.random() < augmentation.class_crops:
        row, column = _pixel_of_a_class(mask, rng)
    rows, height = _window(image.shape[0], augmentation.crop_size[0], scale, rng, row)
    columns, width = _window(image.shape[1], augmentation.crop_size[1], scale, rng, column)
    image, mask = np.ascontiguousarray(image[rows, columns]), np.ascontiguousarray(mask[rows, columns])
    if rng.random() < augmentation.flip:
        image, mask = _in_groups(lambda part: cv2.flip(part, 1), image), cv2.flip(mask, 1)
    # Changing colours costs more than everything else together, so it is done where there are fewer pixels.
    if height * width > mask.size:
        image, mask = resize_sample(_recolor(image, augmentation, rng, image_format), mask, (height, width))
    else:
        image, mask = resize_sample(image, mask, (height, width))
        image = _recolor(image, augmentation, rng, image_format)
    image = _pad(image, augmentation.crop_size, pad_value)
    mask = _pad(mask, augmentation.crop_size, IGNORE_LABEL)
    if augmentation.rotation:
        degrees = rng.uniform(-augmentation.rotation, augmentation.rotation)
        image, mask = _rotate(image, mask, degrees, pad_value)
    return image, mask


def pad_value_in(image_format, augmentation):
    """Return the number that the margins of images of an `ImageFormat` have by an `Augmentation`."""
    return image_format.min + round(augmentation.pad_value * (image_format.max - image_format.min) / 255)


def cutmix(sample, other, rng):
    """Return a sample with a rectangle of another one, image and mask, in the same place.

    The rectangle covers half of the area; its place and shape, from the full height to the full width, are random.
    Source: CutMix (S. Yun et al., ICCV 2019), for segmentation as in G. French et al., Semi-supervised Semantic
    Segmentation Needs Strong, Varied Perturbations (BMVC 2020).

    Args:
        sample, other: (image (height, width, channels), mask uint8 (height, width)) each, of one size. Both stay as
            they are.
        rng: a `numpy.random.Generator`; the result depends on nothing else.
    """
    height, width = sample[1].shape
    share = 0.5 ** rng.random()
    rows, columns = round(height * share), round(width * 0.5 / share)
    top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
    mixed = tuple(array.copy() for array in sample)
    for array, source in zip(mixed, other, strict=True):
        array[top : top + rows, left : left + columns] = source[top : top + rows, left : left + columns]
    return mixed


def copy_paste(sample, other, rng):
    """Return a sample with all pixels of a rare class of another one, image and mask, in the same place.

    The class is drawn evenly from those that cover at most `RARE_SHARE` of the other sample; where there is none, the
    sample itself is returned. Source: Copy-Paste (G. Ghiasi et al., CVPR 2021), which pastes instances; a label map
    does not tell these apart.

    Args:
        sample, other, rng: as of `cutmix`.
    """
    counts = _class_pixels(other[1])
    rare = np.flatnonzero((counts > 0) & (counts <= RARE_SHARE * other[1].size))
    if not len(rare):
        return sample
    pasted = other[1] == rng.choice(rare)
    mixed = tuple(array.copy() for array in sample)
    for array, source in zip(mixed, other, strict=True):
        array[pasted] = source[pasted]
    return mixed


def resize_sample(image, mask, size):
    """Return (image, mask) at `size` (height, width); both are returned unchanged if they have that size already.

    The image is resized by area averaging when it shrinks and bilinearly when it grows, the mask by nearest neighbour.
    """
    if image.shape[:2] == tuple(size):
        return image, mask
    return resize_image(image, size), cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)


def resize_image(image, size, out=None):
    """Return an image resized to `size` (height, width), by area averaging when it shrinks, else bilinearly.

    An image of that size is returned itself; of others, `out` may hold the result, uint8 (*size, 3).
    """
    if image.shape[:2] == tuple(size):
        return image
    shrinks = image.shape[0] >= size[0] and image.shape[1] >= size[1]
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    if image.shape[2] == 3:
        return cv2.resize(image, (size[1], size[0]), dst=out, interpolation=how)
    return _in_groups(lambda part: cv2.resize(part, (size[1], size[0]), interpolation=how), image)


def _in_groups(function, image):
    """Return what an OpenCV function makes of an image (height, width, channels), given one, three or four channels at
    a time. OpenCV returns no third dimension for one, and computes less exactly for two."""
    if image.shape[2] in (3, 4):
        return function(image)
    ends = [*range(4, image.shape[2] + 1, 4)]
    rest = range(len(ends) * 4 + 1, image.shape[2] + 1)
    ends += [image.shape[2]] if len(rest) == 3 else rest
    parts = [function(np.ascontiguousarray(image[..., first:end])) for first, end in zip([0, *ends], ends)]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=2)


def _class_pixels(mask):
    """Return how many pixels of each class a mask has, int64 (255,)."""
    return np.bincount(mask.ravel(), minlength=IGNORE_LABEL)[:IGNORE_LABEL]


def _pixel_of_a_class(mask, rng):
    """Return (row, column) of a pixel of a class drawn evenly from those of the mask; None each where it has none."""
    classes = np.flatnonzero(_class_pixels(mask))
    if not len(classes):
        return None, None
    return divmod(int(rng.choice(np.flatnonzero(mask == rng.choice(classes)))), mask.shape[1])


def _window(size, crop, scale, rng, inside=None):
    """Return (slice of the source axis, its length after scaling, at most `crop`); the place `inside` is in it."""
    scaled = max(1, round(size * scale))
    if scaled <= crop:
        return slice(0, size), scaled
    extent = min(size, max(1, round(crop / scale)))
    first, last = (0, size - extent) if inside is None else (max(0, inside - extent + 1), min(inside, size - extent))
    start = int(rng.integers(first, last + 1))
    return slice(start, start + extent), crop


def _pad(array, crop, value):
    height, width = array.shape[:2]
    if (height, width) == tuple(crop):
        return np.ascontiguousarray(array)
    top, left = (crop[0] - height + 1) // 2, (crop[1] - width + 1) // 2
    padded = np.full((*crop, *array.shape[2:]), value, array.dtype)
    padded[top : top + height, left : left + width] = array
    return padded


def _rotate(image, mask, degrees, pad_value):
    """Rotate a sample about its centre, the image bilinearly, the mask by nearest neighbour."""
    height, width = mask.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    border = {"borderMode": cv2.BORDER_CONSTANT}
    linear = {"flags": cv2.INTER_LINEAR, "borderValue": (pad_value,) * 4, **border}
    image = _in_groups(lambda part: cv2.warpAffine(part, turn, (width, height), **linear), image)
    mask = cv2.warpAffine(mask, turn, (width, height), flags=cv2.INTER_NEAREST, borderValue=IGNORE_LABEL, **border)
    return image, mask


def _recolor(image, augmentation, rng, image_format):
    brightness, contrast = (_brightness, _contrast) if image_format.is_rgb else _scaled_by(image_format)
    operations = (
        (brightness, augmentation.brightness),
        (contrast, augmentation.contrast),
        (_saturation, augmentation.saturation),
        (_hue, augmentation.hue),
    )
    for index in rng.permutation(len(operations)):
        operation, strength = operations[index]
        if strength and rng.random() < augmentation.color_probability:
            image = operation(image, rng.uniform(-strength, strength))
    return image


def _scaled_by(image_format):
    """Return `_brightness` and `_contrast` for images of any `ImageFormat`, whose grey is the mean of the channels."""
    smallest, largest = image_format.min, image_format.max

    def scaled(image, center, change):
        image = image.astype(np.float32)
        image += np.float32(change) * (image - np.float32(center))
        return np.clip(np.rint(image), smallest, largest).astype(image_format.dtype)

    return (
        lambda image, change: scaled(image, smallest, change),
        lambda image, change: scaled(image, image.mean(), change),
    )


def _brightness(image, change):
    return cv2.LUT(image, _to_uint8(np.arange(256) * (1 + change)))


def _contrast(image, change):
    mean = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()
    return cv2.LUT(image, _to_uint8(mean + (np.arange(256) - mean) * (1 + change)))


def _saturation(image, change):
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(image, 1 + change, gray, -change, 0)


def _hue(image, change):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(round(change * 256) % 256)  # uint8 wraps round the circle
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def _to_uint8(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
