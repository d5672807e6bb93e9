"""train.py as a user runs it, and what `train` promises about stopping and going on."""

import dataclasses
import json
import logging
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import time

import h5py
import keras
import numpy as np
import pytest
import yaml
from PIL import Image

import keras_liteseg
from keras_liteseg.checkpoints.assign import wanted_entries
from keras_liteseg.datasets import IGNORE_LABEL, ClassList
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import evaluate
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.metrics import ConfusionMatrix
from keras_liteseg.models.archive import load_model
from keras_liteseg.training import trainer
from keras_liteseg.training.config import TrainingConfig, load_config
from keras_liteseg.training.run_folder import JOURNAL_FILE, LOG_FILE, read_log
from keras_liteseg.training.trainer import train
from tests.tiny import tiny
from tests.training.noise import SIZES, Noise

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENES = {"length": 8, "size": [64, 128]}
CONFIG = {
    "model": "lps_net_tiny",
    "data_options": {"train": SCENES, "val": {**SCENES, "length": 3}},
    "crop_size": [64, 128],
    "eval_size": [64, 128],
    "batch_size": 2,
    "epochs": 2,
    "steps_per_epoch": 2,
}


@pytest.fixture
def config(tiny_network):
    """A training of a second."""
    return TrainingConfig(
        model=tiny_network, crop_size=(16, 24), eval_size=(16, 24), batch_size=2, epochs=3, steps_per_epoch=4, flip=0.5
    )


@pytest.fixture
def config_file(tmp_path):
    """A function that writes `CONFIG` with changes and returns its path."""

    def write(**changes):
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({**CONFIG, **changes}))
        return path

    return write


def command(*arguments):
    return [sys.executable, "train.py", *map(str, arguments)]


def run(*arguments):
    """Run train.py and return (exit status, stdout, stderr)."""
    done = subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def state(path):
    """Return all arrays and attributes of an HDF5 file by name."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(visit)
        return found | {"epochs": file.attrs["epochs"], "best": file.attrs["best"]}


def test_keep_says_which_network_is_saved(tiny_network, tmp_path):
    """The best and the last differ where a high rate ruins the network after the first epoch."""
    config = TrainingConfig(model=tiny_network, epochs=3, schedule="step", step_epochs=(1,), step_rates=(5.0,), **SIZES)
    val = Noise(3)
    for keep in ("best", "last"):
        train(dataclasses.replace(config, keep_epoch=keep), Noise(9), val, tmp_path / keep)
        log = read_log(tmp_path / keep)
        wanted = max(row["val_miou"] for row in log) if keep == "best" else log[-1]["val_miou"]
        found = evaluate(load_predictor(tmp_path / keep / "best.keras"), val).miou
        assert found == pytest.approx(wanted, abs=1e-4)
    assert log[-1]["val_miou"] < max(row["val_miou"] for row in log)


def test_a_class_that_the_validation_lacks_is_named_beside_the_miou(tiny_network, tmp_path, caplog):
    val = Noise(3)
    val.masks = np.minimum(val.masks, 0)
    config = TrainingConfig(model=tiny_network, epochs=1, **SIZES)
    with caplog.at_level(logging.INFO, "keras_liteseg"):
        train(config, Noise(9), val, tmp_path / "run")
    (said,) = [line for line in caplog.messages if line.startswith("Best validation mIoU")]
    assert " (of 1 of 3 classes; absent from the ground truth: b, c); wrote " in said


def test_data_sets_and_resumed_trainings_of_other_classes_are_refused(tiny_network, tmp_path):
    config = TrainingConfig(model=tiny_network, epochs=1, **SIZES)
    swapped = Noise(3)
    swapped.classes = ClassList(("b", "a", "c"), swapped.classes.colors)
    with pytest.raises(UserError, match="training data has 3 classes .*the same classes in another order: class 0"):
        train(config, Noise(9), swapped, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    train(config, Noise(9), Noise(3), tmp_path / "run")
    written = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(
        UserError, match="had 3 classes .*would go on with 3 .*another order: class 0 is 'a' in the first"
    ):
        train(dataclasses.replace(config, epochs=2), swapped, swapped, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "config.yaml").read_text() == written


# The command.


def test_train_py(config_file, tmp_path):
    output = tmp_path / "run"
    status, stdout, stderr = run("--config", config_file(), "--output_dir", output)

    assert (status, stderr) == (0, "")
    assert f"wrote {output / 'best.keras'}" in stdout
    files = ["best.keras", "config.yaml", "journal.json", "last.weights.h5", "log.csv", "tensorboard"]
    assert sorted(os.listdir(output)) == files
    assert list((output / "tensorboard").rglob("events.*"))
    assert load_config(output / "config.yaml") == load_config(config_file())

    rows = read_log(output)
    assert [row["epoch"] for row in rows] == [0, 1]
    assert {"loss", "val_loss", "val_miou", "learning_rate"} <= set(rows[0])
    assert rows[1]["learning_rate"] < rows[0]["learning_rate"]
    assert all(np.isfinite(value) for row in rows for value in row.values())

    model, metadata = keras_liteseg.load_model(output / "best.keras")
    assert model.output_shape == (None, 64, 128, len(metadata.classes))
    assert (metadata.model, metadata.data) == ("lps_net_tiny", "street_scenes")
    assert state(output / "last.weights.h5")["best"] == pytest.approx(max(row["val_miou"] for row in rows), rel=1e-6)


@pytest.mark.slow
def test_train_py_goes_on_after_a_kill(config_file, tmp_path):
    output = tmp_path / "run"
    arguments = ("--config", config_file(epochs=3, steps_per_epoch=4), "--output_dir", output)
    process = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (output / "last.weights.h5").exists():
            assert process.poll() is None, "the training ended before its first epoch"
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(read_log(output)) < 3

    status, _, stderr = run(*arguments, "--resume")
    assert (status, stderr) == (0, "")
    assert [row["epoch"] for row in read_log(output)] == [0, 1, 2]
    assert state(output / "last.weights.h5")["epochs"] == 3


def folder_data_set(root):
    """A data set of `Folder` whose third training mask holds a class that does not exist."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for part in ("images", "masks"):
            (root / part / split).mkdir(parents=True)
        for index in range(3):
            image, mask = rng.integers(0, 256, (64, 128, 3), np.uint8), rng.integers(0, 2, (64, 128), np.uint8)
            mask[0, 0] = 7 if (split, index) == ("train", 2) else 0
            Image.fromarray(image).save(root / "images" / split / f"{index}.png")
            Image.fromarray(mask).save(root / "masks" / split / f"{index}.png")
    (root / "classes.yaml").write_text("classes: [road, car]\n")
    return root


