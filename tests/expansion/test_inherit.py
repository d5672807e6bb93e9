"""Whether a grown network begins with what its parent has learned."""

import keras
import numpy as np
import pytest

from keras_liteseg.expansion import Architecture
from keras_liteseg.expansion.inherit import inherit
from keras_liteseg.models import create_model

PARENT = Architecture((1, 1, 1, 1, 1), (4, 4, 8, 8, 8), (1 / 2, 1 / 4, 0))


def build(architecture, seed):
    keras.utils.set_random_seed(seed)
    return create_model(architecture.name, (64, 64, 3), 3)


@pytest.fixture(scope="module")
def parent():
    return build(PARENT, 0)


def test_the_same_architecture_computes_the_same(parent):
    child = build(PARENT, 1)
    images = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    assert np.abs(child(images) - parent(images)).max() > 1e-3
    inherit(child, PARENT, parent, PARENT)
    np.testing.assert_array_equal(child(images), parent(images))


def test_wider_layers_begin_with_the_parents_channels(parent):
    wide = PARENT.grown(("width", (4, 8, 16, 32, 32)))
    child = build(wide, 1)
    before = child.get_layer("netH_stages_1_0_0").kernel.numpy()
    inherit(child, wide, parent, PARENT)
    kernel, theirs = (model.get_layer("netH_stages_1_0_0").kernel.numpy() for model in (child, parent))
    assert kernel.shape[2:] == (8, 12) and theirs.shape[2:] == (4, 4)
    np.testing.assert_array_equal(kernel[:, :, :4, :4], theirs)
    np.testing.assert_array_equal(kernel[:, :, 4:], before[:, :, 4:])
    head, theirs = (model.get_layer("head").kernel.numpy() for model in (child, parent))
    np.testing.assert_array_equal(head[:, :, 40:48], theirs[:, :, 8:])  # the second path's


def test_new_blocks_stay_random(parent):
    deep = PARENT.grown(("depth", (0, 0, 0, 1, 1)))
    child = build(deep, 1)
    before = child.get_layer("netL_stages_4_1_0").kernel.numpy()
    inherit(child, deep, parent, PARENT)
    np.testing.assert_array_equal(child.get_layer("netL_stages_4_1_0").kernel.numpy(), before)
    ours, theirs = (model.get_layer("netL_stages_4_0_0").kernel.numpy() for model in (child, parent))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("resolution", "names"),
    [
        # The second path has grown past the first, and the network names paths by their size.
        ((1 / 2, 5 / 8, 0), {"netL": "netH", "netH": "netL"}),
        ((1 / 2, 1 / 4, 1 / 8), {"net1": "netH", "net2": "netL"}),
        ((1 / 2, 1 / 4, 3 / 8), {"net1": "netH", "net3": "netL"}),
    ],
)
def test_paths_keep_their_weights_under_another_name(parent, resolution, names):
    grown = Architecture(PARENT.depth, PARENT.width, resolution)
    child = build(grown, 1)
    inherit(child, grown, parent, PARENT)
    places = {"netH": 0, "netL": 1, "net1": 0, "net2": 1, "net3": 2}
    for ours, theirs in names.items():
        for layer in ("stages_0_0_0", "stages_4_0_1"):
            for weight, other in zip(
                child.get_layer(f"{ours}_{layer}").weights, parent.get_layer(f"{theirs}_{layer}").weights
            ):
                np.testing.assert_array_equal(weight, other)
        head, other = (model.get_layer("head").kernel.numpy() for model in (child, parent))
        np.testing.assert_array_equal(
            head[:, :, 8 * places[ours] : 8 * places[ours] + 8],
            other[:, :, 8 * places[theirs] : 8 * places[theirs] + 8],
        )
