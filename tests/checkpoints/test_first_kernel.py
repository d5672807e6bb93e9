"""Weights for RGB in networks for images of other channels."""

import keras
import numpy as np
import pytest

from keras_liteseg import Metadata, UserError, create_model, load_checkpoint, save_model
from keras_liteseg.checkpoints import load_backbone
from keras_liteseg.checkpoints.assign import wanted_entries
from keras_liteseg.checkpoints.first_kernel import adapted, first_kernels
from keras_liteseg.datasets import ClassList
from keras_liteseg.models.weights import initialize_from

SIZE, CLASSES = (64, 96), 3
# One network per first layer; the others in `make test-all`.
QUICK = ("lps_net_tiny", "ndnet29")
OTHERS = ("lps_net_s", "pp_liteseg_t", "liteseg_mobilenetv2", "liteseg_shufflenet", "liteseg_darknet19")
NAMES = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]


def grey():
    return np.random.default_rng(0).normal(size=(1, *SIZE, 1)).astype(np.float32)


def assert_grey_gives_the_same(model, rgb, tolerance=1e-4):
    expected = np.asarray(rgb(grey().repeat(3, 3)))
    found = np.asarray(model(grey().repeat(model.input.shape[3], 3)))
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


def state_of(model):
    return {
        entry: np.asarray(variable).transpose(np.argsort(order))
        for entry, (variable, order) in wanted_entries(model).items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_network_starts_from_rgb_weights(tmp_path, name):
    keras.utils.set_random_seed(0)
    rgb = create_model(name, (*SIZE, 3), CLASSES)
    np.savez(tmp_path / "rgb.npz", **state_of(rgb))
    for channels in (1, 4):
        model = create_model(name, (*SIZE, channels), CLASSES)
        assert {kernel.shape[2] for kernel in first_kernels(model)} == {channels}
        assert initialize_from(model, tmp_path / "rgb.npz") == []
        assert_grey_gives_the_same(model, rgb)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("suffix", ["keras", "weights.h5", "npz"])
def test_whatever_the_file(tmp_path, channels, suffix):
    keras.utils.set_random_seed(0)
    rgb, path = create_model("lps_net_tiny", (*SIZE, 3), CLASSES), tmp_path / f"rgb.{suffix}"
    if suffix == "npz":
        np.savez(path, **state_of(rgb))
    elif suffix == "keras":
        save_model(
            rgb,
            path,
            Metadata("lps_net_tiny", "", ClassList(("a", "b", "c"), ((0, 0, 0),) * 3), (0.5,) * 3, (0.5,) * 3),
        )
    else:
        rgb.save_weights(path)
    model = create_model("lps_net_tiny", (*SIZE, channels), CLASSES)
    before = model.get_weights()
    with pytest.raises(UserError, match="does not fit the model"):  # where nothing is trained after it
        load_checkpoint(model, path)
    assert all(np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True))
    assert initialize_from(model, path) == []
    assert_grey_gives_the_same(model, rgb)


def test_published_weights_by_name():
    rgb = create_model("lps_net_s", (*SIZE, 3), weights="camvid")
    for channels in (1, 4):
        assert_grey_gives_the_same(create_model("lps_net_s", (*SIZE, channels), weights="camvid"), rgb)
    model = create_model("lps_net_s", (*SIZE, 1), 5)
    assert "nets" not in str(initialize_from(model, "camvid"))


@pytest.mark.slow
def test_a_backbone_alone(tmp_path):
    keras.utils.set_random_seed(0)
    rgb = create_model("pp_liteseg_t", (*SIZE, 3), CLASSES)
    state = {name.removeprefix("backbone_"): value for name, value in state_of(rgb).items() if "backbone_" in name}
    np.savez(tmp_path / "backbone.npz", **state)
    rgb.save(tmp_path / "whole.keras")
    model = create_model("pp_liteseg_t", (*SIZE, 4), CLASSES, backbone_weights=tmp_path / "backbone.npz")
    (kernel,), (theirs,) = ([np.asarray(each.get_layer("backbone_features_0_conv").kernel)] for each in (model, rgb))
    np.testing.assert_array_equal(kernel, adapted(theirs, 4))
    again = create_model("pp_liteseg_t", (*SIZE, 4), CLASSES)
    load_backbone(again, tmp_path / "whole.keras")
    np.testing.assert_array_equal(again.get_layer("backbone_features_0_conv").kernel, kernel)


@pytest.mark.slow
def test_mobilenetv2_of_keras_applications(tmp_path):
    keras.utils.set_random_seed(0)
    donor = keras.applications.MobileNetV2(include_top=False, weights=None)
    donor.save_weights(tmp_path / "donor.weights.h5")
    rgb, model = (create_model("liteseg_mobilenetv2", (*SIZE, channels), CLASSES) for channels in (3, 4))
    rest = [layer for layer in rgb.layers if layer.weights and not layer.name.startswith("mobile_features_")]
    for layer in rest:
        model.get_layer(layer.name).set_weights(layer.get_weights())
    for each in (rgb, model):
        load_backbone(each, tmp_path / "donor.weights.h5")
    assert_grey_gives_the_same(model, rgb)


def test_the_first_channels_are_red_green_and_blue():
    kernel = np.random.default_rng(0).normal(size=(3, 3, 3, 8)).astype(np.float32)
    found = adapted(kernel, 5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, :, :3], kernel * 0.6, rtol=1e-6)
    np.testing.assert_allclose(found[:, :, 4], kernel.mean(2) * 0.6, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(adapted(kernel, 1)[:, :, 0], kernel.sum(2), rtol=1e-5, atol=1e-6)


def test_other_weights_for_the_same_channels_are_taken_as_they_are(tmp_path):
    keras.utils.set_random_seed(0)
    model, other = (create_model("lps_net_tiny", (*SIZE, 4), CLASSES) for _ in "ab")
    model.save_weights(tmp_path / "four.weights.h5")
    for load in (load_checkpoint, initialize_from):
        load(other, tmp_path / "four.weights.h5")
        for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
