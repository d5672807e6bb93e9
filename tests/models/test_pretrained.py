"""Publishing weights and loading what was published."""

import dataclasses
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from keras_liteseg import ExportOptions, UserError, create_model, export, load_checkpoint, load_model, save_model
from keras_liteseg.commands.data_options import complete_options
from keras_liteseg.datasets import ClassList, SegmentationDataset
from keras_liteseg.evaluation import evaluate
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import pretrained
from keras_liteseg.models.network import load_network
from keras_liteseg.models.pretrained import is_pretrained, list_pretrained, read_card, weight_file
from keras_liteseg.models.weights import initialize_from
from keras_liteseg.quantization.config import QuantizationConfig
from keras_liteseg.quantization.quantization_aware_training import train_quantization_aware
from keras_liteseg.tools.publish import DATA_LICENCES, publish
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.config_files import find_config
from tests.models.web_server import serve

CLASSES = ClassList(("road", "car", "sky"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
NAME = "lps_net_tiny"
LICENCE = "Noise is free."


class Noise(SegmentationDataset):
    """Three images of noise with labels of noise, some of them void."""

    name, split, classes = "noise", "val", CLASSES

    def __len__(self):
        return 3

    def sample_id(self, index):
        return str(index)

    def image(self, index):
        return np.random.default_rng(index).integers(0, 256, (64, 96, 3), np.uint8)

    def mask(self, index):
        return np.random.default_rng(index).choice(np.uint8([0, 1, 2, 255]), (64, 96))


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """(A trained network, the folder of its training, with what was published of it as 'noise' in 'pretrained')."""
    folder = tmp_path_factory.mktemp("once") / "a_training"
    folder.mkdir()
    model = create_model(NAME, (64, 96, 3), 3)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.uniform(1e-5, 1.5, value.shape) for value in layer.get_weights()])
    save_model(model, folder / "best.keras", Metadata(NAME, "noise", CLASSES, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0)))
    (folder / "config.yaml").write_text(yaml.safe_dump({"epochs": 3}))
    publish(folder / "best.keras", folder / "config.yaml", [Noise()], folder / "pretrained", data_licence=LICENCE)
    return model, folder


