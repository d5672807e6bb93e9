"""Publishing weights and loading what was published."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from keras_liteseg import UserError, create_model, save_model
from keras_liteseg.datasets import ClassList, SegmentationDataset
from keras_liteseg.evaluation import evaluate
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import pretrained
from keras_liteseg.models.pretrained import list_pretrained, read_card
from keras_liteseg.models.weights import initialize_from
from keras_liteseg.tools.publish import publish

CLASSES = ClassList(("road", "car", "sky"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
NAME = "lps_net_tiny"


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


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A trained network, published as 'noise'."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    model = create_model(NAME, (64, 96, 3), 3)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([rng.uniform(1e-5, 1.5, value.shape) for value in layer.get_weights()])
    save_model(model, tmp_path / "best.keras", Metadata(NAME, "noise", CLASSES, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0)))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"epochs": 3}))
    publish(tmp_path / "best.keras", tmp_path / "config.yaml", [Noise()], pretrained.FOLDER)
    return model


def test_published_weights_are_loaded_by_name(published):
    assert list_pretrained() == [(NAME, "noise")]
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
    assert {"command", "date", "device", "versions", "sha256"} <= set(text)


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
    publish(*paths, [Noise()], pretrained.FOLDER, name="noise_64x96")
    assert list_pretrained() == [(NAME, "noise"), (NAME, "noise_64x96")]
    assert read_card(NAME, "noise_64x96").metadata.data == "noise"
    with pytest.raises(UserError, match="'noise-64x96' has a '-'"):
        publish(*paths, [Noise()], pretrained.FOLDER, name="noise-64x96")


def test_unknown_weights_are_refused(published):
    with pytest.raises(UserError, match="no published weights 'camvid' of 'lps_net_tiny'; there are noise"):
        create_model(NAME, weights="camvid")
    with pytest.raises(UserError, match="no published weights 'noise' of 'ndnet45'; 'noise' is there for lps_net_tiny"):
        create_model("ndnet45", weights="noise")


def test_other_classes_are_refused(published):
    with pytest.raises(UserError, match="number of classes of the weights"):
        create_model(NAME, num_classes=5, weights="noise")


def test_command_needs_a_config(tmp_path, network_file):
    command = [sys.executable, "-m", "keras_liteseg", "publish", f"--model={network_file}"]
    done = subprocess.run([*command, f"--config={tmp_path}/none.yaml"], capture_output=True, text=True)
    assert done.returncode == 1 and "error: Cannot read the config" in done.stderr
