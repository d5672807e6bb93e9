"""Finding masks that went through JPEG and were saved as PNG since: their values along borders are classes nobody drew.

JPEG rounds the frequencies of each block of 8x8 pixels. A block that was rounded once comes out of the same rounding
unchanged, while a block that somebody drew does not, unless it is simple. So blocks of many values are compressed once
more, at each quality that leaves visible faults, and compared.

Of the 701 masks of CamVid and 10 of Cityscapes none is taken for such a one; after JPEG of quality 75, 90 and 95 all
are. Masks that moved against the blocks since, by cropping or turning, are not found.
"""

import cv2
import numpy as np

_SIDE = 8
_LOOKED_AT, _TESTED = 4096, 64  # blocks
_VALUES = 4  # that a block has at least where JPEG added some
_LEAST, _SHARE = 8, 0.08  # such blocks, and their share of all blocks with a border: few where nothing was added
_UNCHANGED = 0.15  # share of the tested blocks: 0 to 0.1 where drawn, from 0.25 after JPEG of quality 95 in real masks
_QUALITIES = range(50, 96)  # above, drawn blocks come out unchanged too


def was_jpeg(raw):
    """Return whether a mask, uint8 (height, width), has the traces of JPEG."""
    blocks = _blocks_of_many_values(raw)
    return len(blocks) >= _LEAST and any(_unchanged(blocks, quality) >= _UNCHANGED for quality in _QUALITIES)


def _blocks_of_many_values(raw):
    """Return up to about 64 different blocks, uint8 (n, 8, 8); none where they are as rare as in drawn masks."""
    rows, columns = (length // _SIDE for length in raw.shape)
    blocks = raw[: rows * _SIDE, : columns * _SIDE].reshape(rows, _SIDE, columns, _SIDE)
    blocks = blocks[:: max(1, rows * columns // _LOOKED_AT)].transpose(0, 2, 1, 3).reshape(-1, _SIDE * _SIDE)
    bordered = blocks[blocks.max(axis=1) != blocks.min(axis=1)] if len(blocks) else blocks
    ordered = np.sort(bordered, axis=1)
    many = bordered[(ordered[:, 1:] != ordered[:, :-1]).sum(axis=1) >= _VALUES - 1]
    if len(many) < _SHARE * len(bordered):
        return many[:0]
    # What would have been below 0 or above 255 was cut off, which changes all frequencies of such a block.
    inner = many[(many.min(axis=1) > 0) & (many.max(axis=1) < 255)]
    # Each once: a pattern that happens to come out unchanged would count as often as it is repeated.
    many = np.unique(inner if len(inner) >= _LEAST else many, axis=0)
    return many[:: max(1, len(many) // _TESTED)][:_TESTED].reshape(-1, _SIDE, _SIDE)


def _unchanged(blocks, quality):
    """Return the share of blocks that JPEG of a quality leaves as they are."""
    strip = blocks.transpose(1, 0, 2).reshape(_SIDE, -1)
    _, encoded = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    return (decoded == strip).reshape(_SIDE, -1, _SIDE).all(axis=(0, 2)).mean()
