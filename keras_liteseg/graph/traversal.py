"""Who makes and who reads the tensors of a model."""

import keras
from keras import layers

from keras_liteseg.errors import UserError
from keras_liteseg.networks.layers import BilinearResize


class Graph:
    """What makes and what reads the tensors of a functional model.

    Bare operations such as `keras.ops.mean` count as layers do.
    """

    def __init__(self, model):
        self._producers, self._readers = {}, {}
        self._results = {id(tensor) for tensor in model.outputs}
        for layer in model.operations:
            for tensor in keras.tree.flatten(layer.output):
                self._producers[id(tensor)] = layer
            for tensor in input_tensors(layer):
                self._readers.setdefault(id(tensor), []).append(layer)

    def producer(self, tensor):
        """Return the layer or operation that makes a tensor; None where none of the model does."""
        return self._producers.get(id(tensor))

    def readers(self, tensor):
        """Return the layers and operations that read a tensor, in the model's order; twice one that reads it twice."""
        return self._readers.get(id(tensor), [])

    def only_reader(self, layer):
        """Return the one layer that reads the output of `layer`; None where others do, or where it is the model's."""
        readers = self.readers(layer.output)
        return readers[0] if len(readers) == 1 and id(layer.output) not in self._results else None

    def leads_only_to(self, first, last):
        """Return whether the output of `first` is used on the way to `last` and nowhere else."""
        while first is not last:
            first = self.only_reader(first)
            if first is None:
                return False
        return True

    def layers_before(self, tensors, stop=()):
        """Return the set of layers that compute `tensors`, back to the inputs or to layers of the type `stop`, these
        included."""
        found, pending = set(), list(tensors)
        while pending:
            layer = self.producer(pending.pop())
            if layer not in found:
                found.add(layer)
                pending += [] if isinstance(layer, stop) else input_tensors(layer)
        return found


def require_functional(model):
    """Raise a `UserError` unless `model` is a functional Keras model, as all of ours are."""
    if not isinstance(model, keras.Model) or not hasattr(model, "operations"):
        raise UserError(f"The model is {model!r}; give a functional Keras model, such as create_model makes.")


def layers_of(model, kind):
    """Return the layers of the type `kind`, or of one of several, in the model's order."""
    return [layer for layer in model.layers if isinstance(layer, kind)]


def input_tensors(layer):
    """Return the tensors that a layer or operation reads, as a list; an empty one for an `InputLayer`."""
    return keras.tree.flatten(layer.input)


def first_input(layer):
    """Return the first tensor that a layer reads: the only one whose values a `BilinearResize` uses, as the second
    gives it the size alone."""
    return input_tensors(layer)[0]


def first_layers(model):
    """Return the layers that read the input of a model, as it is or padded or resized, these two kinds left out."""
    tensors, found = {id(model.input)}, []
    for layer in model.layers[1:]:
        if id(first_input(layer)) not in tensors:
            continue
        if isinstance(layer, layers.ZeroPadding2D | BilinearResize):
            tensors.add(id(layer.output))
        else:
            found.append(layer)
    return found


def before_last_resize(model):
    """Return (scores, last layer) of a model that ends with a `BilinearResize` of its scores, a symbolic tensor (None,
    height, width, classes); (output, None) of another model."""
    last = Graph(model).producer(model.output)
    return (first_input(last), last) if isinstance(last, BilinearResize) else (model.output, None)
