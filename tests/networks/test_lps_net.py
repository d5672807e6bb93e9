import re

import keras
import numpy as np
import pytest

from keras_liteseg import UserError, create_model, list_models, model_spec
from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.graph import fold_batch_norm
from keras_liteseg.networks.lps_net import family_name, lps_net
from tests.parity.fixtures import FOLDER, load_fixture

# Network: {tap of the fixtures: layer whose output it is}.
TAPS = {
    "lps_net_s": {
        "high_input": "netH_resize",
        "high_stage3": "netH_stages_2_2_relu",
        "high_stage3_mixed": "netH_stages_2_mixed",
        "high_stage4_mixed": "netH_stages_3_mixed",
        "high_stage5": "netH_stages_4_9_relu",
        "low_input": "netL_resize",
        "low_stage3": "netL_stages_2_2_relu",
        "low_stage3_mixed": "netL_stages_2_mixed",
        "low_stage4_mixed": "netL_stages_3_mixed",
        "low_stage5": "netL_stages_4_9_relu",
        "logits_native": "head",
        "logits": "logits",
    },
    "lps_net_tiny": {
        "path1_input": "net_resize",
        "path1_stage3": "net_stages_2_0_relu",
        "path1_stage4": "net_stages_3_0_relu",
        "path1_stage5": "net_stages_4_0_relu",
        "logits_native": "head",
        "logits": "logits",
    },
}
THREE_PATHS = {"depth": (1, 3, 3, 4, 4), "width": (8, 16, 32, 64, 64), "resolution": (1, 1 / 2, 1 / 4)}
# One block of one channel in every stage: for what depends on the resolution alone.
THIN = {"depth": (1,) * 5, "width": (1,) * 5}


@pytest.fixture(scope="module")
def networks():
    """A function from a name and an input shape to the network, each built once."""
    built = {}

    def get(name, input_shape):
        if (name, input_shape) not in built:
            built[name, input_shape] = create_model(name, input_shape)
        return built[name, input_shape]

    return get


def too_different(model, fixture):
    """Return {tap: (largest difference, tolerance)} of the taps that miss the fixture's numbers."""
    taps = {tap: model.get_layer(layer).output for tap, layer in TAPS[fixture.text["model"]].items()}
    differences = fixture.differences(keras.Model(model.input, taps).predict(fixture.input(), verbose=0))
    assert set(differences) == set(fixture.expected())
    return {tap: pair for tap, pair in differences.items() if not pair[0] <= pair[1]}


def shape_of(fixture, any_size):
    return (None, None, 3) if any_size else fixture.input().shape[1:]


@pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
@pytest.mark.parametrize("name", ["lps_net_s_102x166", "lps_net_tiny_96x160"])
def test_parity_with_the_reference(networks, name, any_size):
    fixture = load_fixture(name, FOLDER)
    model = networks(fixture.text["model"], shape_of(fixture, any_size))
    assign_state_dict(model, fixture.state_dict())
    assert not too_different(model, fixture)


@pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
def test_parity_with_the_reference_on_shared_numbers(networks, shared, any_size):
    fixture = load_fixture("lps_net_s", shared / "parity")
    model = networks("lps_net_s", shape_of(fixture, any_size))
    assign_state_dict(model, fixture.state_dict())
    assert not too_different(model, fixture)


@pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
@pytest.mark.parametrize("fold", [False, True], ids=["norms", "folded"])
def test_parity_of_the_deploy_form(networks, shared, fold, any_size):
    fixture = load_fixture("lps_net_s_deploy", shared / "parity")
    model = networks("lps_net_s", shape_of(fixture, any_size))
    model = fold_batch_norm(model) if fold else model
    assign_state_dict(model, fixture.state_dict())
    assert not too_different(model, fixture)


def test_parity_notices_a_wrong_weight(networks):
    fixture = load_fixture("lps_net_tiny_96x160")
    model = networks("lps_net_tiny", (None, None, 3))
    state = fixture.state_dict()
    state["net.stages.3.0.1.bias"] = state["net.stages.3.0.1.bias"] * 0.9
    assign_state_dict(model, state)
    assert set(too_different(model, fixture)) == {"path1_stage4", "path1_stage5", "logits_native", "logits"}


