import re

import numpy as np
import pytest

from keras_liteseg import create_model, fold_batch_norm
from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.checkpoints.assign import aux_layers, class_layers
from keras_liteseg.errors import UserError
from tests.parity.fixtures import load_fixture
from tests.tiny import tiny


def state_dict(num_classes=3, aux=False):
    """The state of `tiny` as PyTorch would hold it, random."""
    shapes = {
        "features.conv1.conv.weight": (4, 3, 3, 3),
        "features.conv1.bn.weight": (4,),
        "features.conv1.bn.bias": (4,),
        "features.conv1.bn.running_mean": (4,),
        "features.conv1.bn.running_var": (4,),
        "features.conv1.bn.num_batches_tracked": (),
        "features.dwconv.weight": (4, 1, 3, 3),
        "seg.score.weight": (num_classes, 4, 1, 1),
        "seg.score.bias": (num_classes,),
    }
    if aux:
        shapes |= {"aux_seg.score.weight": (num_classes, 4, 1, 1), "aux_seg.score.bias": (num_classes,)}
    rng = np.random.default_rng(len(shapes))
    return {name: rng.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def model():
    return tiny()


def refusal(model, state, **options):
    """Return the message of the refusal, having checked that it left every weight alone."""
    before = model.get_weights()
    with pytest.raises(UserError) as error:
        assign_state_dict(model, state, **options)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return str(error.value)


def test_every_weight_reaches_its_place(model):
    state = state_dict()
    assign_state_dict(model, state)

    conv, bn = model.get_layer("features_conv1_conv"), model.get_layer("features_conv1_bn")
    np.testing.assert_array_equal(conv.kernel.numpy(), state["features.conv1.conv.weight"].transpose(2, 3, 1, 0))
    depthwise = model.get_layer("features_dwconv").kernel.numpy()
    np.testing.assert_array_equal(depthwise[:, :, 2, 0], state["features.dwconv.weight"][2, 0])
    for variable, entry in (
        (bn.gamma, "weight"),
        (bn.beta, "bias"),
        (bn.moving_mean, "running_mean"),
        (bn.moving_variance, "running_var"),
    ):
        np.testing.assert_array_equal(variable.numpy(), state[f"features.conv1.bn.{entry}"])
    np.testing.assert_array_equal(model.get_layer("seg_score").bias.numpy(), state["seg.score.bias"])
    scores = model.get_layer("seg_score").kernel.numpy()[0, 0]
    np.testing.assert_array_equal(scores, state["seg.score.weight"][..., 0, 0].T)


def test_order_of_the_entries_does_not_matter(model):
    state = state_dict()
    assign_state_dict(model, state)
    expected = model.get_weights()
    other = tiny()
    assign_state_dict(other, dict(reversed(state.items())))
    for ours, theirs in zip(other.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_aux_entries_are_accepted_without_aux_heads(model):
    state = state_dict(aux=True)
    assign_state_dict(model, state)
    np.testing.assert_array_equal(model.get_layer("seg_score").bias.numpy(), state["seg.score.bias"])


def test_aux_entries_are_used_by_aux_heads():
    model, state = tiny(aux_heads=True), state_dict(aux=True)
    assign_state_dict(model, state)
    np.testing.assert_array_equal(model.get_layer("aux_seg_score").bias.numpy(), state["aux_seg.score.bias"])


def test_aux_heads_need_aux_entries():
    message = refusal(tiny(aux_heads=True), state_dict())
    assert "2 missing: aux_seg_score.weight, aux_seg_score.bias" in message


def test_missing_entries_are_named(model):
    state = state_dict()
    del state["features.conv1.bn.running_var"], state["features.dwconv.weight"]
    message = refusal(model, state, source="weights.pth")
    assert message.startswith("weights.pth does not fit the model 'tiny'.")
    assert "2 missing: features_conv1_bn.running_var, features_dwconv.weight." in message
    assert "number of classes" not in message


def test_unexpected_entries_are_named(model):
    message = refusal(model, state_dict() | {"features.conv2.conv.weight": np.zeros((4, 4, 1, 1))})
    assert "1 unexpected: features.conv2.conv.weight." in message


def test_misshapen_entries_are_named_with_both_shapes(model):
    message = refusal(model, state_dict() | {"features.conv1.conv.weight": np.zeros((4, 3, 5, 5))})
    assert "1 of the wrong shape: features.conv1.conv.weight (is (4, 3, 5, 5), wanted (4, 3, 3, 3))" in message
    assert "number of classes" not in message


def test_entries_of_another_rank_are_misshapen(model):
    message = refusal(model, state_dict() | {"features.conv1.bn.bias": np.zeros((4, 1))})
    assert "features.conv1.bn.bias (is (4, 1), wanted (4,))" in message


def test_all_kinds_of_problems_are_told_at_once(model):
    state = state_dict() | {"more.weight": np.zeros(1), "seg.score.bias": np.zeros(5)}
    del state["features.conv1.bn.bias"]
    message = refusal(model, state)
    assert "1 missing: features_conv1_bn.bias; 1 unexpected: more.weight; " in message
    assert "1 of the wrong shape: seg.score.bias" in message


def test_another_number_of_classes_is_recognized(model):
    message = refusal(model, state_dict(num_classes=19))
    assert "seg.score.weight (is (19, 4, 1, 1), wanted (3, 4, 1, 1)), seg.score.bias (is (19,), wanted (3,))" in message
    assert message.endswith("Build the model with the number of classes of the weights.")


def test_a_long_list_is_cut(model):
    message = refusal(model, {})
    assert "8 missing: " in message and "and 3 more" in message


def test_module_of_a_data_parallel_wrapper_is_left_out(model):
    state = state_dict()
    assign_state_dict(model, state)
    other = tiny()
    assign_state_dict(other, {f"module.{name}": value for name, value in state.items()})
    for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_two_names_of_the_same_weights_are_refused(model):
    state = state_dict() | {"features.dwconv.module.weight": np.zeros((4, 1, 3, 3))}
    message = refusal(model, state, source="weights.pth")
    assert "weights.pth holds both features.dwconv.weight and features.dwconv.module.weight" in message


def test_paddle_tensor_names(model):
    state = state_dict()
    paddle = {"running_mean": "_mean", "running_var": "_variance"}
    renamed = {
        re.sub("running_(mean|var)$", lambda found: paddle[found[0]], name): value
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.conv1.bn._variance" in renamed
    assign_state_dict(model, state)
    other = tiny()
    assign_state_dict(other, renamed)
    for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_paddle_names_of_lps_net():
    """PaddleSeg numbers the paths and has one module for convolution and batch normalization."""
    state = load_fixture("lps_net_s_102x166").state_dict()
    tensors = {"running_mean": "_mean", "running_var": "_variance"}

    def paddle_name(name):
        found = re.match(r"net([HL])\.stages\.(\d+\.\d+)\.([01])\.(\w+)$", name)
        if not found:
            return name
        path, block, place, tensor = found.groups()
        part = "_conv" if place == "0" else "_batch_norm"
        return f"nets.{'HL'.index(path)}.{block}.{part}.{tensors.get(tensor, tensor)}"

    renamed = {paddle_name(n): value for n, value in state.items() if not n.endswith("num_batches_tracked")}
    assert "nets.1.4.9._batch_norm._variance" in renamed and "head.bias" in renamed
    model, other = (create_model("lps_net_s", (64, 64, 3)) for _ in range(2))
    assign_state_dict(model, state)
    assign_state_dict(other, renamed)
    for ours, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def deploy_state():
    """The state of `tiny` with its batch normalization folded: biases instead."""
    state = state_dict()
    bias = state["features.conv1.bn.bias"]
    state = {name: value for name, value in state.items() if ".bn." not in name}
    return state | {"features.conv1.conv.bias": bias}


def test_deploy_form_computes_the_same_with_and_without_batch_norm(model):
    folded = fold_batch_norm(tiny())
    assign_state_dict(model, deploy_state())
    assign_state_dict(folded, deploy_state())
    norm = model.get_layer("features_conv1_bn")
    np.testing.assert_array_equal(norm.beta, deploy_state()["features.conv1.conv.bias"])
    images = np.random.default_rng(0).normal(size=(1, 16, 24, 3)).astype(np.float32)
    np.testing.assert_allclose(model(images), folded(images), rtol=1e-6, atol=1e-6)


def test_bias_beside_a_batch_norm_is_unexpected(model):
    message = refusal(model, state_dict() | {"features.conv1.conv.bias": np.zeros(4)})
    assert "1 unexpected: features.conv1.conv.bias" in message


def test_half_a_deploy_form_is_refused(model):
    state = deploy_state()
    del state["features.conv1.conv.bias"]
    assert "4 missing: features_conv1_bn.weight" in refusal(model, state)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("liteseg_mobilenetv2", "mobile_features.classifier.1.weight"),
        ("liteseg_shufflenet", "shuffle_features.module.fc.bias"),
        ("pp_liteseg_t", "seg_heads.2.conv_out.weight"),
        ("ndnet61_fcn8", "aux_seg1.score.bias"),
    ],
)
def test_entries_that_prediction_does_not_need(name, entry):
    with pytest.raises(UserError) as error:
        assign_state_dict(create_model(name, (64, 64, 3)), {entry: np.zeros(3), "other.weight": np.zeros(3)})
    assert "1 unexpected: other.weight" in str(error.value)


def test_new_classes_keep_the_layers_that_depend_on_them():
    model = tiny(num_classes=5, aux_heads=True)
    before = model.get_layer("seg_score").get_weights()
    assert assign_state_dict(model, state_dict(num_classes=19), new_classes=True) == ["aux_seg_score", "seg_score"]
    for old, new in zip(before, model.get_layer("seg_score").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("name", "aux_heads", "layers"),
    [
        ("liteseg_shufflenet", False, {"last_conv_6"}),
        ("lps_net_tiny", False, {"head"}),
        ("pp_liteseg_t", True, {"seg_heads_0_conv_out", "seg_heads_1_conv_out", "seg_heads_2_conv_out"}),
        ("ndnet61_fcn8", False, {"seg8_score", "seg16_score", "seg32_score", "seg8w", "seg16w", "seg32w"}),
    ],
)
def test_layers_that_depend_on_the_classes(name, aux_heads, layers):
    model = create_model(name, (64, 64, 3), 7, aux_heads)
    assert class_layers(model) == layers
    other = {layer.name: layer for layer in create_model(name, (64, 64, 3), 5, aux_heads).layers}
    differ = {
        layer.name
        for layer in model.layers
        if [v.shape for v in layer.weights] != [v.shape for v in other[layer.name].weights]
    }
    assert differ == layers


def test_layers_of_the_auxiliary_heads():
    model = create_model("pp_liteseg_t", (64, 64, 3), aux_heads=True)
    plain = {layer.name for layer in create_model("pp_liteseg_t", (64, 64, 3)).layers}
    assert aux_layers(model) == {layer.name for layer in model.layers} - plain


# Names within names.


def assert_filled(model, state):
    expected = tiny()
    assign_state_dict(expected, state)
    for found, wanted in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "before",
    [
        *("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."),
        *("model.", "net.", "network.", "model._orig_mod.", "module.model.", "model.net.", "net.model.module."),
    ],
)
@pytest.mark.parametrize("aux", [False, True])
def test_names_within_the_model_of_a_training_program(model, before, aux):
    assign_state_dict(model, {before + name: value for name, value in state_dict(aux=aux).items()})
    assert_filled(model, state_dict(aux=aux))


