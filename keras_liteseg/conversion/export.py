"""From a model to a `.tflite`, `.onnx` or plain `.keras` file that has proven itself."""

import dataclasses
import functools
import logging
import os
import pathlib
import tempfile

import keras
import numpy as np

from keras_liteseg.backend import require_tensorflow
from keras_liteseg.conversion import converter_process
from keras_liteseg.conversion.arguments import of_kind, require_arguments, require_exportable
from keras_liteseg.conversion.card import Origin, write_card
from keras_liteseg.conversion.keras_export import write_plain
from keras_liteseg.conversion.onnx_export import export_onnx
from keras_liteseg.conversion.options import ExportOptions, Format, InputType, Npu, Upsampling
from keras_liteseg.conversion.upsampling import with_upsampling
from keras_liteseg.conversion.verify import require_agreement, verify
from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path
from keras_liteseg.graph import (
    fold_batch_norm,
    listed,
    native_dilation,
    not_finite,
    paired_pixels,
    restructure,
    restructure_at_size,
    restructure_for_npu,
)
from keras_liteseg.graph.precision import dtype_policy
from keras_liteseg.inference.predictor import calibration_images as _normalized
from keras_liteseg.metadata import Metadata, Quantization
from keras_liteseg.models.network import load_network
from keras_liteseg.quantization.calibration import all_ranges, npu_ranges
from keras_liteseg.quantization.options import CalibrationOptions
from keras_liteseg.quantization.post_training import quantize
from keras_liteseg.quantization.sensitivity import sensitivities
from keras_liteseg.quantization.simulate import floating, simulate_int8
from keras_liteseg.tflite.inspect import inspect
from keras_liteseg.training.batch_norm_statistics import measure_statistics

RANDOM_WEIGHTS_SEED = 0
SENSITIVITY_IMAGES = 4
SETTLING_IMAGES = 4
COMPARED_IMAGES = 2
_log = logging.getLogger(__name__)


@dtype_policy("float32")
def export(
    model,
    output,
    options=None,
    calibration=None,
    *,
    checkpoint=None,
    input_size=None,
    validation=None,
    reference=None,
    averaged=False,
):
    """Write a `.tflite`, `.onnx` or plain `.keras` file, inspect it, and measure it on `validation`; a file that fails
    is not left behind.

    Beside it, a `.json` file says all this about it, see `keras_liteseg.conversion.card`.

        >>> from keras_liteseg import ExportOptions, export
        >>> export("lps_net_tiny", "tiny.tflite", ExportOptions(output_type="classes_uint8"), input_size=(64, 128))

    Args:
        model: registered name or `.keras` file.
        output: path of the file, which ends as its format does: `.tflite`, `.onnx` or `.keras`.
        options: `ExportOptions`: what to make, and what it may lose; by default float32 logits of the input's size.
        calibration: `CalibrationOptions`: what sets the int8 scales, unless the model had quantization-aware training.
        checkpoint: weights for a registered name; random ones, seeded, without.
        input_size: (height, width), or None for that of the `.keras` file.
        validation: data set of the accuracy gate, or None to skip it.
        reference: `.keras` file of the network to compare with, such as the float network before quantization-aware
            training; the exported network itself when None.
        averaged: take the averaged weights (EMA) of the checkpoint, see `keras_liteseg.load_checkpoint`.

    Returns:
        A `Verification`, or None without `validation`.

    Raises:
        UserError: an argument does not fit, Keras runs on another backend than TensorFlow, a package that ONNX needs is
            not installed, the file cannot be written, it holds what it should not, or it lost more than
            `options.max_drop`.
    """
    require_tensorflow("Export")
    options = of_kind(ExportOptions, "options", options)
    calibration = of_kind(CalibrationOptions, "calibration", calibration)
    require_arguments(model, output, options, calibration, checkpoint, validation, reference)
    output = pathlib.Path(output)
    keras.utils.set_random_seed(RANDOM_WEIGHTS_SEED)
    data = calibration.dataset if validation is None else validation
    network, metadata = load_network(model, checkpoint, input_size, averaged=averaged, dataset=data)
    require_exportable(network, metadata, model, options, calibration, validation, reference)
    calibration = _of_its_images(calibration, metadata, validation, options.quantization)
    trained = bool(checkpoint or metadata.data)
    if not trained:
        _log.info(f"{model} has no checkpoint: exporting seeded random weights, good for latency only.")
        _settle(network, metadata, calibration)

    metadata = metadata.replace(quantization=options.quantization, output_type=options.output_type)
    target = with_upsampling(network, options.upsampling)
    if options.upsampling != Upsampling.FULL:
        metadata = metadata.replace(align_corners=network.get_layer(network.output_names[0]).align_corners)
    if options.format == Format.KERAS:
        size = network.input.shape[1:3]
        images = _normalized(calibration.data(size, metadata.image_format), COMPARED_IMAGES, size, metadata)
        write = functools.partial(write_plain, target, metadata=metadata, images=images)
    else:
        write = _for_devices(target, metadata, options, calibration, model, output, trained)
    with atomic_path(output) as temporary:
        write(temporary)
        verification = None
        if validation is None:
            without = "" if calibration.folder is None else ", and pictures without masks measure nothing"
            _log.info(f"The accuracy gate is skipped: no --data was given{without}.")
        else:
            # With the metadata of its own: quantization-aware training may have moved the mean of the normalization.
            compared = load_network(reference, None, network.input.shape[1:3]) if reference else (network, metadata)
            cure = _cure(metadata, network.input.shape[1:3], calibration)
            verification = verify(temporary, *compared, validation, options.max_drop, cure)
        origin = Origin(model, checkpoint, reference, None if metadata.ranges else calibration)
        write_card(temporary, output, origin, validation, verification)
    _log.info(f"Wrote {output} ({os.path.getsize(output):,} bytes)")
    return verification


