"""Whether a device computes what the file says: its outputs beside those of this machine's CPU, on the same frames."""

import numpy as np

from edge.device.tensors import pack, random_input, unpack
from edge.targets import MeasurementFailed, connect
from keras_liteseg.datasets.image_files import read_picture
from keras_liteseg.datasets.pictures import find_pictures
from keras_liteseg.errors import UserError
from keras_liteseg.inference.input_table import InputTable
from keras_liteseg.tflite.file_metadata import read_metadata

FRAMES = 2
EQUAL_LABELS = 0.995
# Where a runtime is known to compute another function, which its target names.
EQUAL_LABELS_AT_LEAST = 0.9
# Scores that are no further apart than this count as tied: in steps of an integer output, and as a share of the range
# of a float one, where a device may compute in 16 bits.
TIED_STEPS, TIED_SHARE = 2, 0.005


class Reference:
    """The frames of one model, and what it gives for them on this machine's CPU: LiteRT with XNNPACK, whose int8
    results other processors match to the bit.

    Attributes:
        frames: list of lists of input tensors.
        outputs: list of lists of output tensors.
    """

    def __init__(self, model, images=None, timeout_s=300):
        session = connect("host:cpu").start(model, 2, timeout_s)
        try:
            session.ask("load")
            self.frames = _frames(model, session.ask("report")["inputs"], images)
            self.outputs = [unpack(session.ask(f"infer {pack(frame)}")["outputs"]) for frame in self.frames]
        finally:
            session.close()

    def compare(self, session, known_difference=None):
        """Return how the outputs of a session on a device differ from the reference.

        Args:
            session: the session.
            known_difference: why its runtime gives other labels for this file, as a sentence; None where it should give
                the same.

        Returns:
            {"frames": number, "max_difference": largest difference of a value, in steps for integer outputs,
            "equal_labels": share of the pixels whose label is the reference's or tied with it, or None where the output
            is neither scores nor classes}, and "known_difference" where that is why labels are not equal.

        Raises:
            MeasurementFailed: the device fails, or differs by more than rounding.
        """
        differences, shares = [], []
        for frame, expected in zip(self.frames, self.outputs, strict=True):
            found = unpack(session.ask(f"infer {pack(frame)}")["outputs"])
            for ours, theirs in zip(expected, found, strict=True):
                if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
                    raise MeasurementFailed(
                        f"wrong result: {theirs.dtype} {list(theirs.shape)} instead of {ours.dtype} {list(ours.shape)}"
                    )
                differences.append(float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max(initial=0)))
                shares.append(_equal_labels(ours, theirs))
        measured = [share for share in shares if share is not None]
        result = {
            "frames": len(self.frames),
            "max_difference": float(np.max(differences)),  # NaN where one is, unlike Python's
            "equal_labels": round(min(measured), 6) if measured else None,
        }
        wanted = EQUAL_LABELS
        if known_difference and measured and min(measured) < EQUAL_LABELS:
            wanted = EQUAL_LABELS_AT_LEAST
            result["known_difference"] = known_difference
        if not np.isfinite(result["max_difference"]) or measured and min(measured) < wanted:
            raise MeasurementFailed(
                f"wrong result: {100 * min(measured, default=0):.2f} % of the labels are those of this machine's CPU "
                f"(wanted: {100 * wanted:g} %), values differ by up to {result['max_difference']:.4g}"
            )
        return result


def _equal_labels(expected, found):
    if expected.ndim == 3:  # a class map
        return float(np.mean(expected == found))
    if expected.ndim != 4 or expected.shape[-1] < 2:
        return None
    return tied_labels(expected, found.argmax(-1))


def tied_labels(scores, labels):
    """Return the share of pixels whose label is a class and has the highest of the scores, or one tied with it."""
    tied = TIED_STEPS if np.issubdtype(scores.dtype, np.integer) else TIED_SHARE * np.ptp(scores)
    classes = scores.shape[-1]
    scores = scores.astype(np.float64)
    chosen = np.take_along_axis(scores, np.minimum(labels, classes - 1)[..., None], axis=-1)[..., 0]
    return float(np.mean((labels < classes) & (chosen >= scores.max(-1) - tied)))


def _frames(model, inputs, images):
    """Return the input tensors of `FRAMES` frames: pictures of `images`, else scenes that the program draws, and for a
    file that does not say how it takes pictures, seeded random numbers."""
    try:
        metadata = read_metadata(model)
    except UserError:
        rng = np.random.default_rng(0)
        return [
            [random_input(rng, tensor["shape"], np.dtype(tensor["dtype"])) for tensor in inputs] for _ in range(FRAMES)
        ]
    (tensor,) = inputs
    tensor = tensor | {"dtype": np.dtype(tensor["dtype"])}
    _, height, width, _ = tensor["shape"]
    table, frames = InputTable(metadata, tensor), []
    for picture in _pictures(images, (height, width), metadata.image_format):
        frames.append([np.empty(tensor["shape"], tensor["dtype"])])
        table.write(picture, *frames[-1])
    return frames


def _pictures(images, size, image_format):
    if images is None:
        from keras_liteseg.datasets import load_dataset
        from keras_liteseg.datasets.street_scenes import SMALLEST

        # Of smaller inputs, which microcontrollers take, there are no scenes to draw; they are shrunk like any picture.
        size = [max(length, SMALLEST) for length in size]
        scenes = load_dataset("street_scenes", split="val", length=FRAMES, size=size)
        return [_of_format(scenes.image(index), image_format) for index in range(FRAMES)]
    return [read_picture(path, image_format, in_data_set=False) for path in find_pictures(images)[:FRAMES]]


def _of_format(scene, image_format):
    """Return an RGB picture in as many channels as wanted, its colours in turns, stretched from `min` to `max`."""
    if image_format.is_rgb:
        return scene
    channels = scene[..., np.arange(image_format.channels) % 3] / 255
    span = image_format.max - image_format.min
    return np.rint(image_format.min + span * channels).astype(image_format.dtype)