def test_train_py_refuses_bad_labels_before_it_trains(config_file, tmp_path):
    data = folder_data_set(tmp_path / "data")
    config = ("--config", config_file(data_options={}), "--output_dir", tmp_path / "run")
    status, stdout, stderr = run(*config, "--data", "folder", "--data_dir", data)
    assert (status, stdout) == (1, "")
    assert stderr.startswith("error: The data set folder has 1 problem in its split 'train'")
    assert str(data / "masks" / "train" / "2.png") in stderr and "7 (1 pixels)" in stderr
    assert "Traceback" not in stderr
    assert not (tmp_path / "run").exists()


def test_train_py_names_the_options_of_another_data_set(config_file, tmp_path):
    config = ("--config", config_file(), "--output_dir", tmp_path / "run")
    status, _, stderr = run(*config, "--data", "folder", "--data_dir", folder_data_set(tmp_path / "data"))
    assert status == 1 and stderr.count("\n") == 1
    assert "The data set 'folder' has no option" in stderr and "--override 'data_options={}'" in stderr


@pytest.mark.parametrize(
    ("config_text", "arguments", "message"),
    [
        ("epoch: 3", (), "there is no config key 'epoch'; did you mean epochs"),
        ("epochs: 3", ("--data", "street_scene"), "There is no data set 'street_scene'; did you mean street_scenes"),
        ("epochs: 3", ("--quantization_aware",), "name it with --init_from"),
        ("label_weight: 0.1", (), "one of the other kind of training; give --quantization_aware."),
        ("optimizer: sgd", ("--quantization_aware",), "one of the other kind of training; leave out --quantization_aw"),
        ("lable_weight: 0.1", (), "there is no config key 'lable_weight'"),
    ],
)
def test_train_py_refuses_in_one_sentence(tmp_path, config_text, arguments, message):
    (tmp_path / "config.yaml").write_text(config_text)
    config = ("--config", tmp_path / "config.yaml", "--output_dir", tmp_path / "run")
    status, stdout, stderr = run(*config, *arguments)
    assert (status, stdout) == (1, "")
    assert stderr.startswith("error: ") and message in stderr and stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


# The function.


