"""Official weights into our models: `load_checkpoint` from a file, `assign_state_dict` from arrays."""

from keras_liteseg.checkpoints.assign import assign_state_dict
from keras_liteseg.checkpoints.backbone import load_backbone
from keras_liteseg.checkpoints.load import initialize_from, load_checkpoint
from keras_liteseg.checkpoints.pretrained import list_pretrained, load_pretrained, read_card

__all__ = [
    "assign_state_dict",
    "initialize_from",
    "list_pretrained",
    "load_backbone",
    "load_checkpoint",
    "load_pretrained",
    "read_card",
]
