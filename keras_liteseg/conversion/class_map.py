"""Scores in a form in which every runtime finds the class with the highest one."""

import keras
import numpy as np

from keras_liteseg.graph import Graph, before_last_resize
from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.quantization.simulate import FakeQuantize

_LAYER = "class_map_padding"


def even_classes(model):
    """Return a model that gives the same scores, and behind them those of classes that never win, up to a multiple of
    4 classes.

    LiteRT's GPU accelerator takes channels four at a time and lets ARG_MAX see the zeros with which it fills the last
    four: where all scores are negative, it answers with a class that does not exist.

    Args:
        model: a functional model of static size that gives scores; those classes are added before its last resize.
    """
    classes = model.output.shape[-1]
    added = -classes % 4
    if not added:
        return model
    scores, last = before_last_resize(model)
    # The scores as they are, and those of the first class less 1.
    kernel = np.concatenate([np.eye(classes), np.eye(classes)[:, :1].repeat(added, axis=1)], axis=1)
    bias = np.repeat([0.0, -1.0], [classes, added])
    convolution = keras.layers.Conv2D(classes + added, 1, name=_LAYER)
    x = convolution(scores)
    convolution.set_weights([kernel[None, None], bias])
    quantized = Graph(model).producer(scores)
    if isinstance(quantized, FakeQuantize):
        x = FakeQuantize(quantized.low, quantized.high, name=f"{_LAYER}_int8")(x)
    if last is not None:
        x = BilinearResize(size=model.output.shape[1:3], align_corners=last.align_corners, name=last.name)(x)
    return keras.Model(model.input, x, name=model.name)
