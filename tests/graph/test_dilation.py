import keras
import numpy as np
import pytest
from keras import layers

from keras_liteseg.graph.dilation import NativeDepthwiseConv2D, native_dilation


@pytest.mark.parametrize("dilation, use_bias, activation", [(2, True, None), (4, False, "tanh")])
def test_native_depthwise_convolution(dilation, use_bias, activation):
    keras.utils.set_random_seed(0)
    image = np.random.default_rng(0).normal(size=(1, 12, 20, 6)).astype(np.float32)
    options = dict(use_bias=use_bias, bias_initializer="random_normal", activation=activation)
    layer = layers.DepthwiseConv2D(3, dilation_rate=dilation, padding="same", **options)
    expected = layer(image)
    native = NativeDepthwiseConv2D.from_config(layer.get_config())
    native.build(image.shape)
    native.set_weights(layer.get_weights())
    np.testing.assert_allclose(native(image), expected, atol=1e-5)


def test_native_dilation(network, images):
    native = native_dilation(network)
    replaced = [layer.name for layer in native.layers if isinstance(layer, NativeDepthwiseConv2D)]
    assert replaced == [x.name for x in network.layers if getattr(x, "dilation_rate", (1, 1)) != (1, 1)] != []
    expected = network.predict_on_batch(images[0])
    np.testing.assert_allclose(native.predict_on_batch(images[0]), expected, rtol=0, atol=1e-5 * np.abs(expected).max())
