"""The short trainings of the candidates."""

import json
import logging

import numpy as np
import pytest

from keras_liteseg.datasets import load_dataset
from keras_liteseg.errors import UserError
from keras_liteseg.expansion import Architecture
from keras_liteseg.expansion.candidates import RESULT_FILE, CandidateTraining
from keras_liteseg.models.archive import load_model
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.run_folder import BEST_FILE, read_log
from tests.training.interruption import interrupted_in

BASE = Architecture((1, 1, 1, 1, 1), (4, 4, 4, 4, 4), (1 / 2, 0, 0))
WIDE = BASE.grown(("width", (4, 8, 16, 32, 32)))
DEEP = BASE.grown(("depth", (0, 0, 0, 1, 1)))
CONFIG = TrainingConfig(
    model="lps_net_s", data="street_scenes", crop_size=(64, 128), eval_size=(64, 128), batch_size=2, epochs=1
)


@pytest.fixture(scope="module")
def data():
    return [load_dataset("street_scenes", split=split, length=4, size=(64, 128)) for split in ("train", "val")]


def test_candidates_are_trained_once_and_told_with_their_place(data, tmp_path, caplog):
    logger = CandidateTraining.__module__
    caplog.set_level(logging.INFO, logger)
    training = CandidateTraining(tmp_path, CONFIG, *data, inherits=True, rounds=5)
    (base,) = training([BASE], None)
    mious = training([WIDE, DEEP], BASE)
    assert [message for name, _, message in caplog.record_tuples if name == logger] == [
        f"The network to begin with: {BASE.name}",
        f"Round 1 of at most 5, candidate 1 of 2: {WIDE.name}",
        f"Round 1 of at most 5, candidate 2 of 2: {DEEP.name}; about 0 minutes left in this round",
    ]
    for architecture, miou, parent in ((BASE, base, None), (WIDE, mious[0], BASE.name), (DEEP, mious[1], BASE.name)):
        folder = tmp_path / architecture.name
        result = json.loads((folder / RESULT_FILE).read_text())
        assert result["miou"] == miou == max(row["val_miou"] for row in read_log(folder))
        assert result["inherited_from"] == parent and result["seconds"] > 0
        model, metadata = load_model(folder / BEST_FILE)
        assert metadata.model == architecture.name and model.output.shape[-1] == len(data[0].classes)
    # Another process, after an interruption: nothing is trained again.
    caplog.clear()
    (tmp_path / WIDE.name / RESULT_FILE).write_text('{"miou": 0.75, "seconds": 90}')
    again = CandidateTraining(tmp_path, CONFIG, *data, inherits=True, rounds=5)
    assert again([BASE], None) == [base] and again([WIDE, DEEP], BASE) == [0.75, mious[1]]
    assert not caplog.messages
    (tmp_path / DEEP.name / RESULT_FILE).unlink()
    CandidateTraining(tmp_path, CONFIG, *data, inherits=True, rounds=5)([WIDE, DEEP], BASE)
    assert "about 2 minutes left" in caplog.text


def test_inherited_weights_are_those_of_the_base(data, tmp_path):
    still = TrainingConfig(**vars(CONFIG) | {"learning_rate": 1e-12})
    training = CandidateTraining(tmp_path, still, *data, inherits=True)
    training([BASE], None)
    training([WIDE], BASE)
    base, _ = load_model(tmp_path / BASE.name / BEST_FILE)
    wide, _ = load_model(tmp_path / WIDE.name / BEST_FILE)
    kernel, theirs = (model.get_layer("net_stages_1_0_0").kernel.numpy() for model in (wide, base))
    np.testing.assert_allclose(kernel[:, :, :4, :4], theirs, atol=1e-5)
    afresh = CandidateTraining(tmp_path / "afresh", still, *data)
    afresh([BASE], None)
    afresh([WIDE], BASE)
    other, _ = load_model(tmp_path / "afresh" / WIDE.name / BEST_FILE)
    assert np.abs(other.get_layer("net_stages_1_0_0").kernel.numpy()[:, :, :4, :4] - theirs).max() > 1e-2
    assert json.loads((tmp_path / "afresh" / WIDE.name / RESULT_FILE).read_text())["inherited_from"] is None


def test_interrupted_training_goes_on(data, tmp_path):
    config = TrainingConfig(**vars(CONFIG) | {"epochs": 3})
    with interrupted_in(epoch=2):
        CandidateTraining(tmp_path, config, *data)([BASE], None)
    before = read_log(tmp_path / BASE.name)
    assert len(before) == 2 and not (tmp_path / BASE.name / RESULT_FILE).exists()
    CandidateTraining(tmp_path, config, *data)([BASE], None)
    after = read_log(tmp_path / BASE.name)
    assert after[:2] == before and len(after) == 3
    assert (tmp_path / BASE.name / RESULT_FILE).exists()


def test_candidate_that_diverges_is_never_chosen_and_not_trained_again(data, tmp_path, caplog):
    hot = TrainingConfig(**vars(CONFIG) | {"learning_rate": 1e30})
    with pytest.raises(UserError, match="became"):
        CandidateTraining(tmp_path, hot, *data)([BASE], None)
    assert not (tmp_path / BASE.name / RESULT_FILE).exists()
    assert CandidateTraining(tmp_path, hot, *data)([WIDE], BASE) == [0]
    result = json.loads((tmp_path / WIDE.name / RESULT_FILE).read_text())
    assert result["miou"] == 0 and "became" in result["diverged"] and result["seconds"] > 0
    assert f"{WIDE.name} counts with an mIoU of 0" in caplog.text
    caplog.clear()
    assert CandidateTraining(tmp_path, hot, *data)([WIDE], BASE) == [0]
    assert not caplog.messages
