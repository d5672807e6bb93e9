import keras
import numpy as np
import pytest

from keras_liteseg import create_model
from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.networks.backbones.darknet19 import darknet19
from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from tests.parity.fixtures import FOLDER, load_fixture
from tests.parity.weights import synthetic_tensor

# Tap of the fixtures: layer whose output it is; the names of the backbones' taps follow.
HEAD_TAPS = {
    "aspp_rate1": "aspp1_bn",
    "aspp_rate9": "aspp4_relu",
    "fused": "conv1_relu",
    "decoder": "last_conv_5",
    "logits": "logits",
}
BACKBONE_TAPS = {
    "liteseg_mobilenetv2": ("mobile_features_features_3_add", "mobile_features_features_18_2"),
    "liteseg_shufflenet": (
        "shuffle_features_stage2_ShuffleUnit_Stage2_3_relu",
        "shuffle_features_stage4_ShuffleUnit_Stage4_3_relu",
    ),
}
# Trainable parameters of the reference implementation by the first letters of the layer names.
PARAMETERS = {
    "liteseg_mobilenetv2": {
        "mobile_features_": 2_223_872,
        "aspp1_": 124_352,
        "aspp2_": 144_864,
        "aspp3_": 144_864,
        "aspp4_": 144_864,
        "global_avg_pool_": 123_072,
        ("conv1_", "bn1"): 170_912,
        "last_conv_": 24_907,
    },
    "liteseg_shufflenet": {
        "shuffle_features_": 917_304,
        "aspp1_": 149_184,
        "aspp2_": 171_744,
        "aspp3_": 171_744,
        "aspp4_": 171_744,
        "global_avg_pool_": 147_648,
        ("conv1_", "bn1"): 195_744,
        ("conv2_", "bn2"): 18_912,
        "last_conv_": 27_427,
    },
    "liteseg_darknet19": {
        "resnet_features_": 19_817_376,
        "aspp1_": 99_520,
        "aspp2_": 117_984,
        "aspp3_": 117_984,
        "aspp4_": 117_984,
        "global_avg_pool_": 98_496,
        ("conv1_", "bn1"): 146_080,
        ("conv2_", "bn2"): 4_288,
        "last_conv_": 25_747,
    },
}
STATISTICS = {"liteseg_mobilenetv2": 36_224, "liteseg_shufflenet": 41_328, "liteseg_darknet19": 16_576}


@pytest.fixture(scope="module")
def networks():
    """A function from name and input shape to the network, each built once."""
    built = {}

    def get(name, input_shape=(None, None, 3)):
        if (name, input_shape) not in built:
            built[name, input_shape] = create_model(name, input_shape)
        return built[name, input_shape]

    return get


def assert_parity(networks, fixture, any_size):
    images, name = fixture.input(), fixture.text["model"]
    model = networks(name, (None, None, 3) if any_size else images.shape[1:])
    assign_state_dict(model, fixture.state_dict())
    names = HEAD_TAPS | dict(zip(("low_level", "high_level"), BACKBONE_TAPS[name]))
    taps = keras.Model(model.input, {tap: model.get_layer(layer).output for tap, layer in names.items()})
    differences = fixture.differences(taps.predict(images, verbose=0))
    assert set(differences) == {entry["array"] for entry in fixture.text["arrays"]} - {"input"}
    too_large = {tap: pair for tap, pair in differences.items() if not pair[0] <= pair[1]}
    assert not too_large


@pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
@pytest.mark.parametrize("name", ["liteseg_mobilenetv2_96x160", "liteseg_shufflenet_var4"])
def test_parity_with_the_reference(networks, name, any_size):
    """At 96x160 the dilated branches reach outside their 3x5 map; `_var4` sees every bias and running mean."""
    assert_parity(networks, load_fixture(name, FOLDER), any_size)


@pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
@pytest.mark.parametrize("name", ["liteseg_mobilenetv2", "liteseg_mobilenetv2_var4", "liteseg_shufflenet"])
def test_parity_with_the_reference_on_shared_numbers(networks, shared, name, any_size):
    assert_parity(networks, load_fixture(name, shared / "parity"), any_size)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_by_part(networks, name):
    model = networks(name)
    for prefix, expected in PARAMETERS[name].items():
        part = [layer for layer in model.layers if layer.name.startswith(prefix)]
        assert count(variable for layer in part for variable in layer.trainable_variables) == expected, prefix
    assert count(model.trainable_variables) == sum(PARAMETERS[name].values())
    assert count(model.non_trainable_variables) == STATISTICS[name]


def count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


