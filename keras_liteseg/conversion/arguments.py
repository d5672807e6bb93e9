"""What an export refuses before it begins to convert."""

import os
import pathlib

from keras_liteseg.choices import require_path
from keras_liteseg.conversion.onnx_export import require_packages
from keras_liteseg.conversion.options import Format, InputType
from keras_liteseg.datasets.base import require_dataset
from keras_liteseg.datasets.check import require_readable
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import require_comparable, require_same_classes
from keras_liteseg.files import card_path, is_card, require_writable, suffix_of
from keras_liteseg.graph import is_stock
from keras_liteseg.inference.predictor import evenly_spread
from keras_liteseg.metadata import Quantization
from keras_liteseg.models.archive import read_metadata


def of_kind(kind, name, value):
    """Return `value`, or the defaults of the dataclass `kind` for None; refuse anything else."""
    if value is not None and not isinstance(value, kind):
        raise UserError(f"{name} is {value!r}; give a keras_liteseg.{kind.__name__}, or None for its defaults.")
    return kind() if value is None else value


def require_arguments(model, output, options, calibration, checkpoint, validation, reference):
    """Raise a `UserError` unless these arguments of `export` fit together, before anything is loaded."""
    if checkpoint is not None:
        require_path("checkpoint", checkpoint)
    if reference is not None:
        require_path("reference", reference)
        if validation is None:
            raise UserError(
                f"The reference {reference} is compared on a data set; give a validation data set too (--data)."
            )
    _require_output(output, options, (model, checkpoint, reference))
    if calibration.folder is not None and options.quantization in (Quantization.NONE, Quantization.FLOAT16):
        raise UserError(
            f"The pictures in {calibration.folder} set the scales of integers, and the quantization is "
            f"'{options.quantization}'; take another, such as int8, or leave out the folder (--calibration_dir)."
        )
    if options.format == Format.ONNX:
        require_packages("Export to ONNX", options.quantization == Quantization.FLOAT16)
    for dataset in (validation, calibration.dataset):
        if dataset is not None:
            require_dataset(dataset)


def _require_output(output, options, sources):
    """Refuse a file that cannot be written, or in whose place something lies that shall stay.

    Args:
        output: path of the file to write.
        options: `ExportOptions`.
        sources: what is exported from; paths, names or None.
    """
    require_path("output", output)
    output = pathlib.Path(output)
    if output.suffix != options.format.suffix:
        raise UserError(
            f"The output {output} must end in {options.format.suffix}, which runtimes and `liteseg evaluate` go by, "
            "or be of another format (--format)."
        )
    require_writable(output)
    card = card_path(output)
    if card.exists() and not is_card(card):
        raise UserError(
            f"{card}, where the card of {output} goes, is there and is no card; move it or give another name."
        )
    for source in sources:
        if source is not None and output.is_file() and os.path.exists(str(source)) and output.samefile(source):
            raise UserError(f"The output {output} is the file that is exported; give another name.")


def require_exportable(network, metadata, model, options, calibration, validation, reference):
    """Raise a `UserError` unless the loaded `network` with its `metadata`, and the data sets, fit the other arguments
    of `export`; every file that the export will read is read."""
    if is_stock(network):
        raise UserError(f"{model} was exported for Keras alone; export the .keras file that it was made from.")
    for dataset in (validation, calibration.dataset):
        if dataset is not None:
            require_same_classes(metadata, dataset)
    if options.input_type == InputType.UINT8 and metadata.image_format.dtype != "uint8":
        raise UserError(
            f"input_type is 'uint8', and {model} takes images that are {metadata.image_format}, which are no bytes; "
            "leave it out for an int8 input, or take 'float32': both are given the normalized image."
        )
    if validation is not None:
        require_readable(validation)
    if calibration.dataset is not None and options.quantization in (Quantization.INT8, Quantization.INT16X8):
        used = evenly_spread(calibration.images, len(calibration.dataset))
        require_readable(calibration.dataset, images=used)
    if reference is not None and suffix_of(reference) == ".keras":
        require_comparable(metadata, read_metadata(reference), f"reference {reference}")
