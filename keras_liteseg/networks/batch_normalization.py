"""Batch normalization that trains as one operation."""

import math

import keras
from keras import layers


@keras.saving.register_keras_serializable("keras_liteseg")
class BatchNormalization(layers.BatchNormalization):
    """Keras's layer with the same results; training on TensorFlow runs it as one fused operation.

    Keras adds it up from a dozen operations, each of which reads and writes the whole tensor, in bfloat16 with two
    casts more: it cost a fifth of a training step on a CPU. Statistics that go over several devices (`synchronized`)
    are Keras's own.
    """

    def call(self, inputs, training=None, mask=None):
        fused = training and self.trainable and not self.synchronized and mask is None
        if not fused or keras.backend.backend() != "tensorflow" or self.compute_dtype == "float64":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        unused = tf.zeros((0,))
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=unused,
            variance=unused,
            epsilon=self.epsilon,
            is_training=True,
        )
        # The operation divides by count - 1 where Keras, on every backend, divides by the count.
        if None in inputs.shape:
            count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], tf.float32)
            biased = tf.maximum(count - 1, 1) / count
        else:  # without the six operations of that, which the first step takes time to trace for each layer
            count = math.prod(inputs.shape[:-1])
            biased = max(count - 1, 1) / count
        keep = self.momentum
        self.moving_mean.assign(keep * self.moving_mean + (1 - keep) * mean)
        self.moving_variance.assign(keep * self.moving_variance + (1 - keep) * biased * variance)
        return outputs
