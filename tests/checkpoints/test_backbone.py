"""Weights of the backbone alone."""

import pickle

import keras
import numpy as np
import pytest

from keras_liteseg import Metadata, UserError, create_model, load_checkpoint, save_model
from keras_liteseg.checkpoints import load_backbone
from keras_liteseg.checkpoints.assign import wanted_entries
from keras_liteseg.datasets import ClassList
from keras_liteseg.models.weights import initialize_from
from keras_liteseg.networks.registry import IMAGENET_MEAN, IMAGENET_STD

SIZE = (64, 64, 3)
# Network, prefix of its backbone's layers, and a classifier as the file of that backbone has it.
BACKBONES = {
    "liteseg_mobilenetv2": ("mobile_features_", {"classifier.1.weight": (10, 1280), "classifier.1.bias": (10,)}),
    "liteseg_shufflenet": ("shuffle_features_", {"module.fc.weight": (10, 1536), "module.fc.bias": (10,)}),
    "pp_liteseg_t": ("backbone_", {"fc.weight": (1024, 10), "fc.bias": (10,)}),
    "pp_liteseg_b": ("backbone_", {"fc.weight": (1024, 10)}),
}


def backbone_state(model, prefix, extra, data_parallel=False):
    """The backbone's entries without its prefix, random, as a file pre-trained on ImageNet has them."""
    rng = np.random.default_rng(0)
    shapes = dict(extra)
    for entry, (variable, permutation) in wanted_entries(model).items():
        if entry.startswith(prefix):
            shape = [0] * len(permutation)
            for ours, theirs in enumerate(permutation):
                shape[theirs] = variable.shape[ours]
            shapes[("module." if data_parallel else "") + entry.removeprefix(prefix)] = tuple(shape)
    return {name: rng.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in shapes.items()}


def rest(model, prefix):
    return [layer for layer in model.layers if layer.weights and not layer.name.startswith(prefix)]


@pytest.mark.parametrize("name", BACKBONES)
def test_backbone_is_filled_and_the_rest_is_left(tmp_path, name):
    prefix, classifier = BACKBONES[name]
    model = create_model(name, SIZE)
    state = backbone_state(model, prefix, classifier, data_parallel=name == "liteseg_shufflenet")
    np.savez(tmp_path / "backbone.npz", **state)
    before = [value for layer in rest(model, prefix) for value in layer.get_weights()]

    load_backbone(model, tmp_path / "backbone.npz")

    for entry, (variable, permutation) in wanted_entries(model).items():
        if entry.startswith(prefix):
            short = entry.removeprefix(prefix)
            value = state.get(short, state.get(f"module.{short}"))
            np.testing.assert_array_equal(variable, value.transpose(permutation))
    after = [value for layer in rest(model, prefix) for value in layer.get_weights()]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)

    for load in (load_checkpoint, initialize_from):
        other = create_model(name, SIZE, 5)
        assert load(other, tmp_path / "backbone.npz") == [layer.name for layer in rest(other, prefix)]
        loaded = [layer.get_weights() for layer in other.layers if layer.name.startswith(prefix) and layer.weights]
        filled = [layer.get_weights() for layer in model.layers if layer.name.startswith(prefix) and layer.weights]
        for ours, theirs in zip(loaded, filled, strict=True):
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("name", "entries"), [("pp_liteseg_t", 145), ("pp_liteseg_b", 265)])
def test_stdc_files_fill_as_many_entries_as_the_reference(name, entries):
    model = create_model(name, SIZE)
    assert sum(entry.startswith("backbone_") for entry in wanted_entries(model)) == entries


def test_create_model_takes_a_backbone(tmp_path):
    model = create_model("liteseg_mobilenetv2", SIZE)
    state = backbone_state(model, *BACKBONES["liteseg_mobilenetv2"])
    np.savez(tmp_path / "backbone.npz", **state)
    model = create_model("liteseg_mobilenetv2", SIZE, 5, backbone_weights=tmp_path / "backbone.npz")
    kernel = model.get_layer("mobile_features_features_18_0").kernel.numpy()
    np.testing.assert_array_equal(kernel, state["features_18_0.weight"].transpose(2, 3, 1, 0))


