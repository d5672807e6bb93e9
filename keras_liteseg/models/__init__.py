"""Networks with their weights: made, loaded, saved."""

from keras_liteseg.models.archive import load_model, save_model
from keras_liteseg.models.create import create_model
from keras_liteseg.models.pretrained import list_pretrained
from keras_liteseg.models.weights import load_checkpoint

__all__ = ["create_model", "list_pretrained", "load_checkpoint", "load_model", "save_model"]
