import numpy as np
import pytest

from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.errors import UserError
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
