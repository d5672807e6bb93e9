"""Fixtures for all tests."""

import importlib.util
import pathlib
import signal
import subprocess
import sys

import pytest

import keras_liteseg  # noqa: F401  before any test imports TensorFlow, which it sets up

# A shell that runs the tests in the background has them ignore Ctrl-C, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared():
    """The folder of real data and fixtures beside the repository; without it the test is skipped."""
    path = pathlib.Path(__file__).resolve().parents[2] / "shared"
    if not path.is_dir():
        pytest.skip("../shared is not here")
    return path


@pytest.fixture(scope="session", autouse=True)
def conversions_here():
    """Let exports convert in this process. A process of its own gives the same bytes, as its tests show, and loads
    TensorFlow and the network once more, which takes longer than the conversion."""
    if importlib.util.find_spec("tensorflow") is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_liteseg.conversion.converter_process.convert_apart", convert_here)
        patch.setattr("keras_liteseg.conversion.onnx_export.run_apart", run_here)
        yield


def convert_here(model, metadata, time_limit, **options):
    from keras_liteseg.conversion.convert import convert

    return convert(model, metadata, **options)


def run_here(module, folder, time_limit):
    try:
        importlib.import_module(module).main(folder)
    except Exception as error:
        return f"failed: {type(error).__name__}: {' '.join(str(error).split())}"


@pytest.fixture
def tiny_network(monkeypatch):
    """Name of a network of three convolutions, registered for one test: for code that only handles networks."""
    from keras_liteseg.networks import registry
    from tests.tiny import tiny

    entry = registry.ModelSpec(
        tiny, mean=(0.5,) * 3, std=(0.5,) * 3, output_stride=2, size_multiple=4, aux_size_multiple=8
    )
    monkeypatch.setitem(registry._SPECS, "tiny", entry)
    return "tiny"


@pytest.fixture(scope="session")
def scenes():
    """Four street scenes of 64x128."""
    from keras_liteseg.datasets import load_dataset

    return load_dataset("street_scenes", split="val", length=4, size=(64, 128))


@pytest.fixture(scope="session")
def metadata(scenes):
    """Metadata of `network`."""
    from keras_liteseg.metadata import Metadata

    return Metadata("ndnet45", scenes.name, scenes.classes, (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="session")
def images(scenes, metadata):
    """The scenes as inputs of `network`."""
    from keras_liteseg.inference.predictor import calibration_images

    return calibration_images(scenes, len(scenes), scenes.size, metadata)


@pytest.fixture(scope="session")
def network(images):
    """NDNet45 with random weights and the statistics of the scenes.

    As in a trained network, residual branches add little, so that rounding errors grow less from block to block.
    """
    import keras
    import numpy as np

    from keras_liteseg.models import create_model

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = create_model("ndnet45", images[0].shape[1:], 9)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        size = 0.1 if norm.name.endswith("conv2_bn") else 1.0
        norm.gamma.assign(size * rng.uniform(0.5, 1.5, norm.gamma.shape))
        norm.beta.assign(rng.normal(0, 0.2, norm.beta.shape))
    momentum = norms[0].momentum
    for norm in norms:
        norm.momentum = 0.0
    model(np.concatenate(images), training=True)
    for norm in norms:
        norm.momentum = momentum
    return model


@pytest.fixture(scope="session")
def folded(network):
    """`network` without batch normalization."""
    from keras_liteseg.graph import fold_batch_norm

    return fold_batch_norm(network)


@pytest.fixture(scope="session")
def calibrated(folded, images):
    """(Equalized network, activation ranges) of `folded`."""
    from keras_liteseg.quantization.post_training import post_training

    return post_training(folded, images)[:2]


@pytest.fixture(scope="session")
def network_file(network, metadata, tmp_path_factory):
    """`network` as a .keras file."""
    from keras_liteseg.models.archive import save_model

    path = tmp_path_factory.mktemp("network") / "network.keras"
    save_model(network, path, metadata)
    return path


@pytest.fixture(scope="session")
def small_file(metadata, scenes, tmp_path_factory):
    """The smallest real network with random weights as a .keras file: for commands, which know no made-up network."""
    import keras

    from keras_liteseg.models import create_model
    from keras_liteseg.models.archive import save_model
    from keras_liteseg.networks import model_spec

    keras.utils.set_random_seed(0)
    entry = model_spec("lps_net_tiny")
    path = tmp_path_factory.mktemp("network") / "small.keras"
    model = create_model("lps_net_tiny", (*scenes.size, 3), len(scenes.classes))
    save_model(model, path, metadata.replace(model="lps_net_tiny", mean=entry.mean, std=entry.std))
    return path


@pytest.fixture(scope="session")
def tiled_file(network_file, tmp_path_factory):
    """`network` as a float .tflite file of 32x48, smaller than the scenes."""
    from keras_liteseg import export

    path = tmp_path_factory.mktemp("network") / "tile.tflite"
    export(network_file, path, input_size=(32, 48))
    return path


@pytest.fixture(scope="session")
def int8_file(calibrated, metadata, tmp_path_factory):
    """`network` as an int8 .tflite file that gives logits."""
    from keras_liteseg.conversion.convert import convert
    from keras_liteseg.quantization.simulate import simulate_int8

    path = tmp_path_factory.mktemp("network") / "int8.tflite"
    path.write_bytes(convert(simulate_int8(*calibrated), metadata.replace(quantization="int8", output_type="logits")))
    return path


@pytest.fixture(scope="session")
def liteseg():
    """Function that runs a command with arguments in a process of its own, and returns the finished process."""

    def run(command, *arguments):
        words = [sys.executable, "-m", "keras_liteseg", command, *map(str, arguments)]
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True)

    return run


@pytest.fixture
def disk(tmp_path):
    """A folder of one MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"a full disk needs the right to mount a small one: {mount.stderr.strip()}")
    yield path
    # Lazily, because a training that failed may leave TensorBoard's file open.
    subprocess.run(["umount", "--lazy", path], check=True)
