"""Official weight files: read without executing anything in them, and assigned to our models by name."""

from keras_liteseg.checkpoints.assign import assign_state_dict
from keras_liteseg.checkpoints.backbone import load_backbone

__all__ = ["assign_state_dict", "load_backbone"]
