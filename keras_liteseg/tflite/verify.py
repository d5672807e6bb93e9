"""Accuracy of the exported file itself against the Keras model that it came from."""

import dataclasses

from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import Evaluation, evaluate
from keras_liteseg.predictor import keras_predictor, load_predictor


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


def verify(path, network, metadata, dataset, max_drop):
    """Run a `.tflite` file in LiteRT over a data set and compare it with the Keras model.

    Args:
        path: the file.
        network, metadata: the Keras model that it was made from.
        dataset: `SegmentationDataset` with truth.
        max_drop: largest acceptable loss in points of mIoU.

    Returns:
        A `Verification`.

    Raises:
        UserError: the file lost more than `max_drop`; the message names the classes that lost most.
    """
    reference = _Remembering(keras_predictor(network, metadata))
    before = evaluate(reference, dataset)
    after = evaluate(load_predictor(path), dataset, reference=reference.maps)
    result = Verification(before, after)
    print(
        f"On {after.images} images of {dataset.name} ({dataset.split}): mIoU {before.miou_present:.4f} in Keras, "
        f"{after.miou_present:.4f} in the file ({result.drop:+.2f} points lost); pixel accuracy "
        f"{before.pixel_accuracy:.4f} and {after.pixel_accuracy:.4f}; {100 * after.agreement:.2f} % of the labels equal."
    )
    if result.drop > max_drop:
        losses = sorted(
            ((100 * ((before.iou[name] or 0) - (after.iou[name] or 0)), name) for name in after.iou), reverse=True
        )
        worst = ", ".join(f"{name} {loss:.1f}" for loss, name in losses[:3])
        raise UserError(
            f"The file lost {result.drop:.2f} points of mIoU, more than --max_drop {max_drop}; most in: {worst} "
            "(points of IoU). It was not written. Calibrate on more images, or fine-tune with train.py "
            "--quantization_aware."
        )
    return result


class _Remembering:
    """A predictor that keeps its label maps, so that the slower Keras model runs once per image."""

    def __init__(self, predictor):
        self.metadata = predictor.metadata
        self.maps = []
        self._predictor = predictor

    def labels(self, image):
        self.maps.append(self._predictor.labels(image))
        return self.maps[-1]
