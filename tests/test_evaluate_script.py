import json

import pytest
import yaml
from PIL import Image

from keras_liteseg.evaluation import evaluate
from keras_liteseg.predictor import keras_predictor


@pytest.fixture(scope="module")
def folder(scenes, tmp_path_factory):
    """The scenes as a user's own data set."""
    root = tmp_path_factory.mktemp("data")
    for kind, read in (("images", scenes.image), ("masks", scenes.mask)):
        (root / kind / "val").mkdir(parents=True)
        for index in range(len(scenes)):
            Image.fromarray(read(index)).save(root / kind / "val" / f"{scenes.sample_id(index)}.png")
    (root / "classes.yaml").write_text(yaml.safe_dump({"classes": list(scenes.classes.names)}))
    return root


def test_result_is_printed_and_written(
    run_script, folder, network, metadata, network_file, int8_file, scenes, tmp_path
):
    process = run_script(
        "evaluate.py", "--model", network_file, "--compare_with", int8_file, "--data", "folder", "--data_dir", folder,
        "--output", tmp_path / "new" / "a.json",
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
    assert result["command"].startswith("python evaluate.py --model") and {"date", "device", "versions"} <= set(result)


def test_mistake_is_one_sentence(run_script, tmp_path):
    process = run_script("evaluate.py", "--model", "ndnet45", "--data", "strit_scenes", "--output", tmp_path / "a.json")
    assert process.returncode == 1
    assert process.stderr.startswith("error: There is no data set 'strit_scenes'; did you mean street_scenes")
    assert process.stderr.count("\n") == 1 and list(tmp_path.iterdir()) == []
