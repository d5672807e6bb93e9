"""From a model to a `.tflite` file that has proven itself."""

import dataclasses
import os
import pathlib

import keras
import numpy as np

from keras_liteseg.conversion.card import write_card
from keras_liteseg.conversion.converter_process import convert_apart
from keras_liteseg.conversion.upsampling import with_upsampling
from keras_liteseg.conversion.verify import require_agreement, verify
from keras_liteseg.datasets import SegmentationDataset, load_dataset
from keras_liteseg.datasets.street_scenes import SMALLEST
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import require_same_classes
from keras_liteseg.files import atomic_path, require_writable
from keras_liteseg.graph import fold_batch_norm, native_dilation, paired_pixels, restructure, restructure_at_size
from keras_liteseg.inference.predictor import calibration_images as _normalized
from keras_liteseg.metadata import Metadata
from keras_liteseg.models.network import load_network
from keras_liteseg.quantization.calibration import all_ranges
from keras_liteseg.quantization.post_training import quantize
from keras_liteseg.quantization.sensitivity import sensitivities
from keras_liteseg.quantization.simulate import floating, simulate_int8
from keras_liteseg.tflite.inspect import inspect
from keras_liteseg.training.batch_norm_statistics import measure_statistics

RANDOM_WEIGHTS_SEED = 0
SENSITIVITY_IMAGES = 4
SETTLING_IMAGES = 4


