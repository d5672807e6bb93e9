import csv
import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from keras_liteseg.conversion.export import export
from keras_liteseg.conversion.options import ExportOptions
from keras_liteseg.datasets import ClassList, load_dataset
from keras_liteseg.errors import UserError
from keras_liteseg.evaluation import evaluate
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.inference.predictor import prepare
from keras_liteseg.models.archive import load_model, read_metadata
from keras_liteseg.quantization.calibration import quantized_layers
from keras_liteseg.quantization.config import QuantizationConfig
from keras_liteseg.quantization.options import CalibrationOptions
from keras_liteseg.quantization.post_training import quantize
from keras_liteseg.quantization.quantization_aware_training import (
    kl_divergence,
    make_student,
    relative_error,
    train_quantization_aware,
)
from keras_liteseg.tflite.inspect import inspect
from keras_liteseg.training.config import load_config
from tests.conftest import ROOT

CONFIG = """
data: street_scenes
data_options: {train: {length: 8, size: [64, 128]}, val: {length: 4, size: [64, 128]}}
crop_size: [64, 128]
eval_size: [64, 128]
batch_size: 2
steps_per_epoch: 2
calibration_images: 4
epochs: 1
"""


def test_kl_divergence():
    logits = tf.constant([[[[0.0, 1.0], [2.0, -1.0]]]])
    assert float(kl_divergence(logits, logits)) == pytest.approx(0, abs=1e-6)
    assert float(kl_divergence(logits, logits + 5)) == pytest.approx(0, abs=1e-6)
    even = tf.zeros((1, 1, 1, 2))
    expected = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert float(kl_divergence(even, tf.math.log([[[[0.25, 0.75]]]]))) == pytest.approx(expected, rel=1e-5)


def test_relative_error():
    target = tf.constant([0.0, 2.0])
    assert relative_error(target, target) == 0
    assert float(relative_error(target, target + 3)) == pytest.approx(9, rel=1e-5)
    assert float(relative_error(10 * target, 10 * target + 30)) == pytest.approx(9, rel=1e-5)


def test_errors_are_means_over_real_pixels():
    """Here the right half of each image is padding, where both differ without limit."""
    real = tf.constant([[[True, True, False, False]] * 2])
    logits = np.random.default_rng(0).normal(size=(1, 2, 4, 3)).astype(np.float32)
    other = logits + np.float32([0.5, 0, 0])
    expected = kl_divergence(tf.constant(logits[:, :, :2]), tf.constant(other[:, :, :2]))
    other[:, :, 2:] = 1e3
    assert float(kl_divergence(logits, tf.constant(other), real)) == pytest.approx(float(expected), rel=1e-5)
    target, value = tf.constant([[[[0.0], [1e3]]]]), tf.constant([[[[3.0], [-1e3]]]])
    assert float(relative_error(target, value, real)) == pytest.approx(9 / 1e-6, rel=1e-5)


def test_padding_teaches_nothing_and_other_ignored_pixels_do(network, metadata, scenes):
    started, prepared, exact = quantize(network, metadata, CalibrationOptions(scenes))
    padding = np.float32([-1, 0, 1])
    student, _ = make_student(started, exact, prepared.ranges, scenes.size, 0.0, padding=padding)
    student.compile(tf_keras.optimizers.SGD(0.0))
    images = np.tile(padding, (1, *scenes.size, 1))
    ignored = np.full((1, *scenes.size), 255, np.int32)
    losses = [float(student.train_step(sample)["loss"]) for sample in ((images, ignored), (images, 0 * ignored))]
    assert losses[0] == 0 < losses[1]
    assert float(student.train_step((images + 0.1, ignored))["loss"]) > 0


def test_class_weights_change_what_is_learned_from_the_labels(small_file, data, tmp_path):
    options = dict(model="lps_net_tiny", crop_size=(64, 128), eval_size=(64, 128), calibration_images=2)
    losses = []
    for number, weights in enumerate(["", {"road": 9.0}]):
        config = QuantizationConfig(
            label_weight=1.0, class_weights=weights, epochs=1, steps_per_epoch=1, batch_size=2, **options
        )
        folder = tmp_path / str(number)
        train_quantization_aware(config, *data, folder, small_file)
        assert load_config(folder / "config.yaml", kind=QuantizationConfig).class_weights == weights
        losses.append(float(logged(folder)[0]["loss"]))
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)
    with pytest.raises(UserError, match="label_weight is 0, so that nothing is; raise label_weight or leave out"):
        QuantizationConfig(class_weights={"road": 9.0}, **options)