@pytest.mark.parametrize("name", ["liteseg_mobilenetv2", "liteseg_shufflenet"])
@pytest.mark.parametrize("size", [(97, 131), (1, 1)])
def test_logits_of_odd_sizes(networks, name, size):
    model = networks(name)
    images = np.random.default_rng(0).normal(size=(1, *size, 3)).astype(np.float32)
    logits = np.asarray(model(images))
    assert logits.shape == (1, *size, 19)
    assert np.isfinite(logits).all()


def test_darknet_takes_multiples_of_4(networks):
    """20x28 loses a row and a column on the way to stride 16, which the resize of the head makes up for."""
    assert networks("liteseg_darknet19")(np.zeros((1, 20, 28, 3), np.float32)).shape == (1, 20, 28, 19)


def test_aux_heads_change_nothing(networks):
    model = create_model("liteseg_mobilenetv2", (None, None, 3), aux_heads=True)
    assert [layer.name for layer in model.layers] == [layer.name for layer in networks(model.name).layers]
    assert len(model.outputs) == 1


@pytest.mark.parametrize("name", PARAMETERS)
def test_logits_stay_float32_under_mixed_precision(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = create_model(name, (32, 64, 3), num_classes=3)
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.get_layer("last_conv_6").output.dtype == "bfloat16"
    logits = model(np.ones((1, 32, 64, 3), np.float32))
    assert (tuple(logits.shape), logits.dtype) == ((1, 32, 64, 3), "float32")


@pytest.mark.parametrize("size", [(2, 3), (None, None)])
def test_channel_shuffle_takes_one_channel_of_every_group_in_turn(size):
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 12)).astype(np.float32)
    inputs = keras.Input((*size, 12))
    shuffle = keras.Model(inputs, ChannelShuffle(4)(inputs))
    assert shuffle.output_shape == (None, *size, 12)
    # Groups: (0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11).
    np.testing.assert_array_equal(shuffle.predict(x, verbose=0), x[..., [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]])


def test_channel_shuffle_survives_its_config():
    layer = ChannelShuffle(8, name="shuffle")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (again.groups, again.name) == (8, "shuffle")


# Darknet19 has no fixture. Its layers as the reference lists them: kernel (filters, channels, size, size), padding,
# dilation; None is a 2x2 max pooling.
DARKNET19 = {
    1: ((32, 3, 3, 3), 1, 1),
    2: None,
    3: ((64, 32, 3, 3), 1, 1),
    4: None,
    5: ((128, 64, 3, 3), 1, 1),
    6: ((64, 128, 1, 1), 0, 1),
    7: ((128, 64, 3, 3), 1, 1),
    8: None,
    9: ((256, 128, 3, 3), 1, 1),
    10: ((128, 256, 1, 1), 0, 1),
    11: ((256, 128, 3, 3), 1, 1),
    12: None,
    13: ((512, 256, 3, 3), 1, 1),
    14: ((256, 512, 1, 1), 1, 1),
    15: ((512, 256, 3, 3), 1, 1),
    16: ((256, 512, 1, 1), 1, 1),
    17: ((512, 256, 3, 3), 1, 1),
    19: ((1024, 512, 3, 3), 1, 2),
    20: ((512, 1024, 1, 1), 1, 2),
    21: ((1024, 512, 3, 3), 1, 2),
    22: ((512, 1024, 1, 1), 0, 2),
    23: ((1024, 512, 3, 3), 1, 2),
}
DARKNET19_SIZES_AT_512X1024 = {
    1: (512, 1024),
    3: (256, 512),
    **dict.fromkeys((5, 6, 7), (128, 256)),
    **dict.fromkeys((9, 10, 11), (64, 128)),
    13: (32, 64),
    **dict.fromkeys((14, 15), (34, 66)),
    **dict.fromkeys((16, 17), (36, 68)),
    19: (34, 66),
    20: (36, 68),
    **dict.fromkeys((21, 22), (34, 66)),
    23: (32, 64),
}


@pytest.fixture(scope="module")
def darknet_state():
    """Weights of the backbone under the reference's names."""
    state = {}
    for number, layer in DARKNET19.items():
        if layer is not None:
            name = f"resnet_features.layers.{number}_convbatch.layers"
            shapes = {f"{name}.0.weight": layer[0]}
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{name}.1.{tensor}"] = layer[0][:1]
            state |= {entry: synthetic_tensor(entry, shape) for entry, shape in shapes.items()}
    return state


@pytest.fixture(scope="module")
def darknet(darknet_state):
    """The backbone with these weights; outputs: low-level feature, layer 14, high-level feature."""
    images = keras.Input((64, 96, 3))
    low_level, high_level = darknet19(images)
    backbone = keras.Model(images, [low_level, high_level])
    assign_state_dict(backbone, darknet_state)
    layer14 = backbone.get_layer("resnet_features_layers_14_convbatch_layers_2").output
    return keras.Model(images, [low_level, layer14, high_level])


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).normal(size=(1, 64, 96, 3)).astype(np.float32)