def export(
    model,
    output,
    *,
    checkpoint=None,
    input_size=None,
    quantization="none",
    output_type="logits",
    upsampling="full",
    input_type="",
    batch_size=1,
    calibration=None,
    calibration_images=32,
    calibration_method="mse",
    repair=True,
    float_layers=0,
    validation=None,
    reference=None,
    max_drop=1.0,
    time_limit=1800,
):
    """Write a `.tflite` file, inspect it, and measure it on `validation`; a file that fails is not left behind.

    Beside it, a `.json` file of the same name says all this about it, see `keras_liteseg.conversion.card`.

    Args:
        model: registered name or `.keras` file.
        output: path of the file.
        checkpoint: weights for a registered name; random ones, seeded, without.
        input_size: (height, width), or None for that of the `.keras` file.
        quantization, output_type, input_type, batch_size: see `keras_liteseg.conversion.convert.convert`.
        upsampling: size of the output, see `keras_liteseg.conversion.upsampling`.
        calibration: data set that sets the int8 scales, unless the model had quantization-aware training; the built-in
            street scenes when None.
        calibration_images: how many of its images, evenly spread.
        calibration_method, repair: see `keras_liteseg.quantization.post_training.post_training`.
        float_layers: how many layers of an int8 file compute in float: those whose rounding costs most, see
            `keras_liteseg.quantization.sensitivity`.
        validation: data set of the accuracy gate, or None to skip it.
        reference: `.keras` file of the network to compare with, such as the float network before quantization-aware
            training; the exported network itself when None.
        max_drop: largest acceptable loss against it, in points of mIoU.
        time_limit: seconds that the conversion, in a process of its own, may take.

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
    data = calibration if validation is None else validation
    network, metadata = load_network(model, checkpoint, input_size, None if data is None else data.classes)
    for dataset in (validation, calibration):
        if dataset is not None:
            require_same_classes(metadata, dataset)
    trained = bool(checkpoint or metadata.data)
    if not trained:
        print(f"{model} has no checkpoint: exporting seeded random weights, good for latency only.")
        _settle(network, metadata, calibration)

    metadata = metadata.replace(quantization=quantization, output_type=output_type)
    target = with_upsampling(network, upsampling)
    if upsampling != "full":
        metadata = metadata.replace(align_corners=network.get_layer(network.output_names[0]).align_corners)
    scales = _Scales(calibration, calibration_images, calibration_method, repair, float_layers)
    prepared = _prepare(target, metadata, scales)
    content = convert_apart(
        prepared.model,
        prepared.metadata.replace(ranges={}),
        time_limit,
        calibration=prepared.images if quantization == "int16x8" else None,
        input_type=input_type,
        batch_size=batch_size,
    )
    with atomic_path(output) as temporary:
        temporary.write_bytes(content)
        int8 = quantization == "int8"
        # Random weights amplify every rounding.
        gated = int8 and trained
        report = inspect(temporary)
        problems = report.problems(int8, 1 if gated else None, prepared.floating)
        if problems:
            raise UserError(
                f"The converted network is not fit for a device, so {output} was not written: {' '.join(problems)}"
            )
        if gated:
            require_agreement(temporary, prepared.model, prepared.unrounded, prepared.metadata, prepared.images)
        verification = None
        if validation is None:
            print("The accuracy gate is skipped: no --data was given.")
        else:
            # With the metadata of its own: quantization-aware training may have moved the mean of the normalization.
            compared = load_network(reference, None, network.input.shape[1:3]) if reference else (network, metadata)
            verification = verify(temporary, *compared, validation, max_drop)
        write_card(
            temporary,
            output,
            model=model,
            checkpoint=checkpoint,
            calibration=calibration,
            calibration_images=calibration_images,
            ranges=bool(metadata.ranges),
            verification=verification,
            validation=validation,
            reference=reference,
        )
    print(f"Wrote {output} ({os.path.getsize(output):,} bytes)")
    return verification


def _settle(network, metadata, calibration):
    """Give random weights the statistics of batch normalization that a training would.

    Without them activations shrink or grow from layer to layer, until scales lie too far apart for XNNPACK, which then
    leaves out ops that it takes in a trained network.
    """
    size = network.input.shape[1:3]
    images = _normalized(calibration or _street_scenes(size), SETTLING_IMAGES, size, metadata)
    # As one batch, because a map of one pixel has no variance within an image.
    measure_statistics(network, [(np.concatenate(images), None)])


def _street_scenes(size):
    # They are resized to `size`; smaller ones than this cannot be drawn.
    return load_dataset("street_scenes", split="train", size=[max(length, SMALLEST) for length in size])


@dataclasses.dataclass(frozen=True)
class _Scales:
    """Where the scales of a quantized file come from: the arguments of `export`."""

    calibration: SegmentationDataset | None
    images: int
    method: str
    repair: bool
    float_layers: int


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """The `model` to convert, what it was before the rounding, its metadata, the normalized calibration images, and the
    names of the layers of an int8 file that compute in float."""

    model: keras.Model
    unrounded: keras.Model
    metadata: Metadata
    images: list
    floating: tuple = ()


def _prepare(network, metadata, scales):
    """Return the `_Prepared` for what `metadata` asks for."""
    if metadata.quantization not in ("int8", "int16x8"):
        return _Prepared(native_dilation(restructure(fold_batch_norm(network))), network, metadata, [])
    size = network.input.shape[1:3]
    calibration = scales.calibration or _street_scenes(size)
    if metadata.quantization == "int8" and metadata.ranges:
        print("int8 scales: from quantization-aware training")
    else:
        if metadata.ranges:
            raise UserError("The network was trained for int8; export the float network to int16x8.")
        network, metadata, _ = quantize(network, metadata, calibration, scales.images, scales.method, scales.repair)
    images = _normalized(calibration, scales.images, size, metadata)
    if metadata.quantization == "int16x8":
        return _Prepared(native_dilation(restructure_at_size(network)), network, metadata, images)
    fast = paired_pixels(restructure_at_size(network))
    ranges = all_ranges(fast, metadata.ranges)
    worst = []
    if scales.float_layers:
        errors = sensitivities(fast, ranges, images[:SENSITIVITY_IMAGES])
        worst = [name for name, _ in errors[: scales.float_layers]]
        total = sum(error for _, error in errors)
        print("In float, with their shares of the int8 error:")
        for name, error in errors[: scales.float_layers]:
            print(f"  {error / total:6.1%}  {name}")
    simulated = simulate_int8(fast, ranges, worst)
    return _Prepared(simulated, network, metadata, images, tuple(sorted(floating(fast, worst))))
