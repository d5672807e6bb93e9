"""Losses over logits and label maps with an ignore label.

All take labels, integers (N, height, width), and logits, float (N, height, width, classes), and give one number per
batch, in float32 whatever the precision of the network. Pixels of `IGNORE_LABEL` change neither loss nor gradient; a
batch of nothing else has loss 0 and gradient 0. They run on every Keras backend, compiled too.
"""

from keras_liteseg.training.losses.cross_entropy import (
    BoundaryCrossEntropy,
    CrossEntropy,
    FocalLoss,
    OhemCrossEntropy,
)
from keras_liteseg.training.losses.distillation import Distillation
from keras_liteseg.training.losses.overlap import Dice, Lovasz
from keras_liteseg.training.losses.segmentation import SegmentationLoss

__all__ = [
    "BoundaryCrossEntropy",
    "CrossEntropy",
    "Dice",
    "Distillation",
    "FocalLoss",
    "Lovasz",
    "OhemCrossEntropy",
    "SegmentationLoss",
]
