import json
import shutil

import pytest
import yaml
from PIL import Image

from keras_liteseg.evaluation import evaluate
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.inference.multi_scale import load_multi_scale
from keras_liteseg.inference.tiles import TiledPredictor


@pytest.fixture(scope="module")
def folder(scenes, tmp_path_factory):
    """The scenes as a user's own data set."""
    root = tmp_path_factory.mktemp("data")
    for kind, read in (("images", scenes.image), ("masks", scenes.mask)):
        (root / kind / "val").mkdir(parents=True)
        for index in range(len(scenes)):
            Image.fromarray(read(index)).save(root / kind / "val" / f"{scenes.sample_id(index)}.png")
    (root / "classes.yaml").write_text(yaml.safe_dump({"classes": list(scenes.classes.names), "ignore_label": 255}))
    return root


def test_result_is_printed_and_written(liteseg, folder, network, metadata, network_file, int8_file, scenes, tmp_path):
    process = liteseg(
        "evaluate", "--model", network_file, "--compare_with", int8_file, "--data", "folder", "--data_dir", folder,
        "--output", tmp_path / "new" / "a.json", "--report_dir", tmp_path / "report", "--worst", 2,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    expected = evaluate(keras_predictor(network, metadata), scenes)
    assert f"{100 * expected.miou:.2f}" in process.stdout and "equal labels" in process.stdout
    result = json.loads((tmp_path / "new" / "a.json").read_text())
    assert result["miou"] == pytest.approx(expected.miou, abs=1e-4)
    assert result["pixel_accuracy"] == pytest.approx(expected.pixel_accuracy, abs=1e-4)
    assert list(result["iou"]) == list(scenes.classes.names)
    assert 0.8 < result["agreement"] < 1
    keys = ("kind", "model", "network", "quantization", "data", "split", "input_size")
    described = {key: result[key] for key in keys}
    assert described == {
        "kind": "accuracy", "model": "network.keras", "network": "ndnet45", "quantization": "keras", "data": "folder",
        "split": "val", "input_size": [64, 128],
    }  # fmt: skip
    assert (result["scales"], result["flip"]) == ([1.0], False)
    for key in ("miou_present", "mean_accuracy", "frequency_weighted_iou"):
        assert result[key] == pytest.approx(getattr(expected, key), abs=1e-4)
    assert result["command"].startswith("python -m keras_liteseg evaluate --model") and {
        "date",
        "device",
        "versions",
    } <= set(result)

    assert json.loads((tmp_path / "report" / "result.json").read_text()) == result
    files = sorted(path.name for path in (tmp_path / "report").iterdir())
    assert files == ["confusion.csv", "confusion.png", "images.csv", "result.json", "worst"]
    assert len(list((tmp_path / "report" / "worst").iterdir())) == 2


def test_scales_and_flip(liteseg, folder, small_file, scenes, tmp_path):
    process = liteseg(
        "evaluate", "--model", small_file, "--data", "folder", "--data_dir", folder, "--scales", "0.5,1",
        "--flip", "--output", tmp_path / "a.json",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "Averaging the predictions at 32x64, 64x128 and of their mirror images" in process.stdout
    result = json.loads((tmp_path / "a.json").read_text())
    assert (result["scales"], result["flip"], result["input_size"]) == ([0.5, 1.0], True, [64, 128])
    predictor = load_multi_scale(small_file, scales=(0.5, 1.0), flip=True)
    assert result["miou"] == pytest.approx(evaluate(predictor, scenes).miou, abs=1e-4)


def test_file_of_one_size(liteseg, folder, int8_file, scenes, tmp_path):
    arguments = ("--model", int8_file, "--data", "folder", "--data_dir", folder, "--report_dir", tmp_path / "a")
    process = liteseg("evaluate", *arguments, "--flip")
    assert process.returncode == 0, process.stderr
    result = json.loads((tmp_path / "a" / "result.json").read_text())
    expected = evaluate(load_multi_scale(int8_file, flip=True), scenes)
    assert (result["quantization"], result["flip"]) == ("int8", True)
    assert result["miou"] == pytest.approx(expected.miou, abs=1e-4)
    assert len(list((tmp_path / "a" / "worst").iterdir())) == len(scenes)


def test_tiles(liteseg, folder, tiled_file, scenes, tmp_path):
    arguments = ("evaluate", "--data", "folder", "--data_dir", folder, "--tiles", "--model", tiled_file)
    process = liteseg(*arguments, "--output", tmp_path / "a.json", "--compare_with", tiled_file)
    assert process.returncode == 0, process.stderr
    result = json.loads((tmp_path / "a.json").read_text())
    assert (result["tiles"], result["input_size"], result["agreement"]) == (True, [32, 48], 1)
    expected = evaluate(TiledPredictor(load_predictor(tiled_file)), scenes)
    assert result["miou"] == pytest.approx(expected.miou, abs=1e-4)
    for other in (("--flip",), ("--scales", "0.5,1")):
        process = liteseg(*arguments, *other)
        assert process.returncode == 1 and process.stderr.count("\n") == 1
        assert "leave it out, or leave out --scales and --flip" in process.stderr


def test_scales_that_are_no_numbers(liteseg, folder, int8_file, tmp_path):
    arguments = ("--model", int8_file, "--data", "folder", "--data_dir", folder, "--report_dir", tmp_path / "a")
    process = liteseg("evaluate", *arguments, "--scales", "1,x")
    assert process.returncode == 2 and "'--scales': '1,x': 'x' is not a valid float; write it like" in process.stderr
    assert process.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_what_is_refused_leaves_no_folder(liteseg, folder, int8_file, tmp_path):
    data, outputs = tmp_path / "data", tmp_path / "outputs"
    shutil.copytree(folder, data)
    classes = yaml.safe_load((data / "classes.yaml").read_text())
    classes["classes"][0] = "canal"
    (data / "classes.yaml").write_text(yaml.safe_dump(classes))
    arguments = ("--report_dir", outputs / "report", "--output", outputs / "a.json")
    done = liteseg("evaluate", "--model", int8_file, "--data", "folder", "--data_dir", data, *arguments)
    assert done.returncode == 1 and "canal" in done.stderr and not outputs.exists(), done.stderr


def test_result_in_place_of_the_network(liteseg, folder, int8_file):
    before = int8_file.read_bytes()
    done = liteseg(
        "evaluate", "--model", int8_file, "--data", "folder", "--data_dir", folder, "--output", int8_file
    )  # fmt: skip
    assert done.returncode == 1 and int8_file.read_bytes() == before
    assert f"The result {int8_file} would replace the network itself" in done.stderr


def test_mistake_is_one_sentence(liteseg, tmp_path):
    process = liteseg("evaluate", "--model", "ndnet45", "--data", "strit_scenes", "--output", tmp_path / "a.json")
    assert process.returncode == 1
    assert process.stderr.startswith("error: There is no data set 'strit_scenes'; did you mean street_scenes")
    assert process.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []


def test_a_bad_mask_is_told_before_the_network_is_loaded(liteseg, folder, tmp_path):
    """The network is not there: what is said first is what was looked at first."""
    root = tmp_path / "data"
    shutil.copytree(folder, root)
    mask = max((root / "masks/val").iterdir())
    with Image.open(mask) as labels:
        labels.resize((20, 10), Image.Resampling.NEAREST).save(mask)
    done = liteseg("evaluate", "--model", tmp_path / "no.tflite", "--data", "folder", "--data_dir", root)
    assert done.returncode == 1
    assert f"{mask} is 10x20 but its image is 64x128; make both the same size." in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
