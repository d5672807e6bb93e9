"""From a model to a `.tflite` file that has proven itself."""

import os
import pathlib

import keras

from keras_liteseg.datasets import load_dataset
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import require_same_classes
from keras_liteseg.files import atomic_path, require_writable
from keras_liteseg.predictor import load_network
from keras_liteseg.quantization.post_training import quantize
from keras_liteseg.quantization.simulate import native_dilation, simulate_int8
from keras_liteseg.tflite.convert import convert
from keras_liteseg.tflite.inspect import inspect
from keras_liteseg.tflite.verify import verify

RANDOM_WEIGHTS_SEED = 0


def export(
    model,
    output,
    *,
    checkpoint=None,
    input_size=None,
    quantization="none",
    output_type="logits",
    calibration=None,
    calibration_images=32,
    validation=None,
    reference=None,
    max_drop=1.0,
):
    """Write a `.tflite` file, inspect it, and measure it on `validation`; a file that fails is not left behind.

    Args:
        model: registered name or `.keras` file.
        output: path of the file.
        checkpoint: weights for a registered name; random ones, seeded, without.
        input_size: (height, width), or None for that of the `.keras` file.
        quantization: 'none', 'float16' or 'int8'.
        output_type: 'logits' or 'classes'.
        calibration: data set that sets the int8 scales, unless the model had quantization-aware training; the built-in
            street scenes when None.
        calibration_images: how many of its images, evenly spread.
        validation: data set of the accuracy gate, or None to skip it.
        reference: `.keras` file of the network to compare with, such as the float network before quantization-aware
            training; the exported network itself when None.
        max_drop: largest acceptable loss against it, in points of mIoU.

    Returns:
        A `Verification`, or None without `validation`.

    Raises:
        UserError: an argument does not fit, the file cannot be written, it holds what it should not, or it lost more
            than `max_drop`.
    """
    output = pathlib.Path(output)
    if output.suffix != ".tflite":
        raise UserError(f"The output {output} must end in .tflite, which runtimes and evaluate.py go by.")
    require_writable(output)
    keras.utils.set_random_seed(RANDOM_WEIGHTS_SEED)
    network, metadata = load_network(
        model, checkpoint, input_size, validation.classes if validation is not None else None
    )
    for dataset in (validation, calibration):
        if dataset is not None:
            require_same_classes(metadata, dataset)
    if checkpoint is None and not str(model).endswith(".keras"):
        print(f"{model} has no checkpoint: exporting seeded random weights, good for latency only.")

    metadata = metadata.replace(quantization=quantization, output_type=output_type)
    prepared, prepared_metadata = _prepared(network, metadata, calibration, calibration_images)
    content = convert(prepared, prepared_metadata.replace(ranges={}))
    with atomic_path(output) as temporary:
        temporary.write_bytes(content)
        problems = inspect(temporary).problems(expect_int8=quantization == "int8")
        if problems:
            raise UserError(
                f"The converted network is not fit for a device, so {output} was not written: {' '.join(problems)}"
            )
        verification = None
        if validation is None:
            print("The accuracy gate is skipped: no --data was given.")
        else:
            # With the metadata of its own: quantization-aware training may have moved the mean of the normalization.
            compared = load_network(reference, None, network.input.shape[1:3]) if reference else (network, metadata)
            verification = verify(temporary, *compared, validation, max_drop)
    print(f"Wrote {output} ({os.path.getsize(output):,} bytes)")
    return verification


def _prepared(network, metadata, calibration, calibration_images):
    """Return (network to convert, its metadata)."""
    if metadata.quantization != "int8":
        return native_dilation(network), metadata
    if metadata.ranges:
        print("int8 scales: from quantization-aware training")
    else:
        if calibration is None:
            calibration = load_dataset("street_scenes", split="train", size=network.input.shape[1:3])
        network, metadata = quantize(network, metadata, calibration, calibration_images)
    return simulate_int8(network, metadata.ranges), metadata
