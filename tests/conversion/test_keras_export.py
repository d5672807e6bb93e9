"""Plain `.keras` files: what Keras finds in them where this package cannot be imported."""

import importlib.util
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_liteseg import ExportOptions, export, load_model, load_predictor
from keras_liteseg.errors import UserError
from keras_liteseg.graph import stock_layers
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import save_model
from keras_liteseg.training.batch_norm_statistics import measure_statistics

# Every kind of layer is in one of them.
FAMILIES = """liteseg_darknet19 liteseg_mobilenetv2 liteseg_shufflenet lps_net_s ndnet45 ndnet45_fcn8 ndnet45_fcn32
pp_liteseg_b pp_liteseg_t""".split()

# Opens files NAME.keras of a folder, runs them on NAME.npz, and trains the first by one step.
OPEN = """
import pathlib, sys

class Blocked:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] == "keras_liteseg":
            raise ImportError("this package is not installed")

sys.meta_path.insert(0, Blocked())
import keras, numpy as np

folder = pathlib.Path(sys.argv[1])
for path in sorted(folder.glob("*.keras")):
    model = keras.saving.load_model(path)
    data = np.load(path.with_suffix(".npz"))
    scores = keras.ops.convert_to_numpy(model(data["images"]))
    print(path.stem, np.abs(scores - data["scores"]).max() / np.abs(data["scores"]).max())
if keras.backend.backend() == "tensorflow":
    model.export(folder / "saved", verbose=False)
    import tensorflow as tf
    saved = tf.saved_model.load(str(folder / "saved"))
    served = saved.serve(tf.constant(data["images"]))
    print("saved", np.abs(served - data["scores"]).max() / np.abs(data["scores"]).max())
before = [np.asarray(weight) for weight in model.weights]
fixed = [not weight.trainable for weight in model.weights]
model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255))
model.fit(data["images"], np.zeros(data["scores"].shape[:3]), verbose=0)
same = [np.array_equal(a, b) for a, b in zip(before, model.weights) if "moving" not in b.path]
frozen = [each for each, weight in zip(fixed, model.weights) if "moving" not in weight.path]
print("trained", int(same == frozen))
"""


def opened(folder, backend="tensorflow"):
    """Return {name: number} of what `OPEN` prints."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": ""}
    command = [sys.executable, "-P", "-c", OPEN, str(folder)]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return {name: float(number) for name, number in (line.split() for line in result.stdout.splitlines())}


def scores_of(network, path, size):
    images = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    np.savez(path, images=images, scores=network.predict_on_batch(images))
    return images


@pytest.fixture
def tiny_file(tiny_network, scenes, metadata, tmp_path):
    """A .keras file of a network of three convolutions."""
    path = tmp_path / "best.keras"
    keras.utils.set_random_seed(0)
    save_model(create_model(tiny_network, (*scenes.size, 3), len(scenes.classes)), path, metadata.replace(model="tiny"))
    return path


def test_it_is_measured_described_and_predicts(tiny_file, scenes, tmp_path):
    output = tmp_path / "plain" / "tiny.keras"
    verification = export(tiny_file, output, ExportOptions(format="keras"), validation=scenes)
    assert verification.file.agreement > 0.999 and abs(verification.drop) < 0.1
    assert load_model(output)[1] == load_model(tiny_file)[1]
    np.testing.assert_array_equal(
        load_predictor(output).labels(scenes.image(0)), load_predictor(tiny_file).labels(scenes.image(0))
    )
    card = json.loads(output.with_suffix(".keras.json").read_text())
    assert (card["format"], card["quantization"], card["output_type"]) == ("keras", "none", "logits")
    assert card["inputs"][0]["shape"] == [-1, 64, 128, 3] and card["outputs"][0]["shape"] == [-1, 64, 128, 9]
    assert card["ops"]["EinsumDense"] == 2 and card["source"]["file"] == "best.keras" and card["macs"] > 0
    for what, call in {
        "export the .keras file": lambda: export(output, tmp_path / "a.tflite"),
        "at 64x128 and no other size": lambda: load_predictor(output, input_size=(32, 64)),
    }.items():
        with pytest.raises(UserError, match=what):
            call()


@pytest.mark.parametrize(
    "options",
    [{"quantization": "int8"}, {"quantization": "float16"}, {"output_type": "classes"}, {"batch_size": 2}],
)
def test_what_only_files_for_devices_can_be(options):
    (name,) = options
    with pytest.raises(UserError, match=f"{name} is '.*' with format 'keras'; such a file gives float32 logits"):
        ExportOptions(format="keras", **options)


def test_the_model_itself_is_not_written_over(tiny_file):
    before = tiny_file.read_bytes()
    with pytest.raises(UserError, match="best.keras is the file that is exported; give another name"):
        export(tiny_file, tiny_file, ExportOptions(format="keras"))
    assert tiny_file.read_bytes() == before


def test_a_file_with_other_labels_is_refused(tiny_file, tmp_path, monkeypatch):
    from keras_liteseg.conversion import keras_export

    def broken(network):
        stock = stock_layers(network)
        kernel = stock.get_layer("seg_score").kernel
        kernel.assign(-kernel)
        return stock

    monkeypatch.setattr(keras_export, "stock_layers", broken)
    with pytest.raises(UserError, match="of the labels of the network"):
        export(tiny_file, tmp_path / "plain.keras", ExportOptions(format="keras"))
    assert not (tmp_path / "plain.keras").exists()


@pytest.mark.slow
def test_keras_opens_and_trains_it_without_this_package(tiny_file, scenes, tmp_path):
    folder = tmp_path / "plain"
    export(tiny_file, folder / "tiny.keras", ExportOptions(format="keras"))
    scores_of(load_model(tiny_file)[0], folder / "tiny.npz", scenes.size)
    found = opened(folder)
    assert found["tiny"] < 1e-5 and found["saved"] < 1e-5 and found["trained"]


@pytest.mark.slow
def test_every_family_in_keras_without_this_package(scenes, metadata, images, tmp_path):
    for name in FAMILIES:
        keras.utils.set_random_seed(0)
        network = create_model(name, (*scenes.size, 3), len(scenes.classes))
        measure_statistics(network, [(np.concatenate(images), None)])
        save_model(stock_layers(network), tmp_path / f"{name}.keras", metadata)
        scores_of(network, tmp_path / f"{name}.npz", scenes.size)
    found = opened(tmp_path)
    assert found.pop("trained")
    assert max(found.values()) < 1e-5, found
    assert set(found) == {*FAMILIES, "saved"}
    if importlib.util.find_spec("jax"):
        found = opened(tmp_path, "jax")
        assert found.pop("trained")
        assert max(found.values()) < 1e-4, found  # XLA adds in another order, as it does for our own layers
