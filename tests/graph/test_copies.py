import keras
import numpy as np
from keras import layers

from keras_liteseg.graph import copy_model
from keras_liteseg.graph.copies import rebuild
from tests.tiny import tiny

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 16, 24, 3)).astype(np.float32)


def test_copy_computes_the_same_with_weights_of_its_own():
    model = tiny()
    expected = model.predict_on_batch(IMAGES)
    copy = copy_model(model)
    np.testing.assert_array_equal(copy.predict_on_batch(IMAGES), expected)
    copy.set_weights([0 * value for value in copy.get_weights()])
    np.testing.assert_array_equal(model.predict_on_batch(IMAGES), expected)


def test_copy_on_another_input_of_other_layers():
    model = tiny()
    images = keras.Input((8, 8, 3), name="other")
    copy = copy_model(model, lambda layer: type(layer).from_config({**layer.get_config(), "trainable": False}), images)
    assert copy.input is images and copy.output.shape == (None, 8, 8, 3)
    assert copy.weights and not copy.trainable_weights
    for found, expected in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_rebuild_replaces_what_it_has_rules_for():
    model = tiny()
    rules = {"features_conv1_relu": layers.ReLU(max_value=0.1, name="features_conv1_relu"), "logits": lambda x: x}
    copy = rebuild(model, rules)
    assert copy.output.shape == (None, 8, 12, 3)
    hidden = keras.Model(model.input, model.get_layer("features_conv1_bn").output).predict_on_batch(IMAGES)
    clipped = keras.Model(copy.input, copy.get_layer("features_conv1_relu").output).predict_on_batch(IMAGES)
    assert hidden.max() > 0.1
    np.testing.assert_allclose(clipped, np.clip(hidden, 0, 0.1), atol=1e-6)


def test_rebuild_without_rules_is_the_model():
    model = tiny()
    assert rebuild(model, {}) is model
