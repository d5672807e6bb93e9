"""A training that was stopped, in whatever way, goes on as if it had not been."""

import dataclasses
import signal
import time

import h5py
import numpy as np
import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.training import trainer
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.run_folder import read_log
from keras_liteseg.training.trainer import train
from tests.training.interruption import interrupted_in
from tests.training.noise import SIZES, Noise
from tests.training.test_distribute import assert_same_state, finish, start, wait_for
from tests.training.test_train import state


@pytest.mark.parametrize(
    "changes",
    [
        {"ema_momentum": 0.9, "momentum": 0.9},
        {
            "gradient_accumulation_steps": 2,
            "backbone_learning_rate": 0.3,
        },  # three steps an epoch: half a batch is left over
        {"optimizer": "adamw", "schedule": "cosine", "learning_rate": 0.01, "warmup_epochs": 1.5, "clip_norm": 1.0},
        {"precision": "mixed_bfloat16", "scale_range": (0.5, 2.0), "brightness": 0.3},
        {"optimizer": "adamw", "backbone_learning_rate": 0.3, "oversample_threshold": 1.0, "loss": "focal"},
    ],
    ids=["ema", "accumulate", "adamw-cosine", "mixed_bfloat16", "oversample"],
)
def test_resumed_training_equals_an_uninterrupted_one(changes, tiny_network, tmp_path):
    config = TrainingConfig(model=tiny_network, epochs=3, **{**SIZES, **changes})
    train(config, Noise(), Noise(3), tmp_path / "whole")
    with interrupted_in(epoch=1):
        train(config, Noise(), Noise(3), tmp_path / "stopped")
    assert state(tmp_path / "stopped" / "last.weights.h5")["epochs"] == 1
    train(config, Noise(), Noise(3), tmp_path / "stopped", resume=True)
    assert_same_state(tmp_path / "stopped", tmp_path / "whole")
    for ours, theirs in zip(read_log(tmp_path / "stopped"), read_log(tmp_path / "whole"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)


@pytest.mark.slow
def test_kills_at_random_moments_lose_nothing_but_time(tmp_path):
    config = {"epochs": 60, "ema_momentum": 0.9}
    finish(start(tmp_path / "whole", **config))

    rng, last = np.random.default_rng(0), tmp_path / "killed" / "last.weights.h5"
    epochs = 0
    for kill in range(4):
        process = start(tmp_path / "killed", *["--resume"] * last.exists(), **config)
        try:
            if kill:
                # Once it trains, which the next epoch's state shows, at any moment.
                while process.poll() is None and state(last)["epochs"] == epochs:
                    time.sleep(0.01)
            time.sleep(rng.uniform(0, 1))
        finally:
            process.kill()
            process.communicate()
        if not kill:
            # Too early for a state: the next attempt starts afresh.
            assert not last.exists()
            process = start(tmp_path / "killed", **config)
            try:
                wait_for(last, [process])
            finally:
                process.kill()
                process.communicate()
        assert state(last)["epochs"] > epochs
        epochs = state(last)["epochs"]

    if epochs < 60:
        finish(start(tmp_path / "killed", "--resume", **config))
    assert_same_state(tmp_path / "killed", tmp_path / "whole")
    assert [row["epoch"] for row in read_log(tmp_path / "killed")] == list(range(60))
    assert not list((tmp_path / "killed").glob(".partial-*"))


def fill(disk):
    """Leave not a page on a disk, and return the file that takes it all."""
    with open(disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(bytes(4096))
    return disk / "filler"


def test_full_disk_ends_in_one_sentence_and_keeps_the_last_state(tiny_network, disk):
    config, last = TrainingConfig(model=tiny_network, epochs=1, **SIZES), disk / "run" / "last.weights.h5"
    train(config, Noise(), Noise(3), disk / "run")
    before = last.read_bytes()
    filler = fill(disk)
    config = dataclasses.replace(config, epochs=2)
    with pytest.raises(UserError, match="Cannot write .*No space left on device.* Free some space"):
        train(config, Noise(), Noise(3), disk / "run", resume=True)
    assert last.read_bytes() == before
    filler.unlink()
    train(config, Noise(), Noise(3), disk / "run", resume=True)
    assert state(last)["epochs"] == 2


def test_disk_that_fills_up_while_training(tiny_network, disk, monkeypatch):
    class Filling(trainer.Validation):
        def on_epoch_end(self, epoch, logs):
            super().on_epoch_end(epoch, logs)
            if epoch == 1:
                fill(disk)

    monkeypatch.setattr(trainer, "Validation", Filling)
    with pytest.raises(UserError, match="Cannot write .*No space left on device"):
        train(TrainingConfig(model=tiny_network, epochs=3, **SIZES), Noise(), Noise(3), disk / "run")
    assert state(disk / "run" / "last.weights.h5")["epochs"] == 1


def test_second_training_does_not_disturb_the_first_in_its_folder(tiny_network, tmp_path, monkeypatch):
    """Before the first epoch has ended, no file tells that a training runs there."""
    config = TrainingConfig(model=tiny_network, epochs=1, **SIZES)

    class Meanwhile(trainer.Validation):
        def on_epoch_end(self, epoch, logs):
            partial = tmp_path / "run" / ".partial-of-the-first"
            partial.write_text("")
            monkeypatch.setattr(trainer, "Validation", original)
            with pytest.raises(UserError, match="Another process writes into .*run"):
                train(dataclasses.replace(config, seed=1), Noise(), Noise(3), tmp_path / "run")
            assert partial.exists()
            super().on_epoch_end(epoch, logs)

    original = trainer.Validation
    monkeypatch.setattr(trainer, "Validation", Meanwhile)
    train(config, Noise(), Noise(3), tmp_path / "run")
    assert "seed: 0" in (tmp_path / "run" / "config.yaml").read_text()
    assert state(tmp_path / "run" / "last.weights.h5")["epochs"] == 1


def test_fewer_epochs_than_a_training_has_had_are_refused(tiny_network, tmp_path):
    """Nothing would be trained, and config.yaml would say what is not so of the network."""
    config = TrainingConfig(model=tiny_network, epochs=2, **SIZES)
    train(config, Noise(), Noise(3), tmp_path)
    with pytest.raises(UserError, match="has had 2 epochs already, and epochs is 1"):
        train(dataclasses.replace(config, epochs=1), Noise(), Noise(3), tmp_path, resume=True)
    assert "epochs: 2" in (tmp_path / "config.yaml").read_text()
    assert train(config, Noise(), Noise(3), tmp_path, resume=True).exists()


def test_another_network_is_refused_in_one_sentence(tiny_network, tmp_path, recwarn):
    config = TrainingConfig(model=tiny_network, epochs=1, **SIZES)
    train(config, Noise(), Noise(3), tmp_path)
    recwarn.clear()
    other = dataclasses.replace(config, model="lps_net_tiny", epochs=2, crop_size=(64, 64), eval_size=(64, 64))
    with pytest.raises(UserError, match=f"is of {tiny_network}, and the config is for lps_net_tiny; resume it with"):
        train(other, Noise(), Noise(3), tmp_path, resume=True)
    (tmp_path / "best.keras").unlink()
    with pytest.raises(UserError, match="damaged or was saved by another config"):
        train(other, Noise(), Noise(3), tmp_path, resume=True)
    assert not [each for each in recwarn if "Skipping" in str(each.message)]


def test_folder_of_a_quantization_aware_training_is_refused(tiny_network, tmp_path):
    (tmp_path / "backup").mkdir()
    with pytest.raises(UserError, match="already holds a training of the other kind; give another --output_dir"):
        train(TrainingConfig(model=tiny_network, epochs=1, **SIZES), Noise(), Noise(3), tmp_path)


def test_best_network_that_is_gone(tiny_network, tmp_path):
    config = TrainingConfig(model=tiny_network, epochs=2, **SIZES)
    with interrupted_in(epoch=1):
        train(config, Noise(), Noise(3), tmp_path)
    (tmp_path / "best.keras").unlink()
    with h5py.File(tmp_path / "last.weights.h5", "a") as file:
        file.attrs["best"] = 1.0  # no later epoch is better
    assert train(config, Noise(), Noise(3), tmp_path, resume=True).exists()
    (tmp_path / "best.keras").unlink()
    with pytest.raises(UserError, match="all of its 2 epochs, and its best.keras is gone"):
        train(config, Noise(), Noise(3), tmp_path, resume=True)


@pytest.mark.slow
def test_interrupted_training_says_how_to_go_on(tmp_path):
    process = start(tmp_path / "run", epochs=10_000)
    try:
        wait_for(tmp_path / "run" / "last.weights.h5", [process])
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert (process.returncode, errors) == (130, "interrupted\n")
    assert f"{tmp_path / 'run' / 'last.weights.h5'} holds the last finished epoch, go on with --resume." in printed
    epochs = int(state(tmp_path / "run" / "last.weights.h5")["epochs"])
    finish(start(tmp_path / "run", "--resume", epochs=epochs + 1))
    assert state(tmp_path / "run" / "last.weights.h5")["epochs"] == epochs + 1