# Trainable parameters, running statistics, trainable parameters of the deploy form, state-dict entries in both forms.
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("lps_net_tiny", (16_183, 184, 16_091, 32, 12)),
        ("lps_net_s", (3_375_363, 8_576, 3_371_075, 326, 110)),
        ("lps_net_m", (3_375_363, 8_576, 3_371_075, 326, 110)),
        ("lps_net_l", (9_159_235, 13_888, 9_152_291, 326, 110)),
        ("three paths", (924_139, 3_984, 922_147, 272, 92)),
    ],
)
def test_counts_of_the_reference(networks, name, counts):
    any_size = (None, None, 3)
    model = lps_net(**THREE_PATHS, input_shape=any_size) if name == "three paths" else networks(name, any_size)
    deploy = fold_batch_norm(model)

    def count(variables):
        return sum(int(np.prod(variable.shape)) for variable in variables)

    # Batch normalization has five tensors in the reference, one of which counts its updates.
    tensors = [
        sum(5 if isinstance(layer, keras.layers.BatchNormalization) else len(layer.weights) for layer in form.layers)
        for form in (model, deploy)
    ]
    trainable, statistics = count(model.trainable_variables), count(model.non_trainable_variables)
    assert (trainable, statistics, count(deploy.trainable_variables), *tensors) == counts


