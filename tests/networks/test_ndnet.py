import hashlib

import keras
import numpy as np
import pytest
from keras.layers import BatchNormalization
from PIL import Image

from keras_liteseg import create_model, list_models, load_checkpoint, model_spec
from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.graph import first_input
from keras_liteseg.networks.backbones.ndnet import NDNET29, NDNET29W, NDNET45, NDNET61, NDNetConfig, ndnet_backbone
from keras_liteseg.networks.ndnet import predict, upsample
from tests.parity.fixtures import FOLDER, load_fixture

# Network: {tap of the fixtures: layer whose output it is}.
TAPS = {
    "ndnet45": {
        "stem": "features_conv1_relu",
        "block3": "features_block3_3_relu",
        "block4": "features_block4_11_relu",
        "block5": "features_block5_5_relu",
        "fusion": "fusion_relu",
        "logits": "logits",
        "aux": "aux_logits",
    },
    "ndnet45_fcn8": {
        "block3": "features_block3_3_relu",
        "scores8": "seg8_score",
        "scores16": "seg16_score",
        "scores32": "seg32_score",
        "logits": "logits",
        "aux": "aux_logits",
        "aux1": "aux_logits1",
    },
}

# Counted in the reference implementation for 19 classes, with auxiliary heads unless it says otherwise: trainable
# parameters, the same without auxiliary heads, running statistics, tensors in the state dict.
COUNTS = {
    "ndnet29": (735_510, 706_499, 9_952, 247),
    "ndnet29_fcn8": (629_544, 545_218, 9_696, 271),
    "ndnet29_fcn32": (550_422, 521_411, 9_184, 241),
    "ndnet29w": (4_769_950, 4_697_099, 25_872, 247),
    "ndnet29w_fcn8": (3_659_024, 3_443_178, 24_336, 271),
    "ndnet29w_fcn32": (3_457_182, 3_384_331, 23_824, 241),
    "ndnet45": (502_622, 482_379, 10_128, 359),
    "ndnet45_fcn8": (474_768, 416_746, 10_128, 383),
    "ndnet45_fcn32": (420_190, 399_947, 9_616, 353),
    "ndnet61": (369_798, 353_939, 9_856, 471),
    "ndnet61_fcn8": (365_640, 320_770, 9_984, 495),
    "ndnet61_fcn32": (323_334, 307_475, 9_472, 465),
}


@pytest.fixture(scope="module")
def networks():
    """A function from a name and an input shape to the network with taps, each built once."""
    built = {}

    def get(name, input_shape):
        if (name, input_shape) not in built:
            model = create_model(name, input_shape, 19, aux_heads=True)
            outputs = {tap: model.get_layer(layer).output for tap, layer in TAPS[name].items()}
            built[name, input_shape] = model, keras.Model(model.input, outputs)
        return built[name, input_shape]

    return get


def assert_parity(networks, name, fixture, any_size):
    images = fixture.input()
    model, taps = networks(name, (None, None, 3) if any_size else images.shape[1:])
    assign_state_dict(model, fixture.state_dict())
    differences = fixture.differences(taps.predict(images, verbose=0))
    assert set(differences) == set(fixture.expected())
    too_large = {tap: pair for tap, pair in differences.items() if not pair[0] <= pair[1]}
    assert not too_large


@pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
@pytest.mark.parametrize(
    ("fixture", "name"),
    [
        ("ndnet45_ende_96x160", "ndnet45"),
        ("ndnet45_ende_var4", "ndnet45"),
        ("ndnet45_fcn8_var4", "ndnet45_fcn8"),
    ],
)
def test_parity_with_the_reference(networks, fixture, name, any_size):
    """`_var4` sees every bias and running mean; the plain fixture the wiring, at a size that is no multiple of 64."""
    assert_parity(networks, name, load_fixture(fixture, FOLDER), any_size)


@pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
@pytest.mark.parametrize(("fixture", "name"), [("ndnet45_ende", "ndnet45"), ("ndnet45_fcn8", "ndnet45_fcn8")])
def test_parity_with_the_reference_on_shared_numbers(networks, shared, fixture, name, any_size):
    assert_parity(networks, name, load_fixture(fixture, shared / "parity"), any_size)


