"""Segment a picture, a video or what a camera sees with a .tflite file, by LiteRT, NumPy and OpenCV alone.

    python segment.py street.tflite street.png
    python segment.py street.tflite drive.mp4
    python segment.py street.tflite 0

Writes labels.png (class numbers) and overlay.png into the current folder, for a video or camera 0 anew with each frame;
Ctrl-C ends it. Beside street.tflite must lie its card, street.json, which says what the tensors alone do not.
"""

import json
import pathlib
import sys

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter

RGB = {"channels": 3, "dtype": "uint8", "min": 0, "max": 255}


def lookup_table(card, source):
    """Return what each byte of red, green and blue becomes in the input: (1, 256, 3), the input's type."""
    mean, std = (np.float32(card["normalization"][name]) for name in ("mean", "std"))
    values = (np.arange(256, dtype=np.float32)[:, None] / 255 - mean) / std
    if source["dtype"] != np.float32:
        scale, zero_point = source["quantization"]
        limits = np.iinfo(source["dtype"])
        values = np.clip(np.rint(values / scale + zero_point), limits.min, limits.max)
    values = values.astype(source["dtype"])[None]
    return values.view(np.uint8) if values.dtype == np.int8 else values  # OpenCV's tables know no int8


def segment(interpreter, table, card, image):
    """Return the class of each pixel of an RGB picture: uint8 (height, width, 3) to (height, width)."""
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    batch, height, width, _ = map(int, source["shape"])
    size = image.shape[:2]
    # The bytes are resized, and then normalized. Area averaging does not skip pixels where the picture shrinks.
    shrinks = size[0] >= height and size[1] >= width
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    values = cv2.LUT(image, table).view(source["dtype"])
    interpreter.set_tensor(source["index"], values[None].repeat(batch, axis=0))
    interpreter.invoke()
    output = interpreter.get_tensor(result["index"])[0]
    scale, zero_point = result["quantization"]

    def floats(scores):
        return (scores.astype(np.float32) - zero_point) * np.float32(scale) if scale else scores

    if card["align_corners"]:
        output, floats = enlarge(floats(output), (height, width)), np.asarray
    if output.ndim == 2:  # classes, between which there is nothing
        return cv2.resize(output.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    labels = highest(cv2.transpose(output.reshape(-1, output.shape[2]))).reshape(output.shape[:2])
    return labels if labels.shape == size else enlarge_labels(labels, output, floats, size)


def highest(planes):
    """Return the first class with the highest score of each pixel, from scores (classes, pixels) of any number type.

    The scale of integers is positive and the same for all classes, so that they need not become floats. One class after
    the other is many times as fast as `argmax` over the few classes of each pixel.
    """
    best, labels = planes[0].copy(), np.zeros(planes.shape[1], np.uint8)
    for index in range(1, len(planes)):
        np.maximum(labels, (planes[index] > best) * np.uint8(index), out=labels)
        np.maximum(best, planes[index], out=best)
    return labels


def enlarge_labels(labels, scores, floats, size):
    """Return the highest class of each pixel as if `scores` were resized bilinearly to `size`, as cv2.resize does.

    Where the four pixels around one have the same class, it has that class too. The scores themselves are resized only
    for the others, a few of a hundred.

    Args:
        labels: `highest` of the scores, (height, width).
        scores: (height, width, classes).
        floats: function from scores to floats.
        size: (height, width) of the result.
    """
    (upper, lower, down), (left, right, across) = (
        neighbours(labels.shape[axis], size[axis], columns=axis == 1) for axis in (0, 1)
    )
    cells = cv2.copyMakeBorder(labels, 0, 1, 0, 1, cv2.BORDER_REPLICATE)
    same = (
        (cells[:-1, :-1] == cells[:-1, 1:]) & (cells[:-1, :-1] == cells[1:, :-1]) & (cells[:-1, :-1] == cells[1:, 1:])
    )
    cells = np.where(same, labels, np.uint8(255))
    result = cv2.transpose(cv2.transpose(cells)[left])[upper]  # cells[upper][:, left], in less time
    y, x = np.divmod(np.flatnonzero(result == 255), size[1])
    upper, lower, left, right = upper[y], lower[y], left[x], right[x]
    corners = np.stack([scores[upper, left], scores[upper, right], scores[lower, left], scores[lower, right]])
    corners = floats(corners).transpose(0, 2, 1)
    rows = corners[0::2] * (1 - across[x]) + corners[1::2] * across[x]
    result[y, x] = highest(rows[0] * (1 - down[y]) + rows[1] * down[y])
    return result


def neighbours(source, target, columns):
    """Return (the pixel before, the one after, float32 weight of the latter) of each of `target` rows or columns."""
    position = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    before = np.floor(position).astype(int)
    weight = position - np.float32(before)
    if columns:  # OpenCV keeps the weights of rows outside of the picture, and not those of columns
        weight[(before < 0) | (before >= source - 1)] = 0
    return before.clip(0, source - 1), (before + 1).clip(0, source - 1), weight


def enlarge(output, size):
    """Return scores or classes at `size` (height, width) with the corner pixels in the corners, as OpenCV cannot."""
    for axis, length in enumerate(size):
        last = output.shape[axis] - 1
        position = np.arange(length) * (last / max(length - 1, 1))
        lower = position.astype(int)
        if output.ndim == 2:
            output = output.take((position + 0.5).astype(int), axis)
        else:
            weight = np.float32(position - lower).reshape((-1, 1, 1)[: 3 - axis])
            upper = output.take(np.minimum(lower + 1, last), axis)
            output = output.take(lower, axis) * (1 - weight) + upper * weight
    return output


def frames(source):
    """Yield the picture, or the frames of a video or camera: BGR, as OpenCV has it, uint8 (height, width, 3)."""
    picture = None if source.isdecimal() else cv2.imread(source)
    if picture is not None:
        yield picture
        return
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    frame = capture.read()[1]  # None, too, where nothing could be opened
    if frame is None:
        sys.exit(f"error: {source} is no picture, video or camera that OpenCV can open")
    while frame is not None:
        yield frame
        frame = capture.read()[1]


def write(name, picture):
    """Write a picture; OpenCV itself says nothing of a folder that may not be written or a full disk."""
    if not cv2.imwrite(name, picture):
        sys.exit(f"error: {name} cannot be written into the current folder")


def main(model, source):
    path = pathlib.Path(model)
    for needed in (path, path.with_suffix(".json")):
        if not needed.is_file():
            sys.exit(f"error: there is no {needed}; wanted are the .tflite file and, beside it, its card")
    card = json.loads(path.with_suffix(".json").read_text())
    if not {"normalization", "classes", "align_corners"} <= set(card):
        sys.exit(f"error: {path.with_suffix('.json')} is not the card of {path}")
    if card.get("image", RGB) != RGB:
        sys.exit(f"error: {path} takes pictures that are {card['image']}; this program reads {RGB}")
    colors = np.zeros((256, 1, 3), np.uint8)
    colors[: len(card["classes"]), 0] = [one["color"][::-1] for one in card["classes"]]
    try:
        interpreter = Interpreter(model, num_threads=2)
    except ValueError:
        sys.exit(f"error: {path} is no .tflite file, or a damaged one")
    interpreter.allocate_tensors()
    table = lookup_table(card, interpreter.get_input_details()[0])
    for frame in frames(source):
        labels = segment(interpreter, table, card, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        write("labels.png", labels)
        write("overlay.png", cv2.addWeighted(frame, 0.45, cv2.applyColorMap(labels, colors), 0.55, 0))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python segment.py FILE.tflite PICTURE|VIDEO|CAMERA_NUMBER")
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
