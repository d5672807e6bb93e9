"""Everything in this project that relies on private attributes of Keras.

`tests/graph/test_keras_private.py` checks each function against the Keras that is installed, and that no other file
uses such an attribute: where a new release of Keras breaks something, this file is the one to mend.
"""

import keras


def producer_of(tensor):
    """Return the layer or operation whose call made a symbolic tensor; an `InputLayer` for an input.

    It serves while a graph is being built, when there is no model yet that `traversal.Graph` could read.

    Relies on `KerasTensor._keras_history`, which Keras sets on each tensor that a call returns.
    """
    return tensor._keras_history.operation


def replace_gradient_clipping(optimizer, replacement):
    """Let `optimizer` call replacement(gradients, clip) where it would call clip(gradients).

    Args:
        optimizer: a `keras.optimizers.Optimizer`.
        replacement: function of a list of gradients and the optimizer's own clipping, a function of such a list. It
            returns the gradients to apply.

    Relies on `Optimizer._clip_gradients`, which `apply` looks up on the instance and calls with all gradients of a
    step, whether or not there is anything to clip.
    """
    clip = optimizer._clip_gradients
    optimizer._clip_gradients = lambda gradients: replacement(gradients, clip)


def build_losses(model):
    """Make the variables that count the loss of each output of a compiled model, before its first step.

    Keras makes them in that step, which TensorFlow then traces a second time.

    Relies on `Model._compile_loss`, whose `build` takes tensors of the structure of the labels and of the outputs.
    """
    model._compile_loss.build(model.outputs, model.outputs)


class BuiltFromOwnBatch:
    """To be inherited before a model class: `fit` and `evaluate` build what is not yet built of the model from this
    host's part of the first batch.

    Keras takes the mean of the first batches of all hosts, which TensorFlow refuses to reduce outside of a step.

    Relies on `_maybe_symbolic_build(iterator, data_batch)` of TensorFlow's trainer, which `fit` and `evaluate` call
    with the iterator of the epoch, and which leaves `data_batch` as it is where it comes alone.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None:
            local = self.distribute_strategy.experimental_local_results
            _, _, batches = next(iter(iterator))
            data_batch = keras.tree.map_structure(lambda value: local(value)[0], next(batches))
        super()._maybe_symbolic_build(data_batch=data_batch)
