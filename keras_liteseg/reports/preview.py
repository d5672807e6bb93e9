"""The first augmented samples of a training, with their masks, in one picture: what the network will see."""

import numpy as np
from PIL import Image, ImageDraw

from keras_liteseg.datasets import load_dataset
from keras_liteseg.datasets.augment import resize_image
from keras_liteseg.datasets.samples import training_samples
from keras_liteseg.drawing.overlay import overlay, save_image
from keras_liteseg.drawing.text import INK, draw_text, width_of
from keras_liteseg.drawing.viewable import viewable
from keras_liteseg.errors import UserError

_WIDEST, _NARROWEST = 512, 480  # of a tile; of the sheet, so that any legend fits
_GAP, _TEXT = 8, 16
_PAPER = (255, 255, 255)


def write_preview(path, dataset, augmentation, count=8, seed=0):
    """Write `contact_sheet` as PNG or JPEG, by the suffix of `path`.

    Raises:
        UserError: as `contact_sheet`; another suffix, or the file cannot be written.
    """
    save_image(path, contact_sheet(dataset, augmentation, count, seed))


def contact_sheet(dataset, augmentation, count=8, seed=0):
    """Return the first `count` samples of the training with this data set, augmentation and seed as one picture.

    A row shows two samples, each as the augmented image and the same image under the colours of its mask. Large crops
    are reduced. Pixels without colour are ignored. The classes are listed below, with their share of the labelled
    pixels.

    Args:
        dataset: a `SegmentationDataset`.
        augmentation: an `Augmentation`.
        count: number of samples, 1 or more.
        seed: that of the training.

    Returns:
        RGB, uint8 (height, width, 3).

    Raises:
        UserError: `count` is not positive or `dataset` is empty.
    """
    if count < 1:
        raise UserError(f"A preview of {count} samples is empty; give 1 or more.")
    images, masks = zip(*map(training_samples(dataset, augmentation, seed), range(count)))
    images = [viewable(image, dataset.image_format) for image in images]
    size = _tile_size(augmentation.crop_size)
    tiles = [
        resize_image(picture, size)
        for image, mask in zip(images, masks, strict=True)
        for picture in (image, overlay(image, mask, dataset.classes))
    ]
    grid = _grid(tiles, columns=2 if count == 1 else 4)
    return np.concatenate([grid, _legend(dataset.classes, np.stack(masks), grid.shape[1])])


def write_understood(path, data_dir, shown):
    """Write samples of a data set of the kind 'folder' beside the same under the colours of their masks.

    Args:
        path: the PNG or JPEG to write.
        data_dir: folder of the data set.
        shown: {split: indices of samples}.

    Raises:
        UserError: the data set cannot be read, or the file cannot be written.
    """
    tiles, masks, size = [], [], None
    for split, indices in shown.items():
        dataset = load_dataset("folder", data_dir, split)
        for index in indices:
            image, mask = viewable(dataset.image(index), dataset.image_format), dataset.mask(index)
            size = size or _tile_size(image.shape[:2])
            tiles += [_fitted(picture, size) for picture in (image, overlay(image, mask, dataset.classes))]
            masks.append(mask.ravel())
    grid = _grid(tiles, columns=4)
    save_image(path, np.concatenate([grid, _legend(dataset.classes, np.concatenate(masks), grid.shape[1])]))


def _fitted(picture, size):
    """Return a picture made to fit into a size, as it is, on paper."""
    scale = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    small = resize_image(picture, tuple(max(1, round(length * scale)) for length in picture.shape[:2]))
    tile = np.full((*size, 3), _PAPER, np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    return tile


def _tile_size(size):
    scale = min(1.0, _WIDEST / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _grid(tiles, columns):
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    size = rows * (height + _GAP) + _GAP, max(columns * (width + _GAP) + _GAP, _NARROWEST)
    sheet = np.full((*size, 3), _PAPER, np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet


def _legend(classes, masks, width):
    """Return the classes with their colours and shares in as many lines as they need."""
    counts = np.bincount(masks.ravel(), minlength=256)[: len(classes)]
    entries = [
        (color, f"{name} {share:.1%}")
        for name, color, share in zip(classes.names, classes.colors, counts / max(counts.sum(), 1), strict=True)
    ]
    places, left, top = [], _GAP, _GAP
    for _, text in entries:
        length = 2 * _TEXT + width_of(text, _TEXT)
        if left > _GAP and left + length > width:
            left, top = _GAP, top + _TEXT + _GAP
        places.append((left, top))
        left += length + _TEXT
    sheet = Image.new("RGB", (width, top + _TEXT + 2 * _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for (left, top), (color, text) in zip(places, entries, strict=True):
        draw.rectangle((left, top, left + _TEXT, top + _TEXT), fill=tuple(color), outline=INK)
        draw_text(sheet, (left + _TEXT + _TEXT // 2, top + _TEXT // 2), text, _TEXT)
    return np.asarray(sheet)