def test_networks_are_registered():
    assert list_models("lps_net*") == ["lps_net_l", "lps_net_m", "lps_net_s", "lps_net_tiny"]
    for name in list_models("lps_net*"):
        entry = model_spec(name)
        assert (entry.mean, entry.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        assert (entry.output_stride, entry.size_multiple, entry.aux_size_multiple) == (16, 1, 1)
    model = create_model("lps_net_tiny", (32, 48, 3), num_classes=3, aux_heads=True)
    assert (model.name, model.output_shape) == ("lps_net_tiny", (None, 32, 48, 3))


@pytest.mark.parametrize(
    ("size", "resolution", "sizes"),
    [
        ((1024, 2048), (3 / 4, 1 / 4), {"netH": [(768, 1536), (384, 768), (192, 384), (96, 192), (48, 96), (48, 96)]}),
        ((1024, 2048), (1, 1 / 4), {"netH": [(1024, 2048), (512, 1024), (256, 512), (128, 256), (64, 128), (64, 128)]}),
        ((1024, 2048), (1, 1 / 4), {"netL": [(256, 512), (128, 256), (64, 128), (32, 64), (16, 32), (16, 32)]}),
        ((720, 960), (3 / 4, 1 / 4), {"netH": [(540, 720), (270, 360), (135, 180), (68, 90), (34, 45), (34, 45)]}),
        ((720, 960), (3 / 4, 1 / 4), {"netL": [(180, 240), (90, 120), (45, 60), (23, 30), (12, 15), (12, 15)]}),
        ((102, 166), (3 / 4, 1 / 4), {"netH": [(76, 124), (38, 62), (19, 31), (10, 16), (5, 8), (5, 8)]}),
        ((102, 166), (3 / 4, 1 / 4), {"netL": [(25, 41), (13, 21), (7, 11), (4, 6), (2, 3), (2, 3)]}),
    ],
)
def test_sizes(size, resolution, sizes):
    model = lps_net(**THIN, resolution=resolution, input_shape=(*size, 3))
    for path, (first, *stages) in sizes.items():
        assert model.get_layer(f"{path}_stages_0_0_0_pad").input.shape[1:3] == first
        for index, stage in enumerate(stages):
            assert model.get_layer(f"{path}_stages_{index}_0_relu").output.shape[1:3] == stage
    assert model.get_layer("head").output.shape[1:3] == model.get_layer("netH_stages_4_0_relu").output.shape[1:3]
    assert model.output_shape == (None, *size, 19)


def test_repeated_blocks_begin_near_the_identity():
    keras.utils.set_random_seed(0)
    model = lps_net((1, 2, 2, 2, 2), (4, 8, 8, 16, 16), (1,), (32, 32, 3))
    kernels = [layer.kernel.numpy() for layer in model.layers if re.fullmatch(r"net_stages_._1_0", layer.name)]
    assert len(kernels) == 4
    for kernel in kernels:
        kernel[1, 1] -= np.eye(kernel.shape[-1])
        limit = 1 / np.sqrt(9 * kernel.shape[-1])
        assert 0.9 * limit < np.abs(kernel).max() < limit
    # The first of a stage has other channels: random alone.
    first = model.get_layer("net_stages_2_0_0").kernel.numpy()
    assert np.abs(first).max() < 1 / np.sqrt(9 * 8)


def test_network_is_made_again_from_its_configuration():
    keras.utils.set_random_seed(0)
    model = lps_net((1, 2, 1, 1, 1), (4, 8, 8, 16, 16), (1,), (32, 32, 3))
    kernel = keras.Model.from_config(model.get_config()).get_layer("net_stages_1_1_0").kernel.numpy()
    kernel[1, 1] -= np.eye(8)
    assert 0 < np.abs(kernel).max() < 1 / np.sqrt(9 * 8)


def resized(x, size):
    """Align-corners resize by numpy's own linear interpolation."""
    for axis, length in zip((0, 1), size):
        positions = np.linspace(0, x.shape[axis] - 1, length) if length > 1 else np.zeros(1)
        x = np.apply_along_axis(lambda line: np.interp(positions, np.arange(len(line)), line), axis, x)
    return x


def block(model, x, name, strides):
    """Convolution padded by one on every side, batch normalization, ReLU, on one picture."""
    conv, norm = (model.get_layer(f"{name}_{part}") for part in (0, 1))
    kernel, (gamma, beta, mean, variance) = conv.kernel.numpy(), norm.get_weights()
    padded = np.pad(x, [(1, 1), (1, 1), (0, 0)])
    taps = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))[::strides, ::strides]
    x = np.einsum("hwirc,rcio->hwo", taps, kernel)
    return np.maximum((x - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)


def forward(model, image, depth, resolution, paths):
    """The network as the paper and the authors' code describe it, in float64."""
    maps = [resized(image, [int(length * factor) for length in image.shape[:2]]) for factor in resolution]
    for stage in range(5):
        for p, path in enumerate(paths):
            for index in range(depth[stage]):
                strides = 2 if index == 0 and stage < 4 else 1
                maps[p] = block(model, maps[p], f"{path}_stages_{stage}_{index}", strides)
        if stage in (2, 3):
            maps = [sum(resized(other, own.shape[:2]) for other in maps) for own in maps]
    x = np.concatenate([resized(other, maps[0].shape[:2]) for other in maps], axis=-1)
    kernel, bias = model.get_layer("head").get_weights()
    return resized(x @ kernel[0, 0] + bias, image.shape[:2])


@pytest.mark.parametrize(
    ("resolution", "paths"),
    [
        ((1, 1 / 2, 1 / 4), ("net1", "net2", "net3")),
        ((1.5, 7 / 8, 7 / 8), ("net1", "net2", "net3")),
        ((5 / 8, 1 / 3), ("netH", "netL")),
        ((1,), ("net",)),
    ],
)
def test_forward_pass(resolution, paths):
    rng = np.random.default_rng(0)
    depth = (1, 2, 1, 2, 2)
    model = lps_net(depth, (2, 3, 4, 5, 6), resolution, (50, 74, 3), num_classes=3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, value.shape) for value in layer.get_weights()])
    image = rng.normal(size=(50, 74, 3))
    expected = forward(model, image, depth, resolution, paths)
    logits = np.asarray(model(image[None].astype(np.float32)))[0]
    assert np.abs(expected - expected.mean(axis=(0, 1))).max() > 1e-2  # the picture reaches the logits
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_order_of_the_resolution_does_not_matter():
    first, *others = (
        lps_net(**THIN, resolution=resolution, input_shape=(32, 48, 3))
        for resolution in ((1, 0.5, 0.25), (0.25, 0.5, 1), [0.5, 1.0, 0.25])
    )
    for other in others:
        assert other.get_config() == first.get_config()


def test_zeros_leave_paths_out():
    single = lps_net(**THIN, resolution=(0, 0.5, 0), input_shape=(32, 48, 3))
    assert single.get_config() == lps_net(**THIN, resolution=(0.5,), input_shape=(32, 48, 3)).get_config()


def test_no_operation_is_spent_where_nothing_changes():
    names = [layer.name for layer in lps_net(**THIN, resolution=(1,), input_shape=(32, 48, 3)).layers]
    assert [name for name in names if not name.startswith("net_stages")] == ["images", "head", "logits"]