def test_training_learns(config, tmp_path):
    config = TrainingConfig(**{**vars(config), "epochs": 4, "steps_per_epoch": 25, "learning_rate": 0.1})
    best = train(config, Noise(), Noise(3), tmp_path / "run")
    rows = read_log(tmp_path / "run")
    assert rows[-1]["loss"] < 0.6 * rows[0]["loss"]

    model, metadata = keras_liteseg.load_model(best)
    data, confusion = Noise(3), ConfusionMatrix(3)
    images = ((data.images / 255 - metadata.mean) / metadata.std).astype(np.float32)
    confusion.update(data.masks, model.predict(images, verbose=0).argmax(axis=-1))
    assert confusion.miou() == pytest.approx(max(row["val_miou"] for row in rows), abs=1e-3)


def test_epoch_that_was_logged_but_not_saved_is_logged_once(config, tmp_path):
    data = Noise(), Noise()
    train(dataclasses.replace(config, epochs=1), *data, tmp_path)
    log = tmp_path / LOG_FILE
    log.write_text(log.read_text() + log.read_text().splitlines()[1].replace("0,", "1,", 1) + "\n")
    train(dataclasses.replace(config, epochs=2), *data, tmp_path, resume=True)
    assert [row["epoch"] for row in read_log(tmp_path)] == [0, 1]


