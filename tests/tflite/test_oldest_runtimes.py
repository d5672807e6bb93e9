"""What a file says of the oldest runtimes: beside the converter's own figure, and in the real packages."""

import numpy as np
import pytest

from keras_liteseg import CalibrationOptions, ExportOptions
from keras_liteseg.conversion.export import export
from keras_liteseg.tflite.flatbuffer import read_model
from keras_liteseg.tflite.inspect import inspect
from keras_liteseg.tflite.oldest_runtimes import SINCE, oldest_runtimes
from tests.conversion.test_card import card_of
from tests.tflite.old_runtimes import PACKAGES, python_of, run

SIZE = 64, 96
KINDS = {
    "float32": {},
    "float16": {"quantization": "float16"},
    "int8": {"quantization": "int8"},
    "int16x8": {"quantization": "int16x8"},
    "bytes": {"quantization": "int8", "input_type": "uint8"},
    "classes": {"quantization": "int8", "output_type": "classes_uint8"},
}
CALIBRATION = CalibrationOptions(None, 2, cross_layer_equalization=False, bias_correction=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{kind: file} of the smallest network."""
    folder = tmp_path_factory.mktemp("kinds")
    for kind, options in KINDS.items():
        export("lps_net_tiny", folder / f"{kind}.tflite", ExportOptions(**options), CALIBRATION, input_size=SIZE)
    return {kind: folder / f"{kind}.tflite" for kind in KINDS}


def converters_figure(model):
    (entry,) = [entry for entry in model.metadata if entry.name == b"min_runtime_version"]
    return bytes(model.buffers[entry.buffer].data).rstrip(b"\0").decode()


def numbers(version):
    return [int(part) for part in version.split(".")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_figure_is_the_converters(kind, files):
    model = read_model(files[kind])
    found = oldest_runtimes(model)["tflite-runtime"]
    if kind == "int16x8":
        assert numbers(found) > numbers(converters_figure(model))
    else:
        assert found == converters_figure(model)
    assert card_of(files[kind])["runtimes"] == inspect(files[kind]).runtimes
    assert card_of(files[kind])["fixed_size"] is True
    assert f"tflite-runtime {found}" in str(inspect(files[kind])) and "input size" in str(inspect(files[kind]))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("package", "version", "pythons"), PACKAGES)
def test_real_packages_load_what_the_card_says(package, version, pythons, kind, files, tmp_path):
    if not python_of(package, version).exists():
        pytest.skip(f"{package} {version} is not installed; run: make test-old-runtimes")
    wanted = card_of(files[kind])["runtimes"][package]
    image = card_of(files[kind])["inputs"][0]
    values = np.zeros((*SIZE, 3) if package == "mediapipe" else image["shape"], image["dtype"])
    if package == "mediapipe":
        values = values.astype(np.uint8)
    found, said = run(package, version, files[kind], values, tmp_path)
    if wanted is not None:
        assert package in ("tflite-micro", "mediapipe") or numbers(wanted) <= numbers(version)
        assert found is not None, said
    elif kind != "classes":  # of which the older TFLite Micro runs what the newer does not
        assert found is None


def test_versions_rise():
    for versions in SINCE.values():
        assert list(versions) == list(range(1, len(versions) + 1))
        ordered = [numbers(version) for version in versions.values()]
        assert ordered == sorted(ordered)


def test_unknown_op_is_not_guessed(int8_file):
    model = read_model(int8_file)
    assert oldest_runtimes(model)["tflite-runtime"] == "1.14.0"
    model.operatorCodes[0].version = 99
    found = oldest_runtimes(model)
    assert found["tflite-runtime"] is found["ai-edge-litert"] is None