def test_darknet_file(tmp_path):
    rng = np.random.default_rng(0)
    model = create_model("liteseg_darknet19", SIZE)
    parameters = sum(
        int(np.prod(variable.shape))
        for entry, (variable, _) in wanted_entries(model).items()
        if entry.startswith("resnet_features_")
    )
    numbers = rng.uniform(0.5, 1.5, parameters + 1000).astype("<f4")  # then the classifier
    header = np.array([0, 1, 0], "<i4").tobytes() + np.array([3], "<i4").tobytes()
    (tmp_path / "darknet19_448.weights").write_bytes(header + numbers.tobytes())
    fresh = load_checkpoint(model, tmp_path / "darknet19_448.weights")
    assert fresh == [layer.name for layer in rest(model, "resnet_features_")]
    norm = model.get_layer("resnet_features_layers_1_convbatch_layers_1")
    order = (norm.beta, norm.gamma, norm.moving_mean, norm.moving_variance)
    for index, variable in enumerate(order):
        np.testing.assert_array_equal(variable, numbers[32 * index : 32 * (index + 1)])
    kernel = model.get_layer("resnet_features_layers_1_convbatch_layers_0").kernel.numpy()
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1).ravel(), numbers[128 : 128 + 32 * 27])
    last = model.get_layer("resnet_features_layers_23_convbatch_layers_0").kernel.numpy()
    end = 128 + 32 * 27 + parameters - 128 - 32 * 27
    np.testing.assert_array_equal(last.transpose(3, 2, 0, 1).ravel(), numbers[end - last.size : end])


def torchvision_name(entry):
    """The name that torchvision gives an entry of the backbone."""
    layer, tensor = entry.split(".")
    parts = layer.split("_")
    if len(parts) == 4:  # features_N_conv_P
        place = int(parts[3])
        first = parts[1] == "1"
        nested = {0: "0.0", 1: "0.1"} if first else {0: "0.0", 1: "0.1", 3: "1.0", 4: "1.1"}
        plain = {3: "1", 4: "2"} if first else {6: "2", 7: "3"}
        return f"features.{parts[1]}.conv.{(nested | plain)[place]}.{tensor}"
    return f"{'.'.join(parts)}.{tensor}"


def test_torchvision_names(tmp_path):
    model, other = (create_model("liteseg_mobilenetv2", SIZE) for _ in range(2))
    state = backbone_state(model, "mobile_features_", {})
    renamed = {torchvision_name(name): value for name, value in state.items()}
    assert "features.1.conv.0.0.weight" in renamed and "features.2.conv.3.running_var" in renamed
    np.savez(tmp_path / "plain.npz", **state)
    np.savez(tmp_path / "torchvision.npz", **renamed)
    load_backbone(model, tmp_path / "plain.npz")
    load_backbone(other, tmp_path / "torchvision.npz")
    for layer in model.layers:
        if layer.name.startswith("mobile_features_"):
            for a, b in zip(layer.get_weights(), other.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)


def timm_name(entry):
    """The name that timm's mobilenetv2_100 gives an entry of the backbone."""
    layer, tensor = entry.split(".")
    parts = [int(part) for part in layer.replace("conv_", "").split("_")[1:]]
    if len(parts) == 2 and parts[0] in (0, 18):
        return f"{('conv_stem', 'bn1')[parts[1]] if parts[0] == 0 else ('conv_head', 'bn2')[parts[1]]}.{tensor}"
    index, place = parts
    if index == 1:
        return f"blocks.0.0.{ {0: 'conv_dw', 1: 'bn1', 3: 'conv_pw', 4: 'bn2'}[place] }.{tensor}"
    stage, block = next(
        (stage, index - first)
        for stage, first, last in ((1, 2, 3), (2, 4, 6), (3, 7, 10), (4, 11, 13), (5, 14, 16), (6, 17, 17))
        if first <= index <= last
    )
    names = {0: "conv_pw", 1: "bn1", 3: "conv_dw", 4: "bn2", 6: "conv_pwl", 7: "bn3"}
    return f"blocks.{stage}.{block}.{names[place]}.{tensor}"


