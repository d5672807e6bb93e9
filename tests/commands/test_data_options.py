import json

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

from keras_liteseg.classes import ClassList
from keras_liteseg.commands import main
from keras_liteseg.commands.data_options import complete_options, options_of
from keras_liteseg.errors import UserError
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import save_model
from keras_liteseg.models.pretrained import read_card
from keras_liteseg.networks import model_spec

NAME = "lps_net_tiny"
MAP = {"vehicle": ["car", "bus"], "ground": "road"}
CONFIG = {"data": "folder", "data_options": {"train": {"label_map": MAP}, "val": {"label_map": MAP}}}


def dumped(config):
    """Return a config as a training writes it: the order of a label_map is that of the classes."""
    return yaml.safe_dump(config, sort_keys=False)


@pytest.mark.parametrize(
    "data_options, split, options",
    [
        ({}, "val", {}),
        (None, "val", {}),
        ({"val": 3}, "val", {}),
        ({"train": {"a": 1}, "val": {"a": 2}}, "train", {"a": 1}),
        ({"train": {"a": 1}, "val": {"a": 2}}, "test", {"a": 2}),
        ({"train": {"a": 1, "split": "train_extra"}, "val": {"a": 2}}, "train", {"a": 2}),
        ({"train": {"a": 1, "split": "train_extra"}, "val": {"a": 2}}, "train_extra", {"a": 1}),
        ({"train": {"a": 1}, "val": {"a": 2, "split": "test"}}, "test", {"a": 2}),
    ],
)
def test_options_are_those_of_the_split_or_of_the_validation(data_options, split, options):
    config = {"data": "camvid", "data_options": data_options}
    assert options_of(config, "camvid", split) == options
    assert options_of(config, "cityscapes", split) == options_of({}, "camvid", split) == {}


@pytest.mark.parametrize("file", ["best.keras", "a.tflite", "a.onnx"])
def test_options_are_found_beside_the_file_and_replaced(tmp_path, capsys, file):
    assert complete_options(tmp_path / file, "folder", "val", {}) == {}
    (tmp_path / "config.yaml").write_text(dumped(CONFIG if file == "best.keras" else {"data": "other"}))
    (tmp_path / ("a.onnx.json" if file == "a.onnx" else "a.json")).write_text(json.dumps({"config": CONFIG}))
    assert complete_options(tmp_path / file, "folder", "val", {}) == {"label_map": MAP}
    assert "Options of folder val as in " in (said := capsys.readouterr().out)
    assert "label_map={vehicle: [car, bus], ground: road} (--option KEY=VALUE replaces one" in said
    assert complete_options(tmp_path / file, "folder", "val", {"label_map": {"a": "b"}}) == {"label_map": {"a": "b"}}
    assert complete_options(tmp_path / file, "folder", "val", {"label_map": None}) == {}
    assert complete_options(tmp_path / file, "camvid", "val", {"size": 3}) == {"size": 3}
    assert complete_options(NAME, "folder", "val", {}) == {}
    assert capsys.readouterr().out == ""


def test_published_weights_bring_the_options_of_their_training(monkeypatch, capsys):
    card = read_card("ndnet45", "camvid")
    card.config["data_options"] = {"val": {"absent_classes": ["sky"]}}
    cards = {("ndnet45", "camvid"): card}
    monkeypatch.setattr("keras_liteseg.models.pretrained.find_card", lambda *names: cards.get(names))
    assert complete_options("ndnet45", "camvid", "val", {}, "camvid") == {"absent_classes": ["sky"]}
    assert "as in the card of 'camvid': absent_classes=[sky]" in capsys.readouterr().out
    assert complete_options("ndnet45", "camvid", "val", {"absent_classes": None}, "camvid") == {}
    assert complete_options("ndnet45", "camvid", "val", {}, "other.pth") == {}