@pytest.fixture
def published(once, tmp_path, monkeypatch):
    """A trained network, published as 'noise'; its files lie in `tmp_path`."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    model, folder = once
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return model


def names():
    return [(card.model, card.name) for card in list_pretrained()]


def test_published_weights_are_loaded_by_name(published):
    assert names() == [(NAME, "noise")] and is_pretrained(NAME, "noise") and not is_pretrained(NAME, "camvid")
    model = create_model(NAME, (32, 64, 3), weights="noise")
    assert model.output_shape == (None, 32, 64, 3)
    for ours, theirs in zip(model.get_weights(), published.get_weights(), strict=True):
        tolerance = 1e-3 if theirs.ndim > 1 else 0  # float16 has 11 bits
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=0 if theirs.ndim < 2 else 1e-7)


def test_card_says_where_the_weights_come_from(published):
    card = read_card(NAME, "noise")
    assert card.metadata.classes == CLASSES and card.input_size == (64, 96)
    text = json.loads((pretrained.FOLDER / f"{NAME}-noise.json").read_text())
    assert text["config"] == {"epochs": 3} and text["bytes"] == card.path.stat().st_size
    measured = dataclasses.asdict(evaluate(load_predictor(NAME, "noise"), Noise()))
    assert measured["images"] == 3 and text["accuracy"] == {"val": measured}
    assert {"command", "date", "device", "versions"} <= set(text)
    assert text["sha256"] == hashlib.sha256(card.path.read_bytes()).hexdigest() == card.sha256
    assert text["training"] == "a_training" and card.data_licence == LICENCE
    assert (card.seen, card.split, card.miou, card.int8, card.where) == (
        "noise train",
        "val",
        measured["miou"],
        None,
        "local",
    )


def test_predictor_has_their_classes_and_size(published):
    predictor = load_predictor(NAME, "noise")
    assert (tuple(predictor.size), predictor.metadata.classes) == ((64, 96), CLASSES)
    assert tuple(load_predictor(NAME, "noise", (32, 32)).size) == (32, 32)
    labels = predictor.labels(np.zeros((40, 50, 3), np.uint8))
    assert labels.shape == (40, 50) and labels.max() < 3


def test_a_training_starts_from_them_by_name(published):
    model = create_model(NAME, (32, 64, 3), 5)
    assert initialize_from(model, "noise") == ["head"]
    before, after = (network.get_layer("net_stages_0_0_0").get_weights() for network in (published, model))
    np.testing.assert_allclose(after[0], before[0], rtol=1e-3, atol=1e-7)


def test_one_network_has_weights_of_several_names(published, tmp_path):
    paths = tmp_path / "best.keras", tmp_path / "config.yaml"
    publish(*paths, [Noise()], pretrained.FOLDER, name="noise_64x96", data_licence=LICENCE)
    card_file = pretrained.FOLDER / f"{NAME}-noise_64x96.json"
    modes = {path.stat().st_mode for path in (card_file, card_file.with_suffix(".safetensors"))}
    assert len(modes) == 1, "others can read the card and not the weights"
    assert names() == [(NAME, "noise"), (NAME, "noise_64x96")]
    assert read_card(NAME, "noise_64x96").metadata.data == "noise"


@pytest.mark.parametrize("name", ["noise-64x96", "../noise", "my/noise", ""])
def test_name_that_no_file_could_have_is_refused(published, tmp_path, name):
    paths = tmp_path / "best.keras", tmp_path / "config.yaml"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=f"The name '{name}' becomes a part of file names"):
        publish(*paths, [Noise()], pretrained.FOLDER, name=name, data_licence=LICENCE)
    model, metadata = load_model(paths[0])
    save_model(model, tmp_path / "best.keras", metadata.replace(data=name))
    with pytest.raises(UserError, match=f"The name '{name}' becomes a part of file names"):
        publish(*paths, [Noise()], pretrained.FOLDER, data_licence=LICENCE)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    "config, message",
    [({"model": "ndnet45"}, "is for 'ndnet45'"), ({"base": "ndnet45_camvid_scratch.yaml"}, "builds on a base")],
)
def test_config_of_another_training_is_refused(published, tmp_path, config, message):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match=f"{message}, and .*best.keras holds 'lps_net_tiny'; give the config.yaml"):
        publish(tmp_path / "best.keras", tmp_path / "config.yaml", [Noise()], pretrained.FOLDER, data_licence=LICENCE)


FULL = f"{NAME}/noise"


def test_every_place_takes_the_name_with_that_of_the_network(published, tmp_path):
    expected = create_model(NAME, (64, 96, 3), weights="noise").get_weights()
    assert read_card(NAME, FULL) == read_card(NAME, "noise")
    model, metadata = load_network(NAME, FULL)
    assert metadata == read_card(NAME, "noise").metadata
    started = create_model(NAME, (64, 96, 3), 3)
    assert initialize_from(started, FULL) == []
    for network in (model, started, create_model(NAME, (64, 96, 3), weights=FULL)):
        for ours, theirs in zip(network.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    options = ExportOptions(quantization="none")
    export(NAME, tmp_path / "a.tflite", options, checkpoint=FULL)
    source = json.loads((tmp_path / "a.json").read_text())["source"]
    assert source == {"model": NAME, "file": f"{NAME}-noise.safetensors", "sha256": read_card(NAME, "noise").sha256}


@pytest.mark.parametrize("name", ["noise", FULL])
def test_quantization_aware_training_starts_from_them_by_name(published, tmp_path, name):
    options = dict(epochs=1, steps_per_epoch=1, batch_size=1, calibration_images=1)
    config = QuantizationConfig(model=NAME, crop_size=(64, 96), eval_size=(64, 96), data="noise", **options)
    result = train_quantization_aware(config, Noise(), Noise(), tmp_path / "run", name)
    assert load_model(result)[1].model == NAME


def test_weights_of_another_network_are_refused(published, tmp_path):
    message = f"The published weights '{FULL}' are of '{NAME}', not of 'ndnet45'; take that network, or weights of "
    config = QuantizationConfig(model="ndnet45", crop_size=(64, 96), eval_size=(64, 96), data="noise")
    for take in (
        lambda: create_model("ndnet45", (64, 96, 3), weights=FULL),
        lambda: create_model("ndnet45", (64, 96, 3), 3, weights=FULL),
        lambda: load_predictor("ndnet45", FULL),
        lambda: export("ndnet45", tmp_path / "a.tflite", checkpoint=FULL),
        lambda: train_quantization_aware(config, Noise(), Noise(), tmp_path / "run", FULL),
        lambda: complete_options("ndnet45", "noise", "val", {}, FULL),
    ):
        with pytest.raises(UserError, match=re.escape(message)):
            take()
    assert not (tmp_path / "run").exists()


def test_name_in_place_of_a_file_is_told_where_it_goes(published):
    with pytest.raises(UserError, match=f"no checkpoint file noise, but published .*{NAME}', weights='noise'"):
        load_checkpoint(create_model(NAME, (64, 96, 3), 3), "noise")


def test_unknown_weights_are_refused(published):
    with pytest.raises(UserError, match="no published weights 'camvid' of 'lps_net_tiny'; there are noise"):
        create_model(NAME, weights="camvid")
    with pytest.raises(UserError, match="no published weights 'noise' of 'ndnet45'; 'noise' is there for lps_net_tiny"):
        create_model("ndnet45", weights="noise")


def test_other_classes_are_refused(published):
    with pytest.raises(UserError, match="number of classes of the weights"):
        create_model(NAME, num_classes=5, weights="noise")


def test_command_needs_a_config(tmp_path, small_file):
    command = [sys.executable, "-m", "keras_liteseg", "publish", f"--model={small_file}"]
    done = subprocess.run([*command, f"--config={tmp_path}/none.yaml"], capture_output=True, text=True)
    assert done.returncode == 1 and "error: Cannot read the config" in done.stderr


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"- a list", b"a: ["])
def test_config_that_is_none_is_refused(tmp_path, small_file, content):
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(UserError, match="Cannot read the config .*config.yaml: "):
        publish(small_file, tmp_path / "config.yaml", [], folder=tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_network_after_quantization_aware_training_is_not_published(published, tmp_path):
    model, metadata = load_model(tmp_path / "best.keras")
    save_model(model, tmp_path / "qat.keras", metadata.replace(ranges={"image": (0.0, 1.0)}))
    paths = tmp_path / "qat.keras", tmp_path / "config.yaml"
    with pytest.raises(UserError, match="qat.keras has had quantization-aware training, .* publish the float network"):
        publish(*paths, [Noise()], pretrained.FOLDER, name="qat", data_licence=LICENCE)
    assert names() == [(NAME, "noise")]


@pytest.mark.parametrize("terms", [None, "", "  "])
def test_data_of_unknown_terms_is_not_published(published, tmp_path, terms):
    with pytest.raises(UserError, match="terms of the data set 'noise' are not known; say them with --data_licence"):
        publish(tmp_path / "best.keras", tmp_path / "config.yaml", [Noise()], pretrained.FOLDER, data_licence=terms)


@pytest.mark.parametrize("start", ["noise", f"{NAME}/noise"])
def test_data_and_terms_of_the_start_are_those_of_the_weights(published, tmp_path, start):
    """Whether by its own name or, as a start from another network has it, with that of its network."""
    model, metadata = load_model(tmp_path / "best.keras")
    save_model(model, tmp_path / "mine.keras", metadata.replace(data="mine"))
    (tmp_path / "config.yaml").write_text("data_options:\nbackbone_weights: not_used.npz\n")
    paths = tmp_path / "mine.keras", tmp_path / "config.yaml"
    for terms, joined in (("Mine.", f"Mine. {LICENCE}"), (f"{LICENCE} Mine.", f"{LICENCE} Mine."), ("Noise", LICENCE)):
        publish(*paths, [Noise()], pretrained.FOLDER, starts_from=start, data_licence=terms)
        card = read_card(NAME, "mine")
        assert card.trained_on == {"mine": ["train"], "noise": ["train"]} and card.data_licence == joined
    assert card.seen == f"mine train, noise train, starting from the weights {start}"


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ("Mine.", f", of which its card says: {LICENCE}"),
        (LICENCE[:3], f", of which its card says: {LICENCE[3:].strip()}"),
        (LICENCE, "."),
        (f"{LICENCE} Mine.", "."),
    ],
)
def test_terms_of_the_teacher_are_told_as_its(published, tmp_path, terms, said):
    (tmp_path / "config.yaml").write_text(f"data_options:\nteacher: {NAME}/noise\n")
    publish(
        tmp_path / "best.keras", tmp_path / "config.yaml", [Noise()], pretrained.FOLDER, "taught", data_licence=terms
    )
    assert read_card(NAME, "taught").data_licence == f"{terms} It was taught by {NAME}{said}"


def test_teacher_is_named_by_its_training(published, tmp_path):
    """Other weights have the published name of the teacher later."""
    teacher = read_card(NAME, "noise")
    assert teacher.training and teacher.taught_by is None
    (tmp_path / "config.yaml").write_text(f"data_options:\nteacher: {NAME}/noise\n")
    paths = tmp_path / "best.keras", tmp_path / "config.yaml"
    publish(*paths, [Noise()], pretrained.FOLDER, "taught", data_licence=LICENCE)
    card = read_card(NAME, "taught")
    assert card.taught_by == teacher.training and card.seen.endswith(f", taught by {teacher.training}")
    (tmp_path / "config.yaml").write_text("data_options:\nteacher: runs/large/best.keras\n")
    publish(*paths, [Noise()], pretrained.FOLDER, "taught", data_licence=LICENCE)
    assert read_card(NAME, "taught").taught_by == "large"


def test_weights_have_seen_what_they_started_from_had_seen(published, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"data_options": {"train": {"split": "trainval"}}}))
    paths = tmp_path / "best.keras", tmp_path / "config.yaml"
    for start in ("noise", "official.pth"):
        publish(*paths, [Noise()], pretrained.FOLDER, f"from_{start[:5]}", starts_from=start, data_licence=LICENCE)
    assert read_card(NAME, "from_noise").seen == "noise train and val, starting from the weights noise"
    assert read_card(NAME, "from_offic").seen == "noise train and val, starting from the weights official.pth"


@pytest.mark.parametrize(
    "noted, given, fits",
    [
        (None, None, True),
        (None, "noise", False),
        ("noise", None, False),
        ("noise", "noise", True),
        (f"{NAME}/noise", "noise", True),
        ("noise", "official.pth", False),
        ("runs/float/best.keras", None, False),
        ("runs/float/best.keras", "noise", True),
    ],
)
def test_start_is_what_the_training_noted(published, tmp_path, noted, given, fits):
    (tmp_path / "journal.json").write_text(json.dumps({"epoch_seconds": [1.0], "init_from": noted}))
    arguments = tmp_path / "best.keras", tmp_path / "config.yaml", [Noise()], pretrained.FOLDER, "again"
    if fits:
        publish(*arguments, starts_from=given, data_licence=LICENCE)
        assert read_card(NAME, "again").starts_from == given
        return
    with pytest.raises(UserError, match=f"started from {noted or 'random weights'}, as .*journal.json says, and not"):
        publish(*arguments, starts_from=given, data_licence=LICENCE)
    assert not is_pretrained(NAME, "again")


def test_card_of_version_0_1_0_loads(published):
    path = pretrained.FOLDER / f"{NAME}-noise.json"
    card = json.loads(path.read_text())
    for name in ("config", "trained_on", "starts_from", "data_licence", "training"):
        del card[name]
    card["recipe"] = {"epochs": 3, "ema": 0.9, "data_options": {"train": {"split": "trainval"}}}
    path.write_text(json.dumps(card))
    assert read_card(NAME, "noise").seen == "noise train and val" and read_card(NAME, "noise").data_licence == ""
    assert create_model(NAME, (32, 64, 3), weights="noise").output_shape == (None, 32, 64, 3)


@pytest.mark.parametrize("how", ["create", "load", "start"])
def test_changed_weights_are_refused(published, how):
    path = read_card(NAME, "noise").path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="has the SHA-256 .* its card says .*: the file is damaged or was changed"):
        if how == "create":
            create_model(NAME, (32, 64, 3), weights="noise")
        elif how == "load":
            load_predictor(NAME, "noise")
        else:
            initialize_from(create_model(NAME, (32, 64, 3), 5), "noise")


def test_missing_weights_are_refused(published):
    read_card(NAME, "noise").path.unlink()
    with pytest.raises(UserError, match="noise.safetensors is missing, and its card names no URL"):
        create_model(NAME, (32, 64, 3), weights="noise")


@pytest.mark.parametrize(
    "change, message",
    [
        ("{", "is damaged: "),
        ("[]", "is damaged: "),
        ({"sha256": None}, "has no 'sha256'"),
        ({"config": None}, "has no 'config'"),
        ({"sha256": "../../etc"}, "is damaged: sha256 must be 64 hexadecimal digits"),
        ({"bytes": "many"}, "is damaged: "),
        ({"input_size": [64]}, "is damaged: "),
        ({"metadata": {}}, "has no 'data'|has no 'classes'"),
    ],
)
def test_card_that_cannot_be_read(published, change, message):
    path = pretrained.FOLDER / f"{NAME}-noise.json"
    if isinstance(change, dict):
        card = json.loads(path.read_text()) | change
        change = json.dumps({name: value for name, value in card.items() if value is not None or name == "starts_from"})
    path.write_text(change)
    with pytest.raises(UserError, match=f"The card {path} .*({message})"):
        list_pretrained()


def test_card_of_another_network(published):
    path = pretrained.FOLDER / f"{NAME}-noise.json"
    path.rename(pretrained.FOLDER / "ndnet45-noise.json")
    with pytest.raises(UserError, match="is of the network 'lps_net_tiny'; its name must begin with that"):
        read_card("ndnet45", "noise")


@pytest.fixture
def remote(published, tmp_path, monkeypatch):
    """The server of published weights whose card, in a folder of the user's, has their URL alone."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("KERAS_LITESEG_CACHE", str(tmp_path / "cache"))
    card = pretrained.FOLDER / f"{NAME}-noise.json"
    with serve(card.with_suffix(".safetensors").read_bytes()) as site:
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / f"{NAME}-remote.json").write_text(json.dumps(json.loads(card.read_text()) | {"url": site.url}))
        monkeypatch.setenv("KERAS_LITESEG_PRETRAINED", f"{mine}{os.pathsep}{tmp_path}")
        yield site