def test_what_a_training_program_saves_of_its_own_is_left_out(model):
    state = {f"model.{name}": value for name, value in state_dict().items()}
    extra = {"criterion.weight": np.ones(3, "float32"), "teacher.seg.score.bias": np.ones(3, "float32")}
    assign_state_dict(model, state | extra)
    assert_filled(model, state_dict())


@pytest.mark.parametrize("before", ["", "module.", "net.", "model."])
def test_network_whose_own_names_begin_so(before):
    """LPS-Net with one path calls that path `net`, as training programs call the whole."""
    fixture = load_fixture("lps_net_tiny_96x160")
    model = create_model("lps_net_tiny", (96, 160, 3))
    assign_state_dict(model, {before + name: value for name, value in fixture.state_dict().items()})
    kernel = fixture.state_dict()["net.stages.0.0.0.weight"]
    np.testing.assert_array_equal(model.get_layer("net_stages_0_0_0").kernel, kernel.transpose(2, 3, 1, 0))


@pytest.mark.parametrize("extra", ["n_averaged", "total_ops", "total_params", "features.conv1.total_ops", "steps"])
def test_bookkeeping_is_ignored(model, extra):
    assign_state_dict(model, state_dict() | {extra: np.array(3)})
    assert_filled(model, state_dict())


