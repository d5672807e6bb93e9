import keras
import numpy as np
import pytest
import tf_keras

from keras_liteseg.errors import UserError
from keras_liteseg.quantization.tf_keras_twin import tf_keras_twin
from tests.tiny import tiny


@pytest.mark.parametrize("name", ["network", "folded"])
def test_twin_computes_the_same(name, images, request):
    model = request.getfixturevalue(name)
    twin = tf_keras_twin(model)
    expected = model.predict_on_batch(images[0])
    found = twin.predict_on_batch(images[0])
    assert isinstance(twin, tf_keras.Model)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_twin_has_the_same_layers_and_variables():
    model = tiny()
    twin = tf_keras_twin(model)
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    assert twin.count_params() == model.count_params()
    assert len(twin.trainable_variables) == len(model.trainable_variables)


def test_several_outputs():
    model = tiny(aux_heads=True)
    outputs = tf_keras_twin(model).predict_on_batch(np.ones((1, 16, 24, 3), np.float32))
    expected = model.predict_on_batch(np.ones((1, 16, 24, 3), np.float32))
    for output, other in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(output, other, atol=1e-5)


def test_wrap_and_make():
    wrapped = []

    def wrap(twin, layer):
        assert twin.name == layer.name
        wrapped.append(layer.name)
        return twin

    class Mine(tf_keras.Model):
        pass

    model = tiny()
    assert isinstance(tf_keras_twin(model, wrap, Mine), Mine)
    assert wrapped == [layer.name for layer in model.layers[1:]]


def test_unknown_layer_is_refused():
    class Mystery(keras.layers.Layer):
        def build(self, inputs_shape):
            self.factor = self.add_weight(shape=())

        def call(self, inputs):
            return self.factor * inputs

    images = keras.Input((8, 8, 3))
    with pytest.raises(UserError, match="riddle is a Mystery, which tf_keras lacks"):
        tf_keras_twin(keras.Model(images, Mystery(name="riddle")(images)))
