import keras
import numpy as np
import pytest

from keras_liteseg import create_model
from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.checkpoints.assign import wanted_entries
from keras_liteseg.errors import UserError
from keras_liteseg.networks.uafm import FUSIONS
from tests.graph.graphs import run
from tests.parity.fixtures import FOLDER, load_fixture

ANY_SIZE = pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])

# Tap of the fixtures: layer whose output it is.
TAPS = {
    "stem_s4": "backbone_features_1_relu",
    "stage3_block1": "backbone_features_2_concat",
    "backbone_s8": "backbone_features_3_concat",
    "backbone_s16": "backbone_features_5_concat",
    "backbone_s32": "backbone_features_7_concat",
    "sppm": "ppseg_head_cm_conv_out_relu",
    "uafm_s32": "ppseg_head_arm_list_2_conv_out_relu",
    "uafm_s16": "ppseg_head_arm_list_1_conv_out_relu",
    "uafm_s8": "ppseg_head_arm_list_0_conv_out_relu",
    "logits_s8": "seg_heads_0_conv_out",
    "aux_logits_s16": "seg_heads_1_conv_out",
    "aux_logits_s32": "seg_heads_2_conv_out",
    "logits": "logits",
}

# Counted in the reference implementation: trainable parameters with all heads and with the first alone, other values
# in the state dict, tensors in the state dict.
COUNTS = {
    ("pp_liteseg_t", 19): (8_141_600, 8_028_320, 11_605, 250),
    ("pp_liteseg_b", 19): (12_366_464, 12_234_752, 18_005, 370),
    ("pp_liteseg_t", 11): (8_140_320, 8_028_064, 11_605, 250),
    ("pp_liteseg_b", 11): (12_364_928, 12_234_240, 18_005, 370),
}

# Trainable parameters by part, 19 classes.
PARTS = {
    "pp_liteseg_t": {
        "backbone_": 5_318_304,
        "ppseg_head_cm_": 542_208,
        "ppseg_head_arm_list_0": 166_176,
        "ppseg_head_arm_list_1": 664_032,
        "ppseg_head_arm_list_2": 1_327_712,
        "seg_heads_0_": 9_888,
        "seg_heads_1_": 38_208,
        "seg_heads_2_": 75_072,
    },
    "pp_liteseg_b": {
        "backbone_": 9_348_768,
        "ppseg_head_cm_": 542_208,
        "ppseg_head_arm_list_0": 276_896,
        "ppseg_head_arm_list_1": 700_960,
        "ppseg_head_arm_list_2": 1_327_712,
        "seg_heads_0_": 38_208,
        "seg_heads_1_": 56_640,
        "seg_heads_2_": 75_072,
    },
}


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def assert_parity(fixture, any_size):
    images = fixture.input()
    model = create_model("pp_liteseg_t", (None, None, 3) if any_size else images.shape[1:], 19, aux_heads=True)
    assign_state_dict(model, fixture.state_dict())
    taps = keras.Model(model.input, {tap: model.get_layer(name).output for tap, name in TAPS.items()})
    differences = fixture.differences(run(taps, images))
    assert set(differences) == set(fixture.expected())
    assert {tap: pair for tap, pair in differences.items() if not pair[0] <= pair[1]} == {}


@ANY_SIZE
def test_parity_with_the_reference(any_size):
    """At a size that is odd at several strides: padding, counts of the pooling, uneven bins, factors of the resizes."""
    assert_parity(load_fixture("pp_liteseg_t_102x166", FOLDER), any_size)


@ANY_SIZE
def test_parity_with_the_reference_on_shared_numbers(shared, any_size):
    assert_parity(load_fixture("pp_liteseg_t", shared / "parity"), any_size)


@pytest.mark.parametrize(("name", "num_classes"), COUNTS)
def test_parameters_equal_the_reference(name, num_classes):
    every_head, first_head, other, entries = COUNTS[name, num_classes]
    model = create_model(name, (None, None, 3), num_classes, aux_heads=True)
    assert count(model.trainable_weights) == every_head
    assert count(model.non_trainable_weights) == other
    assert len(wanted_entries(model)) == entries
    if num_classes == 19:
        parts = {
            part: [
                weight for layer in model.layers if layer.name.startswith(part) for weight in layer.trainable_weights
            ]
            for part in PARTS[name]
        }
        assert {part: count(weights) for part, weights in parts.items()} == PARTS[name]
    assert count(create_model(name, (None, None, 3), num_classes).trainable_weights) == first_head


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize(
    ("size", "strides_8_16_32"),
    [((102, 166), [(13, 21), (7, 11), (4, 6)]), ((720, 960), [(90, 120), (45, 60), (23, 30)])],
    ids=["102x166", "720x960"],
)
def test_sizes(name, size, strides_8_16_32):
    model = create_model(name, (*size, 3), 5, aux_heads=True)
    scores = [model.get_layer(f"seg_heads_{index}_conv_out").output.shape for index in range(3)]
    assert scores == [(None, *at_stride, 5) for at_stride in strides_8_16_32]
    assert model.output_shape == [(None, *size, 5)] * 3
    assert model.output_names == ["logits", "aux_logits", "aux_logits1"]


