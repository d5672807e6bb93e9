"""What `create_model` promises, over every registered network."""

import keras
import numpy as np
import pytest

import keras_liteseg
from keras_liteseg import UserError, create_model, list_models, model_entry
from keras_liteseg.datasets import ClassList
from keras_liteseg.model_file import Metadata
from keras_liteseg.models.registry import nearest_multiples

# Trainable parameters for 19 classes, counted in the reference implementation: (with, without) auxiliary heads.
PARAMETERS = {"ndnet45": (502_622, 482_379)}


@pytest.fixture(scope="module", params=list_models())
def name(request):
    return request.param


@pytest.fixture(scope="module")
def size(name):
    """The smallest sizes that have something to convolve."""
    multiple = model_entry(name).aux_size_multiple
    return 2 * multiple, 3 * multiple


@pytest.fixture(scope="module")
def training_model(name, size):
    return create_model(name, (*size, 3), aux_heads=True)


@pytest.fixture(scope="module")
def model(name, size):
    return create_model(name, (*size, 3))


@pytest.fixture
def images(size):
    return np.random.default_rng(0).uniform(-1, 1, (2, *size, 3)).astype(np.float32)


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def test_number_of_parameters(name, model, training_model):
    assert (trainable(training_model), trainable(model)) == PARAMETERS[name]


def test_every_network_has_its_numbers_above():
    assert set(PARAMETERS) == set(list_models())


def test_model_returns_logits_of_the_input_size(name, size, model, images):
    assert model.name == name
    assert model.output_shape == (None, *size, 19)
    logits = np.asarray(model(images))
    assert (logits.shape, logits.dtype) == ((2, *size, 19), np.float32)
    assert (logits < 0).any() and (logits > 0).any()  # neither probabilities nor their logarithms


def test_aux_heads_add_logits_of_the_same_shape(size, training_model, images):
    outputs = training_model(images)
    assert isinstance(outputs, list) and len(outputs) > 1
    assert [(tuple(output.shape), output.dtype) for output in outputs] == [((2, *size, 19), "float32")] * len(outputs)


def test_number_of_classes_is_free(name, size, images):
    assert create_model(name, (*size, 3), num_classes=2)(images).shape == (2, *size, 2)


def test_any_size_where_height_and_width_are_none(name):
    multiple = model_entry(name).size_multiple
    model = create_model(name, (None, None, 3), num_classes=3)
    assert model.output_shape == (None, None, None, 3)
    for size in ((4 * multiple, 5 * multiple), (7 * multiple, 4 * multiple)):
        assert model(np.zeros((1, *size, 3), np.float32)).shape == (1, *size, 3)


def test_seed_decides_the_weights(name, size, model):
    weights = [np.concatenate([value.ravel() for value in model.get_weights()])]  # of whatever seed came before
    for _ in range(2):
        keras.utils.set_random_seed(1)
        weights.append(np.concatenate([value.ravel() for value in create_model(name, (*size, 3)).get_weights()]))
    np.testing.assert_array_equal(weights[1], weights[2])
    assert (weights[0] != weights[1]).mean() > 0.9


def test_every_parameter_gets_a_gradient(training_model, images):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = sum(tf.reduce_mean(tf.square(output - 1.0)) for output in training_model(images, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in training_model.trainable_variables])
    for variable, gradient in zip(training_model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all() and np.any(gradient), variable.path


def test_saved_model_is_bit_equal(name, model, images, tmp_path):
    entry = model_entry(name)
    classes = ClassList(tuple(f"class {i}" for i in range(19)), tuple((i, 2 * i, 255 - i) for i in range(19)))
    metadata = Metadata(name, "street_scenes", classes, entry.mean, entry.std, {"layer": (-1.5, 2.5)})
    keras_liteseg.save_model(model, tmp_path / "model.keras", metadata)
    again, read = keras_liteseg.load_model(tmp_path / "model.keras")

    assert read.classes == classes
    assert (read.model, read.data, tuple(read.mean), tuple(read.std)) == (name, "street_scenes", entry.mean, entry.std)
    assert {layer: tuple(pair) for layer, pair in read.ranges.items()} == metadata.ranges
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(again(images), model(images))
    assert keras.saving.load_model(tmp_path / "model.keras", compile=False).name == name  # plain Keras reads it too


def test_illegal_size_is_refused_with_the_nearest_legal_ones(name):
    entry = model_entry(name)
    for aux_heads, multiple in ((False, entry.size_multiple), (True, entry.aux_size_multiple)):
        if multiple == 1:
            continue
        height, width = 10 * multiple + 1, 20 * multiple - 1
        with pytest.raises(UserError) as error:
            create_model(name, (height, width, 3), aux_heads=aux_heads)
        message = str(error.value)
        assert f"{height}x{width}" in message and f"multiples of {multiple};" in message
        assert f"{10 * multiple}x{19 * multiple} and {11 * multiple}x{20 * multiple}" in message
        with pytest.raises(UserError, match=f"{11 * multiple}x{20 * multiple}"):
            create_model(name, (height, 20 * multiple, 3), aux_heads=aux_heads)


@pytest.mark.parametrize(
    "shape", [(64, 128), (64, 128, 1), (64, 128, 4), (2, 64, 128, 3), (0, 128, 3), (-64, 128, 3), (64.0, 128, 3)]
)
def test_wrong_input_shape_is_refused(name, shape):
    with pytest.raises(UserError) as error:
        create_model(name, shape)
    assert f"input_shape is {shape}" in str(error.value)


@pytest.mark.parametrize("num_classes", [1, 0, -3, 2.5, "19", None, True])
def test_wrong_number_of_classes_is_refused(name, num_classes):
    with pytest.raises(UserError, match="num_classes is .*2 or more"):
        create_model(name, num_classes=num_classes)


@pytest.mark.parametrize("look_up", [create_model, model_entry])
def test_unknown_name_shows_the_nearest(look_up):
    with pytest.raises(UserError, match="no model 'NDNet-45'.*ndnet45"):
        look_up("NDNet-45")


def test_names_by_pattern():
    assert list_models() == sorted(list_models())
    assert "ndnet45" in list_models("ndnet*")
    assert list_models("no such*") == []


@pytest.mark.parametrize(
    ("length", "pair"), [(1, (8, 8)), (8, (8, 8)), (9, (8, 16)), (15, (8, 16)), (16, (16, 16)), (513, (512, 520))]
)
def test_nearest_multiples(length, pair):
    assert nearest_multiples(length, 8) == pair
