"""Official weights into our models: `load_checkpoint` from a file, `assign_state_dict` from arrays."""

from keras_liteseg.checkpoints.assign import assign_state_dict
from keras_liteseg.checkpoints.backbone import load_backbone
from keras_liteseg.checkpoints.load import initialize_from, load_checkpoint

__all__ = ["assign_state_dict", "initialize_from", "load_backbone", "load_checkpoint"]