def test_weights_start_as_in_pytorch():
    keras.utils.set_random_seed(0)
    model = lps_net((1,) * 5, (8, 16, 32, 64, 64), (1,), (32, 32, 3), num_classes=200)
    kernel, (head, bias) = model.get_layer("net_stages_4_0_0").kernel.numpy(), model.get_layer("head").get_weights()
    for values, fan_in in ((kernel, 9 * 64), (head, 64), (bias, 64)):
        limit = fan_in**-0.5
        assert 0.95 * limit < np.abs(values).max() <= limit
        assert values.std() == pytest.approx(limit / 3**0.5, rel=0.15)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"depth": (1, 3, 3, 10)}, r"depth is \(1, 3, 3, 10\); .* five whole numbers of 1 or more"),
        ({"depth": (1, 3, 3, 10, 0)}, "depth is .*five whole numbers"),
        ({"depth": (1, 3, 3, 10, 2.5)}, "depth is .*five whole numbers"),
        ({"depth": 3}, "depth is 3; .*five whole numbers"),
        ({"width": [8, 24, 48, -96, 96]}, "width is .*five whole numbers"),
        ({"width": "84899"}, "width is '84899'; .*five whole numbers"),
        ({"resolution": ()}, r"resolution is \(\); .*one to three factors"),
        ({"resolution": (0, 0)}, "resolution is .*above 0"),
        ({"resolution": (1, 0.5, 0.25, 0.125)}, "resolution is .*one to three factors"),
        ({"resolution": (1, -0.5)}, "resolution is .*above 0"),
        ({"resolution": (float("nan"),)}, "resolution is .*one to three factors"),
        ({"resolution": (1, "1/4")}, "resolution is .*one to three factors"),
        ({"input_shape": (32, 3, 3)}, "32x3 leaves no pixel .* resolution 0.25; the smallest legal size is 4x4"),
        ({"resolution": (1 / 3,), "input_shape": (2, None, 3)}, "2xNone .*smallest legal size is 3x3"),
        # 49 * (1 / 49) is below 1 in floating point.
        ({"resolution": (1 / 49,), "input_shape": (49, 99, 3)}, "smallest legal size is 50x50"),
    ],
)
def test_wrong_architecture_is_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        lps_net(**{**THIN, "resolution": (1, 0.25), "input_shape": (32, 48, 3), **wrong})


def test_smallest_size_works():
    model = create_model("lps_net_tiny", (2, 2, 3), num_classes=2)
    assert model(np.ones((1, 2, 2, 3), np.float32)).shape == (1, 2, 2, 2)


def test_logits_stay_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = lps_net(**THIN, resolution=(1, 0.5), input_shape=(32, 48, 3))
    finally:
        keras.config.set_dtype_policy(policy)
    assert (model.get_layer("head").output.dtype, model.output.dtype) == ("bfloat16", "float32")
    assert model(np.ones((1, 32, 48, 3), np.float32)).dtype == "float32"


def test_any_network_of_the_family_has_a_name():
    name = "lps_net_d1-3-3-10-10_w8-24-48-96-96_r6-2"
    assert family_name((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (1 / 4, 3 / 4, 0)) == name
    network = create_model(name, (64, 128, 3), 5)
    assert network.name == name and name not in list_models()
    published = create_model("lps_net_s", (64, 128, 3), 5)
    shapes = [[(weight.path, weight.shape) for weight in model.weights] for model in (network, published)]
    assert shapes[0] == shapes[1]
    assert model_spec(name).mean == model_spec("lps_net_s").mean
    assert model_spec(name).min_length == model_spec("lps_net_s").min_length == 4
    with pytest.raises(UserError, match="at least 8"):
        create_model("lps_net_d1-1-1-1-1_w4-4-4-4-4_r1", (7, 8, 3))


@pytest.mark.parametrize(
    "name",
    [
        "lps_net_d1-1-1-1_w4-4-4-4-4_r4",
        "lps_net_d1-1-1-1-1_w4-4-4-4-4_r4-2-1-1",
        "lps_net_d1-1-1-1-1_w4-4-4-4-4_r0",
        "lps_net_d0-1-1-1-1_w4-4-4-4-4_r4",
        "lps_net_d1-1-1-1-1_w4-4-4-4-4_r4x",
    ],
)
def test_name_of_no_network_of_the_family(name):
    with pytest.raises(UserError, match=f"There is no model '{name}'; did you mean lps_net_"):
        create_model(name)
