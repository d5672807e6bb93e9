"""What an export says of the precision to deploy."""

import pathlib
import shutil

import pytest

from edge import precision
from edge.precision import precision_advice
from keras_liteseg import CalibrationOptions, ExportOptions, export

SIZE = (64, 128)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Folder with the files of one network in every precision, and of another size."""
    folder = tmp_path_factory.mktemp("precision")
    calibration = CalibrationOptions(images=2, cross_layer_equalization=False, bias_correction=False)
    for name in ("none", "float16", "int8"):
        export(
            "lps_net_tiny", folder / f"{name}.tflite", ExportOptions(quantization=name), calibration, input_size=SIZE
        )
    export("lps_net_tiny", folder / "other_size.tflite", input_size=(64, 64))
    return folder


@pytest.fixture
def folder(files, tmp_path):
    return pathlib.Path(shutil.copytree(files, tmp_path / "folder"))


def test_other_precision_of_the_same_network_is_measured(folder):
    (folder / "float16.tflite").rename(folder / "FLOAT16.TFLITE")
    (folder / "damaged.tflite").write_bytes((folder / "none.tflite").read_bytes()[:-5000])
    (folder / "text.tflite").write_text("no network")
    (folder / "folder.tflite").mkdir()
    (folder / "broken.tflite").symlink_to(folder / "missing.tflite")
    sentence = precision_advice(folder / "int8.tflite")
    assert sentence.startswith("lps_net_tiny 64x128 on host:cpu, 1 thread: ") and "deploy" in sentence
    compared = {pathlib.Path(name).name for name in sentence.rpartition("--model ")[2].split(",")}
    assert compared == {"int8.tflite", "none.tflite", "FLOAT16.TFLITE"}


def test_faster_one_is_named(folder, monkeypatch):
    monkeypatch.setattr(
        precision, "_time", lambda interpreter: float(interpreter.get_input_details()[0]["dtype"]().nbytes)
    )
    assert "int8 is 4.00x as fast as float32 here; deploy int8" in precision_advice(folder / "none.tflite")


def test_file_without_another_precision_says_what_to_do(folder):
    for name, other in (("int8", "none"), ("none", "int8")):
        alone = folder / "alone" / f"{name}.tflite"
        alone.parent.mkdir(exist_ok=True)
        shutil.move(folder / f"{name}.tflite", alone)
        assert f"export with --quantization {other} into the same folder" in precision_advice(alone)
        alone.unlink()
