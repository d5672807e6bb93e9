"""The JSON card beside an exported file: where it comes from, what it takes and gives, and how accurate it is."""

import dataclasses
import hashlib
import pathlib

from keras_liteseg.conversion.keras_export import inspect_plain
from keras_liteseg.conversion.onnx_export import versions
from keras_liteseg.conversion.onnx_file import inspect_onnx
from keras_liteseg.conversion.options import Format
from keras_liteseg.errors import UserError
from keras_liteseg.files import card_path, suffix_of, write_json
from keras_liteseg.metadata import Quantization
from keras_liteseg.models.pretrained import find_own_card
from keras_liteseg.provenance import provenance
from keras_liteseg.quantization.options import CalibrationOptions
from keras_liteseg.tflite.file_metadata import read_metadata
from keras_liteseg.tflite.inspect import inspect
from keras_liteseg.training.config_files import CONFIG_FILE
from keras_liteseg.yaml_text import parse_yaml

_LAYOUTS = {4: "NHWC", 3: "NHW"}  # pictures and scores; class maps
_NOT_MEASURED = "No data set was given; export with --data to measure the file."


@dataclasses.dataclass(frozen=True)
class Origin:
    """What an exported file comes from: arguments of `keras_liteseg.conversion.export.export`.

    Attributes:
        model, checkpoint: what was exported.
        reference: `.keras` file that it was compared with, or None for the model itself.
        calibration: `CalibrationOptions`, or None where quantization-aware training set the scales.
    """

    model: str
    checkpoint: str | None
    reference: str | None
    calibration: CalibrationOptions | None


def write_card(path, output, origin, validation=None, verification=None):
    """Write the card of an exported file beside it, see `card_path`; docs/files.md lists its fields.

    Args:
        path: where the file is now.
        output: where it will be.
        origin: its `Origin`.
        validation: the data set that it was measured on, or None.
        verification: `Verification` of the file on it, or None.

    Raises:
        UserError: the config beside the model cannot be read, or the card not be written.
    """
    header = provenance()
    if pathlib.Path(output).suffix == Format.ONNX.suffix:
        report = inspect_onnx(path)
        metadata, form = report.metadata, {"format": "onnx", "opset": report.opset, "resize": report.resize}
        header["versions"] |= versions()
    elif pathlib.Path(output).suffix == Format.KERAS.suffix:
        report = inspect_plain(path)
        metadata, form = report.metadata, {"format": "keras"}
    else:
        metadata, report = read_metadata(path), inspect(path)
        form = {"format": "tflite", "fixed_size": bool(report.sized_ops), "runtimes": report.runtimes}
    source, config = _source(str(origin.model), origin.checkpoint and str(origin.checkpoint))
    card = {
        "file": pathlib.Path(output).name,
        "bytes": report.size,
        "sha256": report.sha256,
        **form,
        "network": metadata.model,
        "data": metadata.data or None,
        "source": source,
        "config": config,
        "quantization": metadata.quantization,
        "output_type": metadata.output_type,
        "align_corners": metadata.align_corners,
        "calibration": _calibration(metadata, report.inputs[0].shape[1:3], origin.calibration),
        "classes": [
            {"name": name, "color": list(color)} for name, color in zip(*dataclasses.astuple(metadata.classes))
        ],
        "image": dataclasses.asdict(metadata.image_format),
        "normalization": {
            "formula": _formula(metadata.image_format),
            "mean": list(metadata.mean),
            "std": list(metadata.std),
            "channel_order": "RGB" if metadata.image_format.is_rgb else "as in the files",
            "resize": "before the normalization: area averaging where both sides shrink or stay, else bilinear",
        },
        "inputs": [_tensor(tensor) for tensor in report.inputs],
        "outputs": [_tensor(tensor) for tensor in report.outputs],
        "macs": report.macs,
        "ops": report.ops,
        "accuracy": _accuracy(verification, validation, origin.reference) if verification else None,
    }
    if verification is None:
        card["accuracy_missing"] = _NOT_MEASURED
    write_json(card_path(output), {**card, **header})


def _formula(image_format):
    smallest, span = image_format.min, image_format.max - image_format.min
    return f"({f'(x - {smallest})' if smallest else 'x'} / {span} - mean) / std"


def _source(model, checkpoint):
    """Return (what was exported, config of its training or None)."""
    if suffix_of(model) == ".keras":
        return {"file": pathlib.Path(model).name, "sha256": _sha256(model)}, _config(model)
    if checkpoint is None:
        return {"model": model, "weights": "random, seeded"}, None
    weights = find_own_card(model, checkpoint)
    if weights is not None:
        return {"model": model, "file": weights.path.name, "sha256": weights.sha256}, weights.config
    return {"model": model, "file": pathlib.Path(checkpoint).name, "sha256": _sha256(checkpoint)}, None


def _config(model):
    path = pathlib.Path(model).parent / CONFIG_FILE
    try:
        return parse_yaml(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read {path}, which goes into the card: {error}. Repair it or move it away.") from error


def _sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def _calibration(metadata, size, options):
    if metadata.quantization in (Quantization.NONE, Quantization.FLOAT16):
        return None
    if options is None:
        return {"scales": "quantization-aware training"}
    dataset = options.data(size, metadata.image_format)
    images = min(options.images, len(dataset))
    return {"scales": "calibration", "data": dataset.name, "split": dataset.split or None, "images": images}


def _tensor(tensor):
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "layout": _LAYOUTS.get(len(tensor.shape)),
        "scale": tensor.scale,
        "zero_point": tensor.zero_point,
    }


def _accuracy(verification, dataset, reference):
    return {
        "data": dataset.name,
        "split": dataset.split,
        "images": verification.file.images,
        "reference": pathlib.Path(reference).name if reference else None,
        "drop": verification.drop,
        "agreement": verification.file.agreement,
        "keras": _evaluation(verification.keras),
        "file": _evaluation(verification.file),
    }


def _evaluation(evaluation):
    names = ("miou", "miou_present", "pixel_accuracy", "iou")
    return {name: getattr(evaluation, name) for name in names}
