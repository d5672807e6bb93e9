"""Which backend Keras computes on, told without the seconds that `import keras` takes."""

import json
import os
import pathlib
import sys

from keras_liteseg.errors import UserError

BACKENDS = ("tensorflow", "jax", "torch")
_USABLE = {
    "floatx": lambda value: value in ("float16", "float32", "float64"),
    "epsilon": lambda value: isinstance(value, float),
    "image_data_format": lambda value: value in ("channels_first", "channels_last"),
}


def keras_backend() -> str:
    """Return the name of Keras's backend; where Keras is not imported yet, of the one that it will take: that of the
    environment variable KERAS_BACKEND, or else of its file keras.json.

    Raises:
        UserError: Keras is not imported yet, and could not be because of keras.json.
    """
    keras = sys.modules.get("keras")
    if keras is not None:
        return keras.backend.backend()
    file = _keras_json()
    return os.environ.get("KERAS_BACKEND") or file.get("backend", "tensorflow")


def _keras_json() -> dict:
    """Return what Keras reads of its file keras.json when it is imported: nothing of one that is missing or no JSON.

    Raises:
        UserError: Keras could not be imported because of it.
    """
    path = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"
    if not os.path.exists(path):
        return {}
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"Keras cannot read its {path}: {error.strerror}. Correct or remove it.") from None
    except ValueError:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"Keras cannot use its {path}: it is no JSON object with keys. Correct or remove it.")
    for key, fits in _USABLE.items():
        if key in content and not fits(content[key]):
            raise UserError(f"Keras cannot use its {path}: {key} is {content[key]!r}. Correct or remove it.")
    return content


def require_tensorflow(what: str) -> None:
    """Raise a `UserError` where Keras runs on another backend than TensorFlow, which `what` is made with."""
    if keras_backend() != "tensorflow":
        raise UserError(
            f"{what} is made with TensorFlow, and Keras's backend is {keras_backend()}; set KERAS_BACKEND=tensorflow."
        )
