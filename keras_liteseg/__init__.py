"""Real-time semantic segmentation for edge devices: train, quantize, export to TFLite, measure on the device.

What a user needs is here, each with an example in its docstring; the rooms of the package hold the rest. Keras and
TensorFlow are loaded by the first name that needs them, not by `import keras_liteseg`; where they are not installed,
that name raises a `ModuleNotFoundError` that says how to install them.

Importing the package changes one thing in the process: it sets the environment variable `TF_ENABLE_ONEDNN_OPTS` to 1
where it is not set. TensorFlow reads it once, when it is loaded: on processors without AVX-512 it otherwise leaves
oneDNN out, without which dilated depthwise convolutions, as simulated int8 arithmetic has them, do not run on a CPU,
and all others are slow. So import this package before TensorFlow and Keras, or set the variable yourself.
"""

import importlib
import os
from typing import TYPE_CHECKING

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"

__all__ = [
    "Augmentation",
    "CalibrationOptions",
    "ExportOptions",
    "ImageFormat",
    "Metadata",
    "QuantizationConfig",
    "Segmenter",
    "TrainingConfig",
    "UserError",
    "create_model",
    "evaluate",
    "export",
    "fold_batch_norm",
    "list_datasets",
    "list_models",
    "load_checkpoint",
    "load_config",
    "load_dataset",
    "load_model",
    "load_predictor",
    "lps_net",
    "model_spec",
    "save_model",
    "train",
]

if TYPE_CHECKING:
    from keras_liteseg.conversion.export import export
    from keras_liteseg.conversion.options import ExportOptions
    from keras_liteseg.datasets import list_datasets, load_dataset
    from keras_liteseg.datasets.augment import Augmentation
    from keras_liteseg.errors import UserError
    from keras_liteseg.evaluation import evaluate
    from keras_liteseg.graph.fold import fold_batch_norm
    from keras_liteseg.image_format import ImageFormat
    from keras_liteseg.inference.load import load_predictor
    from keras_liteseg.inference.segmenter import Segmenter
    from keras_liteseg.metadata import Metadata
    from keras_liteseg.models import create_model, load_checkpoint, load_model, save_model
    from keras_liteseg.networks import list_models, model_spec
    from keras_liteseg.networks.lps_net import lps_net
    from keras_liteseg.quantization.config import QuantizationConfig
    from keras_liteseg.quantization.options import CalibrationOptions
    from keras_liteseg.training.config import TrainingConfig, load_config
    from keras_liteseg.training.trainer import train

# The same for Python itself, which imports a module when one of its names is first asked for.
_HOMES = {
    "keras_liteseg.conversion.export": ("export",),
    "keras_liteseg.conversion.options": ("ExportOptions",),
    "keras_liteseg.datasets": ("list_datasets", "load_dataset"),
    "keras_liteseg.datasets.augment": ("Augmentation",),
    "keras_liteseg.errors": ("UserError",),
    "keras_liteseg.evaluation": ("evaluate",),
    "keras_liteseg.graph.fold": ("fold_batch_norm",),
    "keras_liteseg.image_format": ("ImageFormat",),
    "keras_liteseg.inference.load": ("load_predictor",),
    "keras_liteseg.inference.segmenter": ("Segmenter",),
    "keras_liteseg.metadata": ("Metadata",),
    "keras_liteseg.models": ("create_model", "load_checkpoint", "load_model", "save_model"),
    "keras_liteseg.networks": ("list_models", "model_spec"),
    "keras_liteseg.networks.lps_net": ("lps_net",),
    "keras_liteseg.quantization.config": ("QuantizationConfig",),
    "keras_liteseg.quantization.options": ("CalibrationOptions",),
    "keras_liteseg.training.config": ("TrainingConfig", "load_config"),
    "keras_liteseg.training.trainer": ("train",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name):
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    except ModuleNotFoundError as error:
        from keras_liteseg.parts import missing_part

        hint = missing_part(error.name)
        if hint is None:
            raise
        raise ModuleNotFoundError(f"keras_liteseg.{name}: {hint}", name=error.name) from error
    except (AttributeError, OSError, ValueError):
        from keras_liteseg.backend import keras_backend

        keras_backend()  # tells in a sentence where Keras cannot be imported because of its keras.json
        raise


def __dir__():
    return [*globals(), *__all__]
