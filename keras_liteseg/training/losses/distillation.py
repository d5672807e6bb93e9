"""Learning from the logits of a larger network."""

import keras
from keras import ops

from keras_liteseg.errors import UserError
from keras_liteseg.training.losses.base import PixelLoss, hide_ignored, per_replica, zero_where_not
from keras_liteseg.training.losses.likelihood import divergence


@keras.saving.register_keras_serializable("keras_liteseg")
class Distillation(PixelLoss):
    """KL(teacher || student) of the class probabilities at a temperature, times its square, mean over valid pixels.

    Called with a pair in place of the labels: `Distillation()((labels, teacher_logits), logits)`, both logits float
    (N, height, width, classes). No gradient goes to the teacher. Source: G. Hinton et al., Distilling the Knowledge in
    a Neural Network, 2015, section 2; the square of the temperature keeps the gradient's size.

    Args:
        temperature: number above 0 that divides both logits.

    Raises:
        UserError: the temperature is not above 0.
    """

    def __init__(self, temperature=1.0, name="distillation"):
        super().__init__(name)
        if not 0 < temperature < float("inf"):
            raise UserError(f"The distillation temperature is {temperature}; it must be above 0.")
        self.temperature = temperature

    def call(self, y_true, y_pred):
        labels, teacher = y_true
        _, valid = hide_ignored(labels)
        # Ignored pixels have the same logits on both sides then, hence no divergence.
        teacher, student = (zero_where_not(valid, logits) / self.temperature for logits in (teacher, y_pred))
        total = ops.sum(divergence(teacher, student))
        pixels = ops.maximum(ops.sum(ops.cast(valid, total.dtype)), 1.0)
        return per_replica(self.temperature**2 * total / pixels)

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature}
