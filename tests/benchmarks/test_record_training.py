"""A recorded training is the one in the folder."""

import pytest

from benchmarks.record_training import record
from keras_liteseg.errors import UserError
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.run_folder import read_log
from keras_liteseg.training.trainer import train
from tests.training.interruption import interrupted_in
from tests.training.noise import SIZES, Noise


def test_record_tells_what_the_log_does(tiny_network, tmp_path):
    config = TrainingConfig(model=tiny_network, epochs=3, **SIZES)
    train(config, Noise(9), Noise(5), tmp_path / "run")
    result = record(tmp_path / "run")
    log = read_log(tmp_path / "run")
    assert result["epochs"] == 3 and result["config"]["model"] == tiny_network
    assert result["best_val_miou"] == max(row["val_miou"] for row in log)
    assert log[result["best_epoch"]]["val_miou"] == result["best_val_miou"]
    assert result["curve"]["loss"] == pytest.approx([row["loss"] for row in log], abs=1e-5)
    assert result["minutes"] > 0 and result["device"]["cpu"] and "keras" in result["versions"]
    assert "epoch_seconds" not in result

    (tmp_path / "run" / "log.csv").write_text("epoch,val_miou\n0,0.5\n1,0.25\n")
    with pytest.raises(
        UserError, match="has 2 of 3 epochs; finish it with liteseg train --resume first, or .* --stopped"
    ):
        record(tmp_path / "run")


def test_stopped_training_is_recorded_as_such(tiny_network, tmp_path):
    with interrupted_in(epoch=1):
        train(TrainingConfig(model=tiny_network, epochs=3, **SIZES), Noise(9), Noise(5), tmp_path / "run")
    with pytest.raises(UserError, match="has 1 of 3 epochs"):
        record(tmp_path / "run")
    result = record(tmp_path / "run", stopped=True)
    assert result["epochs"] == 1 and result["config"]["epochs"] == 3


def test_folder_without_a_training_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no training"):
        record(tmp_path)