def test_teacher_computes_what_the_float_network_does(network, metadata, scenes):
    started, prepared, exact = quantize(network, metadata, CalibrationOptions(scenes))
    student, _ = make_student(started, exact, prepared.ranges, scenes.size, 0.0)
    image = prepare(scenes.image(0), scenes.size, prepared)
    expected = keras_predictor(network, metadata).logits(scenes.image(0))
    *features, found = student.teacher_call(image)
    # The mean of the int8 input, 128 instead of 127.5, changes the border a little.
    assert np.abs(found[0] - expected).mean() < 1e-3 * expected.std()
    assert features
    # The biases of the network that is trained are right for rounded kernels alone.
    changed = keras_predictor(started, prepared).logits(scenes.image(0))
    assert np.abs(changed - expected).mean() > 1e-2 * expected.std()


@pytest.fixture(scope="module")
def data():
    return [load_dataset("street_scenes", split=split, length=4, size=(64, 128)) for split in ("train", "val")]


@pytest.fixture(scope="module")
def trained(liteseg, small_file, tmp_path_factory):
    """(Folder of one epoch of quantization-aware training, what the command printed)."""
    folder = tmp_path_factory.mktemp("qat")
    (folder / "config.yaml").write_text(CONFIG + "model: lps_net_tiny\n")
    run = ("train", "--config", folder / "config.yaml", "--output_dir", folder / "run", "--quantization_aware")
    process = liteseg(*run, "--init_from", small_file)
    assert process.returncode == 0, process.stderr
    return folder / "run", process.stdout


def test_command_writes_a_network_with_ranges(trained, small_file):
    folder, output = trained
    assert f"Wrote {folder / 'qat.keras'}" in output
    model, metadata = load_model(folder / "qat.keras")
    assert list(metadata.ranges) == [layer.name for layer in quantized_layers(model)]
    assert model.output.shape == load_model(small_file)[0].output.shape
    (row,) = logged(folder)
    assert 0 <= float(row["val_miou"]) <= 1 and 0.5 < float(row["val_agreement"]) <= 1
    assert float(row["loss"]) > 0


def test_result_exports_to_int8_with_the_trained_ranges(trained, tmp_path, caplog):
    caplog.set_level(logging.INFO, "keras_liteseg")
    export(trained[0] / "qat.keras", tmp_path / "a.tflite", ExportOptions(quantization="int8"))
    assert "from quantization-aware training" in caplog.text
    report = inspect(tmp_path / "a.tflite")
    assert report.is_fully_int8
    low, high = read_metadata(trained[0] / "qat.keras").ranges["head"]
    assert report.outputs[0].scale == pytest.approx((high - low) / 255, rel=1e-5)


def test_reference_keeps_its_own_normalization(trained, small_file, scenes, tmp_path):
    moved = read_metadata(trained[0] / "qat.keras").mean
    model, metadata = load_model(small_file)
    assert tuple(moved) != tuple(metadata.mean)
    result = export(
        trained[0] / "qat.keras",
        tmp_path / "a.tflite",
        ExportOptions(quantization="int8", max_drop=100),
        validation=scenes,
        reference=small_file,
    )
    assert result.keras == evaluate(keras_predictor(model, metadata), scenes)


def test_masks_without_a_labelled_pixel_are_refused_where_they_count(small_file, tmp_path):
    train_data, val_data, labelled = [load_dataset("street_scenes", length=2, size=(64, 128)) for _ in range(3)]
    for data in (train_data, val_data):
        data.mask = lambda index: np.full((64, 128), 255, np.uint8)
    options = dict(model="lps_net_tiny", crop_size=(64, 128), eval_size=(64, 128))
    for weight, data in ((0.0, (labelled, val_data)), (1.0, (train_data, labelled))):
        with pytest.raises(UserError, match="No mask of the split 'train' of street_scenes has a labelled pixel"):
            train_quantization_aware(
                QuantizationConfig(**options, label_weight=weight), *data, tmp_path / "run", small_file
            )
    assert not (tmp_path / "run").exists()


