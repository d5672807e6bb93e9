"""Post-training quantization: scales from calibration images, no training step."""

from keras_liteseg.quantization.equalize import equalize
from keras_liteseg.quantization.ranges import calibrate


def post_training(model, images):
    """Return (equalized copy of `model`, activation ranges) for `simulate_int8`.

    Args:
        model: a functional model without batch normalization.
        images: list of normalized images, float32 (1, height, width, 3), of the kind that the network will see.
    """
    model = equalize(model, images)
    return model, calibrate(model, images)
