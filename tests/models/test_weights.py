import json

import h5py
import keras
import numpy as np
import pytest

from keras_liteseg import UserError, create_model, load_checkpoint, save_model
from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.datasets import ClassList, load_dataset
from keras_liteseg.evaluation import evaluate
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import archive
from keras_liteseg.models.weights import initialize_from
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.trainer import train
from tests.checkpoints.pickle_code import encoded, ordered_dict, tensor
from tests.checkpoints.test_assign import state_dict
from tests.parity.fixtures import load_fixture
from tests.tiny import tiny
from tests.training.noise import SIZES, Noise


def write_pth(path, state):
    saved = {name: tensor(name, value) for name, value in state.items()}
    path.write_bytes(encoded(ordered_dict(saved), state))


def write_keras(path, model):
    num_classes = keras.tree.flatten(model.outputs)[0].shape[-1]
    classes = ClassList(tuple(f"class {i}" for i in range(num_classes)), ((0, 0, 0),) * num_classes)
    save_model(model, path, Metadata(model.name, "street_scenes", classes, (0.5,) * 3, (0.5,) * 3))


def write_h5(path, model):
    model.save_weights(path)


def assert_same_weights(ours, theirs, layers=None):
    """Every layer with weights in `ours`, or only `layers`, equals the layer of that name in `theirs`."""
    names = layers or [layer.name for layer in ours.layers if layer.weights]
    for name in names:
        for a, b in zip(ours.get_layer(name).get_weights(), theirs.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def refusal(load, model, path):
    """Return the message of the refusal, having checked that it left every weight alone."""
    before = model.get_weights()
    with pytest.raises(UserError) as error:
        load(model, path)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return str(error.value)


@pytest.mark.parametrize("aux_heads", [False, True])
def test_pth(tmp_path, aux_heads):
    path, state = tmp_path / "weights.pth", state_dict(aux=True)
    write_pth(path, state)
    expected = tiny(aux_heads=aux_heads)
    assign_state_dict(expected, state)
    model = tiny(aux_heads=aux_heads)
    load_checkpoint(model, path)
    assert_same_weights(model, expected)


@pytest.mark.parametrize("aux_heads", [False, True])
@pytest.mark.parametrize(("suffix", "write"), [(".keras", write_keras), (".weights.h5", write_h5)])
def test_own_files(tmp_path, suffix, write, aux_heads):
    path, source = tmp_path / f"model{suffix}", tiny(aux_heads=aux_heads)
    write(path, source)
    model = tiny(aux_heads=aux_heads)
    load_checkpoint(model, str(path))
    assert_same_weights(model, source)


OWN_FILES = pytest.mark.parametrize(("suffix", "write"), [(".keras", write_keras), (".weights.h5", write_h5)])


@OWN_FILES
def test_own_file_with_aux_heads_into_a_model_without(tmp_path, suffix, write):
    source, model = tiny(aux_heads=True), tiny()
    write(tmp_path / f"model{suffix}", source)
    load_checkpoint(model, tmp_path / f"model{suffix}")
    assert_same_weights(model, source)


@OWN_FILES
@pytest.mark.parametrize("load", [load_checkpoint, initialize_from])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_own_file_with_nan_is_refused_by_name(tmp_path, monkeypatch, suffix, write, load, value):
    monkeypatch.setattr(archive, "not_finite", lambda variables: [])  # earlier versions wrote such files
    path, source = tmp_path / f"model{suffix}", tiny()
    source.get_layer("features_conv1_bn").beta.assign([1, 2, value, 4])
    write(path, source)
    assert "NaN, infinity or integers in features_conv1_bn/beta" in refusal(load, tiny(), path)


@pytest.mark.parametrize("load", [load_checkpoint, initialize_from])
def test_pth_with_nan_is_refused_by_name(tmp_path, load):
    state = state_dict()
    state["features.conv1.bn.bias"][2] = np.nan
    write_pth(tmp_path / "weights.pth", state)
    assert "features.conv1.bn.bias (NaN or infinity in it)" in refusal(load, tiny(), tmp_path / "weights.pth")


def test_state_to_resume_from_starts_another_training(tmp_path, tiny_network):
    """`last.weights.h5` holds the auxiliary heads and the optimizer too."""
    config = TrainingConfig(model=tiny_network, epochs=1, **SIZES)
    train(config, Noise(5), Noise(2), tmp_path / "run")
    best, model = archive.load_model(tmp_path / "run" / "best.keras")[0], tiny()
    assert load_checkpoint(model, tmp_path / "run" / "last.weights.h5") == []
    np.testing.assert_array_equal(model.get_layer("seg_score").kernel, best.get_layer("seg_score").kernel)

    other = tiny(num_classes=5, aux_heads=True)
    fresh = initialize_from(other, tmp_path / "run" / "last.weights.h5")
    assert sorted(fresh) == ["aux_seg_score", "seg_score"]
    assert_same_weights(other, best, ["features_conv1_conv", "features_dwconv"])


def write_with_averages(path, state, averages):
    tensors = {"state_dict": {}, "state_dict_ema": {}}
    storages = {}
    for place, entries in (("state_dict", state), ("state_dict_ema", averages)):
        for name, value in entries.items():
            storages[f"{place} {name}"] = value
            tensors[place][name] = tensor(f"{place} {name}", value)
    path.write_bytes(encoded(tensors, storages))


def test_commands_take_averages_where_asked_for(liteseg, tmp_path):
    scenes = load_dataset("street_scenes", split="val", length=1, size=(64, 128))
    state = load_fixture("lps_net_tiny_96x160").state_dict()
    state |= {name: state[name][: len(scenes.classes)] for name in ("head.weight", "head.bias")}
    path = tmp_path / "weights.pth"
    write_with_averages(path, state, state | {"head.weight": -state["head.weight"]})
    data = ("--data", "street_scenes", "--option", "length=1", "--option", "size=[64,128]")
    files = ("--model", "lps_net_tiny", "--checkpoint", path, "--input_size", "64x128", "--output", tmp_path / "a.json")
    done = liteseg("evaluate", *files, *data, "--averaged")
    assert done.returncode == 0, done.stderr
    assert "Averaged weights were taken: 'state_dict_ema'" in done.stdout
    classes = {"classes": scenes.classes, "input_size": (64, 128)}
    wanted = evaluate(load_predictor("lps_net_tiny", path, averaged=True, **classes), scenes).miou
    assert json.loads((tmp_path / "a.json").read_text())["miou"] == pytest.approx(wanted)
    assert evaluate(load_predictor("lps_net_tiny", path, **classes), scenes).miou != pytest.approx(wanted)


def test_training_starts_from_averages_where_asked_for(tmp_path, tiny_network):
    averages = {name: value + 1 for name, value in state_dict().items()}
    write_with_averages(tmp_path / "weights.pth", state_dict(), averages)
    config = TrainingConfig(model=tiny_network, epochs=1, learning_rate=0.0, **SIZES)
    best = train(config, Noise(5), Noise(2), tmp_path / "run", tmp_path / "weights.pth", averaged=True)
    bias = archive.load_model(best)[0].get_layer("seg_score").bias
    np.testing.assert_array_equal(bias, averages["seg.score.bias"])


@pytest.mark.parametrize(
    "load",
    [
        lambda path: load_predictor("tiny", input_size=(16, 24), averaged=True),
        lambda path: load_predictor(path, averaged=True),
        lambda path: load_predictor("a.tflite", averaged=True),
        lambda path: load_predictor("lps_net_s", "camvid", averaged=True),
        lambda path: initialize_from(create_model("lps_net_s", (64, 128, 3)), "camvid", averaged=True),
    ],
)
def test_averages_of_what_has_none_are_refused(tmp_path, tiny_network, load):
    write_keras(tmp_path / "model.keras", tiny())
    with pytest.raises(UserError, match="--averaged"):
        load(tmp_path / "model.keras")


def test_averages_are_taken_where_asked_for(tmp_path):
    state = state_dict()
    averages = {name: value + 1 for name, value in state.items()}
    write_with_averages(tmp_path / "weights.pth", state, averages)
    for load in (load_checkpoint, initialize_from):
        model = tiny()
        load(model, tmp_path / "weights.pth")
        np.testing.assert_array_equal(model.get_layer("seg_score").bias, state["seg.score.bias"])
        load(model, tmp_path / "weights.pth", averaged=True)
        np.testing.assert_array_equal(model.get_layer("seg_score").bias, averages["seg.score.bias"])


@OWN_FILES
def test_own_files_hold_no_averages_apart(tmp_path, suffix, write):
    write(tmp_path / f"model{suffix}", tiny())
    message = refusal(lambda *args: load_checkpoint(*args, averaged=True), tiny(), tmp_path / f"model{suffix}")
    assert "holds no averages" in message


def test_file_that_leads_to_other_files_is_refused(tmp_path):
    """HDF5 files can name others, which a file from elsewhere must not make us read."""
    write_h5(tmp_path / "secret.weights.h5", tiny())
    for link in (h5py.ExternalLink(tmp_path / "secret.weights.h5", "/layers/conv2d/vars/0"), h5py.SoftLink("/x")):
        write_h5(tmp_path / "a.weights.h5", tiny())
        with h5py.File(tmp_path / "a.weights.h5", "a") as file:
            del file["layers/conv2d/vars/0"]
            file["layers/conv2d/vars/0"] = link
        assert "no plain '0'" in refusal(load_checkpoint, tiny(), tmp_path / "a.weights.h5")

    (tmp_path / "secret").write_bytes(bytes(3 * 3 * 3 * 4 * 4))
    write_h5(tmp_path / "a.weights.h5", tiny())
    with h5py.File(tmp_path / "a.weights.h5", "a") as file:
        del file["layers/conv2d/vars/0"]
        file["layers/conv2d/vars"].create_dataset(
            "0", (3, 3, 3, 4), "f4", external=[(str(tmp_path / "secret"), 0, 432)]
        )
    assert "is no plain array" in refusal(load_checkpoint, tiny(), tmp_path / "a.weights.h5")


def test_file_of_another_input_size_fits(tmp_path):
    source, model = tiny((32, 16, 3)), tiny((None, None, 3))
    write_keras(tmp_path / "model.keras", source)
    load_checkpoint(model, tmp_path / "model.keras")
    assert_same_weights(model, source)


@pytest.mark.parametrize(("suffix", "write"), [(".keras", write_keras), (".weights.h5", write_h5)])
def test_another_number_of_classes_is_refused(tmp_path, suffix, write):
    path = tmp_path / f"model{suffix}"
    write(path, tiny(num_classes=19))
    message = refusal(load_checkpoint, tiny(num_classes=3), path)
    assert str(path) in message and "the number of classes" in message


def test_pth_with_another_number_of_classes_is_refused(tmp_path):
    write_pth(tmp_path / "weights.pth", state_dict(num_classes=19))
    message = refusal(load_checkpoint, tiny(num_classes=3), tmp_path / "weights.pth")
    assert "weights.pth" in message and message.endswith("Build the model with the number of classes of the weights.")


def test_refusal_tells_the_classes_of_a_file_with_aux_heads(tmp_path):
    write_keras(tmp_path / "model.keras", tiny(num_classes=19, aux_heads=True))
    message = refusal(load_checkpoint, tiny(num_classes=3), tmp_path / "model.keras")
    assert "holds 'tiny' with 19 classes" in message and "seg_score" in message


def test_aux_heads_that_the_file_lacks_are_named(tmp_path):
    write_keras(tmp_path / "model.keras", tiny())
    assert "aux_seg_score" in refusal(load_checkpoint, tiny(aux_heads=True), tmp_path / "model.keras")


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5", ".pth"])
@pytest.mark.parametrize("load", [load_checkpoint, initialize_from])
def test_missing_file(tmp_path, suffix, load):
    path = tmp_path / f"none{suffix}"
    message = refusal(load, tiny(), path)
    assert message.startswith("There is no") and f"file {path}." in message


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "folder"])
@pytest.mark.parametrize(
    ("suffix", "write"),
    [(".keras", write_keras), (".weights.h5", write_h5), (".pth", lambda path, _: write_pth(path, state_dict()))],
)
def test_damaged_file(tmp_path, suffix, write, damage):
    path = tmp_path / f"weights{suffix}"
    write(path, tiny())
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"empty": b"", "text": b"no weights\n", "cut": content[: len(content) * 3 // 4]}[damage])
    assert str(path) in refusal(load_checkpoint, tiny(), path)


def test_keras_file_that_does_not_say_what_it_is(tmp_path):
    tiny().save(tmp_path / "plain.keras")
    assert "does not say which network" in refusal(load_checkpoint, tiny(), tmp_path / "plain.keras")


@pytest.mark.parametrize(
    ("source", "model", "fresh"),
    [
        (tiny, lambda: tiny(num_classes=5), ["seg_score"]),
        (tiny, lambda: tiny(aux_heads=True), ["aux_seg_score"]),
        (tiny, lambda: tiny(num_classes=5, aux_heads=True), ["aux_seg_score", "seg_score"]),
        (lambda: tiny(aux_heads=True), lambda: tiny(num_classes=5, aux_heads=True), ["aux_seg_score", "seg_score"]),
        (lambda: tiny(aux_heads=True), lambda: tiny(), []),
        (tiny, tiny, []),
    ],
)
def test_initialize_from_keeps_only_what_cannot_be_filled(tmp_path, source, model, fresh):
    source, model = source(), model()
    write_keras(tmp_path / "model.keras", source)
    before = {name: model.get_layer(name).get_weights() for name in fresh}
    assert sorted(initialize_from(model, tmp_path / "model.keras")) == fresh
    filled = [layer.name for layer in model.layers if layer.weights and layer.name not in fresh]
    assert_same_weights(model, source, filled)
    for name, weights in before.items():
        for old, new in zip(weights, model.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("aux", [False, True])
def test_initialize_from_pth_with_other_classes(tmp_path, tiny_network, aux):
    state = state_dict(num_classes=19, aux=aux)
    write_pth(tmp_path / "weights.pth", state)
    model = tiny(num_classes=5, aux_heads=True)
    assert sorted(initialize_from(model, tmp_path / "weights.pth")) == ["aux_seg_score", "seg_score"]
    kernel = model.get_layer("features_conv1_conv").kernel.numpy()
    np.testing.assert_array_equal(kernel, state["features.conv1.conv.weight"].transpose(2, 3, 1, 0))


@pytest.mark.parametrize(
    ("load", "told"), [(load_checkpoint, "features_conv1_conv"), (initialize_from, "only 0% of its weights")]
)
def test_another_network_is_refused(tmp_path, load, told):
    images = keras.Input((16, 24, 3), name="images")
    x = keras.layers.Conv2D(6, 3, padding="same", name="features_conv1_conv")(images)
    write_keras(tmp_path / "model.keras", keras.Model(images, x, name="other"))
    message = refusal(load, tiny(), tmp_path / "model.keras")
    assert "'other'" in message and "'tiny'" in message and told in message


def test_a_network_starts_from_what_it_shares_with_another(tmp_path):
    source = create_model("ndnet29", (64, 96, 3), 3)
    for layer in source.layers:
        layer.set_weights([value + 0.5 for value in layer.get_weights()])
    write_keras(tmp_path / "model.keras", source)
    model = create_model("ndnet29_fcn8", (64, 96, 3), 3)
    before = {layer.name: layer.get_weights() for layer in model.layers}
    fresh = initialize_from(model, tmp_path / "model.keras")
    names = [layer.name for layer in model.layers if layer.weights]
    assert 0 < len(fresh) < len(names) / 4
    for name in names:
        expected = before[name] if name in fresh else source.get_layer(name).get_weights()
        for value, wanted in zip(model.get_layer(name).get_weights(), expected, strict=True):
            np.testing.assert_array_equal(value, wanted)


def test_a_larger_network_starts_from_published_weights_of_a_smaller_one(tmp_path):
    model, smaller = (
        create_model("lps_net_m", (64, 96, 3), 11),
        create_model("lps_net_s", (64, 96, 3), weights="camvid"),
    )
    assert initialize_from(model, "lps_net_s/camvid") == []
    assert_same_weights(model, smaller, [layer.name for layer in model.layers if layer.weights])
    message = refusal(initialize_from, create_model("lps_net_l", (64, 96, 3), 11), "lps_net_s/camvid")
    assert "'lps_net_s'" in message and "'lps_net_l'" in message and "only 0% of its weights" in message


def test_initialize_from_pth_of_another_network_is_refused(tmp_path, tiny_network):
    state = {name.replace("features", "backbone"): value for name, value in state_dict().items()}
    write_pth(tmp_path / "weights.pth", state)
    message = refusal(initialize_from, tiny(), tmp_path / "weights.pth")
    assert "features_conv1_conv.weight" in message and "backbone.conv1.conv.weight" in message


def test_official_weights_start_a_network_of_other_classes(shared):
    path = shared / "weights" / "ndnet45_cityscapes.pth"
    model = create_model("ndnet45", (None, None, 3), 11, aux_heads=True)
    assert sorted(initialize_from(model, path)) == ["aux_seg_score", "seg_score"]
    official = create_model("ndnet45", (None, None, 3), 19)
    load_checkpoint(official, path)
    shared_layers = [layer.name for layer in official.layers if layer.weights and layer.name != "seg_score"]
    assert_same_weights(model, official, shared_layers)


def test_the_state_of_another_training_as_a_start_says_what_to_take(tmp_path):
    create_model("lps_net_tiny", (64, 128, 3)).save_weights(tmp_path / "last.weights.h5")
    with pytest.raises(UserError, match=r"state of a training, to go on with by --resume .*best\.keras beside it"):
        initialize_from(create_model("lps_net_m", (64, 128, 3)), tmp_path / "last.weights.h5")


def test_network_after_quantization_aware_training_is_no_start(tmp_path):
    model = tiny()
    classes = ClassList(("a", "b", "c"), ((0, 0, 0),) * 3)
    said = Metadata(model.name, "noise", classes, (0.5,) * 3, (0.5,) * 3)
    save_model(model, tmp_path / "qat.keras", said.replace(ranges={"image": (0.0, 1.0)}))
    for load in (load_checkpoint, initialize_from):
        message = refusal(load, model, tmp_path / "qat.keras")
        assert "qat.keras has had quantization-aware training" in message and "take the float network" in message


def test_misspelt_name_of_published_weights():
    model = create_model("ndnet45", (32, 64, 3), 11)
    for load in (load_checkpoint, initialize_from):
        message = refusal(load, model, "camvidd")
        assert "no checkpoint file camvidd, and 'ndnet45' has no published weights of that name" in message
