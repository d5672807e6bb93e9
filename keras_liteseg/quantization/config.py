"""The config of a quantization-aware training."""

import dataclasses

from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.errors import UserError
from keras_liteseg.quantization.options import CalibrationMethod
from keras_liteseg.training.config import lists_to_tuples
from keras_liteseg.training.options import ClassWeightOptions, RunOptions, require_at_least


@dataclasses.dataclass(frozen=True)
class QuantizationConfig(ClassWeightOptions, Augmentation, RunOptions):
    """Fine-tuning with simulated int8: Adam, cosine decay to 0, towards the float network's own outputs.

    All keys of its parts, and these; see `keras_liteseg.training.config.load_config`.

        >>> from keras_liteseg import QuantizationConfig
        >>> QuantizationConfig(model="lps_net_tiny", epochs=2, calibration_images=8).batch_size
        4

    Attributes:
        learning_rate: the highest.
        label_weight: weight of the cross-entropy with the labels beside the self-distillation; `class_weights` are of
            that.
        calibration_images: number of training images that set the activation ranges beforehand.
        calibration_method: how they do, a word of `keras_liteseg.quantization.options.CalibrationMethod`.

    Raises:
        UserError: a value that is unknown or out of range.
    """

    batch_size: int = 4
    learning_rate: float = 1e-4
    label_weight: float = 0.0
    calibration_images: int = 32
    calibration_method: str = "mse"

    def __post_init__(self):
        lists_to_tuples(self)
        RunOptions.__post_init__(self)
        Augmentation.__post_init__(self)
        ClassWeightOptions.__post_init__(self)
        CalibrationMethod(self.calibration_method)  # a config keeps the word, which YAML can write
        require_at_least(self, 0, "learning_rate", "label_weight")
        require_at_least(self, 1, "calibration_images")
        if self.class_weights and not self.label_weight:
            raise UserError(
                "class_weights weigh what is learned from the labels, and label_weight is 0, so that nothing is; raise "
                "label_weight or leave out class_weights."
            )
