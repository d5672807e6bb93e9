"""Networks with branches compute, folded, what they did before."""

import keras
import numpy as np
import pytest

from benchmarks.branches import fold_branches, folded, register_branched, with_branches
from keras_liteseg.models import create_model, load_model, save_model
from keras_liteseg.models.network import load_network
from keras_liteseg.networks import registry

SHAPE = (64, 96, 3)


def as_if_trained(model):
    """Give the batch normalizations of a model random weights and statistics."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (weight.shape for weight in layer.weights)
            size = rng.uniform
            layer.set_weights([size(0.5, 1, gamma), size(-0.5, 0.5, beta), size(-1, 1, mean), size(0.5, 2, variance)])
    return model


@pytest.mark.parametrize("name", ["lps_net_tiny", "pp_liteseg_t"])
def test_folded_network_computes_the_same(name):
    keras.utils.set_random_seed(0)
    plain = create_model(name, SHAPE, num_classes=5)
    branched = as_if_trained(with_branches(plain))
    assert branched.count_params() > plain.count_params()
    images = np.random.default_rng(1).normal(size=(2, *SHAPE)).astype(np.float32)
    wanted = branched(images, training=False).numpy()
    before = plain(images, training=False).numpy()
    fold_branches(branched, plain)
    found = plain(images, training=False).numpy()
    scale = np.abs(wanted).max()
    assert np.abs(found - wanted).max() < 1e-4 * scale < np.abs(before - wanted).max()


def test_each_3x3_convolution_has_the_branches_that_fit_it():
    names = {layer.name for layer in with_branches(create_model("lps_net_s", SHAPE, num_classes=5)).layers}
    stride_2, stride_1 = "netH_stages_1_0", "netH_stages_1_1"
    assert {f"{stride_1}_0_1x1", f"{stride_1}_1_1x1", f"{stride_1}_1_identity"} <= names
    assert not {f"{stride_2}_0_1x1", "head_1x1"} & names


def test_folded_file_is_one_of_the_network_itself(scenes, metadata, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_SPECS", dict(registry._SPECS))
    name = register_branched("lps_net_tiny")
    branched = as_if_trained(create_model(name, SHAPE, num_classes=9))
    save_model(branched, tmp_path / "best.keras", metadata.replace(model=name))
    path = folded(tmp_path / "best.keras", "lps_net_tiny")
    monkeypatch.undo()
    model, found = load_model(path)
    assert found.model == "lps_net_tiny"
    assert [layer.name for layer in model.layers] == [
        layer.name for layer in create_model("lps_net_tiny", SHAPE, num_classes=9).layers
    ]
    images = np.random.default_rng(1).normal(size=(1, 128, 128, 3)).astype(np.float32)
    larger, _ = load_network(path, input_size=(128, 128))
    assert np.isfinite(larger(images, training=False)).all()