def darknet_block(x, state, name, padding, dilation):
    """Convolution, batch normalization and leaky ReLU of (height, width, channels) in float64, tap by tap."""
    kernel = state[f"{name}.0.weight"].astype(np.float64)
    x = np.pad(x, [(padding, padding), (padding, padding), (0, 0)])
    span = dilation * (kernel.shape[-1] - 1)
    height, width = x.shape[0] - span, x.shape[1] - span
    total = np.zeros((height, width, len(kernel)))
    for row in range(kernel.shape[2]):
        for column in range(kernel.shape[3]):
            window = x[row * dilation :, column * dilation :][:height, :width]
            total += window @ kernel[:, :, row, column].T
    gamma, beta, mean, variance = (state[f"{name}.1.{t}"] for t in ("weight", "bias", "running_mean", "running_var"))
    total = (total - mean) / np.sqrt(variance.astype(np.float64) + 1e-5) * gamma + beta
    return np.where(total > 0, total, 0.1 * total)


def test_darknet_equals_an_evaluation_in_numpy(darknet, darknet_state, picture):
    x, expected = picture[0].astype(np.float64), {}
    for number, layer in DARKNET19.items():
        if layer is None:
            x = np.max([x[row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=0)
        else:
            x = darknet_block(x, darknet_state, f"resnet_features.layers.{number}_convbatch.layers", *layer[1:])
        expected[number] = x
    for value, number in zip(darknet.predict(picture, verbose=0), (7, 14, 23), strict=True):
        assert value[0].shape == expected[number].shape
        np.testing.assert_allclose(value[0], expected[number], rtol=0, atol=1e-5 * np.abs(expected[number]).max())


def test_padded_1x1_convolution_of_darknet_makes_a_ring_of_constants(darknet, darknet_state, picture):
    _, padded, _ = darknet.predict(picture, verbose=0)
    assert padded.shape == (1, 6, 8, 256)
    norm = "resnet_features.layers.14_convbatch.layers.1"
    scale = darknet_state[f"{norm}.weight"] / np.sqrt(darknet_state[f"{norm}.running_var"] + 1e-5)
    constant = darknet_state[f"{norm}.bias"] - scale * darknet_state[f"{norm}.running_mean"]
    constant = np.where(constant > 0, constant, 0.1 * constant)
    ring = np.ones((6, 8), bool)
    ring[1:-1, 1:-1] = False
    np.testing.assert_allclose(padded[0][ring], np.tile(constant, (ring.sum(), 1)), rtol=0, atol=1e-6)
    assert np.abs(padded[0][~ring] - constant).max() > 0.1


def test_darknet_map_sizes(networks):
    model = networks("liteseg_darknet19", (512, 1024, 3))
    blocks = {number for number, layer in DARKNET19.items() if layer is not None}
    outputs = {n: model.get_layer(f"resnet_features_layers_{n}_convbatch_layers_2").output for n in blocks}
    assert {n: output.shape[1:3] for n, output in outputs.items()} == DARKNET19_SIZES_AT_512X1024


def test_darknet_statistics_move_slowly(networks):
    layers = networks("liteseg_darknet19").layers
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {layer.momentum for layer in norms if layer.name.startswith("resnet_features_")} == {0.99}
    assert {layer.momentum for layer in norms if not layer.name.startswith("resnet_features_")} == {0.9}


def test_initialization():
    """Kaiming normal by the fan-in in the DASPP, by the fan-out in MobileNetV2, PyTorch's default in the rest."""
    keras.utils.set_random_seed(0)
    model = create_model("liteseg_mobilenetv2", (32, 32, 3))

    def kernel(name):
        return model.get_layer(name).kernel.numpy()

    # The spread of these estimates is below 2 %: thousands of values each.
    assert kernel("aspp2_atrous_convolution_conv1").std() == pytest.approx(np.sqrt(2 / 9), rel=0.06)
    assert kernel("aspp2_atrous_convolution_pointwise").std() == pytest.approx(np.sqrt(2 / 1280), rel=0.06)
    assert kernel("mobile_features_features_18_0").std() == pytest.approx(np.sqrt(2 / 1280), rel=0.06)
    assert kernel("mobile_features_features_15_conv_3").std() == pytest.approx(np.sqrt(2 / (9 * 960)), rel=0.06)
    for name, fan_in in (("conv1_conv1", 1), ("conv1_pointwise", 1760), ("global_avg_pool_1", 1280)):
        limit = 1 / np.sqrt(fan_in)
        assert 0.99 * limit < np.abs(kernel(name)).max() <= limit * (1 + 1e-6)
