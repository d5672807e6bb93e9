import hashlib

import keras
import numpy as np
import pytest
from PIL import Image

from keras_liteseg import create_model, load_checkpoint
from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.models.layers import BilinearResize
from keras_liteseg.models.ndnet import predict
from tests.parity.fixtures import FOLDER, load_fixture

# Tap of the fixtures: layer whose output it is.
TAPS = {
    "stem": "features_conv1_relu",
    "block3": "features_block3_3_relu",
    "block4": "features_block4_11_relu",
    "block5": "features_block5_5_relu",
    "fusion": "fusion_relu",
    "logits": "logits",
    "aux": "aux_logits",
}


@pytest.fixture(scope="module")
def networks():
    """A function from an input shape to the network with taps, each built once."""
    built = {}

    def get(input_shape):
        if input_shape not in built:
            model = create_model("ndnet45", input_shape, 19, aux_heads=True)
            taps = keras.Model(model.input, {tap: model.get_layer(name).output for tap, name in TAPS.items()})
            built[input_shape] = model, taps
        return built[input_shape]

    return get


def assert_parity(networks, fixture, any_size):
    images = fixture.input()
    model, taps = networks((None, None, 3) if any_size else images.shape[1:])
    assign_state_dict(model, fixture.state_dict())
    differences = fixture.differences(taps.predict(images, verbose=0))
    assert len(differences) == len(TAPS)
    too_large = {tap: pair for tap, pair in differences.items() if not pair[0] <= pair[1]}
    assert not too_large


@pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
@pytest.mark.parametrize("name", ["ndnet45_ende_96x160", "ndnet45_ende_var4"])
def test_parity_with_the_reference(networks, name, any_size):
    """`_var4` sees every bias and running mean; the plain fixture the wiring, at a size that is no multiple of 64."""
    assert_parity(networks, load_fixture(name, FOLDER), any_size)


@pytest.mark.parametrize("any_size", [False, True], ids=["static", "any size"])
def test_parity_with_the_reference_on_shared_numbers(networks, shared, any_size):
    assert_parity(networks, load_fixture("ndnet45_ende", shared / "parity"), any_size)


def test_parity_notices_a_wrong_weight(networks):
    fixture = load_fixture("ndnet45_ende_var4")
    model, taps = networks((None, None, 3))
    state = fixture.state_dict()
    state["features.block4.7.conv2.bn.bias"] = state["features.block4.7.conv2.bn.bias"] * 0.9
    assign_state_dict(model, state)
    differences = fixture.differences(taps.predict(fixture.input(), verbose=0))
    wrong = [tap for tap, (difference, atol) in differences.items() if difference > atol]
    assert wrong == ["logits", "block4", "block5", "fusion", "aux"]


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


def test_logits_stay_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((4, 4, 8))
        outputs = predict(BilinearResize(2)(inputs), 4, 3, 2, "seg", "logits")
    finally:
        keras.config.set_dtype_policy(policy)
    assert outputs.dtype == "float32"
    assert outputs.shape == (None, 16, 16, 3)