def test_resuming_needs_a_state(config, tmp_path):
    with pytest.raises(UserError, match="no last.weights.h5 in .* to resume from"):
        train(config, Noise(), Noise(3), tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


def test_folder_with_a_training_is_not_overwritten(config, tmp_path):
    (tmp_path / "last.weights.h5").write_bytes(b"state")
    with pytest.raises(UserError, match="already holds a training; give --resume"):
        train(config, Noise(), Noise(3), tmp_path)
    assert os.listdir(tmp_path) == ["last.weights.h5"]


def test_damaged_state_is_refused(config, tmp_path):
    (tmp_path / "last.weights.h5").write_bytes(b"state")
    with pytest.raises(UserError, match="Cannot resume from .*last.weights.h5"):
        train(config, Noise(), Noise(3), tmp_path, resume=True)


def test_damaged_journal_is_told_before_the_training_goes_on(config, tmp_path):
    config = dataclasses.replace(config, epochs=1, steps_per_epoch=1)
    train(config, Noise(), Noise(3), tmp_path)
    (tmp_path / JOURNAL_FILE).write_text("{")
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    config = dataclasses.replace(config, epochs=2)
    with pytest.raises(UserError, match=r"journal.json is damaged \(.*\); remove it to go on without what it notes"):
        train(config, Noise(), Noise(3), tmp_path, resume=True)
    assert all(path.read_bytes() == content for path, content in files.items())
    (tmp_path / JOURNAL_FILE).unlink()
    train(config, Noise(), Noise(3), tmp_path, resume=True)
    assert len(read_log(tmp_path)) == 2


def test_state_of_another_optimizer_is_not_resumed_from(config, tmp_path):
    config = dataclasses.replace(config, epochs=1, steps_per_epoch=1, ema_momentum=0.5)
    train(config, Noise(), Noise(3), tmp_path)
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    # The second has as many variables of the same shapes.
    for changes in (
        {"ema_momentum": 0.0},
        {"ema_momentum": 0.0, "gradient_accumulation_steps": 2},
        {"optimizer": "adamw"},
    ):
        other = dataclasses.replace(config, epochs=2, **changes)
        with pytest.raises(UserError, match="has kept sgd: average, momentum, and the config's keeps (sgd|adamw): "):
            train(other, Noise(), Noise(3), tmp_path, resume=True)
    assert all(path.read_bytes() == content for path, content in files.items())


def test_sample_that_cannot_be_read_ends_a_training_in_its_own_sentence(config, tmp_path):
    class Torn(Noise):
        def mask(self, index):
            raise UserError(f"The mask {index} is torn; mend it.")

    with pytest.raises(UserError, match=r"^The mask \d is torn; mend it\.$"):
        train(config, Torn(), Noise(3), tmp_path)


class Unlabelled(Noise):
    def mask(self, index):
        return np.full_like(super().mask(index), IGNORE_LABEL)


@pytest.mark.parametrize("data", [(Unlabelled(), Noise(3)), (Noise(), Unlabelled(3))], ids=["train", "val"])
def test_masks_without_a_labelled_pixel_are_refused(config, tmp_path, data):
    with pytest.raises(UserError, match="No mask of the split '.*' of noise has a labelled pixel, as all are ignored"):
        train(config, *data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_batch_larger_than_the_memory_is_refused(config, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1}.get)
    with pytest.raises(
        UserError, match="batch_size is 64, and so many images of 16x24 take .* GB of memory, where this"
    ):
        train(dataclasses.replace(config, batch_size=64), Noise(), Noise(3), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_unknown_network_is_refused(tmp_path):
    with pytest.raises(UserError, match="no model 'ndnet54'; did you mean ndnet45"):
        train(TrainingConfig(model="ndnet54"), Noise(), Noise(3), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("key", ["crop_size", "eval_size"])
def test_size_that_the_network_cannot_take_is_refused_before_training(config, tmp_path, key):
    config = TrainingConfig(**{**vars(config), key: (18, 27)})
    with pytest.raises(UserError, match="18x27"):
        train(config, Noise(), Noise(3), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_diverged_training_stops_and_keeps_what_was_good(config, tmp_path):
    config = TrainingConfig(**{**vars(config), "schedule": "step", "step_epochs": (1,), "step_rates": (1e30,)})
    with pytest.raises(UserError, match="The loss became (nan|inf) in epoch 2. Lower learning_rate"):
        train(config, Noise(), Noise(3), tmp_path)
    assert len(read_log(tmp_path)) == 1
    assert state(tmp_path / "last.weights.h5")["epochs"] == 1
    model, _ = keras_liteseg.load_model(tmp_path / "best.keras")
    assert all(np.isfinite(value).all() for value in model.get_weights())


class Spoil(keras.callbacks.Callback):
    """Puts NaN into a variable after the last step of the second epoch, as a step that diverges does: the loss of that
    step is of the weights before it."""

    def __init__(self, find):
        super().__init__()
        self.find = find

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 3):
            variable = self.find(self.model)
            variable.assign(np.full(variable.shape, np.nan))


def variance(model):
    return model.get_layer("features_conv1_bn").moving_variance


SPOILT = {
    "kernel": lambda model: model.get_layer("seg_score").kernel,
    "variance": variance,
    "auxiliary": lambda model: model.get_layer("aux_seg_score").kernel,
    "momentum": lambda model: model.optimizer.variables[-1],
}


@pytest.mark.parametrize("keep_epoch", ["best", "last"])
@pytest.mark.parametrize("what", SPOILT)
def test_divergence_in_the_last_step_of_an_epoch_leaves_what_was_good(config, tmp_path, monkeypatch, what, keep_epoch):
    fit = keras.Model.fit

    def spoilt(self, *args, callbacks, **options):
        return fit(self, *args, callbacks=[Spoil(SPOILT[what]), *callbacks], **options)

    monkeypatch.setattr(keras.Model, "fit", spoilt)
    with pytest.raises(UserError, match="The weights became NaN or infinite in epoch 2. Lower learning_rate") as error:
        train(dataclasses.replace(config, keep_epoch=keep_epoch), Noise(), Noise(3), tmp_path)
    assert what == "momentum" or SPOILT[what](tiny(aux_heads=True)).path in str(error.value)
    assert len(read_log(tmp_path)) == 1
    saved = state(tmp_path / "last.weights.h5")
    assert saved["epochs"] == 1
    assert all(np.isfinite(value).all() for value in saved.values())
    model, _ = keras_liteseg.load_model(tmp_path / "best.keras")
    assert all(np.isfinite(value).all() for value in model.get_weights())


def test_validation_loss_that_is_not_finite_stops_before_anything_is_written(config, tmp_path, monkeypatch):
    evaluate = keras.Model.evaluate
    monkeypatch.setattr(keras.Model, "evaluate", lambda *args, **o: {**evaluate(*args, **o), "loss": float("inf")})
    with pytest.raises(UserError, match="The val_loss became inf in epoch 1"):
        train(config, Noise(), Noise(3), tmp_path)
    assert not (tmp_path / "best.keras").exists() and not (tmp_path / "last.weights.h5").exists()


def test_averaged_weights_that_are_not_finite_are_not_written(config, tmp_path, monkeypatch):
    """The statistics are measured anew for the averages, after the weights of the training were found sound."""
    monkeypatch.setattr(trainer, "measure_statistics", lambda model, _: variance(model).assign([np.inf] * 4))
    with pytest.raises(UserError, match="NaN or infinite in epoch 1.*features_conv1_bn/moving_variance"):
        train(dataclasses.replace(config, ema_momentum=0.9), Noise(), Noise(3), tmp_path)
    assert not (tmp_path / "best.keras").exists()


def test_state_with_nan_is_not_resumed_from(config, tmp_path):
    train(dataclasses.replace(config, epochs=1), Noise(), Noise(3), tmp_path)
    with h5py.File(tmp_path / "last.weights.h5", "a") as file:
        file["optimizer/vars/2"][...] = np.nan
    with pytest.raises(UserError, match="Cannot resume from .*NaN or infinity in .*momentum"):
        train(config, Noise(), Noise(3), tmp_path, resume=True)


SHARED = "features_dwconv", "seg_score"


def test_training_starts_from_a_checkpoint(config, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    best = train(TrainingConfig(**{**vars(config), "epochs": 1}), Noise(), Noise(3), tmp_path / "first")
    frozen = TrainingConfig(**{**vars(config), "epochs": 1, "learning_rate": 0.0})
    again = train(frozen, Noise(), Noise(3), tmp_path / "second", init_from=best)
    assert "Starting from" in caplog.text
    noted = [json.loads((path.parent / JOURNAL_FILE).read_text())["init_from"] for path in (best, again)]
    assert noted == [None, str(best)]
    resumed = dataclasses.replace(frozen, epochs=2)
    train(resumed, Noise(), Noise(3), tmp_path / "second", resume=True)
    assert json.loads((again.parent / JOURNAL_FILE).read_text())["init_from"] == str(best)
    first, second = (keras_liteseg.load_model(path)[0] for path in (best, again))
    np.testing.assert_array_equal(second.get_layer("seg_score").kernel, first.get_layer("seg_score").kernel)


@pytest.mark.parametrize("names", [("b", "a", "c"), ("a", "b", "d")])
def test_class_scores_of_other_classes_are_not_taken(config, tmp_path, caplog, names):
    caplog.set_level(logging.INFO)
    short = dataclasses.replace(config, epochs=1, learning_rate=0.0, seed=1)
    best = train(short, Noise(), Noise(3), tmp_path / "first")
    data, val = Noise(), Noise(3)
    data.classes = val.classes = ClassList(names, data.classes.colors)
    again = train(dataclasses.replace(short, seed=2), data, val, tmp_path / "second", init_from=best)
    first, second = (keras_liteseg.load_model(path)[0] for path in (best, again))
    kernels = [[model.get_layer(name).get_weights()[0] for model in (first, second)] for name in SHARED]
    assert [np.array_equal(*pair) for pair in kernels] == [True, False]
    assert f"The classes of {best} are others than those of the data: " in caplog.text
    assert "random at first: aux_seg_score, seg_score" in caplog.text


MIRRORED = """
import logging
import sys

import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

from keras_liteseg.networks import registry
from keras_liteseg.training import trainer
from keras_liteseg.training.config import TrainingConfig
from tests.tiny import tiny
from tests.tiny import tiny
from tests.training.noise import Noise

registry.register("tiny", mean=(0.5,) * 3, std=(0.5,) * 3, output_stride=2, size_multiple=4, aux_size_multiple=8)(tiny)
trainer.choose_strategy = lambda: strategy
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
size = (16, 24)
config = TrainingConfig(model="tiny", crop_size=size, eval_size=size, batch_size=4, epochs=int(sys.argv[2]), flip=0)
trainer.train(config, Noise(8), Noise(4), sys.argv[1], resume=len(sys.argv) > 3)
"""


def test_training_on_two_devices_and_resuming_it(tmp_path):
    """Two virtual CPUs stand for two GPUs."""
    for arguments in (["1"], ["2", "resume"]):
        command = [sys.executable, "-c", MIRRORED, tmp_path / "run", *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "2 device(s)" in done.stdout
    rows = read_log(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [0, 1]
    assert all(np.isfinite(value) for row in rows for value in row.values())


def test_averaged_weights_of_the_backbone_of_a_config(config, tmp_path):
    wanted = wanted_entries(tiny((16, 24, 3)))
    raw = {}
    for name, (variable, permutation) in wanted.items():
        if name.startswith("features_"):
            raw[name.removeprefix("features_")] = variable.numpy().transpose(np.argsort(permutation))
    path = tmp_path / "both.pdparams"
    averages = {name: array + np.float32(1) for name, array in raw.items()}
    path.write_bytes(pickle.dumps({"state_dict": raw, "state_dict_ema": averages}, protocol=2))
    still = dataclasses.replace(config, learning_rate=0.0, epochs=1, backbone_weights=str(path))
    kernels = []
    for averaged in (False, True):
        best, _ = load_model(train(still, Noise(), Noise(), tmp_path / str(averaged), averaged=averaged))
        kernels.append(best.get_layer("features_conv1_conv").kernel.numpy())
    np.testing.assert_allclose(kernels[1] - kernels[0], 1, atol=1e-5)
    with pytest.raises(UserError, match="of --init_from or of the key backbone_weights; name one"):
        train(config, Noise(), Noise(), tmp_path / "none", averaged=True)