def test_other_classes_are_refused(trained, small_file, data, tmp_path):
    swapped = [load_dataset("street_scenes", split=each.split, length=1, size=(64, 128)) for each in data]
    names = swapped[0].classes.names
    for each in swapped:
        each.classes = ClassList((names[1], names[0], *names[2:]), each.classes.colors)
    config = QuantizationConfig(model="lps_net_tiny", crop_size=(64, 128), eval_size=(64, 128))
    with pytest.raises(
        UserError, match="training data has 9 .*another order: class 0 is 'road' in the first and 'pave"
    ):
        train_quantization_aware(config, data[0], swapped[1], tmp_path / "run", small_file)
    with pytest.raises(
        UserError, match="network knows 9 .*another order: class 0 is 'road' in the first and 'pavement'"
    ):
        train_quantization_aware(config, *swapped, tmp_path / "run", small_file)
    folder = shutil.copytree(trained[0], tmp_path / "resumed")
    written = (folder / "config.yaml").read_text()
    with pytest.raises(UserError, match="had 9 classes .*would go on with 9 .*another order: class 0 is 'road'"):
        train_quantization_aware(config, *swapped, folder, small_file, resume=True)
    assert (folder / "config.yaml").read_text() == written


def test_second_training_on_top_is_refused(trained, data, tmp_path):
    config = QuantizationConfig(crop_size=(64, 128), eval_size=(64, 128))
    with pytest.raises(UserError, match="has had quantization-aware training already"):
        train_quantization_aware(config, *data, tmp_path / "run", trained[0] / "qat.keras")


def test_used_folder_is_refused(trained, data):
    with pytest.raises(UserError, match="already holds a training"):
        train_quantization_aware(QuantizationConfig(), *data, trained[0], "unused.keras")


def test_folder_of_a_training_in_float_is_refused(data, tmp_path):
    """It would lose its config and its log."""
    (tmp_path / "last.weights.h5").touch()
    with pytest.raises(UserError, match="already holds a training of the other kind; give another --output_dir"):
        train_quantization_aware(QuantizationConfig(), *data, tmp_path, "unused.keras")


