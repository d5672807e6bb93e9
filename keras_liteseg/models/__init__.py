"""Networks with their weights: made, loaded, saved.

Keras is loaded by the first name that needs it: what is known of published weights can be listed without.
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["create_model", "list_pretrained", "load_checkpoint", "load_model", "save_model"]

if TYPE_CHECKING:
    from keras_liteseg.models.archive import load_model, save_model
    from keras_liteseg.models.create import create_model
    from keras_liteseg.models.pretrained import list_pretrained
    from keras_liteseg.models.weights import load_checkpoint

_HOME_OF = {
    "create_model": "create",
    "list_pretrained": "pretrained",
    "load_checkpoint": "weights",
    "load_model": "archive",
    "save_model": "archive",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
