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


def segment(interpreter, card, image):
    """Return the class of each pixel of an RGB picture: uint8 (height, width, 3) to (height, width)."""
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    batch, height, width, _ = map(int, source["shape"])
    picture_width, picture_height = image.shape[1::-1]
    # The bytes are resized, and then normalized. Area averaging does not skip pixels where the picture shrinks.
    shrinks = picture_height >= height and picture_width >= width
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    mean, std = (np.float32(card["normalization"][name]) for name in ("mean", "std"))
    values = (image.astype(np.float32) / 255 - mean) / std
    if source["dtype"] != np.float32:
        scale, zero_point = source["quantization"]
        limits = np.iinfo(source["dtype"])
        values = np.clip(np.rint(values / scale + zero_point), limits.min, limits.max)
    interpreter.set_tensor(source["index"], values.astype(source["dtype"])[None].repeat(batch, axis=0))
    interpreter.invoke()
    output = interpreter.get_tensor(result["index"])[0]
    scale, zero_point = result["quantization"]
    if scale:
        output = (output.astype(np.float32) - zero_point) * np.float32(scale)
    if card["align_corners"]:
        output = enlarge(output, (height, width))
    if output.ndim == 2:  # classes, between which there is nothing
        output = output.astype(np.uint8)
        return cv2.resize(output, (picture_width, picture_height), interpolation=cv2.INTER_NEAREST_EXACT)
    scores = cv2.resize(output, (picture_width, picture_height), interpolation=cv2.INTER_LINEAR)
    return scores.argmax(-1).astype(np.uint8)


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
    if not capture.isOpened():
        sys.exit(f"error: {source} is no picture, video or camera that OpenCV can open")
    while (frame := capture.read()[1]) is not None:
        yield frame


def main(model, source):
    path = pathlib.Path(model)
    for needed in (path, path.with_suffix(".json")):
        if not needed.is_file():
            sys.exit(f"error: there is no {needed}; wanted are the .tflite file and, beside it, its card")
    card = json.loads(path.with_suffix(".json").read_text())
    if card.get("image", RGB) != RGB:
        sys.exit(f"error: {path} takes pictures that are {card['image']}; this program reads {RGB}")
    colors = np.array([one["color"] for one in card["classes"]], np.uint8)
    interpreter = Interpreter(model, num_threads=2)
    interpreter.allocate_tensors()
    for frame in frames(source):
        labels = segment(interpreter, card, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        cv2.imwrite("labels.png", labels)
        cv2.imwrite("overlay.png", cv2.addWeighted(frame, 0.45, colors[labels][..., ::-1], 0.55, 0))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python segment.py FILE.tflite PICTURE|VIDEO|CAMERA_NUMBER")
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
