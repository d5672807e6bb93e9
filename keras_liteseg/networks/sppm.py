"""Simple pyramid pooling module of PP-LiteSeg (arXiv 2204.02681, section 3.3), and its pooling."""

import keras
from keras import layers, ops

from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.networks.paddle_layers import conv_bn_relu


def sppm(x, bins, inter_channels, out_channels, name):
    """Sum the context of the whole map, of its quarters, ...: one branch for each number of bins.

    Args:
        x: float tensor (N, height, width, channels).
        bins: bins per axis of each branch.
        inter_channels: channels of the branches.
        out_channels: channels of the result.
        name: prefix of the layers.

    Returns:
        A tensor (N, height, width, out_channels).
    """
    total = None
    for index, count in enumerate(bins):
        branch = AdaptiveAveragePooling2D(count, name=f"{name}_stages_{index}_0")(x)
        branch = conv_bn_relu(branch, inter_channels, 1, f"{name}_stages_{index}_1", use_bias=True)
        branch = BilinearResize(align_corners=False, name=f"{name}_stages_{index}_resize")(branch, like=x)
        # Pairs, because a layer that adds three has a sum inside that gets no int8 scale.
        total = branch if total is None else layers.Add(name=f"{name}_add_{index}")([total, branch])
    return conv_bn_relu(total, out_channels, 3, f"{name}_conv_out", use_bias=True)


@keras.saving.register_keras_serializable("keras_liteseg")
class AdaptiveAveragePooling2D(layers.Layer):
    """Averages over `bins` x `bins` windows that cover the input, as PyTorch's and Paddle's layers of this name do.

    Of n rows, window i averages rows floor(i * n / bins) to ceil((i + 1) * n / bins) - 1, and columns likewise: windows
    overlap where `bins` does not divide n, also where it exceeds n.

    Args:
        bins: windows per axis.
    """

    def __init__(self, bins, **kwargs):
        super().__init__(**kwargs)
        self.bins = bins

    def call(self, inputs, training=False):
        height, width = inputs.shape[1:3]
        # In training as products too: the gradient of one window is as large as the whole input.
        if height is None or width is None or training:
            dtype = keras.backend.result_type(inputs.dtype, "float32")  # 16 bits would round the averages' weights
            rows, columns = (self._averages(length, dtype) for length in ops.shape(inputs)[1:3])
            return ops.cast(ops.einsum("ih,jw,nhwc->nijc", rows, columns, ops.cast(inputs, dtype)), inputs.dtype)
        # One mean over both axes per window: in an int8 TFLite model, XNNPACK takes neither average pooling nor, for
        # want of a scale between them, the mean over rows before the mean over columns.
        windows = [
            [
                ops.mean(inputs[:, top:bottom, left:right], axis=(1, 2), keepdims=True)
                for left, right in self._windows(width)
            ]
            for top, bottom in self._windows(height)
        ]
        return ops.concatenate([ops.concatenate(row, axis=2) for row in windows], axis=1)

    def compute_output_shape(self, inputs_shape):
        return (inputs_shape[0], self.bins, self.bins, inputs_shape[3])

    def get_config(self):
        return {**super().get_config(), "bins": self.bins}

    def _windows(self, length):
        """Return (first, behind the last) of every window; `length` may be a scalar tensor."""
        return [(i * length // self.bins, ((i + 1) * length + self.bins - 1) // self.bins) for i in range(self.bins)]

    def _averages(self, length, dtype):
        """Return the matrix (bins, length) that averages an axis whose length TensorFlow knows only when it runs."""
        first, behind = (ops.stack(ends)[:, None] for ends in zip(*self._windows(length)))
        positions = ops.arange(length, dtype="int32")
        inside = ops.logical_and(positions >= first, positions < behind)
        return ops.cast(inside, dtype) / ops.cast(behind - first, dtype)