def test_resume_after_all_epochs(trained, small_file, data, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    config = load_config(folder / "config.yaml", kind=QuantizationConfig)
    (folder / "qat.keras").unlink()
    with pytest.raises(UserError, match="all of its 1 epochs, and its qat.keras is gone"):
        train_quantization_aware(config, *data, folder, small_file, resume=True)


def test_resume_needs_a_training(data, tmp_path):
    with pytest.raises(UserError, match="to resume from"):
        train_quantization_aware(QuantizationConfig(), *data, tmp_path / "run", "unused.keras", resume=True)


def test_no_network_to_start_from_is_refused(data, tmp_path):
    with pytest.raises(UserError, match=r"The trained network \(init_from\) is None; give a path"):
        train_quantization_aware(QuantizationConfig(), *data, tmp_path / "run", None)


def test_network_of_another_kind_is_refused(network_file, data, tiny_network, tmp_path):
    config = QuantizationConfig(model=tiny_network, crop_size=(64, 128), eval_size=(64, 128))
    with pytest.raises(UserError, match="holds ndnet45, the config is for tiny"):
        train_quantization_aware(config, *data, tmp_path / "run", network_file)


def test_command_needs_a_trained_network(liteseg, tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG)
    arguments = ("--config", tmp_path / "config.yaml", "--output_dir", tmp_path / "run", "--quantization_aware")
    process = liteseg("train", *arguments)
    assert process.returncode == 1
    assert "--init_from" in process.stderr and "Traceback" not in process.stderr


def logged(folder):
    with open(folder / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


class Spoil(tf_keras.callbacks.Callback):
    """Puts NaN into a variable after the last step of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == (1, 1):
            variable = self.model.trainable_variables[0]
            variable.assign(tf.fill(variable.shape, float("nan")))


def test_divergence_in_the_last_step_of_an_epoch_leaves_what_was_good(trained, small_file, data, tmp_path, monkeypatch):
    fit = tf_keras.Model.fit

    def spoilt(self, *args, callbacks, **options):
        return fit(self, *args, callbacks=[Spoil(), *callbacks], **options)

    folder = shutil.copytree(trained[0], tmp_path / "run")
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "events" not in path.name}
    monkeypatch.setattr(tf_keras.Model, "fit", spoilt)
    config = load_config(folder / "config.yaml", ["epochs=2"], QuantizationConfig)
    with pytest.raises(UserError, match="The weights became NaN or infinite in epoch 2. Lower learning_rate"):
        train_quantization_aware(config, *data, folder, small_file, resume=True)
    del files[folder / "config.yaml"]
    assert all(path.read_bytes() == content for path, content in files.items())


class Stop(tf_keras.callbacks.Callback):
    """Interrupts the training after the first step of the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 1:
            raise KeyboardInterrupt


def test_resumed_training_sees_the_samples_of_an_uninterrupted_one(
    trained, small_file, data, tmp_path, monkeypatch, caplog
):
    fit = tf_keras.Model.fit
    config = load_config(trained[0] / "config.yaml", ["epochs=2"], QuantizationConfig)
    train_quantization_aware(config, *data, tmp_path / "whole", small_file)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), caplog.at_level(logging.INFO):
        patch.setattr(
            tf_keras.Model, "fit", lambda *args, callbacks, **rest: fit(*args, callbacks=[Stop(), *callbacks], **rest)
        )
        train_quantization_aware(config, *data, tmp_path / "stopped", small_file)
    assert "backup holds the last finished epoch, go on with --resume" in caplog.text
    # Stopped between the log of the second epoch and its state.
    log = tmp_path / "stopped" / "log.csv"
    log.write_text(log.read_text() + log.read_text().splitlines()[1].replace("0,", "1,", 1) + "\n")
    train_quantization_aware(config, *data, tmp_path / "stopped", small_file, resume=True)
    for ours, theirs in zip(logged(tmp_path / "stopped"), logged(tmp_path / "whole"), strict=True):
        assert {name: float(value) for name, value in ours.items()} == pytest.approx(
            {name: float(value) for name, value in theirs.items()}, rel=1e-4
        )


@pytest.mark.slow
@pytest.mark.parametrize("best_before", [0.0, 1.0])
def test_resume_goes_on_after_the_last_epoch_and_keeps_the_best(trained, small_file, data, tmp_path, best_before):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    (row,) = logged(folder)
    log = folder / "log.csv"
    log.write_text(log.read_text().replace(row["val_agreement"], str(best_before)))
    config = load_config(folder / "config.yaml", ["epochs=2"], QuantizationConfig)
    before = load_model(folder / "qat.keras")[0].get_weights()
    train_quantization_aware(config, *data, folder, small_file, resume=True)
    assert [row["epoch"] for row in logged(folder)] == ["0", "1"]
    after = load_model(folder / "qat.keras")[0].get_weights()
    change = max(np.abs(new - old).max() for new, old in zip(after, before, strict=True))
    if best_before == 1.0:
        assert change == 0
    else:
        assert 0 < change < 0.01  # steps of 1e-4: it started from where the first epoch ended


ON_TWO_DEVICES = """
import sys

import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

from keras_liteseg.datasets import load_dataset
from keras_liteseg.errors import UserError
from keras_liteseg.quantization import quantization_aware_training
from keras_liteseg.quantization.config import QuantizationConfig

start, folder = sys.argv[1:]
# One picture, so that both devices have in their parts of a batch what one device has in the whole.
data = [load_dataset("street_scenes", split=split, length=1, size=(64, 128)) for split in ("train", "val")]
size = {"crop_size": (64, 128), "eval_size": (64, 128)}


def train(strategy, output, batch_size):
    quantization_aware_training.choose_strategy = lambda: strategy
    config = QuantizationConfig(
        model="lps_net_tiny", batch_size=batch_size, epochs=1, steps_per_epoch=2, label_weight=0.1, flip=0.0, **size
    )
    quantization_aware_training.train_quantization_aware(config, *data, f"{folder}/{output}", start)


two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
train(tf.distribute.get_strategy(), "one", 2)
train(two, "two", 2)
try:
    train(two, "odd", 3)
except UserError as error:
    print(error)
"""


def test_two_devices_train_as_one(small_file, tmp_path):
    """Two virtual CPUs stand for two GPUs."""
    command = [sys.executable, "-c", ON_TWO_DEVICES, small_file, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "batch_size is 3 on 2 devices" in done.stdout and not (tmp_path / "odd").exists()
    one, two = ({name: float(value) for name, value in logged(tmp_path / each)[0].items()} for each in ("one", "two"))
    assert two == pytest.approx(one, rel=1e-4)
    ends = [load_model(tmp_path / each / "qat.keras")[0].get_weights() for each in ("one", "two")]
    for ours, theirs in zip(*ends, strict=True):
        assert np.abs(ours - theirs).mean() < 5e-6  # of steps of 1e-4