@pytest.mark.parametrize("content", ["[]", "3", "null", '{"kind": "accuracy"}', '{"config": null}'])
def test_another_json_beside_the_file_says_nothing(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    assert complete_options(tmp_path / "a.tflite", "folder", "val", {}) == {}


@pytest.mark.parametrize("file, beside", [("a.tflite", "a.json"), ("best.keras", "config.yaml")])
def test_a_broken_file_beside_is_named(tmp_path, file, beside):
    (tmp_path / beside).write_text("{[")
    with pytest.raises(UserError, match=f"Cannot read the .*{beside}"):
        complete_options(tmp_path / file, "folder", "val", {})


@pytest.fixture
def root(tmp_path):
    """A data set of three classes."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for kind, shape, most in (("images", (64, 128, 3), 256), ("masks", (64, 128), 3)):
            (tmp_path / "data" / kind / split).mkdir(parents=True)
            Image.fromarray(rng.integers(0, most, shape, np.uint8)).save(tmp_path / "data" / kind / split / "a.png")
    (tmp_path / "data" / "classes.yaml").write_text("classes: [road, car, bus]")
    return tmp_path / "data"


@pytest.fixture
def model(tmp_path):
    """A network of the classes of `MAP`, with the config of its training beside it."""
    keras.utils.set_random_seed(0)
    spec, classes = model_spec(NAME), ClassList(tuple(MAP), ((0, 0, 0), (9, 9, 9)))
    path = tmp_path / "best.keras"
    save_model(create_model(NAME, (64, 128, 3), 2), path, Metadata(NAME, "folder", classes, spec.mean, spec.std))
    (tmp_path / "config.yaml").write_text(dumped(CONFIG))
    return path


def test_a_network_of_mapped_classes_is_evaluated_exported_and_published(root, model, tmp_path, capsys, monkeypatch):
    data = ["--data", "folder", "--data_dir", str(root)]
    assert main(["evaluate", "--model", str(model), *data, "--output", str(tmp_path / "result.json")]) == 0
    result = json.loads((tmp_path / "result.json").read_text())
    assert list(result["iou"]) == list(MAP) and result["data_options"] == {"label_map": MAP}
    assert main(["evaluate", "--model", str(model), *data, "--option", "label_map=null"]) == 1
    refusal = capsys.readouterr().err
    assert (
        "The network knows 2 classes (vehicle, ground) and folder has 3 classes (road, car, bus); class 0 is" in refusal
    )

    file = str(tmp_path / "a.tflite")
    assert main(["export", "--model", str(model), *data, "--output", file, "--max_drop", "100"]) == 0
    assert list(json.loads((tmp_path / "a.json").read_text())["accuracy"]["file"]["iou"]) == list(MAP)
    assert main(["evaluate", "--model", file, *data]) == 0

    monkeypatch.setattr("keras_liteseg.tools.publish.publish.__defaults__", (tmp_path / "published", None, None, None))
    config = ["--config", str(tmp_path / "config.yaml"), "--data_licence", "none", "--splits", "val"]
    assert main(["publish", "--model", str(model), "--data_dir", str(root), *config]) == 0
    card = json.loads((tmp_path / "published" / f"{NAME}-folder.json").read_text())
    assert list(card["accuracy"]["val"]["iou"]) == list(MAP)
    swapped = "label_map={ground: road, vehicle: [car, bus]}"
    assert main(["publish", "--model", str(model), "--data_dir", str(root), *config, "--option", swapped]) == 1
    assert "the same classes in another order: class 0 is 'vehicle' in the first" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "expand", "preview"])
def test_a_map_for_one_split_alone_is_refused(root, tmp_path, capsys, command):
    config = tmp_path / "one.yaml"
    config.write_text(dumped({"model": NAME, "data": "folder", "data_options": {"train": {"label_map": MAP}}}))
    arguments = ["--config", str(config), "--data_dir", str(root)]
    arguments += (
        ["--output", str(tmp_path / "a.png")] if command == "preview" else ["--output_dir", str(tmp_path / "r")]
    )
    arguments += ["--budget_ms", "9", "--candidate_epochs", "1"] if command == "expand" else []
    assert main([command, *arguments]) == 1
    assert "The training data has 2 classes (vehicle, ground), the validation data 3 classes" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