def _for_devices(target, metadata, options, calibration, model, output, trained):
    """Convert a network to a `.tflite` or `.onnx` file; return the function of a path that writes and inspects it.

    Args:
        target: the network, upsampled as it shall be.
        metadata: the file's `Metadata`, with its quantization.
        options, calibration: as for `export`.
        model, output: what is exported, and where the file will be, for messages.
        trained: whether its weights are those of a training.
    """
    onnx = options.format == Format.ONNX
    prepared = _prepare(target, metadata, calibration, options)
    _require_finite(prepared.model, model)
    described = prepared.metadata.replace(ranges={})
    # The conversion to ONNX turns a float32 file into one of 16 bits, and an int8 file into one that takes floats.
    half = onnx and options.quantization == Quantization.FLOAT16
    content = converter_process.convert_apart(
        prepared.model,
        described.replace(quantization=Quantization.NONE) if half else described,
        options.time_limit,
        calibration=prepared.images if options.quantization == Quantization.INT16X8 else None,
        input_type=InputType.AUTO if onnx else options.input_type,
        batch_size=int(options.batch_size),
        for_gpu=options.npu == Npu.NONE,
    )

    def write(path):
        with tempfile.TemporaryDirectory(prefix="keras_liteseg_") as folder:
            tflite = pathlib.Path(folder, "network.tflite") if onnx else path
            tflite.write_bytes(content)
            int8 = options.quantization == Quantization.INT8
            # Random weights amplify every rounding.
            gated = int8 and trained
            # One that XNNPACK leaves out is no fault of a file for an NPU.
            partitions = 1 if gated and not onnx and options.npu == Npu.NONE else None
            problems = inspect(tflite).problems(int8, partitions, prepared.floating)
            if problems:
                hint = " Scales so far apart come from training for too few steps; train longer."
                raise UserError(
                    f"The converted network is not fit for a device, so {output} was not written: {' '.join(problems)}."
                    f"{hint if gated and 'scale' in problems[-1] else ''}"
                )
            if onnx:
                export_onnx(tflite, path, described, options.input_type, options.time_limit)
        if gated:
            require_agreement(path, prepared.model, prepared.unrounded, prepared.metadata, prepared.images)

    return write