@pytest.mark.parametrize("before", ["", "module.", "model."])
def test_timm_names(tmp_path, before):
    model, other = (create_model("liteseg_mobilenetv2", SIZE) for _ in range(2))
    state = backbone_state(model, "mobile_features_", {"classifier.weight": (10, 1280), "classifier.bias": (10,)})
    renamed = {before + (timm_name(n) if n.startswith("features") else n): value for n, value in state.items()}
    # As listed by timm 1.0.31.
    for name in ("conv_stem.weight", "blocks.0.0.bn2.bias", "blocks.3.3.conv_pwl.weight", "blocks.6.0.bn3.running_var"):
        assert before + name in renamed
    np.savez(tmp_path / "plain.npz", **state)
    np.savez(tmp_path / "timm.npz", **renamed)
    load_backbone(model, tmp_path / "plain.npz")
    assert set(load_checkpoint(other, tmp_path / "timm.npz")) == {
        layer.name for layer in rest(other, "mobile_features_")
    }
    for layer in model.layers:
        if layer.name.startswith("mobile_features_"):
            for a, b in zip(layer.get_weights(), other.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)


def test_backbone_of_our_own_files(tmp_path):
    """A whole network of ours, trained on other classes."""
    keras.utils.set_random_seed(1)
    source = create_model("pp_liteseg_t", SIZE, 7)
    source.save_weights(tmp_path / "last.weights.h5")
    classes = ClassList(tuple(f"class {i}" for i in range(7)), ((0, 0, 0),) * 7)
    save_model(source, tmp_path / "best.keras", Metadata("pp_liteseg_t", "", classes, (0.5,) * 3, (0.5,) * 3))
    for name in ("last.weights.h5", "best.keras"):
        model = create_model("pp_liteseg_t", SIZE, 5)
        load_backbone(model, tmp_path / name)
        for layer in model.layers:
            if layer.weights:
                same = all(map(np.array_equal, layer.get_weights(), source.get_layer(layer.name).get_weights()))
                assert same or not layer.name.startswith("backbone_")
    with pytest.raises(UserError, match="does not fit the model 'liteseg_mobilenetv2' in: mobile_features_"):
        load_backbone(create_model("liteseg_mobilenetv2", SIZE), tmp_path / "best.keras")


