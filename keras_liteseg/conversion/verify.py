"""Accuracy of the exported file itself against the Keras model that it came from."""

import dataclasses
import logging

import numpy as np

from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import Evaluation, absent_note, measure, summarize
from keras_liteseg.graph import Graph, before_last_resize
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.metadata import OutputType
from keras_liteseg.quantization.simulate import FakeQuantize

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Verification:
    """`keras` and `file` are `Evaluation`s on the same images; the file's agreement is with the Keras labels."""

    keras: Evaluation
    file: Evaluation

    @property
    def drop(self):
        """Loss of the file in points of mIoU (100 points are an mIoU of 1); negative when it gained.

        Over the classes of the truth: on a few images, one pixel of another class would weigh as much as a class."""
        return 100 * (self.keras.miou_present - self.file.miou_present)


# What the file and its simulation may differ by: they add in another order, so that a value half way between two steps
# may fall to either side, and over a hundred layers such a step grows to several in a few logits.
EQUAL_LABELS, NEAR_STEPS, NEAR_LOGITS = 0.995, 2, 0.99


def require_agreement(path, simulated, unrounded, metadata, images):
    """Run an int8 file beside the Keras model whose int8 arithmetic it should have.

    Args:
        path: the file, with any input type and batch size.
        simulated: the model that it was converted from, see `keras_liteseg.quantization.simulate.simulate_int8`.
        unrounded: the model before any rounding. Where int8 itself changes more than the file may, the file may differ
            from its simulation as much as int8 changes `unrounded`: in labels as many as the simulation does, in logits
            as two errors of rounding of its size, which lie a root of 2 as far apart as each of them is from 0.
        metadata: the models' `Metadata`.
        images: list of normalized images, float32 (1, height, width, channels); the first four are used.

    Raises:
        UserError: fewer than 99.5 % of the labels are equal or tied (scores less than one step apart), or than 99 %
            of the logits within two steps of their scale.
    """
    predictors = load_predictor(path), keras_predictor(simulated, metadata), keras_predictor(unrounded, metadata)
    found, expected, exact = (np.stack([predictor.run(image) for image in images[:4]]) for predictor in predictors)
    step = output_step(simulated)
    equal = _same_labels(found if found.ndim == 3 else found.argmax(-1), expected, step)
    failed = equal < min(EQUAL_LABELS, _same_labels(exact.argmax(-1), expected, step))
    line = f"File and int8 simulation: {100 * equal:.2f} % of the labels equal or tied"
    if metadata.output_type == OutputType.LOGITS and step:
        near = np.mean(np.abs(found - expected) < (NEAR_STEPS + 0.5) * step)
        rounding = np.sqrt(2) * np.abs(exact - expected)
        failed = failed or near < min(NEAR_LOGITS, np.mean(rounding < (NEAR_STEPS + 0.5) * step))
        worst = np.abs(found - expected).max() / step
        line += f", {100 * near:.2f} % of the logits within {NEAR_STEPS} steps, all within {worst:.0f}"
    _log.info(line)
    if failed:
        raise UserError(
            f"The int8 file does not compute what its simulation does; wanted are {100 * EQUAL_LABELS} % of the labels "
            f"and {100 * NEAR_LOGITS:.0f} % of the logits. It was not written; export to float16 instead."
        )


def output_step(simulated):
    """Return what one int8 step of the logits is worth, 0 where they are float."""
    scores, _ = before_last_resize(simulated)
    last = Graph(simulated).producer(scores)
    return (last.high - last.low) / 255 if isinstance(last, FakeQuantize) else 0.0


def _same_labels(labels, scores, step):
    """Return the share of pixels whose label has the highest score, or one that int8 cannot tell from it."""
    chosen = np.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
    return np.mean(chosen >= scores.max(-1) - step)


def verify(path, network, metadata, dataset, max_drop, cure):
    """Run an exported file, in LiteRT or ONNX Runtime, over a data set and compare it with the Keras model.

    Args:
        path: the file.
        network, metadata: the Keras model that it was made from.
        dataset: `SegmentationDataset` with truth.
        max_drop: largest acceptable loss in points of mIoU.
        cure: what to do about a larger one, a sentence for the message.

    Returns:
        A `Verification`.

    Raises:
        UserError: the file lost more than `max_drop`; the message names the classes that lost most.
    """
    # Both on one picture after the other: to remember the labels of all would take gigabytes.
    images = list(measure(load_predictor(path), dataset, keras_predictor(network, metadata)))
    after = summarize(images, dataset.classes)
    before = summarize(
        [dataclasses.replace(image, confusion=image.reference, equal=None) for image in images], dataset.classes
    )
    result = Verification(before, after)
    _log.info(
        f"On {after.images} images of {dataset.name} ({dataset.split}): mIoU {before.miou_present:.4f} in Keras, "
        f"{after.miou_present:.4f} in the file ({result.drop:+.2f} points lost)"
        f"{absent_note(after.absent, len(after.iou))}; pixel accuracy "
        f"{before.pixel_accuracy:.4f} and {after.pixel_accuracy:.4f}; {100 * after.agreement:.2f} % of the labels "
        "equal."
    )
    if result.drop > max_drop:
        losses = sorted(
            ((100 * ((before.iou[name] or 0) - (after.iou[name] or 0)), name) for name in after.iou), reverse=True
        )
        worst = ", ".join(f"{name} {loss:.1f}" for loss, name in losses[:3])
        raise UserError(
            f"The file lost {result.drop:.2f} points of mIoU, more than --max_drop {max_drop}; most in: {worst} "
            f"(points of IoU). It was not written. {cure}"
        )
    return result
