"""`liteseg import`, from an export to a data set that the check accepts."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_liteseg.commands import main
from keras_liteseg.datasets import load_dataset

SQUARE = [10, 10, 20, 10, 20, 20, 10, 20]


@pytest.fixture
def export(tmp_path):
    root = tmp_path / "export"
    (root / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(5):
        Image.new("RGB", (40, 30)).save(root / "images" / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": 30, "width": 40})
        annotations.append({"id": number, "image_id": number, "category_id": 7, "segmentation": [SQUARE]})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "polyp"}]}
    (root / "instances_default.json").write_text(json.dumps(content))
    return root


def test_import(export, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["import", str(export), "--output_dir", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "was read as coco: COCO JSON" in printed and "1 of 5 pictures were drawn" in printed
    assert "Pixels on which nobody drew, 91.7% of all, are 'background'" in printed
    assert ["0", "background", "91.67%", "in", "4", "91.67%", "in", "1"] in [
        line.split() for line in printed.splitlines()
    ]
    assert printed.startswith((out / "import.txt").read_text())
    dataset = load_dataset("folder", out, "val")
    assert dataset.classes.names == ("background", "polyp")
    assert dataset.mask(0)[10:20, 10:20].all() and dataset.mask(0).sum() == 100
    understood = np.asarray(Image.open(out / "understood.png"))
    assert (understood == (128, 0, 0)).all(axis=-1).any()  # the colour that was chosen for the class
    assert main(["check", "--data", "folder", "--data_dir", str(out)]) == 0


def test_import_with_a_class_without_pixels_warns(export, tmp_path, capsys):
    content = json.loads((export / "instances_default.json").read_text())
    content["categories"].append({"id": 9, "name": "tool"})
    (export / "instances_default.json").write_text(json.dumps(content))
    assert main(["import", str(export), "--output_dir", str(tmp_path / "out"), "--unlabeled", "ignore"]) == 0
    printed = capsys.readouterr().out
    assert "Warning: no picture of train has tool; a network cannot learn it. --ignore tool leaves it out." in printed
    assert "91.7% of all, are ignored" in printed


def test_import_of_masks_by_a_file_of_values(tmp_path, capsys):
    for kind, value in (("images", 0), ("masks", 7)):
        (tmp_path / "export" / kind).mkdir(parents=True)
        for stem in "ab":
            Image.new("L", (4, 3), value).save(tmp_path / "export" / kind / f"{stem}.png")
    listed = tmp_path / "mine.yaml"
    listed.write_text("classes: [road, car]\nvalues: {0: road, 7: car}\n")
    arguments = ["import", str(tmp_path / "export"), "--output_dir", str(tmp_path / "out"), "--val_share", "0.5"]
    assert main(arguments) == 1
    assert "hold the values 7, and nothing says what they are" in capsys.readouterr().err
    assert main([*arguments, "--classes", str(listed)]) == 0
    assert (load_dataset("folder", tmp_path / "out").mask(0) == 1).all()


@pytest.mark.parametrize("text", ["", " ", ","])
def test_a_list_of_no_classes_is_refused(text, export, tmp_path, capsys):
    assert main(["import", str(export), "--output_dir", str(tmp_path / "out"), "--classes", text]) == 1
    assert f"error: --classes is '{text}', which names no class; write it like" in capsys.readouterr().err


def test_refusal_is_a_sentence(tmp_path, capsys):
    assert main(["import", str(tmp_path), "--output_dir", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(
        f"error: {tmp_path} looks like no format that is known here; say which with --format: coco,"
    )
