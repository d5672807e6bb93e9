import keras
import numpy as np
import pytest

from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.networks.uafm import FUSIONS, uafm
from tests.graph.graphs import run
from tests.parity.fixtures import load_fixture
from tests.parity.weights import synthetic_tensor

ANY_SIZE = pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
LOW, HIGH, OUT = 24, 16, 20  # channels of the fixtures


def block(fusion, any_size=False):
    """The block of the fixtures, 'arm', as a model of both inputs."""
    sizes = [(None, None), (None, None)] if any_size else [(12, 20), (6, 10)]
    low, high = keras.Input((*sizes[0], LOW)), keras.Input((*sizes[1], HIGH))
    return keras.Model([low, high], uafm(low, high, OUT, fusion, "arm"))


def assign(model, state):
    assign_state_dict(model, {f"arm.{entry}": value for entry, value in state.items()})


@ANY_SIZE
@pytest.mark.parametrize("fusion", ["UAFM", "UAFM_SpAtten", "UAFM_SpAtten_S", "UAFM_ChAtten", "UAFM_ChAtten_S"])
def test_parity_with_the_reference(fusion, any_size):
    fixture = load_fixture(fusion.lower())
    model = block(fusion, any_size)
    assign(model, fixture.state_dict())
    taps = {"output": "arm_conv_out_relu", "low_projected": "arm_conv_x_relu"}
    if FUSIONS[fusion].attention:
        taps["attention_preactivation"] = "arm_conv_xy_atten_1__batch_norm"
    tapped = keras.Model(model.inputs, {tap: model.get_layer(name).output for tap, name in taps.items()})
    differences = fixture.differences(run(tapped, fixture.inputs()["low"], fixture.inputs()["high"]))
    assert set(differences) == set(fixture.expected())
    assert {tap: pair for tap, pair in differences.items() if not pair[0] <= pair[1]} == {}


def convolution(x, kernel, bias=0.0):
    """Convolution with a kernel in PyTorch's layout, depthwise if that sees one channel of many."""
    margin = kernel.shape[2] // 2
    x = np.pad(x, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(1, 2))
    if kernel.shape[1] == 1:
        return np.einsum("nhwcij,cij->nhwc", windows, kernel[:, 0])
    return np.einsum("nhwcij,ocij->nhwo", windows, kernel) + bias


def norm(x, state, name):
    scale = state[f"{name}.weight"] / np.sqrt(state[f"{name}._variance"] + 1e-5)
    return (x - state[f"{name}._mean"]) * scale + state[f"{name}.bias"]


def separable(x, state, name):
    x = norm(convolution(x, state[f"{name}.depthwise_conv._conv.weight"]), state, f"{name}.depthwise_conv._batch_norm")
    pointwise = f"{name}.piontwise_conv"
    x = convolution(x, state[f"{pointwise}._conv.weight"], state[f"{pointwise}._conv.bias"])
    return np.maximum(norm(x, state, f"{pointwise}._batch_norm"), 0)


def doubled(x):
    """Half-pixel bilinear resize to twice the size, by numpy's own interpolation."""
    for axis in (1, 2):
        old = x.shape[axis]
        positions = (np.arange(2 * old) + 0.5) / 2 - 0.5
        x = np.apply_along_axis(lambda line: np.interp(positions, np.arange(old), line), axis, x)
    return x


def mobile_shapes(fusion):
    """Names and shapes of the state dict of a block with separable convolutions."""
    convolutions = {
        "conv_x.depthwise_conv": (LOW, 1, 3, 3),
        "conv_x.piontwise_conv": (HIGH, LOW, 1, 1),
        "conv_out.depthwise_conv": (HIGH, 1, 3, 3),
        "conv_out.piontwise_conv": (OUT, HIGH, 1, 1),
    }
    if fusion == "UAFMMobile_SpAtten":
        convolutions |= {"conv_xy_atten.0": (2, 4, 3, 3), "conv_xy_atten.1": (1, 2, 3, 3)}
    shapes = {}
    for name, shape in convolutions.items():
        shapes[f"{name}._conv.weight"] = shape
        if "piontwise" in name:
            shapes[f"{name}._conv.bias"] = shape[:1]
        shapes |= {f"{name}._batch_norm.{part}": shape[:1] for part in ("weight", "bias", "_mean", "_variance")}
    return shapes


