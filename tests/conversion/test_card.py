import hashlib
import json

import keras
import pytest
import yaml

from keras_liteseg import CalibrationOptions, ExportOptions
from keras_liteseg.conversion.export import export
from keras_liteseg.errors import UserError
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import save_model


def card_of(path):
    return json.loads(path.with_suffix(".json").read_text())


@pytest.fixture
def tiny_file(tiny_network, scenes, metadata, tmp_path):
    """A .keras file of a network of three convolutions, in a folder of its own."""
    path = tmp_path / "training" / "best.keras"
    keras.utils.set_random_seed(0)
    save_model(create_model(tiny_network, (*scenes.size, 3), len(scenes.classes)), path, metadata.replace(model="tiny"))
    return path


def test_card_of_a_measured_file(tiny_file, scenes, tmp_path):
    (tiny_file.parent / "config.yaml").write_text(yaml.safe_dump({"model": "tiny", "epochs": 3}))
    output = tmp_path / "a.tflite"
    verification = export(
        tiny_file,
        output,
        ExportOptions(quantization="int8", max_drop=100),
        CalibrationOptions(scenes),
        validation=scenes,
    )
    card = card_of(output)
    assert (card["file"], card["bytes"]) == ("a.tflite", output.stat().st_size)
    assert card["sha256"] == hashlib.sha256(output.read_bytes()).hexdigest()
    assert card["source"] == {"file": "best.keras", "sha256": hashlib.sha256(tiny_file.read_bytes()).hexdigest()}
    assert card["config"] == {"model": "tiny", "epochs": 3}
    assert (card["network"], card["data"], card["quantization"]) == ("tiny", "street_scenes", "int8")
    expected = {"scales": "calibration", "data": "street_scenes", "split": "val", "images": 4}
    assert card["calibration"] == expected
    assert card["classes"][0] == {"name": "road", "color": list(scenes.classes.colors[0])}
    (image,), (logits,) = card["inputs"], card["outputs"]
    assert (image["name"], image["dtype"], image["shape"]) == ("images", "int8", [1, 64, 128, 3])
    assert (image["layout"], logits["layout"], card["align_corners"]) == ("NHWC", "NHWC", False)
    assert image["scale"] > 0 and logits["scale"] > 0 and isinstance(logits["zero_point"], int)

    accuracy = card["accuracy"]
    assert (accuracy["data"], accuracy["split"], accuracy["images"]) == ("street_scenes", "val", 4)
    assert accuracy["drop"] == pytest.approx(verification.drop)
    assert accuracy["agreement"] == pytest.approx(verification.file.agreement)
    for name in ("keras", "file"):
        assert accuracy[name]["miou"] == pytest.approx(getattr(verification, name).miou)
        assert list(accuracy[name]["iou"]) == list(scenes.classes.names)
    assert "accuracy_missing" not in card
    assert {"command", "date", "device", "versions"} < set(card)


def test_card_says_why_there_is_no_accuracy_and_no_config(tiny_file, tmp_path):
    export(tiny_file, tmp_path / "a.tflite")
    card = card_of(tmp_path / "a.tflite")
    assert card["accuracy"] is card["config"] is card["calibration"] is None
    assert "No data set was given" in card["accuracy_missing"]
    assert card["inputs"][0]["scale"] is None


def test_card_has_what_an_app_needs_of_a_small_class_map(tiny_file, metadata, tmp_path):
    options = ExportOptions(output_type="classes_uint8", upsampling="half")
    export(tiny_file, tmp_path / "a.tflite", options)
    card = card_of(tmp_path / "a.tflite")
    assert card["align_corners"] is True
    normalization = card["normalization"]
    assert (normalization["mean"], normalization["std"]) == (list(metadata.mean), list(metadata.std))
    assert (normalization["channel_order"], normalization["formula"]) == ("RGB", "(x / 255 - mean) / std")
    assert "before the normalization" in normalization["resize"]
    (output,) = card["outputs"]
    expected = {"name": "classes_uint8", "dtype": "uint8", "shape": [1, 32, 64], "layout": "NHW"}
    assert output == {**expected, "scale": None, "zero_point": None}


def test_card_of_random_weights_and_of_a_checkpoint(tiny_network, tmp_path):
    export(tiny_network, tmp_path / "a.tflite", input_size=(64, 128))
    assert card_of(tmp_path / "a.tflite")["source"] == {"model": "tiny", "weights": "random, seeded"}

    weights = tmp_path / "some.weights.h5"
    create_model(tiny_network, (64, 128, 3), 19).save_weights(weights)
    export(tiny_network, tmp_path / "b.tflite", checkpoint=weights, input_size=(64, 128))
    source = card_of(tmp_path / "b.tflite")["source"]
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert source == {"model": "tiny", "file": "some.weights.h5", "sha256": sha256}


def test_damaged_config_is_refused(tiny_file, tmp_path):
    (tiny_file.parent / "config.yaml").write_text("a: [1")
    with pytest.raises(UserError, match="Cannot read .*config.yaml, which goes into the card"):
        export(tiny_file, tmp_path / "a.tflite")
    assert list(tmp_path.iterdir()) == [tiny_file.parent]
