"""Optimizer and learning-rate schedules of the configs."""

import math

import keras
from keras import ops


class Groups:
    """A mixin of Keras optimizers, which treat all variables alike: what decays, and what learns at a smaller rate.

    Args:
        decay: factor of the weight decay.
        decay_all: whether biases and batch normalization decay too, not only convolution kernels.
        slow: what the paths of the variables begin with whose learning rate is multiplied by `slow_factor`, such as
            'backbone_'; '' for all variables.
        slow_factor: that factor, 0 or more.
    """

    def __init__(self, *args, decay=0.0, decay_all=False, slow="", slow_factor=1.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.groups = {"decay": decay, "decay_all": decay_all, "slow": slow, "slow_factor": slow_factor}

    def build(self, variables):
        # By number, because an update gets the variables of the backend, whose names differ.
        slow, factor = self.groups["slow"], self.groups["slow_factor"]
        self._factors = [factor if variable.path.startswith(slow) else 1.0 for variable in variables]
        super().build(variables)

    def decay_of(self, variable):
        """Return the factor of the weight decay of a variable, 0 where it does not decay."""
        return self.groups["decay"] if self.groups["decay_all"] or len(variable.shape) > 1 else 0.0

    def rate_of(self, variable, learning_rate):
        """Return the learning rate of a variable."""
        factor = self._factors[self._get_variable_index(variable)]
        return learning_rate if factor == 1 else ops.multiply(learning_rate, factor)

    def get_config(self):
        return {**super().get_config(), **self.groups}


@keras.saving.register_keras_serializable("keras_liteseg")
class SGD(Groups, keras.optimizers.SGD):
    """SGD with momentum whose weight decay is part of the gradient.

    Published configs mean this form (PyTorch's and Caffe's). Keras's own `weight_decay` is the decoupled one, which
    with momentum 0.9 acts ten times weaker. Arguments as of Keras's, and of `Groups`.
    """

    def update_step(self, gradient, variable, learning_rate):
        decay = self.decay_of(variable)
        if decay:
            gradient = ops.add(gradient, ops.multiply(decay, ops.cast(variable, gradient.dtype)))
        rate = self.rate_of(variable, learning_rate)
        if keras.backend.backend() != "tensorflow" or not self.momentum:
            return super().update_step(gradient, variable, rate)
        import tensorflow as tf

        # As Keras's, in one operation in place of five for each variable, which the first step takes seconds to trace.
        momentum = self.momentums[self._get_variable_index(variable)].value
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=momentum.handle,
            lr=tf.cast(rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=self.momentum,
            use_nesterov=self.nesterov,
        )


@keras.saving.register_keras_serializable("keras_liteseg")
class AdamW(Groups, keras.optimizers.Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), arXiv
    1711.05101): a variable also loses its learning rate times `decay` of itself.

    Keras's own AdamW decays every variable at one rate. Arguments as of Keras's Adam, and of `Groups`.
    """

    def update_step(self, gradient, variable, learning_rate):
        rate, decay = self.rate_of(variable, learning_rate), self.decay_of(variable)
        if decay:
            self.assign_sub(variable, ops.multiply(variable, ops.cast(ops.multiply(rate, decay), variable.dtype)))
        super().update_step(gradient, variable, rate)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule after a linear warm-up.

    Without `warmup_rate`, the warm-up multiplies the first `warmup_steps` rates by 1 / warmup_steps, 2 / warmup_steps,
    ... With it, the rate rises from `warmup_rate` to that of the schedule's first step, which then begins, as in
    PaddleSeg.
    """

    def __init__(self, warmup_steps=0, warmup_rate=0.0, **config):
        super().__init__()
        self.config = dict(config, warmup_steps=warmup_steps, warmup_rate=warmup_rate)

    def rate(self, step):
        """Return the rate, without warm-up, of a float step from 0 on."""
        raise NotImplementedError

    def __call__(self, step):
        step = ops.cast(step, "float32")
        steps, start = self.config["warmup_steps"], self.config["warmup_rate"]
        if not steps:
            return self.rate(step)
        if not start:
            return self.rate(step) * ops.minimum((step + 1.0) / steps, 1.0)
        rising = start + (self.rate(ops.zeros_like(step)) - start) * step / steps
        return ops.where(step < steps, rising, self.rate(ops.maximum(step - steps, 0.0)))

    def get_config(self):
        return self.config

    def _steps(self, total_steps):
        """Return how many steps the schedule itself takes of `total_steps`."""
        return total_steps - (self.config["warmup_steps"] if self.config["warmup_rate"] else 0)


@keras.saving.register_keras_serializable("keras_liteseg")
class PolySchedule(Schedule):
    """learning_rate * (1 - step / total_steps) ** power."""

    def __init__(self, learning_rate, total_steps, power=0.9, **warmup):
        super().__init__(learning_rate=learning_rate, total_steps=total_steps, power=power, **warmup)

    def rate(self, step):
        left = ops.clip(1.0 - step / self._steps(self.config["total_steps"]), 0.0, 1.0)
        return self.config["learning_rate"] * left ** self.config["power"]


@keras.saving.register_keras_serializable("keras_liteseg")
class CosineSchedule(Schedule):
    """learning_rate * (1 + cos(pi * step / total_steps)) / 2.

    Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts" (2017), without restarts.
    """

    def __init__(self, learning_rate, total_steps, **warmup):
        super().__init__(learning_rate=learning_rate, total_steps=total_steps, **warmup)

    def rate(self, step):
        done = ops.clip(step / self._steps(self.config["total_steps"]), 0.0, 1.0)
        return self.config["learning_rate"] * 0.5 * (1.0 + ops.cos(math.pi * done))


@keras.saving.register_keras_serializable("keras_liteseg")
class StepSchedule(Schedule):
    """`rates[i]` until `boundaries[i]` steps, the last rate after the last boundary."""

    def __init__(self, boundaries, rates, **warmup):
        super().__init__(boundaries=list(boundaries), rates=list(rates), **warmup)

    def rate(self, step):
        rates = self.config["rates"]
        rate = ops.convert_to_tensor(rates[0], "float32")
        for boundary, following in zip(self.config["boundaries"], rates[1:]):
            rate = ops.where(step >= boundary, following, rate)
        return rate