@ANY_SIZE
@pytest.mark.parametrize("fusion", ["UAFMMobile", "UAFMMobile_SpAtten"])
def test_separable_forms_equal_their_definition(fusion, any_size):
    state = {name: synthetic_tensor(name, shape) for name, shape in mobile_shapes(fusion).items()}
    given = load_fixture("uafm").inputs()
    model = block(fusion, any_size)
    assign(model, state)

    low, high = separable(given["low"], state, "conv_x"), doubled(given["high"])
    if fusion == "UAFMMobile_SpAtten":
        maps = np.stack([low.mean(-1), low.max(-1), high.mean(-1), high.max(-1)], axis=-1)
        hidden = convolution(maps, state["conv_xy_atten.0._conv.weight"])
        hidden = np.maximum(norm(hidden, state, "conv_xy_atten.0._batch_norm"), 0)
        hidden = convolution(hidden, state["conv_xy_atten.1._conv.weight"])
        attention = 1 / (1 + np.exp(-norm(hidden, state, "conv_xy_atten.1._batch_norm")))
        low, high = low * attention, high * (1 - attention)
    expected = separable(low + high, state, "conv_out")
    np.testing.assert_allclose(run(model, given["low"], given["high"]), expected, rtol=0, atol=1e-5 * expected.max())


def test_the_stored_scale_starts_at_one_and_is_not_trained():
    model = block("UAFM_SpAtten")
    (scale,) = model.get_layer("arm").weights
    assert (scale.name, tuple(scale.shape), scale.trainable) == ("_scale", (1,), False)
    np.testing.assert_array_equal(scale, [1.0])


@pytest.mark.parametrize("fusion", FUSIONS)
def test_only_one_form_has_a_stored_scale(fusion):
    names = {weight.name for weight in block(fusion).weights}
    assert ("_scale" in names) == (fusion == "UAFM_SpAtten")


def test_maps_of_one_size_may_differ_in_size_later():
    """The size of a network can be changed after it was built, also from one where two strides have equal maps."""
    low, high = keras.Input((1, 1, LOW)), keras.Input((1, 1, HIGH))
    small = keras.Model([low, high], uafm(low, high, OUT, "UAFM_SpAtten", "arm"))
    large = keras.models.clone_model(small, [keras.Input((12, 20, LOW)), keras.Input((6, 10, HIGH))])
    model = block("UAFM_SpAtten")
    model.set_weights(large.get_weights())
    given = load_fixture("uafm").inputs()
    np.testing.assert_array_equal(large([given["low"], given["high"]]), model([given["low"], given["high"]]))


def test_depthwise_kernels_start_with_the_fan_in_of_all_channels():
    keras.utils.set_random_seed(0)
    low, high = keras.Input((4, 4, 400)), keras.Input((4, 4, HIGH))
    model = keras.Model([low, high], uafm(low, high, OUT, "UAFMMobile", "arm"))
    kernel = keras.ops.convert_to_numpy(model.get_layer("arm_conv_x_depthwise_conv__conv").kernel)
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 400)), rel=0.05)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_block_survives_a_file(fusion, tmp_path):
    given = load_fixture("uafm").inputs()
    model = block(fusion)
    model.set_weights([np.random.default_rng(0).uniform(0.5, 1, weight.shape) for weight in model.weights])
    model.save(tmp_path / "block.keras")
    again = keras.saving.load_model(tmp_path / "block.keras")
    np.testing.assert_array_equal(again([given["low"], given["high"]]), model([given["low"], given["high"]]))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_block_runs_in_bfloat16(fusion):
    given = load_fixture("uafm").inputs()
    exact = block(fusion)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = block(fusion)
    finally:
        keras.config.set_dtype_policy(policy)
    mixed.set_weights(exact.get_weights())
    expected = exact([given["low"], given["high"]]).numpy()
    result = mixed([given["low"], given["high"]])
    assert keras.backend.standardize_dtype(result.dtype) == "bfloat16"
    # bfloat16 has 8 bits of mantissa; a dozen roundings in a row.
    np.testing.assert_allclose(keras.ops.cast(result, "float32"), expected, rtol=0, atol=0.03 * expected.max())
