"""Conversion in a process of its own: a crash, a leak or an endless loop of the converter ends in one sentence.

    python -m keras_liteseg.conversion.converter_process FOLDER

is that process; `convert_apart` starts it.
"""

import json
import pathlib
import sys
import tempfile

from keras_liteseg.choices import require_number
from keras_liteseg.conversion.apart import run_apart
from keras_liteseg.errors import UserError

MODEL, REQUEST, CALIBRATION, RESULT = "model.keras", "request.json", "calibration.npy", "result.tflite"


def convert_apart(model, metadata, time_limit, calibration=None, **options):
    """Return what `keras_liteseg.conversion.convert.convert` returns, computed in another process.

    Args:
        time_limit: seconds, 1 or more, after which the process is stopped.
        others: as of `convert`.

    Raises:
        UserError: the process crashed, failed, or took longer than `time_limit`.
    """
    import numpy as np

    require_number("time_limit", time_limit, 1)
    with tempfile.TemporaryDirectory(prefix="keras_liteseg_") as name:
        folder = pathlib.Path(name)
        model.save(folder / MODEL)
        (folder / REQUEST).write_text(json.dumps({"metadata": metadata.to_json(), "options": options}))
        if calibration is not None:
            np.save(folder / CALIBRATION, np.concatenate(calibration))
        how = run_apart(__spec__.name, folder, time_limit)
        if how:
            raise UserError(
                f"TensorFlow's converter {how}, so '{metadata.model}' was not converted (--quantization "
                f"{metadata.quantization}). Try another --quantization or --output_type, or a smaller --input_size if "
                "memory ran out."
            )
        return (folder / RESULT).read_bytes()


def main(folder):
    import keras
    import numpy as np

    import keras_liteseg.quantization.simulate  # noqa: F401  its layers are in the file
    from keras_liteseg.conversion.convert import convert
    from keras_liteseg.metadata import Metadata
    from keras_liteseg.networks import list_models  # noqa: F401  so are those of the networks

    folder = pathlib.Path(folder)
    request = json.loads((folder / REQUEST).read_text())
    model = keras.saving.load_model(folder / MODEL, compile=False)
    images = folder / CALIBRATION
    calibration = [image[None] for image in np.load(images)] if images.exists() else None
    content = convert(model, Metadata.from_json(request["metadata"]), calibration=calibration, **request["options"])
    (folder / RESULT).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1])