def test_parity_notices_a_wrong_weight(networks):
    fixture = load_fixture("ndnet45_ende_var4")
    model, taps = networks("ndnet45", (None, None, 3))
    state = fixture.state_dict()
    state["features.block4.7.conv2.bn.bias"] = state["features.block4.7.conv2.bn.bias"] * 0.9
    assign_state_dict(model, state)
    differences = fixture.differences(taps.predict(fixture.input(), verbose=0))
    wrong = {tap for tap, (difference, atol) in differences.items() if difference > atol}
    assert wrong == {"logits", "block4", "block5", "fusion", "aux"}


def test_parity_of_the_official_weights_on_a_cityscapes_frame(shared):
    fixture = load_fixture("ndnet45_cityscapes_official", shared / "parity")
    given, entries = fixture.text["input"], {entry["array"]: entry for entry in fixture.text["arrays"]}
    frame = Image.open(shared / given["frame_in_shared_data"]).convert("RGB")
    rgb = np.asarray(frame.resize((given["width"], given["height"]), Image.BILINEAR))
    assert hashlib.sha256(rgb.tobytes()).hexdigest() == given["resized_rgb_sha256"]
    norm = given["normalisation"]
    images = (((rgb / 255) - norm["mean"]) / norm["std"]).astype(np.float32)[None]

    model = create_model("ndnet45", (512, 1024, 3))
    load_checkpoint(model, shared / fixture.text["weights"]["file"])
    logits = model.predict(images, verbose=0)

    for name, (difference, atol) in fixture.differences({"logits": logits}).items():
        assert difference <= atol, name
    np.testing.assert_allclose(images[:, ::16, ::16], fixture.arrays["input_sample"], atol=1e-6, rtol=0)
    agreement = (logits[0].argmax(axis=-1) == fixture.arrays["labels"]).mean()
    assert agreement >= entries["labels"]["min_agreement"]


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


# Three depths and every head; the others in `make test-all`.
QUICK = ("ndnet29w", "ndnet45_fcn8", "ndnet61_fcn32")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in COUNTS]
)
def test_counts_of_the_reference(name):
    multiple = model_spec(name).aux_size_multiple
    model = create_model(name, (multiple, 2 * multiple, 3), aux_heads=True)
    # Batch normalization has five tensors there, one of which counts its updates.
    tensors = sum(5 if isinstance(layer, BatchNormalization) else len(layer.weights) for layer in model.layers)
    statistics = sum(int(np.prod(variable.shape)) for variable in model.non_trainable_variables)
    without = trainable(create_model(name, (multiple, 2 * multiple, 3)))
    assert (trainable(model), without, statistics, tensors) == COUNTS[name]


def test_every_network_has_its_counts():
    assert set(COUNTS) == set(list_models("ndnet*"))


@pytest.mark.parametrize("head", ["ende", "fcn8", "fcn32"])
def test_head_as_an_option_or_in_the_name(head):
    expected = {"ende": "ndnet29"}.get(head, f"ndnet29_{head}")
    assert create_model("ndnet29", (32, 32, 3), head=head).name == expected
    assert create_model(f"ndnet29_{head}", (32, 32, 3)).name == expected


@pytest.mark.parametrize("aux_heads", [False, True])
@pytest.mark.parametrize("head", ["ende", "fcn8", "fcn32"])
def test_legal_sizes_are_those_whose_outputs_have_the_size_of_the_input(head, aux_heads):
    entry = model_spec(f"ndnet29_{head}")
    multiple = entry.aux_size_multiple if aux_heads else entry.size_multiple
    for size in ((multiple, 3 * multiple), (2 * multiple + 1, 3 * multiple + 1)):
        assert all(entry.takes(length, aux_heads) for length in size)
        model = entry.build(input_shape=(*size, 3), num_classes=2, aux_heads=aux_heads)
        assert all(output.shape == (None, *size, 2) for output in model.outputs)
    for layer in model.layers:
        if layer.name.startswith(("logits", "aux_logits")):
            factors = {(side - 1) / (length - 1) for side, length in zip(size, first_input(layer).shape[1:3])}
            assert factors in ({8}, {16}, {32})  # of the larger size: corners lie on corners


