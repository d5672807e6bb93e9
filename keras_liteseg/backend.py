"""Which backend Keras computes on, told without the seconds that `import keras` takes."""

import json
import os
import pathlib
import sys

from keras_liteseg.errors import UserError

BACKENDS = ("tensorflow", "jax", "torch")


def keras_backend() -> str:
    """Return the name of Keras's backend; where Keras is not imported yet, of the one that it will take: that of the
    environment variable KERAS_BACKEND, or else of its file keras.json."""
    keras = sys.modules.get("keras")
    if keras is not None:
        return keras.backend.backend()
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen:
        return chosen
    folder = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    try:
        return json.loads((folder / "keras.json").read_text()).get("backend", "tensorflow")
    except (OSError, ValueError):
        return "tensorflow"


def require_tensorflow(what: str) -> None:
    """Raise a `UserError` where Keras runs on another backend than TensorFlow, which `what` is made with."""
    if keras_backend() != "tensorflow":
        raise UserError(
            f"{what} is made with TensorFlow, and Keras's backend is {keras_backend()}; set KERAS_BACKEND=tensorflow."
        )
