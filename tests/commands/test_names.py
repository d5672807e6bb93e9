"""Names of files that are not UTF-8, as those of old archives and cameras are, in every command that meets files."""

import csv
import json
import os
import shutil

import pytest
from PIL import Image

from keras_liteseg.commands import main

FOLDER, PICTURE = os.fsdecode(b"photos \xff"), os.fsdecode(b"stra\xdfe")


@pytest.fixture(scope="module")
def folder(scenes, int8_file, small_file, tmp_path_factory):
    """A folder with the data set `data` and two networks."""
    folder = tmp_path_factory.mktemp("names") / FOLDER
    for split in ("train", "val"):
        for kind, content in (("images", scenes.image), ("masks", scenes.mask)):
            (folder / "data" / kind / split).mkdir(parents=True)
            for number in range(len(scenes)):
                path = folder / "data" / kind / split / f"{PICTURE}{number}.png"
                Image.fromarray(content(number)).save(path)
    classes = f"classes: [{', '.join(scenes.classes.names)}]\nignore_label: 255\n"
    (folder / "data" / "classes.yaml").write_text(classes)
    shutil.copy(int8_file, folder / "int8.tflite")
    shutil.copy(small_file, folder / "small.keras")
    return folder


@pytest.fixture
def liteseg(capsys):
    """Function that runs a command in this process, where it must succeed, and returns what it has printed."""

    def run(*arguments):
        status = main([str(argument) for argument in arguments])
        printed, errors = capsys.readouterr()
        assert status == 0, errors
        return printed

    return run


def test_check(liteseg, folder):
    (folder / "data" / "masks" / "val" / f"{PICTURE}0.ppm").write_bytes(b"no mask")
    assert main(["check", "--data", "folder", "--data_dir", str(folder / "data")]) == 1
    (folder / "data" / "masks" / "val" / f"{PICTURE}0.ppm").unlink()
    liteseg("check", "--data", "folder", "--data_dir", folder / "data")
    liteseg("statistics", "--data", "folder", "--data_dir", folder / "data")


def test_preview(liteseg, folder):
    words = ("--config", "folder", "--data_dir", folder / "data", "--output", folder / "preview.jpg")
    assert r"photos \udcff/preview.jpg" in liteseg("preview", *words)


def test_import(liteseg, folder):
    printed = liteseg("import", folder / "data", "--output_dir", folder / "imported")
    assert printed.startswith((folder / "imported" / "import.txt").read_text())
    assert r"photos \udcff/data was read as" in printed
    liteseg("check", "--data", "folder", "--data_dir", folder / "imported")


def test_records(liteseg, folder):
    data = ("--data", "folder", "--data_dir", folder / "data")
    liteseg("records", *data, "--output_dir", folder / "records", "--shards", 2)
    liteseg("check", "--data", "records", "--data_dir", folder / "records", "--split", "train")
    index = json.loads(min((folder / "records").glob("*-00000-*.json")).read_text())
    assert index["ids"][0] == f"{PICTURE}0"


def test_predict(liteseg, folder):
    words = ("--input", folder / "data" / "images" / "val", "--output_dir", folder / "predictions")
    assert r"photos \udcff/predictions" in liteseg("predict", "--model", folder / "int8.tflite", *words)
    assert (folder / "predictions" / f"{PICTURE}3_labels.png").is_file()


@pytest.mark.parametrize("model", ["int8.tflite", "small.keras"])
def test_evaluate(liteseg, folder, model):
    data = ("--data", "folder", "--data_dir", folder / "data")
    liteseg("evaluate", "--model", folder / model, *data, "--report_dir", folder / "report")
    with open(folder / "report" / "images.csv", encoding="utf-8") as file:
        assert {row["image"] for row in csv.DictReader(file)} == {rf"stra\udcdfe{number}" for number in range(4)}


def test_inspect(liteseg, folder):
    assert r"photos \udcff/int8.tflite" in liteseg("inspect", folder / "int8.tflite")


def test_benchmark_and_report(liteseg, folder):
    words = ("--runs", 1, "--warmup", 0, "--threads", 1, "--output", folder / "results.jsonl")
    shutil.copy(folder / "int8.tflite", folder / f"{PICTURE}.tflite")
    liteseg("benchmark", "--model", folder / f"{PICTURE}.tflite", *words)
    liteseg("report", folder / "results.jsonl", "--output", folder / "report.html")
    (row,) = map(json.loads, (folder / "results.jsonl").read_text().splitlines())
    assert row["model"] == f"{PICTURE}.tflite"
    assert r"stra\udcdfe" in (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_train_and_export(liteseg, folder):
    overrides = ("model=lps_net_tiny", "epochs=1", "batch_size=2", "crop_size=[64,128]", "eval_size=[64,128]")
    words = [word for override in overrides for word in ("--override", override)]
    data = ("--data_dir", folder / "data")
    liteseg("train", "--config", "folder", *data, "--output_dir", folder / "run", *words)
    assert list((folder / "run" / "tensorboard" / "train").iterdir())
    export = ("--quantization", "none", "--output", folder / "float.tflite", "--data", "folder")
    liteseg("export", "--model", folder / "run" / "best.keras", *export, *data)
    words += ["--override", "calibration_images=2", "--init_from", folder / "run" / "best.keras"]
    qat = ("train", "--quantization_aware", "--config", "folder_qat", *data, "--output_dir", folder / "qat", *words)
    liteseg(*qat)
    liteseg(*qat, "--override", "epochs=2", "--resume")
    assert len((folder / "qat" / "log.csv").read_text().splitlines()) == 3
    assert json.loads((folder / "float.json").read_text())["accuracy"]["images"] == 4