@pytest.mark.parametrize(
    ("config", "number", "channels"),
    [
        (NDNET29, 29, (96, 192, 384)),
        (NDNET29W, 29, (256, 512, 1024)),
        (NDNET45, 45, (64, 128, 256)),
        (NDNET61, 61, (48, 96, 192)),
    ],
)
def test_backbone_has_the_convolutions_of_its_name(config, number, channels):
    images = keras.Input((64, 64, 3))
    outputs = ndnet_backbone(images, config, 32)
    names = [layer.name for layer in keras.Model(images, outputs).layers]
    main_path = [name for name in names if name.endswith(("conv1_conv", "conv1_pwconv", "conv2_pwconv"))]
    assert len(main_path) == number
    assert tuple(output.shape[-1] for output in outputs) == channels


@pytest.mark.parametrize(
    ("output_stride", "sizes", "block4", "block5"),
    [
        (32, (16, 8, 4), (2, 1), (2, 1)),
        (16, (16, 8, 8), (2, 1), (1, 2)),
        (8, (16, 16, 16), (1, 2), (1, 4)),
    ],
)
def test_strides_and_dilations(output_stride, sizes, block4, block5):
    images = keras.Input((128, 128, 3))
    outputs = ndnet_backbone(images, NDNetConfig(widths=(1, 1, 1), depths=(2, 2, 2)), output_stride)
    model = keras.Model(images, outputs)
    assert tuple(output.shape[1] for output in outputs) == sizes
    for block, (strides, dilation) in ((3, (2, 1)), (4, block4), (5, block5)):
        for name, expected in (
            ("0_conv1", (strides, dilation)),
            ("0_shortcut", (strides, dilation)),
            ("0_conv2", (1, dilation)),
            ("1_conv1", (1, dilation)),
            ("1_conv2", (1, dilation)),
        ):
            layer = model.get_layer(f"features_block{block}_{name}_dwconv")
            assert (layer.strides, layer.dilation_rate) == ((expected[0],) * 2, (expected[1],) * 2)
        assert f"features_block{block}_1_shortcut_dwconv" not in [layer.name for layer in model.layers]


def test_fcn8_without_adaptive_fusion_sums_the_scores():
    images = np.random.default_rng(0).normal(size=(1, 32, 64, 3)).astype(np.float32)
    weighted = create_model("ndnet29_fcn8", (32, 64, 3), 3)
    plain = create_model("ndnet29_fcn8", (32, 64, 3), 3, adaptive_fusion=False)
    for layer in plain.layers:
        layer.set_weights(weighted.get_layer(layer.name).get_weights())
    assert np.abs(weighted(images) - plain(images)).max() > 1e-3
    for name in ("seg8w", "seg16w", "seg32w"):
        weighted.get_layer(name).set_weights([np.ones((1, 1, 3, 1))])
    np.testing.assert_array_equal(weighted(images), plain(images))


def test_fcn8_fuses_the_global_mean_into_block_5():
    images = np.random.default_rng(0).normal(size=(2, 64, 96, 3)).astype(np.float32)
    model = create_model("ndnet29_fcn8", (64, 96, 3), 3, aux_heads=True, global_context=True)
    assert len(model.layers) == len(create_model("ndnet29_fcn8", (64, 96, 3), 3, aux_heads=True).layers) + 9
    names = ("features_block5_2_relu", "context_fusion_relu")
    block5, fused = keras.Model(model.input, [model.get_layer(name).output for name in names])(images)

    def conv_bn_relu(x, name):
        kernel = model.get_layer(f"{name}_conv").kernel.numpy()[0, 0]
        return np.maximum(x @ kernel / np.sqrt(1 + 1e-5), 0)

    block5 = np.asarray(block5)
    mean = conv_bn_relu(block5.mean(axis=(1, 2), keepdims=True), "global_context_1")
    both = np.concatenate([block5, np.broadcast_to(mean, block5.shape)], axis=-1)
    np.testing.assert_allclose(fused, conv_bn_relu(both, "context_fusion"), rtol=1e-4, atol=1e-4 * np.abs(fused).max())
    assert model.get_layer("seg32_transform_dwconv").input is model.get_layer("context_fusion_relu").output
    assert model.get_layer("aux_seg1_transform_dwconv").input is model.get_layer("features_block5_2_relu").output


def test_logits_stay_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        images, features = keras.Input((16, 16, 3)), keras.Input((4, 4, 8))
        outputs = upsample(predict(features, 4, 3, "seg"), images, "logits")
    finally:
        keras.config.set_dtype_policy(policy)
    assert outputs.dtype == "float32"
    assert outputs.shape == (None, 16, 16, 3)
