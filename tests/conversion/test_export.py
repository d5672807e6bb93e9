import json
import logging
import os
import pathlib
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from keras_liteseg import CalibrationOptions, ExportOptions
from keras_liteseg.conversion import converter_process
from keras_liteseg.conversion.export import _prepare, export
from keras_liteseg.datasets import ClassList, load_dataset
from keras_liteseg.errors import UserError
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.metadata import Quantization
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import load_model, save_model
from keras_liteseg.models.network import load_network
from keras_liteseg.quantization.simulate import rounded_kernel
from keras_liteseg.tflite.file_metadata import read_metadata
from keras_liteseg.tflite.inspect import inspect

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "export_tflite.py"


def test_command_without_data_set(liteseg, tmp_path):
    file = tmp_path / "new" / "a.tflite"
    process = liteseg(
        "export", "--model", "lps_net_tiny", "--input_size", "64x128", "--quantization", "int8",
        "--calibration_images", "2", "--output", file,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "no checkpoint: exporting seeded random weights" in process.stdout
    assert "calibrated on 2 training images of street_scenes" in process.stdout
    assert "gate is skipped" in process.stdout and f"Wrote {file}" in process.stdout
    assert sorted(path.name for path in file.parent.iterdir()) == ["a.json", "a.tflite"]
    report = inspect(file)
    assert report.is_fully_int8
    # As in a trained network: scales that lie far apart, as those of raw random weights, make XNNPACK leave out ops.
    assert report.delegation["other_ops"] == []

    options, calibration = ExportOptions(quantization="int8"), CalibrationOptions(images=2)
    export("lps_net_tiny", tmp_path / "b.tflite", options, calibration, input_size=(64, 128))
    assert (tmp_path / "b.tflite").read_bytes() == file.read_bytes()


@pytest.mark.slow
def test_random_weights_with_maps_of_one_pixel(tmp_path):
    # PP-LiteSeg averages its last map over the whole picture and normalizes what it gets.
    file = tmp_path / "a.tflite"
    options, calibration = ExportOptions(quantization="int8"), CalibrationOptions(images=2)
    export("pp_liteseg_t", file, options, calibration, input_size=(64, 128))
    assert inspect(file).delegation["other_ops"] == []


def test_hardly_trained_network(scenes, metadata, tmp_path):
    # Raw random weights stand for a training of a few steps: scales lie so far apart that XNNPACK leaves out an op.
    keras.utils.set_random_seed(0)
    network = create_model("ndnet45", (*scenes.size, 3), len(scenes.classes))
    save_model(network, tmp_path / "best.keras", metadata)
    options = ExportOptions(quantization="int8")
    calibration = CalibrationOptions(scenes, images=1, cross_layer_equalization=False, bias_correction=False)
    with pytest.raises(UserError, match=r"ADD: an input's scale is .* times the output's.*; train longer\.$"):
        export(tmp_path / "best.keras", tmp_path / "a.tflite", options, calibration)
    assert not (tmp_path / "a.tflite").exists()


@pytest.fixture
def tiny_file(tiny_network, scenes, metadata, tmp_path_factory):
    """A .keras file of a network for the street scenes, so small that its export takes no time."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.keras"
    keras.utils.set_random_seed(0)
    network = create_model(tiny_network, (*scenes.size, 3), len(scenes.classes))
    save_model(network, path, metadata.replace(model=tiny_network))
    return path


@pytest.mark.parametrize("quantization", ["none", "float16", "int8"])
def test_gate_passes(quantization, tiny_file, scenes, tmp_path, caplog):
    caplog.set_level(logging.INFO, "keras_liteseg")
    output = tmp_path / "a.tflite"
    options = ExportOptions(quantization=quantization, max_drop=1.0)
    verification = export(tiny_file, output, options, CalibrationOptions(scenes), validation=scenes)
    assert "mIoU" in caplog.text
    assert verification.file.images == 4
    assert verification.drop == pytest.approx(100 * (verification.keras.miou - verification.file.miou))
    assert verification.file.agreement > (0.95 if quantization == "int8" else 0.999)
    metadata = read_metadata(output)
    assert (metadata.model, metadata.data, metadata.quantization) == ("tiny", "street_scenes", quantization)


def test_float_layers_are_the_worst_ones_and_no_others(tiny_file, scenes, tmp_path, caplog):
    caplog.set_level(logging.INFO, "keras_liteseg")
    output = tmp_path / "a.tflite"
    options = ExportOptions(quantization="int8", float_layers=1)
    export(tiny_file, output, options, CalibrationOptions(scenes), validation=scenes)
    share, name = caplog.messages[caplog.messages.index("In float, with their shares of the int8 error:") + 1].split()
    report = inspect(output)
    assert 0 < float(share.rstrip("%")) < 100
    assert report.float_ops and any(name in tensor for _, tensor in report.float_outputs)
    assert report.kinds["int8"]


def test_file_for_an_npu_gives_the_same_labels(tiny_file, scenes, tmp_path):
    plain, for_npu = tmp_path / "plain.tflite", tmp_path / "npu.tflite"
    export(tiny_file, plain, ExportOptions(quantization="int8"), CalibrationOptions(scenes))
    options = ExportOptions(quantization="int8", npu="ethos-u")
    verification = export(tiny_file, for_npu, options, CalibrationOptions(scenes), validation=scenes)
    assert verification.file.agreement > 0.95
    assert inspect(plain).ops["RESIZE_BILINEAR"] and "RESIZE_BILINEAR" not in inspect(for_npu).ops
    one, other = (load_predictor(path) for path in (plain, for_npu))
    equal = [np.mean(one.labels(scenes.image(index)) == other.labels(scenes.image(index))) for index in range(4)]
    assert np.mean(equal) > 0.99


@pytest.fixture
def constant_file(tiny_file):
    """The network of `tiny_file` that finds the first class, road, everywhere."""
    constant, metadata = load_model(tiny_file)
    constant.set_weights([0 * value for value in constant.get_weights()])
    path = tiny_file.with_name("constant.keras")
    save_model(constant, path, metadata)
    return path


def test_gate_fails_and_an_older_file_stays(tiny_file, constant_file, scenes, tmp_path):
    (tmp_path / "a.tflite").write_text("older")
    with pytest.raises(UserError, match=r"lost .* more than --max_drop 0.01") as error:
        export(
            constant_file,
            tmp_path / "a.tflite",
            ExportOptions(max_drop=0.01),
            validation=scenes,
            reference=tiny_file,
        )
    assert sum(f"{name} " in str(error.value) for name in scenes.classes.names) >= 3
    assert "Compare it with the network that it is made from" in str(error.value), "more pictures change no float"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.tflite", "older")]


def test_gate_says_how_few_pictures_set_the_scales(tiny_file, constant_file, scenes, tmp_path):
    calibration = CalibrationOptions(scenes, images=2, cross_layer_equalization=False, bias_correction=False)
    options = ExportOptions(quantization="int8", max_drop=0.01)
    with pytest.raises(UserError, match="Its scales are from 2 picture.s.: calibrate on more .--calibration_images"):
        export(constant_file, tmp_path / "a.tflite", options, calibration, validation=scenes, reference=tiny_file)


def test_reference_is_what_the_file_is_compared_with(tiny_file, constant_file, scenes, tmp_path):
    verification = export(
        tiny_file, tmp_path / "a.tflite", ExportOptions(max_drop=100), validation=scenes, reference=constant_file
    )
    first, *others = verification.keras.iou.values()
    assert first > 0 and not any(others)
    assert any(list(verification.file.iou.values())[1:])


def refused(match, tmp_path, **arguments):
    with pytest.raises(UserError, match=match):
        export(**{"model": "ndnet45", "output": tmp_path / "a.tflite", "input_size": (64, 128), **arguments})
    assert list(tmp_path.rglob("*.tflite")) == []


def test_mistakes_are_refused_before_the_conversion(tmp_path, tiny_file):
    refused("must end in .tflite", tmp_path, output=tmp_path / "a.tfl")
    refused(r"nearest legal sizes are 65x128 and 72x128", tmp_path, input_size=(66, 128))
    refused("has no size of its own", tmp_path, input_size=None)
    refused("There is no model 'ndnet4'.* ndnet45", tmp_path, model="ndnet4")
    refused("There is no model file", tmp_path, model=tmp_path / "missing.keras")
    refused("no checkpoint file", tmp_path, checkpoint=tmp_path / "missing.pth")
    refused("leave out --checkpoint", tmp_path, model=tiny_file, checkpoint="a.pth")


def test_what_lies_where_the_card_goes_is_kept(tmp_path):
    result = tmp_path / "a.json"
    result.write_text('{"results": []}')
    refused("a.json, where the card of .*a.tflite goes, is there and is no card; move it", tmp_path)
    assert result.read_text() == '{"results": []}'


def test_data_set_of_other_classes_is_refused(tmp_path, tiny_file):
    dataset = load_dataset("street_scenes", split="val", length=1, size=(64, 128))
    dataset.classes = ClassList(dataset.classes.names[:4], dataset.classes.colors[:4])
    for arguments in ({"validation": dataset}, {"calibration": CalibrationOptions(dataset)}):
        refused("knows 9 classes .* street_scenes has 4", tmp_path, model=tiny_file, **arguments)


def test_data_set_and_reference_of_the_same_classes_in_another_order_are_refused(tmp_path, tiny_file, scenes):
    dataset = load_dataset("street_scenes", split="val", length=1, size=(64, 128))
    first, second, *names = dataset.classes.names
    dataset.classes = ClassList((second, first, *names), dataset.classes.colors)
    message = f"the same classes in another order: class 0 is '{first}' in the first and '{second}' in the second"
    for arguments in ({"validation": dataset}, {"calibration": CalibrationOptions(dataset)}):
        refused(f"knows 9 classes .*{message}.*label_map='{{{first}: {first}, ", tmp_path, model=tiny_file, **arguments)
    network, metadata = load_model(tiny_file)
    save_model(network, tmp_path / "other.keras", metadata.replace(classes=dataset.classes))
    other = {"validation": scenes, "reference": tmp_path / "other.keras"}
    refused(f"knows 9 classes .* and the reference .*other.keras 9 .*{message}", tmp_path, model=tiny_file, **other)


@pytest.mark.parametrize("use", ["validation", "calibration"])
def test_a_bad_file_is_refused_before_the_conversion(tmp_path, tiny_file, scenes, use, monkeypatch):
    """Of a calibration, only the images that it takes."""
    monkeypatch.setattr(converter_process, "convert_apart", lambda *_, **__: pytest.fail("converted"))
    for kind in ("images", "masks"):
        (tmp_path / kind / "val").mkdir(parents=True)
    for name in "abcd":
        Image.fromarray(scenes.image(0)).save(tmp_path / f"images/val/{name}.png")
        Image.fromarray(scenes.mask(0)).save(tmp_path / f"masks/val/{name}.png")
    (tmp_path / "classes.yaml").write_text(f"classes: [{', '.join(scenes.classes.names)}]\nignore_label: 255")
    broken = tmp_path / "images/val/c.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    Image.new("L", (3, 3)).save(tmp_path / "masks/val/d.png")
    dataset = load_dataset("folder", tmp_path, "val")
    options = ExportOptions(quantization="int8")
    if use == "calibration":
        data = {"calibration": CalibrationOptions(dataset, images=2)}
        refused(
            "has 1 problem in its split 'val':\n.*c.png cannot be read",
            tmp_path,
            model=tiny_file,
            options=options,
            **data,
        )
    else:
        refused("c.png cannot be read.*\n.*d.png is 3x3 but", tmp_path, model=tiny_file, validation=dataset)


def test_output_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    refused("Cannot write", tmp_path, output=tmp_path / "file" / "a.tflite")


def test_full_disk(small_file, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"a full disk needs the right to mount a small one: {mount.stderr.strip()}")
    try:
        with pytest.raises(UserError, match="Cannot write .*a.tflite: No space left on device"):
            export(small_file, disk / "a.tflite")
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_command_leaves_no_file(kind, tmp_path):
    command = [sys.executable, "-u", SCRIPT, "--model=ndnet45", "--input_size=64x128", f"--output={tmp_path}/a.tflite"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # From this line on the conversion runs.
    assert "seeded random weights" in process.stdout.readline()
    process.send_signal(kind)
    _, errors = process.communicate(timeout=120)
    assert not os.path.exists(tmp_path / "a.tflite"), errors
    if kind == signal.SIGINT:
        assert process.returncode == 130, errors
        assert "interrupted" in errors and "Traceback" not in errors
        assert list(tmp_path.iterdir()) == []
    else:
        assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("quantization", ["none", "int8"])
def test_weights_that_folding_would_spoil_are_refused_by_name(tiny_file, tmp_path, quantization):
    network, metadata = load_model(tiny_file)
    norm = network.get_layer("features_conv1_bn")
    norm.moving_variance.assign([-1.0] * 4)
    save_model(network, tiny_file, metadata)
    calibration = CalibrationOptions(load_dataset("street_scenes", length=2, size=(64, 128)), images=2)
    with pytest.raises(UserError, match="cannot be exported: .* NaN or infinite in features_conv1_conv/kernel"):
        export(tiny_file, tmp_path / "a.tflite", ExportOptions(quantization=quantization), calibration)
    assert not list(tmp_path.iterdir())


def test_pictures_without_masks_set_the_scales(liteseg, small_file, scenes, tmp_path):
    """The file is that of a data set of the same pictures, though three have the same stem."""
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for index, name in enumerate(["a.bmp", "a.png", "b.png", "more/a.png"]):
        Image.fromarray(scenes.image(index)).save(photos / name)
    arguments = ("--model", small_file, "--quantization", "int8", "--calibration_dir", photos, "--output")
    process = liteseg("export", *arguments, tmp_path / "a.tflite")
    assert process.returncode == 0, process.stderr
    assert "calibrated on 4 pictures in photos; there are no more, 32 were wanted" in process.stdout
    assert "no --data was given, and pictures without masks measure nothing." in process.stdout
    card = json.loads((tmp_path / "a.json").read_text())
    assert card["calibration"] == {"scales": "calibration", "data": "photos", "split": None, "images": 4}
    export(small_file, tmp_path / "b.tflite", ExportOptions(quantization="int8"), CalibrationOptions(scenes))
    assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()
    with pytest.raises(UserError, match="photos set the scales of integers, and the quantization is 'float16'; take"):
        export(
            small_file, tmp_path / "c.tflite", ExportOptions(quantization="float16"), CalibrationOptions(folder=photos)
        )


def test_an_int8_file_is_held_against_the_network_before_any_rounding(scenes):
    network, metadata = load_network("lps_net_tiny", None, (64, 128))
    metadata = metadata.replace(quantization=Quantization.INT8)
    prepared = _prepare(network, metadata, CalibrationOptions(scenes, images=2), ExportOptions(quantization="int8"))
    kernel = next(layer for layer in prepared.unrounded.layers if isinstance(layer, keras.layers.Conv2D)).kernel.numpy()
    assert np.any(rounded_kernel(kernel, depthwise=False) != kernel)
