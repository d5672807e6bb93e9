"""Optimizer and learning-rate schedules of the recipes."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_liteseg")
class SGD(keras.optimizers.SGD):
    """SGD with momentum whose weight decay is part of the gradient, on convolution kernels only.

    Published recipes mean this form (PyTorch's and Caffe's). Keras's own `weight_decay` is the decoupled one, which
    with momentum 0.9 acts ten times weaker, and it would shrink biases and batch normalization too.
    """

    def __init__(self, learning_rate=0.01, momentum=0.0, kernel_decay=0.0, name="sgd", **kwargs):
        super().__init__(learning_rate=learning_rate, momentum=momentum, name=name, **kwargs)
        self.kernel_decay = kernel_decay

    def update_step(self, gradient, variable, learning_rate):
        if self.kernel_decay and len(variable.shape) > 1:
            gradient = ops.add(gradient, ops.multiply(self.kernel_decay, ops.cast(variable, gradient.dtype)))
        super().update_step(gradient, variable, learning_rate)

    def get_config(self):
        return {**super().get_config(), "kernel_decay": self.kernel_decay}


def adamw(learning_rate, kernel_decay, variables):
    """Return Keras's AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), arXiv 1711.05101)
    that decays only convolution kernels among the `variables` of a model."""
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=kernel_decay)
    optimizer.exclude_from_weight_decay(var_list=[variable for variable in variables if len(variable.shape) < 2])
    return optimizer


@keras.saving.register_keras_serializable("keras_liteseg")
class PolySchedule(keras.optimizers.schedules.LearningRateSchedule):
    """learning_rate * (1 - step / total_steps) ** power, after a linear warm-up from 0."""

    def __init__(self, learning_rate, total_steps, power=0.9, warmup_steps=0):
        super().__init__()
        self.config = dict(
            learning_rate=learning_rate, total_steps=total_steps, power=power, warmup_steps=warmup_steps
        )

    def __call__(self, step):
        step = ops.cast(step, "float32")
        left = ops.clip(1.0 - step / self.config["total_steps"], 0.0, 1.0)
        rate = self.config["learning_rate"] * left ** self.config["power"]
        return rate * warmup(step, self.config["warmup_steps"])

    def get_config(self):
        return self.config


@keras.saving.register_keras_serializable("keras_liteseg")
class StepSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """`rates[i]` until `boundaries[i]` steps, the last rate after the last boundary, after a linear warm-up from 0."""

    def __init__(self, boundaries, rates, warmup_steps=0):
        super().__init__()
        self.config = dict(boundaries=list(boundaries), rates=list(rates), warmup_steps=warmup_steps)

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rates = self.config["rates"]
        rate = ops.convert_to_tensor(rates[0], "float32")
        for boundary, following in zip(self.config["boundaries"], rates[1:]):
            rate = ops.where(step >= boundary, following, rate)
        return rate * warmup(step, self.config["warmup_steps"])

    def get_config(self):
        return self.config


def warmup(step, warmup_steps):
    """Return the factor of a linear warm-up: 1 / warmup_steps at step 0, 1 from `warmup_steps` on."""
    return ops.minimum((step + 1.0) / max(warmup_steps, 1), 1.0)
