"""What `create_model` promises, over every registered network."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_liteseg
from keras_liteseg import (
    UserError,
    create_model,
    fold_batch_norm,
    list_models,
    load_model,
    lps_net,
    model_spec,
    save_model,
)
from keras_liteseg.datasets import ClassList
from keras_liteseg.graph import at_size, norms_after_convolutions
from keras_liteseg.metadata import Metadata
from keras_liteseg.networks import registry
from keras_liteseg.networks.registry import ModelSpec

SIZE = (64, 96)  # legal for every network
CLASSES = ClassList(tuple(f"class {i}" for i in range(19)), tuple((i, 2 * i, 255 - i) for i in range(19)))


# One network per paper, and every head on one backbone; the others in `make test-all`.
QUICK = ("liteseg_shufflenet", "lps_net_tiny", "ndnet29_fcn32", "ndnet45", "ndnet45_fcn8", "pp_liteseg_t")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in list_models()]


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def training_model(name):
    keras.utils.set_random_seed(0)
    return create_model(name, (*SIZE, 3), aux_heads=True)


@pytest.fixture(scope="module")
def model(name):
    keras.utils.set_random_seed(0)
    return create_model(name, (*SIZE, 3))


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(-1, 1, (2, *SIZE, 3)).astype(np.float32)


def as_list(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


def test_model_returns_logits_of_the_input_size(name, model, images):
    assert model.name == name
    assert model.output_shape == (None, *SIZE, 19)
    logits = np.asarray(model(images))
    assert (logits.shape, logits.dtype) == ((2, *SIZE, 19), np.float32)
    assert (logits < 0).any() and (logits > 0).any()  # neither probabilities nor their logarithms


def test_aux_heads_add_logits_of_the_same_shape(name, training_model, images):
    outputs = as_list(training_model(images))
    heads = {"ndnet": 3 if name.endswith("fcn8") else 2, "pp_liteseg": 3, "liteseg": 1, "lps_net": 1}
    assert len(outputs) == next(count for prefix, count in heads.items() if name.startswith(prefix))
    assert [(tuple(output.shape), output.dtype) for output in outputs] == [((2, *SIZE, 19), "float32")] * len(outputs)


def test_number_of_classes_is_free(name, images):
    model = create_model(name, (*SIZE, 3), num_classes=2, aux_heads=True)
    for output in as_list(model(images)):
        assert output.shape == (2, *SIZE, 2)


def test_any_legal_size_where_height_and_width_are_none(name, model):
    """One network for all sizes computes what the networks of one size compute."""
    entry = model_spec(name)
    free = create_model(name, (None, None, 3))
    assert free.output_shape == (None, None, None, 19)
    free.set_weights(model.get_weights())
    for length in (37, 50), (64, 41), (65, 97):
        size = tuple(entry.nearest_lengths(each)[1] for each in length)
        images = np.random.default_rng(size).uniform(-1, 1, (1, *size, 3)).astype(np.float32)
        logits = np.asarray(free(images))
        assert logits.shape == (1, *size, 19)
        fixed = np.asarray(at_size(model, size)(images))
        np.testing.assert_allclose(logits, fixed, rtol=0, atol=1e-5 * np.abs(fixed).max())


def test_seed_decides_the_weights(name, model):
    keras.utils.set_random_seed(0)
    again = create_model(name, (*SIZE, 3)).get_weights()
    for ours, theirs in zip(model.get_weights(), again, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    kernels = [layer.kernel for layer in model.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)]
    assert all(np.std(kernel) > 0 for kernel in kernels)


def test_every_parameter_gets_a_gradient(training_model, images):
    import tensorflow as tf

    # A bias before a batch normalization is taken off again with the mean.
    futile = {id(conv.bias) for conv, _ in norms_after_convolutions(training_model) if conv.use_bias}
    with tf.GradientTape() as tape:
        outputs = as_list(training_model(images, training=True))
        loss = sum(tf.reduce_mean(tf.square(output - 1.0)) for output in outputs)
    gradients = tape.gradient(loss, [variable.value for variable in training_model.trainable_variables])
    for variable, gradient in zip(training_model.trainable_variables, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all() and (np.any(gradient) or id(variable) in futile), variable.path


def test_saved_model_is_bit_equal(name, model, images, tmp_path):
    entry = model_spec(name)
    metadata = Metadata(name, "street_scenes", CLASSES, entry.mean, entry.std, {"layer": (-1.5, 2.5)})
    keras_liteseg.save_model(model, tmp_path / "model.keras", metadata)
    again, read = keras_liteseg.load_model(tmp_path / "model.keras")

    assert read.classes == CLASSES
    assert (read.model, read.data, tuple(read.mean), tuple(read.std)) == (name, "street_scenes", entry.mean, entry.std)
    assert {layer: tuple(pair) for layer, pair in read.ranges.items()} == metadata.ranges
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(again(images), model(images))


def test_plain_keras_reads_the_file(name, model, tmp_path):
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras", compile=False).name == name


def test_folded_batch_norm_computes_the_same(model, images):
    model = randomized(at_size(model, SIZE))
    copy = fold_batch_norm(model)
    assert not norms_after_convolutions(copy)
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in copy.layers)
    logits = np.asarray(model(images))
    np.testing.assert_allclose(copy(images), logits, rtol=0, atol=1e-4 * np.abs(logits).max())


def test_mixed_precision(name, images):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = create_model(name, (*SIZE, 3), aux_heads=True)
    finally:
        keras.config.set_dtype_policy(policy)
    convolution = next(layer for layer in model.layers if isinstance(layer, layers.Conv2D))
    assert (convolution.compute_dtype, convolution.variable_dtype) == ("bfloat16", "float32")
    for output in as_list(model(images)):
        assert output.dtype == "float32"  # the loss needs the range
        assert np.isfinite(output).all() and np.ptp(output) > 0


def test_illegal_size_is_refused_with_the_nearest_legal_ones(name):
    entry = model_spec(name)
    for aux_heads, multiple in ((False, entry.size_multiple), (True, entry.aux_size_multiple)):
        if multiple == 1:
            continue
        height, width = 10 * multiple + 2, 20 * multiple - 1
        one_more = 1 if entry.plus_one else 0
        with pytest.raises(UserError) as error:
            create_model(name, (height, width, 3), aux_heads=aux_heads)
        message = str(error.value)
        assert f"{height}x{width}" in message and f"needs multiples of {multiple}" in message
        assert ("or one more" in message) == entry.plus_one
        smaller = f"{10 * multiple + one_more}x{19 * multiple + one_more}"
        assert f"{smaller} and {11 * multiple}x{20 * multiple}" in message
        with pytest.raises(UserError, match=f"{11 * multiple}x{20 * multiple}"):
            create_model(name, (height, 20 * multiple, 3), aux_heads=aux_heads)


def test_smallest_legal_size(name):
    entry = model_spec(name)
    least = entry.nearest_lengths(1)[0]
    images = np.random.default_rng(0).normal(size=(1, least, least, 3)).astype(np.float32)
    assert np.isfinite(create_model(name, images.shape[1:])(images)).all()
    if least > 1:
        with pytest.raises(UserError, match=f"nearest legal size is {least}x{least}"):
            create_model(name, (least - 1, 1, 3))


@pytest.mark.parametrize("channels", [1, 4, *(pytest.param(number, marks=pytest.mark.slow) for number in (2, 7))])
def test_every_network_takes_any_number_of_channels(name, channels):
    model = create_model(name, (*SIZE, channels), num_classes=3)
    assert (model.input_shape, model.output_shape) == ((None, *SIZE, channels), (None, *SIZE, 3))


@pytest.mark.parametrize(
    "shape", [(64, 128), (64, 128, 0), (64, 128, None), (2, 64, 128, 3), (0, 128, 3), (-64, 128, 3), (64.0, 128, 3)]
)
def test_wrong_input_shape_is_refused(name, shape):
    with pytest.raises(UserError) as error:
        create_model(name, shape)
    assert f"input_shape is {shape}" in str(error.value)


@pytest.mark.parametrize("shape", [(3, 64, 128), (1, None, 128), (4, 512, 512)])
def test_channels_before_height_and_width_are_told(shape):
    with pytest.raises(
        UserError, match=r"which looks like \(channels, height, width\); 'lps_net_tiny' takes \(height,"
    ):
        create_model("lps_net_tiny", shape)


def test_keras_with_channels_first_is_refused(tmp_path):
    path = tmp_path / "tiny.keras"
    metadata = Metadata("lps_net_tiny", "", CLASSES, (0.5,) * 3, (0.5,) * 3)
    save_model(create_model("lps_net_tiny", (*SIZE, 3)), path, metadata)
    keras.config.set_image_data_format("channels_first")
    try:
        for build in (
            lambda: create_model("lps_net_tiny", (*SIZE, 3)),
            lambda: lps_net((1,) * 5, (4,) * 5, (1 / 2,), (*SIZE, 3)),
            lambda: load_model(path),
        ):
            with pytest.raises(UserError, match="Keras is set to channels_first, .*set_image_data_format"):
                build()
    finally:
        keras.config.set_image_data_format("channels_last")


@pytest.mark.parametrize("num_classes", [1, 0, -3, 2.5, "19", True])
def test_wrong_number_of_classes_is_refused(name, num_classes):
    with pytest.raises(UserError, match="num_classes is .*from 2 to 255"):
        create_model(name, num_classes=num_classes)


def test_unknown_option_is_refused(name):
    with pytest.raises(UserError, match=f"'{name}' has no option 'depht'; it"):
        create_model(name, depht=3)


@pytest.mark.parametrize("look_up", [create_model, model_spec])
def test_unknown_name_shows_the_nearest(look_up):
    with pytest.raises(UserError, match="no model 'NDNet-45'.*ndnet45"):
        look_up("NDNet-45")


def test_head_is_short_for_the_name():
    assert create_model("ndnet45", (64, 64, 3), head="fcn8").name == "ndnet45_fcn8"
    assert create_model("ndnet45", (64, 64, 3), head="ende").name == "ndnet45"
    with pytest.raises(UserError, match="no model 'ndnet45_fcn9'.*ndnet45_fcn8"):
        create_model("ndnet45", head="fcn9")


def test_alias_is_the_same_network_and_not_listed():
    assert model_spec("ndnet45_ende") is model_spec("ndnet45")
    assert "ndnet45_ende" not in list_models()


def test_names_by_pattern():
    assert list_models() == sorted(list_models())
    assert list_models("lps*") == ["lps_net_l", "lps_net_m", "lps_net_s", "lps_net_tiny"]
    assert len(list_models("*liteseg*")) == 5
    assert list_models("no such*") == []


def sizes(**attributes):
    """Return a `ModelSpec` that differs from others in its sizes alone."""
    return ModelSpec(lambda: None, (0.5,) * 3, (0.5,) * 3, output_stride=8, **attributes)


@pytest.mark.parametrize(
    ("length", "pair"), [(1, (8, 8)), (8, (8, 8)), (9, (8, 16)), (15, (8, 16)), (16, (16, 16)), (513, (512, 520))]
)
def test_nearest_lengths(length, pair):
    assert sizes(size_multiple=8).nearest_lengths(length) == pair


@pytest.mark.parametrize(
    ("length", "pair"), [(1, (8, 8)), (8, (8, 8)), (9, (9, 9)), (10, (9, 16)), (15, (9, 16)), (513, (513, 513))]
)
def test_nearest_lengths_where_one_more_is_legal(length, pair):
    spec = sizes(size_multiple=8, aux_size_multiple=32, plus_one=True)
    assert spec.nearest_lengths(length) == pair
    assert spec.takes(length) == (pair == (length, length))
    assert spec.takes(65, aux_heads=True) and not spec.takes(73, aux_heads=True)


def test_nearest_lengths_are_large_enough():
    assert sizes(size_multiple=4, min_length=16).nearest_lengths(6) == (16, 16)
    assert sizes(size_multiple=4, min_length=16).nearest_lengths(18) == (16, 20)


def test_registration(monkeypatch):
    monkeypatch.setattr(registry, "_SPECS", {})
    monkeypatch.setattr(registry, "_ALIASES", {})

    @registry.register("one", aliases=("uno",), mean=(0.0,) * 3, std=(1.0,) * 3, output_stride=8)
    def build(input_shape, num_classes, aux_heads, width=4):
        return (input_shape, num_classes, aux_heads, width)

    assert list_models() == ["one"]
    assert model_spec("uno").output_stride == 8
    assert create_model("uno", (7, 9, 3), 5, width=6) == ((7, 9, 3), 5, False, 6)
    with pytest.raises(UserError, match="'one' has no option 'widht'; its options are width"):
        create_model("one", widht=6)


def randomized(model):
    """Give the batch normalizations statistics, so that no term of the folding vanishes."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights(
                [
                    rng.uniform(0.5, 1.5, layer.gamma.shape),
                    rng.normal(0, 0.2, layer.gamma.shape),
                    rng.normal(0, 0.2, layer.gamma.shape),
                    rng.uniform(0.5, 4, layer.gamma.shape),
                ]
            )
    return model


def test_whole_numbers_of_numpy_are_whole_numbers():
    shape, classes = np.array([32, 64, 3]), np.uint8(4)
    for model in (
        create_model("lps_net_tiny", tuple(shape), classes),
        lps_net((1,) * 5, (4, 8, 16, 32, 32), (0.5,), tuple(shape), classes),
    ):
        assert model.output_shape == (None, 32, 64, 4)
        keras.models.model_from_json(model.to_json())
