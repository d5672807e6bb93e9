"""Real-time semantic segmentation for edge devices: train, quantize, export to TFLite, measure on the device."""

from keras_liteseg.checkpoints import load_checkpoint
from keras_liteseg.errors import UserError
from keras_liteseg.models import create_model, list_models, model_entry

__version__ = "0.1.0"

__all__ = ["UserError", "create_model", "list_models", "load_checkpoint", "model_entry"]
