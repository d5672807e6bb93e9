"""Post-training quantization: scales from calibration images, no training step."""

import logging

from keras_liteseg.graph import fold_batch_norm, restructure_any_size
from keras_liteseg.inference.predictor import calibration_images
from keras_liteseg.metadata import Quantization
from keras_liteseg.quantization.bias_correction import correct_biases
from keras_liteseg.quantization.calibration import calibrate
from keras_liteseg.quantization.channel_centering import center_channels
from keras_liteseg.quantization.cross_layer_equalization import equalize
from keras_liteseg.quantization.input_requantization import byte_input
from keras_liteseg.quantization.kernel_rounding import round_kernels
from keras_liteseg.quantization.options import CalibrationMethod

_log = logging.getLogger(__name__)


def quantize(network, metadata, calibration):
    """Return (folded, restructured, equalized, rounded and corrected copy of `network`, its metadata with activation
    ranges and the mean and standard deviation of an int8 input, the same copy before it was rounded and corrected).

    The last one computes in float what `network` does. The first one does so only in int8.

    Args:
        network: a float Keras model of static size.
        metadata: its `Metadata`.
        calibration: `CalibrationOptions`.
    """
    size = network.input.shape[1:3]
    dataset = calibration.data(size, metadata.image_format)
    model, metadata, input_range = byte_input(restructure_any_size(fold_batch_norm(network)), metadata)
    images = calibration_images(dataset, calibration.images, size, metadata)
    kind = "training images of" if dataset.split else "pictures in"
    fewer = f"; there are no more, {calibration.images} were wanted" if len(images) < calibration.images else ""
    numbers = metadata.quantization or Quantization.INT8  # quantization-aware training has no file to say it yet
    _log.info(f"{numbers} scales: calibrated on {len(images)} {kind} {dataset.name}{fewer}")
    model, ranges, exact = post_training(
        model, images, calibration.method, calibration.cross_layer_equalization, calibration.bias_correction
    )
    ranges[model.layers[0].name] = input_range
    return model, metadata.replace(ranges=ranges), exact


def post_training(model, images, method=CalibrationMethod.MSE, cross_layer_equalization=True, bias_correction=True):
    """Return (equalized, rounded and corrected copy of `model`, activation ranges, the copy before it was rounded and
    corrected), the first two for `simulate_int8`.

    Args:
        model: a functional model without batch normalization.
        images: list of normalized images, float32 (1, height, width, channels), of the kind that the network will see.
        method, cross_layer_equalization, bias_correction: see `CalibrationOptions`.

    Raises:
        UserError: the method is unknown.
    """
    method = CalibrationMethod(method)
    # Centered first, so that the ranges to be equalized are the smallest possible.
    exact = equalize(center_channels(model, images), images) if cross_layer_equalization else model
    model = correct_biases(round_kernels(exact, images), exact, images) if bias_correction else exact
    return model, calibrate(model, images, method), exact