def test_weights_are_downloaded_once(remote, published, tmp_path):
    assert names() == [(NAME, "noise"), (NAME, "remote")]
    assert [card.where for card in list_pretrained()] == ["local", "remote"] and remote.asked == []
    model = create_model(NAME, (64, 96, 3), weights="remote")
    assert (
        read_card(NAME, "remote").where == "cached"
        and weight_file(read_card(NAME, "remote")).parent == tmp_path / "cache"
    )
    for ours, theirs in zip(model.get_weights(), create_model(NAME, (64, 96, 3), weights="noise").get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    assert load_predictor(NAME, "remote").metadata.classes == CLASSES
    assert initialize_from(create_model(NAME, (32, 64, 3), 5), "remote") == ["head"]
    assert remote.asked == [None]


def test_damaged_download_is_refused(remote):
    path = weight_file(read_card(NAME, "remote"))
    path.write_bytes(b"damaged")
    with pytest.raises(UserError, match="delete it, and it is downloaded again"):
        create_model(NAME, (64, 96, 3), weights="remote")
    path.unlink()
    create_model(NAME, (64, 96, 3), weights="remote")
    assert remote.asked == [None, None]


def test_own_folder_comes_first_and_must_be_there(published, tmp_path, monkeypatch):
    mine = tmp_path / "mine"
    shutil.copytree(pretrained.FOLDER, mine)
    monkeypatch.setenv("KERAS_LITESEG_PRETRAINED", str(mine))
    assert names() == [(NAME, "noise")] and read_card(NAME, "noise").path.parent == mine
    monkeypatch.setenv("KERAS_LITESEG_PRETRAINED", str(tmp_path / "none"))
    with pytest.raises(UserError, match="KERAS_LITESEG_PRETRAINED names .*none, which is no folder"):
        list_pretrained()


def test_published_weights_are_listed_without_keras():
    code = "import sys; from keras_liteseg.models import list_pretrained; assert len(list_pretrained()) >= 6\n"
    code += "sys.exit(', '.join({'keras', 'tensorflow', 'safetensors'} & set(sys.modules)) or None)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("card", list_pretrained(), ids=lambda card: f"{card.model}-{card.name}")
def test_committed_card_says_everything(card):
    content = json.loads((pretrained.FOLDER / f"{card.model}-{card.name}.json").read_text())
    assert set(content) - {"int8", "url"} == {
        *("metadata", "input_size", "bytes", "sha256", "data_licence", "trained_on", "starts_from", "taught_by"),
        *("accuracy", "training", "config", "command", "date", "device", "versions"),
    }
    assert weight_file(card).stat().st_size == card.bytes
    data = card.metadata.data
    assert content["data_licence"].startswith(DATA_LICENCES[data]) and data in card.trained_on
    # Weights that were published, or, where others took their place since, the config that trained them.
    assert card.starts_from is None or is_pretrained(card.model, card.starts_from) or find_config(card.starts_from)
    config = TrainingConfig(**card.config)
    assert (config.model, config.data, config.eval_size) == (card.model, data, card.input_size)
    assert not config.teacher or "taught by" in card.data_licence, "a teacher has seen what the card hides"
    assert bool(config.teacher) == bool(card.taught_by) and (not card.taught_by or find_config(card.taught_by))
    assert card.training != card.taught_by and find_config(card.training)
    assert not config.backbone_weights or "ImageNet" in card.data_licence, "a backbone has seen what the card hides"
    # What was learned from measures nothing.
    assert card.accuracy and not set(card.accuracy) & set(card.trained_on[data]) and card.split == "test"
    for measured in [*card.accuracy.values(), *([card.int8] if card.int8 else [])]:
        assert 0 < measured["miou"] < 1 and measured["images"] > 0
    assert set(card.accuracy["test"]["iou"]) == set(card.metadata.classes.names)
    assert content["versions"]["keras_liteseg"] and content["versions"]["tensorflow"]


def test_published_weights_leave_room_in_the_wheel():
    assert sum(path.stat().st_size for path in pretrained.FOLDER.iterdir()) < 50e6
