"""Post-training quantization: scales from calibration images, no training step."""

from keras_liteseg.graph import fold_batch_norm, restructure_any_size
from keras_liteseg.inference.predictor import calibration_images
from keras_liteseg.quantization.bias_correction import correct_biases
from keras_liteseg.quantization.calibration import calibrate
from keras_liteseg.quantization.cross_layer_equalization import equalize
from keras_liteseg.quantization.input_requantization import byte_input


def quantize(network, metadata, dataset, count, method="mse", repair=True):
    """Return (folded, restructured and repaired copy of `network`, its metadata with activation ranges and the mean and
    deviation of an int8 input, the same copy before its biases were corrected).

    The last one computes in float what `network` does. The first one does so only in int8.

    Args:
        network: a float Keras model of static size.
        metadata: its `Metadata`.
        dataset: `SegmentationDataset` of pictures of the kind that the network will see; labels are not used.
        count: how many of them calibrate, evenly spread.
        method, repair: see `post_training`.
    """
    model, metadata, input_range = byte_input(restructure_any_size(fold_batch_norm(network)), metadata)
    images = calibration_images(dataset, count, network.input.shape[1:3], metadata)
    print(f"int8 scales: calibrated on {len(images)} training images of {dataset.name}", flush=True)
    model, ranges, exact = post_training(model, images, method, repair)
    ranges[model.layers[0].name] = input_range
    return model, metadata.replace(ranges=ranges), exact


def post_training(model, images, method="mse", repair=True):
    """Return (repaired copy of `model`, activation ranges, the copy before its biases were corrected), the first two
    for `simulate_int8`.

    Args:
        model: a functional model without batch normalization.
        images: list of normalized images, float32 (1, height, width, 3), of the kind that the network will see.
        method: how ranges follow from the values seen, see `calibrate`.
        repair: whether channel ranges are equalized, which changes weights, but not what the network computes, and
            biases corrected, which makes up for the error of rounded kernels alone.
    """
    exact = equalize(model, images) if repair else model
    model = correct_biases(exact, images) if repair else model
    return model, calibrate(model, images, method), exact