def test_entries_that_fit_nowhere_are_named_as_in_the_file(model):
    state = {f"model.{name}": value for name, value in state_dict().items()}
    del state["model.seg.score.bias"]
    assert "1 missing: seg_score.bias." in refusal(model, state)
    assert "unexpected: model.decoder.weight" in refusal(model, {"model.decoder.weight": np.ones(3, "float32")})


# Numbers that are no weights.


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda value: value.astype("int64"), "int64 numbers"),
        (lambda value: value.astype("uint16"), "uint16 numbers"),
        (lambda value: value > 1, "bool numbers"),
        (lambda value: value * np.nan, "NaN or infinity in it"),
        (lambda value: np.where(np.arange(4) == 2, np.float16(np.inf), value), "NaN or infinity in it"),
        (lambda value: value.astype("float64") * 1e39, "NaN or infinity in it"),
    ],
)
@pytest.mark.parametrize("name", ["features.conv1.bn.bias", "features.conv1.bn.running_mean"])
def test_numbers_that_are_no_weights_are_refused(model, name, change, fault):
    state = state_dict()
    message = refusal(model, state | {name: change(state[name])})
    assert f"1 no weights: {name} ({fault})" in message
    assert "Save the weights of a training that went well" in message


def test_negative_variances_are_refused(model):
    state = state_dict()
    state["features.conv1.bn.running_var"][1] = -1
    assert "features.conv1.bn.running_var (variances below 0)" in refusal(model, state)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_precisions_are_weights(model, dtype):
    assign_state_dict(model, {name: value.astype(dtype) for name, value in state_dict().items()})
    bias = model.get_layer("seg_score").bias.numpy()
    np.testing.assert_array_equal(bias, state_dict()["seg.score.bias"].astype(dtype).astype("float32"))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "the state dict is None; give a dict from the names of entries to NumPy arrays"),
        ([1], r"the state dict is \[1\]"),
        ({1: np.zeros(3)}, "the state dict is {1: array"),
        ({"seg_score.weight": [1.0]}, r"The entry 'seg_score.weight' of the state dict is \[1.0\]; give a NumPy array"),
    ],
)
def test_what_is_no_state_dict_is_refused(model, state, said):
    with pytest.raises(UserError, match=said):
        assign_state_dict(model, state)
