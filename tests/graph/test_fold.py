import keras
import numpy as np
import pytest
from keras import layers

from keras_liteseg.graph import fold_batch_norm
from keras_liteseg.models import create_model


def norms(model):
    return [layer.name for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def randomized(model):
    """Give every weight a random value, variances a positive one, so that no term of the folding vanishes."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.uniform(0.3, 1.7, value.shape) * rng.choice([-1, 1]) for value in layer.get_weights()])
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_variance.assign(rng.uniform(0.01, 2, layer.moving_variance.shape))
    return model


def assert_folded(model, left):
    """The folded copy has only the norms in `left` and computes the same; the model stays as it was."""
    before = [value.copy() for value in model.get_weights()]
    names = [layer.name for layer in model.layers]
    x = np.random.default_rng(1).normal(size=(2, *model.input_shape[1:])).astype(np.float32)
    copy = fold_batch_norm(model)

    assert norms(copy) == left
    assert [layer.name for layer in copy.layers] == [n for n in names if n not in norms(model) or n in left]
    for ours, theirs in zip(keras.tree.flatten(copy(x)), keras.tree.flatten(model(x)), strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours / scale, theirs / scale, atol=2e-6)
    for value, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, old)


@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_norm_after_a_convolution_is_folded(use_bias, options):
    images = keras.Input((6, 8, 3), name="images")
    x = layers.Conv2D(5, 3, use_bias=use_bias, name="conv")(images)
    x = layers.BatchNormalization(epsilon=1e-2, name="bn1", **options)(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=use_bias, name="depthwise")(x)
    x = layers.BatchNormalization(epsilon=1e-2, name="bn2", **options)(x)
    assert_folded(randomized(keras.Model(images, x)), left=[])


def test_other_norms_stay():
    images = keras.Input((6, 8, 3), name="images")
    first = layers.BatchNormalization(name="bn_of_input")(images)
    x = layers.Conv2D(3, 1, name="read_twice")(first)
    y = layers.BatchNormalization(name="bn_of_shared")(x)
    z = layers.Add(name="add")([x, y])
    z = layers.BatchNormalization(name="bn_of_sum")(z)
    assert_folded(randomized(keras.Model(images, z)), left=["bn_of_input", "bn_of_shared", "bn_of_sum"])


def test_ndnet45_keeps_no_norm():
    model = create_model("ndnet45", (32, 64, 3), 3)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(size=layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(1, 4, layer.moving_variance.shape))
    assert_folded(model, left=[])