def _cure(metadata, size, calibration):
    """Return what to do where a file loses too much, a sentence; the arguments are those of the export, and the size
    (height, width) of the input."""
    if metadata.quantization in (Quantization.NONE, Quantization.FLOAT16):
        return "Compare it with the network that it is made from (without --reference), or raise --max_drop."
    if metadata.ranges:
        return "Go on with liteseg train --quantization_aware for more epochs, or raise --max_drop."
    images = min(calibration.images, len(calibration.data(size, metadata.image_format)))
    return (
        f"Its scales are from {images} picture(s): calibrate on more (--calibration_images), or fine-tune with liteseg "
        "train --quantization_aware."
    )


def _of_its_images(calibration, metadata, validation, quantization):
    """Return `CalibrationOptions` with images that the network takes: the street scenes are 8-bit RGB.

    Scales that quantization-aware training has set need images only to compare the file on, for which `validation` will
    do.
    """
    floats = quantization in (Quantization.NONE, Quantization.FLOAT16)
    given = calibration.dataset is not None or calibration.folder is not None
    if given or metadata.image_format.is_rgb or floats:
        return calibration
    if validation is None or not metadata.ranges:
        raise UserError(
            f"The network '{metadata.model}' takes images that are {metadata.image_format}, and quantization needs "
            "such images; give the data set that it was trained on (--data, in Python CalibrationOptions(dataset)), or "
            "pictures of its kind (--calibration_dir, CalibrationOptions(folder))."
        )
    return dataclasses.replace(calibration, dataset=validation)


def _require_finite(prepared, model):
    """Refuse what folding makes of finite weights, such as a negative variance: NaN, which a file would hold on."""
    broken = not_finite(prepared.weights)
    if broken:
        raise UserError(
            f"{model} cannot be exported: for a device its weights would be NaN or infinite in {listed(broken)}. Look "
            "at the batch normalization there: a variance below 0, or numbers near the limit of float32."
        )


def _settle(network, metadata, calibration):
    """Give random weights the statistics of batch normalization that a training would.

    Without them activations shrink or grow from layer to layer, until scales lie too far apart for XNNPACK, which then
    leaves out ops that it takes in a trained network.
    """
    size = network.input.shape[1:3]
    images = _normalized(calibration.data(size, metadata.image_format), SETTLING_IMAGES, size, metadata)
    # As one batch, because a map of one pixel has no variance within an image.
    measure_statistics(network, [(np.concatenate(images), None)])


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """The `model` to convert, what it was before any rounding, its metadata, the normalized calibration images, and the
    names of the layers of an int8 file that compute in float."""

    model: keras.Model
    unrounded: keras.Model
    metadata: Metadata
    images: list
    floating: tuple = ()


def _prepare(network, metadata, calibration, options):
    """Return the `_Prepared` for what `metadata` asks for."""
    if metadata.quantization in (Quantization.NONE, Quantization.FLOAT16):
        return _Prepared(native_dilation(restructure(fold_batch_norm(network))), network, metadata, [])
    size = network.input.shape[1:3]
    exact = network
    if metadata.quantization == Quantization.INT8 and metadata.ranges:
        _log.info("int8 scales: from quantization-aware training")
    else:
        if metadata.ranges:
            raise UserError("The network was trained for int8; export the float network to int16x8.")
        network, metadata, exact = quantize(network, metadata, calibration)
    images = _normalized(calibration.data(size, metadata.image_format), calibration.images, size, metadata)
    if metadata.quantization == Quantization.INT16X8:
        return _Prepared(native_dilation(restructure_at_size(network)), network, metadata, images)
    if options.npu == Npu.NONE:
        fast = paired_pixels(restructure_at_size(network))
        ranges = all_ranges(fast, metadata.ranges)
    else:
        fast, origins = restructure_for_npu(network)
        ranges = npu_ranges(fast, metadata.ranges, origins)
    float_layers, worst = options.float_layers, []
    if float_layers:
        errors = sensitivities(fast, ranges, images[:SENSITIVITY_IMAGES])
        worst = [name for name, _ in errors[:float_layers]]
        total = sum(error for _, error in errors)
        _log.info("In float, with their shares of the int8 error:")
        for name, error in errors[:float_layers]:
            _log.info(f"  {error / total:6.1%}  {name}")
    simulated = simulate_int8(fast, ranges, worst)
    return _Prepared(simulated, exact, metadata, images, tuple(sorted(floating(fast, worst))))
