"""Real-time semantic segmentation for edge devices: train, quantize, export to TFLite, measure on the device."""

import importlib
import os

# Before TensorFlow is imported: on processors without AVX-512 it leaves oneDNN out, without which dilated depthwise
# convolutions, as simulated int8 arithmetic has them, do not run on a CPU, and all others are slow.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"

_HOMES = {
    "UserError": "keras_liteseg.errors",
    "create_model": "keras_liteseg.models",
    "fold_batch_norm": "keras_liteseg.graph.fold",
    "list_models": "keras_liteseg.networks",
    "load_checkpoint": "keras_liteseg.models",
    "load_model": "keras_liteseg.models",
    "lps_net": "keras_liteseg.networks.lps_net",
    "model_spec": "keras_liteseg.networks",
    "save_model": "keras_liteseg.models",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    # Importing Keras takes seconds; commands that need none of it (a data-set check, inspect) should not wait.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
    return [*globals(), *__all__]