@pytest.fixture(scope="module")
def applications():
    """MobileNetV2 of keras.applications with random weights and statistics."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(65, 97, 3))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            ranges = rng.uniform(0.5, 1.5, shape), rng.normal(0, 0.3, shape), rng.normal(0, 0.3, shape)
            layer.set_weights([*ranges, rng.uniform(0.001, 4, shape)])
    return model


def assert_equals_applications(model, applications):
    """Odd sizes are padded alike on both sides, so there the networks are the same."""
    rng = np.random.default_rng(1)
    image = rng.uniform(0, 1, (1, 65, 97, 3))
    ours = keras.Model(model.input, model.get_layer("mobile_features_features_0_1").output)
    theirs = keras.Model(applications.input, applications.get_layer("bn_Conv1").output)
    found = ours.predict((image - IMAGENET_MEAN) / IMAGENET_STD, verbose=0)
    expected = theirs.predict(2 * image - 1, verbose=0)
    # The outermost pixels see the padding, which is black there and of mean colour here.
    np.testing.assert_allclose(found[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=1e-4)

    stem = rng.uniform(0, 6, (1, 33, 49, 32)).astype(np.float32)
    ours = keras.Model(
        model.get_layer("mobile_features_features_0_2").output, model.get_layer("mobile_features_features_18_2").output
    )
    theirs = keras.Model(applications.get_layer("Conv1_relu").output, applications.output)
    expected = theirs.predict(stem, verbose=0)
    assert (expected > 0).mean() > 0.2
    np.testing.assert_allclose(ours.predict(stem, verbose=0), expected, atol=1e-4)


def test_keras_applications_file(applications, tmp_path):
    applications.save_weights(tmp_path / "mobilenet.weights.h5")
    model = create_model("liteseg_mobilenetv2", (65, 97, 3), backbone_weights=str(tmp_path / "mobilenet.weights.h5"))
    assert_equals_applications(model, applications)


def test_keras_applications_file_of_the_old_layout(applications, tmp_path):
    """The layout of the file that keras.applications downloads."""
    tf_keras = pytest.importorskip("tf_keras")
    old = tf_keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(65, 97, 3))
    old.set_weights(applications.get_weights())
    old.save_weights(tmp_path / "mobilenet_v2_no_top.h5")
    model = create_model("liteseg_mobilenetv2", (65, 97, 3))
    load_backbone(model, tmp_path / "mobilenet_v2_no_top.h5")
    assert_equals_applications(model, applications)


def test_imagenet_weights_need_the_network(monkeypatch):
    """`get_file` without a network behind it: what a user without one sees."""
    monkeypatch.setenv("KERAS_HOME", "/nonexistent")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="Cannot download the ImageNet weights: .*Give the file"):
        create_model("liteseg_mobilenetv2", SIZE, backbone_weights="imagenet")


def test_damaged_applications_file(tmp_path):
    (tmp_path / "mobilenet.h5").write_bytes(b"nothing")
    model = create_model("liteseg_mobilenetv2", SIZE)
    with pytest.raises(UserError, match="Cannot read .*mobilenet.h5 as MobileNetV2 without top"):
        load_backbone(model, tmp_path / "mobilenet.h5")
    with pytest.raises(UserError, match="There is no weight file .*none.h5"):
        load_backbone(model, tmp_path / "none.h5")


def test_imagenet_is_refused_where_there_is_none():
    with pytest.raises(UserError, match="no weights for the backbone of 'pp_liteseg_t'"):
        load_backbone(create_model("pp_liteseg_t", SIZE), "imagenet")


def test_averaged_weights_of_a_backbone(tmp_path):
    model = create_model("pp_liteseg_t", SIZE)
    raw = backbone_state(model, "backbone_", {})
    mean = {name: array + 1 for name, array in raw.items()}
    path = tmp_path / "both.pdparams"
    path.write_bytes(pickle.dumps({"state_dict": raw, "state_dict_ema": mean}, protocol=2))
    name = "backbone_" + next(iter(raw))
    for averaged, state in ((False, raw), (True, mean)):
        variable, _ = wanted_entries(create_model("pp_liteseg_t", SIZE, backbone_weights=path, averaged=averaged))[name]
        assert variable.numpy().sum() == pytest.approx(state[next(iter(raw))].sum(), rel=1e-4)
    np.savez(tmp_path / "raw.npz", **raw)
    with pytest.raises(UserError, match="raw.npz holds no averaged weights"):
        load_backbone(model, tmp_path / "raw.npz", averaged=True)
    with pytest.raises(UserError, match="imagenet holds one set of weights; leave out --averaged"):
        load_backbone(model, "imagenet", averaged=True)
    with pytest.raises(UserError, match="in a file of backbone_weights; name that too"):
        create_model("pp_liteseg_t", SIZE, averaged=True)


def test_network_without_a_backbone_is_refused(tmp_path):
    np.savez(tmp_path / "any.npz", weight=np.zeros(3))
    with pytest.raises(UserError, match="'lps_net_tiny' has no backbone that is trained alone"):
        load_backbone(create_model("lps_net_tiny", SIZE), tmp_path / "any.npz")


def test_backbone_of_another_network_is_refused(tmp_path):
    model = create_model("pp_liteseg_t", SIZE)
    state = backbone_state(create_model("pp_liteseg_b", SIZE), "backbone_", {})
    np.savez(tmp_path / "stdc2.npz", **state)
    before = model.get_weights()
    with pytest.raises(UserError, match="stdc2.npz does not fit the model 'pp_liteseg_t'. .*wrong shape"):
        load_backbone(model, tmp_path / "stdc2.npz")
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_backbone_out_of_a_whole_network(tmp_path):
    """The NDNets share their backbone, whatever head they have."""
    donor = create_model("ndnet45", SIZE)
    state = {}
    for entry, (variable, permutation) in wanted_entries(donor).items():
        state[entry] = np.asarray(variable).transpose(np.argsort(permutation))
    np.savez(tmp_path / "ndnet45.npz", **state)
    model = create_model("ndnet45_fcn8", SIZE, backbone_weights=tmp_path / "ndnet45.npz")
    for layer in model.layers:
        if layer.name.startswith("features_") and layer.weights:
            for a, b in zip(layer.get_weights(), donor.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