def test_without_auxiliary_heads_there_is_one_output():
    model = create_model("pp_liteseg_t", (32, 64, 3), 5)
    assert model.output_shape == (None, 32, 64, 5)
    assert not any(layer.name.startswith(("seg_heads_1", "seg_heads_2")) for layer in model.layers)


def test_auxiliary_logits_are_those_of_their_strides():
    model = create_model("pp_liteseg_t", (64, 64, 3), 5, aux_heads=True)
    for index, name in enumerate(("logits", "aux_logits", "aux_logits1")):
        scores, _ = model.get_layer(name).input
        assert scores is model.get_layer(f"seg_heads_{index}_conv_out").output


@pytest.mark.parametrize("fusion", ["UAFM_ChAtten", "UAFMMobile_SpAtten", "UAFM"])
def test_options_reach_their_parts(fusion):
    model = create_model(
        "pp_liteseg_t",
        (32, 64, 3),
        5,
        aux_heads=True,
        fusion=fusion,
        fusion_channels=[8, 12, 16],
        head_channels=(4, 6, 10),
        sppm_bins=[1, 3],
        sppm_channels=14,
    )
    attention = [layer.name for layer in model.layers if layer.name.endswith("_conv_xy_atten_1__conv")]
    assert len(attention) == (3 if FUSIONS[fusion].attention else 0)
    for index, (width, hidden) in enumerate(((8, 4), (12, 6), (16, 10))):
        head = model.get_layer(f"seg_heads_{index}_conv__conv")
        assert (head.input.shape[-1], head.output.shape[-1]) == (width, hidden)
    pools = [layer.output.shape for layer in model.layers if layer.name.startswith("ppseg_head_cm_stages_")]
    assert {shape[1] for shape in pools if shape[-1] == 1024} == {1, 3}
    assert model.get_layer("ppseg_head_cm_conv_out__conv").kernel.shape == (3, 3, 14, 14)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fusion": "UAFM_SpAten"}, "There is no fusion 'UAFM_SpAten'; did you mean UAFM_SpAtten, "),
        ({"fusion_channels": (32, 64)}, "fusion_channels is (32, 64); it takes 3 numbers, for strides 8, 16 and 32."),
        ({"head_channels": 64}, "head_channels is 64; it takes a list of positive whole numbers."),
        ({"head_channels": (32, 0, 64)}, "head_channels is (32, 0, 64); it takes a list of positive whole numbers."),
        ({"sppm_bins": ()}, "sppm_bins is (); it takes a list of positive whole numbers."),
        ({"sppm_bins": [1, 2.5]}, "sppm_bins is [1, 2.5]; it takes a list of positive whole numbers."),
        ({"sppm_channels": -1}, "sppm_channels is -1; it takes a positive whole number."),
        ({"sppm_channels": True}, "sppm_channels is True; it takes a positive whole number."),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, message):
    with pytest.raises(UserError) as error:
        create_model("pp_liteseg_t", (32, 64, 3), 5, **options)
    assert str(error.value).startswith(message)


def test_whole_numbers_of_numpy_are_whole_numbers():
    options = {"fusion_channels": (8, 12, 16), "head_channels": (4, 6, 10), "sppm_bins": (1, 3), "sppm_channels": 14}
    plain = create_model("pp_liteseg_t", (32, 64, 3), 5, **options)
    options = {
        name: list(np.array(value)) if name != "sppm_channels" else np.int64(value) for name, value in options.items()
    }
    assert create_model("pp_liteseg_t", (32, 64, 3), 5, **options).to_json() == plain.to_json()


def test_logits_stay_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = create_model("pp_liteseg_t", (32, 64, 3), 5, aux_heads=True)
    finally:
        keras.config.set_dtype_policy(policy)
    assert [output.dtype for output in model.outputs] == ["float32"] * 3
    assert model.get_layer("ppseg_head_arm_list_0").compute_dtype == "bfloat16"
    for logits in run(model, np.ones((1, 32, 64, 3), np.float32)):
        assert logits.dtype == "float32" and np.isfinite(logits).all()


def test_kernels_of_heads_start_kaiming_normal_and_biases_at_zero():
    keras.utils.set_random_seed(0)
    model = create_model("pp_liteseg_t", (32, 64, 3), 5)
    branch = model.get_layer("ppseg_head_cm_stages_0_1__conv")
    assert np.std(branch.kernel) == pytest.approx(np.sqrt(2 / 1024), rel=0.02)
    fusion = model.get_layer("ppseg_head_arm_list_0_conv_x__conv")
    assert np.std(fusion.kernel) == pytest.approx(np.sqrt(2 / (9 * 256)), rel=0.02)
    np.testing.assert_array_equal(branch.bias, np.zeros(128))
