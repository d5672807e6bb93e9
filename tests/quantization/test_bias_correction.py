import keras
import numpy as np
from keras import layers

from keras_liteseg.networks.layers import GroupedConv2D
from keras_liteseg.quantization.bias_correction import correct_biases
from keras_liteseg.quantization.simulate import rounded_kernel

IMAGES = [np.random.default_rng(seed).uniform(0, 4, (1, 12, 12, 4)).astype(np.float32) for seed in range(2)]


def test_the_means_of_the_outputs_stay():
    keras.utils.set_random_seed(0)
    images = keras.Input((12, 12, 4))
    # Without padding, which the correction does not see.
    x = layers.Conv2D(6, 3, name="dense")(images)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    model = keras.Model(images, GroupedConv2D(4, 1, groups=2, name="grouped")(x))
    corrected = correct_biases(model, model, IMAGES)
    for name in ("dense", "depthwise", "grouped"):
        layer = model.get_layer(name)
        kernel = rounded_kernel(layer.get_weights()[0], name == "depthwise")
        single = keras.Model(layer.input, type(layer).from_config(layer.get_config())(layer.input))
        inputs = [keras.Model(images, layer.input).predict_on_batch(image) for image in IMAGES]

        def mean(bias):
            single.set_weights([kernel, bias])
            return np.mean([single.predict_on_batch(x) for x in inputs], axis=(0, 1, 2, 3))

        expected = np.mean([keras.Model(layer.input, layer.output).predict_on_batch(x) for x in inputs], (0, 1, 2, 3))
        before = np.abs(mean(layer.bias) - expected)
        after = np.abs(mean(corrected.get_layer(name).bias) - expected)
        assert after.sum() < 0.5 * before.sum()
        np.testing.assert_array_equal(corrected.get_layer(name).kernel, layer.kernel)
