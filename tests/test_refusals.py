"""Every public function refuses what it does not know: one sentence that names what came, and no file."""

import dataclasses
import math

import keras
import numpy as np
import pytest

import keras_liteseg
from keras_liteseg import (
    Augmentation,
    CalibrationOptions,
    ExportOptions,
    Metadata,
    QuantizationConfig,
    TrainingConfig,
    UserError,
    create_model,
    evaluate,
    export,
    fold_batch_norm,
    list_models,
    load_checkpoint,
    load_config,
    load_dataset,
    load_model,
    load_predictor,
    lps_net,
    model_spec,
    save_model,
    train,
)
from keras_liteseg.checkpoints import assign_state_dict
from keras_liteseg.checkpoints.backbone import load_backbone
from keras_liteseg.choices import Choice
from keras_liteseg.conversion.convert import convert
from keras_liteseg.conversion.converter_process import convert_apart
from keras_liteseg.conversion.options import InputType, Upsampling
from keras_liteseg.conversion.upsampling import with_upsampling
from keras_liteseg.datasets import ClassList
from keras_liteseg.evaluation import measure
from keras_liteseg.inference.multi_scale import load_multi_scale
from keras_liteseg.inference.predictor import calibration_images
from keras_liteseg.metadata import OutputType, Quantization
from keras_liteseg.quantization.calibration import calibrate
from keras_liteseg.quantization.options import CalibrationMethod
from keras_liteseg.quantization.post_training import post_training
from keras_liteseg.quantization.quantization_aware_training import train_quantization_aware
from tests.tiny import tiny

NAN, INFINITE = math.nan, math.inf
TOO_LONG = 300 * "a"  # for a name of a file


def refused(function, *arguments, **options):
    """Return the message with which a call is refused."""
    with pytest.raises(UserError) as error:
        function(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("kind", "wrong", "nearest"),
    [
        (Quantization, "int4", "int8"),
        (OutputType, "clases", "classes"),
        (InputType, "uint16", "uint8"),
        (Upsampling, "quater", "quarter"),
        (CalibrationMethod, "min_max", "minmax"),
    ],
)
def test_choice(kind, wrong, nearest):
    message = refused(kind, wrong)
    assert repr(wrong) in message and message.endswith(f"Did you mean {nearest!r}?")
    assert all(repr(word) in message for word in kind.words())
    assert "mean" not in refused(kind, "zzz"), "no word is near"
    for value in (None, "", 8, True, wrong.upper(), [nearest], np.zeros(2), np.array([nearest])):
        assert repr(value) in refused(kind, value)
    assert issubclass(kind, Choice) and all(kind(word) == word == str(kind(word)) for word in kind.words())
    assert all(f"{member}: {member.meaning}" in kind.help() for member in kind)


EXPORT_OPTIONS = [
    ("quantization", "int4"), ("quantization", "dynamic"), ("quantization", None), ("quantization", ""),
    ("output_type", "argmax"), ("output_type", None), ("output_type", "class"),
    ("upsampling", "double"), ("upsampling", 2), ("upsampling", None),
    ("npu", "ethos"), ("npu", None),
    ("input_type", "int16"), ("input_type", None), ("input_type", ""),
    ("batch_size", 0), ("batch_size", -1), ("batch_size", 1.5), ("batch_size", "2"), ("batch_size", True),
    ("batch_size", 10**9), ("time_limit", 1e12),
    ("float_layers", -1), ("float_layers", 0.5), ("float_layers", None),
    ("max_drop", -1), ("max_drop", NAN), ("max_drop", INFINITE), ("max_drop", "1"), ("max_drop", None),
    ("time_limit", 0), ("time_limit", NAN), ("time_limit", "1800"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), EXPORT_OPTIONS)
def test_export_options(name, value):
    message = refused(ExportOptions, **{name: value})
    assert message.startswith(f"{name} is {value!r}; it must be ")


@pytest.mark.parametrize("quantization", ["none", "float16", "int16x8"])
def test_export_options_that_only_int8_files_have(quantization):
    assert "only int8 files" in refused(ExportOptions, quantization=quantization, float_layers=1)
    assert "only int8 files" in refused(ExportOptions, quantization=quantization, input_type="uint8")
    assert "NPUs take int8 TFLite files" in refused(ExportOptions, quantization=quantization, npu="ethos-u")


def test_export_options_that_no_npu_has():
    assert "NPUs take int8 TFLite files" in refused(ExportOptions, quantization="int8", format="onnx", npu="ethos-u")
    assert "leave the float layers out" in refused(ExportOptions, quantization="int8", float_layers=1, npu="ethos-u")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("dataset", "camvid", "The calibration data set is 'camvid'"), ("images", 0, "calibration images is 0"),
        ("images", 2.5, "calibration images is 2.5"), ("images", None, "calibration images is None"),
        ("method", "median", "calibration_method is 'median'"), ("method", None, "calibration_method is None"),
        ("cross_layer_equalization", "no", "cross_layer_equalization is 'no'"),
        ("bias_correction", 1, "bias_correction is 1"), ("folder", "", "The folder of pictures is ''; give a path"),
        ("folder", "missing", "There is no picture or folder missing"), ("folder", 3, "The folder of pictures is 3"),
    ],
)  # fmt: skip
def test_calibration_options(name, value, said):
    assert refused(CalibrationOptions, **{name: value}).startswith(said)


def test_calibration_on_folders(tmp_path, scenes):
    assert f"The folder {tmp_path} has no pictures; wanted" in refused(CalibrationOptions, folder=tmp_path)
    (tmp_path / "a.png").touch()
    assert "is a file; give the folder" in refused(CalibrationOptions, folder=tmp_path / "a.png")
    assert "and on the data set street_scenes; give one" in refused(CalibrationOptions, scenes, folder=tmp_path)
    options = CalibrationOptions(folder=tmp_path)
    assert "a.png cannot be read as an image" in refused(options.data((64, 128)).image, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"options": "int8"}, "options is 'int8'; give a keras_liteseg.ExportOptions"),
        ({"options": {"quantization": "int8"}}, "options is {'quantization': 'int8'}"),
        ({"calibration": 32}, "calibration is 32; give a keras_liteseg.CalibrationOptions"),
        ({"validation": "camvid"}, "The data set is 'camvid'; load one with keras_liteseg.load_dataset"),
        ({"input_size": 64}, "input_size is 64"),
        ({"input_size": "64x128"}, "input_size is '64x128'"),
        ({"input_size": (64, 128, 3)}, "input_size is (64, 128, 3)"),
        ({"input_size": (64.5, 128)}, "input_size is (64.5, 128)"),
        ({"reference": "best.keras"}, "give a validation data set too"),
        ({"model": "ndnet"}, "There is no model 'ndnet'"),
        ({"model": None}, "There is no model 'None'"),
        ({"output": "a.onnx"}, "must end in .tflite"),
        ({"output": ""}, "The output is ''; give a path"),
        ({"output": None}, "The output is None; give a path"),
        ({"checkpoint": "missing.pth"}, "There is no checkpoint file missing.pth"),
        ({"checkpoint": ""}, "The checkpoint is ''; give a path"),
        ({"reference": ""}, "The reference is ''; give a path"),
        ({"checkpoint": 3}, "The checkpoint is 3; give a path"),
        ({"checkpoint": [1]}, "The checkpoint is [1]; give a path"),
        ({"model": (1, 2)}, "There is no model '(1, 2)'"),
        ({"model": 10**30}, "There is no model '1000"),
        ({"model": TOO_LONG}, "There is no model 'aaa"),
        ({"checkpoint": TOO_LONG}, "which no file can be called; give a path"),
        ({"output": f"{TOO_LONG}.tflite"}, "The output is 'aaaa"),
        ({"output": "a\0.tflite"}, "The output is 'a\\x00.tflite', which no file can be called; give a path"),
    ],
)
def test_export(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = {"model": "lps_net_tiny", "output": "a.tflite", "input_size": (64, 128), **arguments}
    assert said in refused(export, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def request_(metadata):
    return metadata.replace(quantization="none", output_type="logits")


@pytest.mark.parametrize(
    ("changes", "options", "said"),
    [
        ({"quantization": ""}, {}, "quantization is ''"),
        ({"output_type": ""}, {}, "output_type is ''"),
        ({}, {"input_type": "int4"}, "input_type is 'int4'"),
        ({}, {"input_type": "uint8"}, "only int8 files can take bytes"),
        ({}, {"batch_size": 0}, "batch_size is 0"),
        ({"quantization": "int16x8"}, {}, "come from calibration images, and none were given"),
    ],
)
def test_convert(changes, options, said, request_):
    assert said in refused(convert, tiny(), request_.replace(**changes), **options)


@pytest.mark.parametrize("seconds", [0, -1, NAN, INFINITE, "60"])
def test_convert_apart(seconds, request_):
    assert refused(convert_apart, tiny(), request_, seconds).startswith(f"time_limit is {seconds!r}")


@pytest.mark.parametrize("upsampling", ["double", 2, None, ""])
def test_with_upsampling(upsampling):
    assert refused(with_upsampling, tiny(), upsampling).startswith(f"upsampling is {upsampling!r}")


@pytest.mark.parametrize("function", [calibrate, post_training])
def test_calibration_methods(function, images):
    model = tiny((64, 128, 3))
    assert refused(function, model, images, "median").startswith("calibration_method is 'median'")
    assert "no image to calibrate on" in refused(calibrate, model, [])


@pytest.mark.parametrize("count", [0, -1, 1.5, None])
def test_calibration_images(count, scenes, metadata):
    assert refused(calibration_images, scenes, count, (64, 128), metadata).startswith("calibration images is")


def test_calibration_on_images_of_another_kind(scenes, metadata, monkeypatch):
    monkeypatch.setattr(scenes, "image", lambda index: np.zeros((64, 128, 3), np.float32))
    assert refused(calibration_images, scenes, 1, (64, 128), metadata).startswith("The image is float32 (64, 128, 3)")


@pytest.mark.parametrize("load", [load_predictor, load_multi_scale])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"model": "ndnet"}, "There is no model 'ndnet'"),
        ({"model": None}, "There is no model 'None'"),
        ({"model": "missing.keras"}, "There is no model file missing.keras"),
        ({"model": "missing.tflite"}, "missing.tflite"),
        ({"model": "a.tflite", "checkpoint": "a.pth"}, "a.tflite holds its own weights; leave out --checkpoint a.pth"),
        ({"checkpoint": "missing.pth"}, "There is no checkpoint file missing.pth"),
        ({"checkpoint": ""}, "The checkpoint is ''; give a path"),
        (
            {"checkpoint": "camvd", "model": "ndnet45", "input_size": None},
            "There is no checkpoint file camvd. Check the",
        ),
        ({"checkpoint": "camvd", "model": "ndnet45"}, "of 'ndnet45' there are camvid, camvid_720x960."),
        ({"dataset": "camvid"}, "The data set is 'camvid'; load one with"),
        ({"input_size": 64}, "input_size is 64"),
        ({"input_size": (0, 64)}, "input_size is (0, 64)"),
        ({"input_size": (64, 2**40)}, "16384 pixels at most"),
        ({"input_size": None}, "has no size of its own"),
        ({"classes": 9}, "classes is 9; give a ClassList"),
        ({"model": np.zeros((64, 128, 3))}, "There is no model '[[["),
        ({"model": TOO_LONG}, "There is no model 'aaa"),
        ({"model": f"{TOO_LONG}.tflite"}, "which no file can be called"),
        ({"checkpoint": "a\0b"}, "which no file can be called"),
    ],
)
def test_loading_a_network_to_run(load, arguments, said):
    assert said in refused(load, **{"model": "lps_net_tiny", "input_size": (64, 128), **arguments})


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", None, 10**12])
def test_threads(threads):
    assert refused(load_predictor, "a.tflite", threads=threads).startswith(f"threads is {threads!r}")


@pytest.mark.parametrize("model", ["a.tflite", "lps_net_tiny"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"averaged": "yes"}, "averaged is 'yes'; it must be True or False"),
        ({"averaged": np.zeros(2)}, "averaged is array([0., 0.])"),
        ({"delegate_options": np.zeros(2)}, "The options of the delegate are array([0., 0.]); give a dict"),
        ({"delegate_options": ["a=1"]}, "The options of the delegate are ['a=1']; give a dict"),
    ],
)
def test_options_of_a_predictor(model, options, said):
    assert refused(load_predictor, model, input_size=(64, 128), **options).startswith(said)


@pytest.mark.parametrize("scales", [1.0, "1", ["1"], [None], [0], [-1.0], [], None, [1.0, NAN]])
def test_scales_and_flip(scales):
    assert "give positive factors" in refused(load_multi_scale, "lps_net_tiny", input_size=(64, 128), scales=scales)
    assert refused(load_multi_scale, "lps_net_tiny", flip="yes").startswith("flip is 'yes'")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "camvit", "data_dir": "."}, "There is no data set 'camvit'; did you mean camvid"),
        ({"name": None}, "There is no data set 'None'"),
        ({"split": "valid"}, "'valid' is not a split of street_scenes"),
        ({"split": None}, "The split is None"),
        ({"data_dir": "."}, "leave out data_dir"),
        ({"name": "camvid"}, "say in which folder"),
        ({"name": "camvid", "data_dir": 3}, "The data folder (data_dir) is 3; give a path"),
        ({"name": "camvid", "data_dir": "missing"}, "missing does not exist"),
        ({"name": "cityscapes", "data_dir": ".", "annotations": "rough"}, "annotations is 'rough'"),
        ({"lenght": 4}, "has no option 'lenght'; its options are absent_classes"),
        ({"length": 0}, "length is 0"),
        ({"length": "4"}, "length is '4'"),
        ({"length": 2**63}, "length is 9223372036854775808"),
        ({"size": 64}, "size is 64"),
        ({"size": (8, 8)}, "too small"),
        ({"size": (64, 10**9)}, "height and width may have 16384 pixels at most"),
        ({"seed": -1}, "seed is -1"),
        ({"label_map": ["road"]}, "label_map is ['road']"),
        ({"label_map": {"road": "rode"}}, "did you mean road"),
        ({"name": np.zeros(2)}, "There is no data set '[0. 0.]'"),
        ({"absent_classes": np.array(["road"])}, "absent_classes is array(['road']"),
        ({"absent_classes": ""}, "absent_classes is ''; write a list of classes"),
        ({"absent_classes": [np.zeros(2)]}, "absent_classes names '[0. 0.]'"),
        ({"split": ""}, "The split is ''"),
        ({"name": "folder", "data_dir": ".", "split": TOO_LONG}, "which no file can be called"),
        ({"name": "folder", "data_dir": ".", "split": "a\0b"}, "The split is 'a\\x00b', which no file can be called"),
        ({"name": "folder", "data_dir": TOO_LONG}, "The data folder (data_dir) is 'aaa"),
    ],
)
def test_load_dataset(arguments, said):
    assert said in refused(load_dataset, **{"name": "street_scenes", **arguments})


@pytest.mark.parametrize("function", [evaluate, lambda *arguments: list(measure(*arguments))])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.tflite", "scenes"), "The predictor is 'a.tflite'; load one with keras_liteseg.load_predictor"),
        ((None, "scenes"), "The predictor is None"),
        (("predictor", "street_scenes"), "The data set is 'street_scenes'; load one with keras_liteseg.load_dataset"),
        (("predictor", "scenes", "a.tflite"), "The reference is 'a.tflite'"),
        (("predictor", "scenes", None, "yes"), "progress is 'yes'; it must be True or False"),
        (("predictor", "scenes", []), "The reference has 0 label maps for"),
        (("predictor", "scenes", [None] * 4), "The label map of val_000000 in the reference has the shape ()"),
    ],
)
def test_evaluate(function, arguments, said, scenes):
    predictor = load_predictor("lps_net_tiny", input_size=(64, 128), classes=scenes.classes)
    given = {"predictor": predictor, "scenes": scenes}
    given = [given.get(each, each) if isinstance(each, str) else each for each in arguments]
    assert refused(function, *given).startswith(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "ndnet"}, "There is no model 'ndnet'; did you mean ndnet"),
        ({"name": None}, "There is no model 'None'"),
        ({"name": "ndnet45", "head": "fcn9"}, "There is no model 'ndnet45_fcn9'"),
        ({"input_shape": 64}, "input_shape is 64"),
        ({"input_shape": (64, 128)}, "input_shape is (64, 128)"),
        ({"input_shape": (64, 128, 0)}, "input_shape is (64, 128, 0)"),
        ({"input_shape": (64.0, 128, 3)}, "input_shape is (64.0, 128, 3)"),
        ({"input_shape": (True, 128, 3)}, "input_shape is (True, 128, 3)"),
        ({"num_classes": 1}, "num_classes is 1"),
        ({"num_classes": "9"}, "num_classes is '9'"),
        ({"num_classes": 256}, "num_classes is 256"),
        ({"input_shape": (64, 2**40, 3)}, "input_shape is (64, 1099511627776, 3)"),
        ({"aux_heads": "yes"}, "aux_heads is 'yes'"),
        ({"weights": "imagenet"}, "no published weights 'imagenet'"),
        ({"backbone_weights": "imagenet"}, "has no backbone"),
        ({"name": "ndnet45", "backbone_weights": "missing.pth"}, "missing.pth"),
        ({"name": "ndnet45", "backbone_weights": 3}, "backbone weights is 3; give a path"),
        ({"weights": ["camvid"]}, "no published weights '['camvid']'"),
        ({"name": ["ndnet45"]}, "There is no model '['ndnet45']'"),
        ({"name": "pp_liteseg_t", "fusion": "UAFM_Sp"}, "UAFM_Sp"),
        ({"dropout": 0.1}, "has no option 'dropout'"),
    ],
)
def test_create_model(arguments, said):
    assert said in refused(create_model, **{"name": "lps_net_tiny", "input_shape": (64, 128, 3), **arguments})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"depth": (1, 1)}, "depth"),
        ({"width": (0, 8, 8, 8, 8)}, "width"),
        ({"resolution": (1, 1, 1, 1)}, "resolution"),
        ({"input_shape": (64, 128)}, "input_shape is (64, 128)"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"name": 3}, "name is 3; it must be a text without '/'"),
        ({"name": "a/b"}, "name is 'a/b'"),
    ],
)
def test_lps_net(arguments, said):
    good = {"depth": (1,) * 5, "width": (4, 8, 16, 32, 32), "resolution": (1 / 2,), "input_shape": (64, 128, 3)}
    assert said in refused(lps_net, **{**good, **arguments})


def test_names_of_networks():
    assert refused(list_models, None).startswith("The pattern is None")
    assert "There is no model 'ndnet4'; did you mean ndnet45" in refused(model_spec, "ndnet4")
    assert list_models("no such*") == []


def test_files_of_models(tmp_path, metadata):
    model = tiny()
    assert refused(load_model, None).startswith("The model file is None")
    assert "There is no model file" in refused(load_model, tmp_path / "missing.keras")
    assert "must end in .keras" in refused(save_model, model, tmp_path / "a.h5", metadata)
    assert refused(save_model, model, tmp_path / "a.keras", {"model": "tiny"}).startswith("metadata is {'model'")
    assert refused(load_checkpoint, model, None).startswith("The checkpoint is None")
    assert refused(load_model, "").startswith("The model file is ''; give its path")
    assert refused(load_checkpoint, model, "").startswith("The checkpoint is ''; give the path of its file")
    assert "There is no checkpoint file" in refused(load_checkpoint, model, tmp_path / "missing.pth")
    (tmp_path / "a.txt").write_text("no weights")
    assert "a.txt" in refused(load_checkpoint, model, tmp_path / "a.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantization": "int4"}, "quantization is 'int4'"),
        ({"quantization": np.zeros(2)}, "quantization is array([0., 0.])"),
        ({"output_type": None}, "output_type is None"),
        ({"output_type": "argmax"}, "output_type is 'argmax'"),
        ({"classes": ("road", "car")}, "classes is ('road', 'car')"),
        ({"mean": 0.5}, "mean is 0.5"),
        ({"std": (1, 2)}, "std is (1, 2)"),
        ({"std": (1, 0, 1)}, "std is (1, 0, 1)"),
        ({"mean": (NAN, 0, 0)}, "mean is (nan, 0, 0)"),
        ({"mean": ("0", 0, 0)}, "mean is ('0', 0, 0)"),
        ({"model": None}, "model is None"),
        ({"data": 3}, "data is 3"),
        ({"ranges": [1]}, "ranges is [1]"),
        ({"align_corners": "yes"}, "align_corners is 'yes'"),
    ],
)
def test_metadata(changes, said):
    good = {"model": "tiny", "data": "", "classes": ClassList(("a",), ((0, 0, 0),)), "mean": (0,) * 3, "std": (1,) * 3}
    assert refused(Metadata, **{**good, **changes}).startswith(said)


BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@pytest.mark.parametrize(
    ("names", "colors", "said"),
    [
        (None, None, "The names of the classes are None"),
        ("ab", (BLACK, WHITE), "The names of the classes are 'ab'"),
        (("a", 3), (BLACK, WHITE), "The names of the classes are ('a', 3)"),
        (("a", "b", "a"), (BLACK, WHITE, BLACK), "The names of the classes have 'a' twice"),
        (("a", "b"), (BLACK,), "The colors of 2 classes are ((0, 0, 0),)"),
        (("a", "b"), (BLACK, (0, 0)), "The colors of 2 classes are"),
        (("a", "b"), (BLACK, (0, 0, 256)), "The colors of 2 classes are"),
        (("a", "b"), (BLACK, (0, 0, 0.5)), "The colors of 2 classes are"),
        (("a",), None, "The colors of 1 classes are None"),
    ],
)
def test_classes(names, colors, said):
    assert refused(ClassList, names, colors).startswith(said)


def test_lists_are_classes_too():
    classes = ClassList(["a", "b"], [list(BLACK), np.uint8(WHITE).tolist()])
    assert classes == ClassList(("a", "b"), (BLACK, WHITE)) and hash(classes)


@pytest.mark.parametrize(
    ("attribute", "value"), [("classes", ["road", "car"]), ("classes", None), ("split", 3), ("image_format", "RGB")]
)
def test_data_set_of_ones_own_that_does_not_say_what_it_holds(attribute, value, scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, attribute, value)
    predictor = load_predictor("lps_net_tiny", input_size=(64, 128))
    said = f"The {attribute} of the data set StreetScenes is {value!r}; it must be of type "
    assert refused(evaluate, predictor, scenes).startswith(said)
    config = TrainingConfig(model="lps_net_tiny", crop_size=(64, 128), eval_size=(64, 128))
    assert refused(train, config, scenes, scenes, tmp_path / "run").startswith(said)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flip", 2), ("hue", 0.7), ("scale_range", (2, 1)), ("scales", (0,)), ("crop_size", (0, 8)),
        ("flip", "often"), ("flip", None), ("flip", NAN), ("flip", True), ("scales", 1.0), ("scales", ("1",)),
        ("scale_range", None), ("pad_value", 1.5), ("crop_size", "64x128"), ("crop_size", (True, 8)),
    ],
)  # fmt: skip
def test_augmentation(name, value):
    assert refused(Augmentation, **{"crop_size": (8, 8), name: value}).startswith(f"{name} is")


WRONG_VALUES = {
    "text": [None, 3, True, ["best"], b"best"],
    "number": [None, "", "0.1", True, NAN, INFINITE, [0.1], {}],
    "whole": ["", "1", 1.5, True, NAN, [1], {}],
    "bool": [None, "", 0, 1, "true"],
    "list": [None, "", 1, ["1"], [NAN], [None], {"a": 1}],
    "table": [None, "", 1, [1], "a"],
}


def kind_of(default):
    kinds = {str: "text", bool: "bool", int: "whole", type(None): "whole", float: "number", dict: "table"}
    return kinds.get(type(default), "list")


@pytest.mark.parametrize("kind", [TrainingConfig, QuantizationConfig, Augmentation])
def test_every_key_of_a_config_has_its_type_in_python_too(kind):
    good = kind()
    for field in dataclasses.fields(kind):
        for value in WRONG_VALUES[kind_of(getattr(good, field.name))]:
            message = refused(kind, **{field.name: value})
            assert message.startswith((f"{field.name} is ", "calibration_method is ")), message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", -1), ("weight_decay", -1), ("momentum", 1), ("momentum", -0.1), ("poly_power", -1),
        ("label_smoothing", 2), ("ohem_threshold", 1.5), ("ohem_min_kept", -1), ("dice_weight", -1),
        ("lovasz_weight", -1), ("boundary_weight", -1), ("temperature", 0), ("aux_weights", (0.4, -1)), ("seed", -1),
        ("step_epochs", (-1,)), ("step_rates", (-1,)), ("focal_gamma", -1), ("backbone_learning_rate", -0.1),
        ("seed", 2**32), ("oversample_threshold", -0.1), ("oversample_threshold", 1.5),
    ],
)  # fmt: skip
def test_ranges_of_a_config(name, value):
    assert refused(TrainingConfig, **{name: value}).startswith(f"{name} is ")


@pytest.mark.parametrize("kind", [TrainingConfig, QuantizationConfig])
@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("backbone_weights", "it is a key of the config itself"),
        ("num_classes", "it follows from the data"),
        ("input_shape", "it follows from crop_size and eval_size"),
        ("aux_heads", "aux_weights weighs them"),
        ("name", "give it as model"),
        ("head", "such as ndnet45_fcn8"),
        ("weights", "start from them with --init_from"),
        (1, "wanted names of options of the network"),
    ],
)
def test_model_options_that_have_another_place(kind, option, said):
    message = refused(kind, model_options={option: 3})
    assert message.startswith(f"model_options has '{option}'; ") and said in message


@pytest.mark.parametrize("value", ["epochs=3", None, 3, [3], np.array(5), (text for text in ["epochs=3"])])
def test_overrides_that_are_no_texts(value):
    assert refused(load_config, "demo", value).startswith(f"The overrides are {value!r}; give a list of texts")


@pytest.mark.parametrize("value", ["", None, 3, b"demo", []])
def test_load_config_from_no_path(value):
    assert refused(load_config, value).startswith(f"The config is {value!r}; give a path")
    assert "which no file can be called; give a path" in refused(load_config, TOO_LONG)


@pytest.mark.parametrize("kind", [None, "int8", 3, dict, TrainingConfig()])
def test_load_config_of_another_kind(kind):
    assert refused(load_config, "demo", kind=kind).startswith(f"kind is {kind!r}; give keras_liteseg.TrainingConfig")


def test_load_config(tmp_path):
    assert "Cannot read the config" in refused(load_config, tmp_path / "missing.yaml")
    (tmp_path / "a.yaml").write_text("learning_rat: 0.1")
    assert "learning_rate" in refused(load_config, tmp_path / "a.yaml")


MAPPED = {"one class": {"road": "road"}, "two classes": {"road": "road", "person": "person"}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"config": TrainingConfig(model="ndnet")}, "There is no model 'ndnet'"),
        ({"config": "demo"}, "The config is 'demo'; give a keras_liteseg.TrainingConfig"),
        ({"config": QuantizationConfig()}, "give a keras_liteseg.TrainingConfig"),
        ({"config": None}, "The config is None"),
        ({"train_data": "camvid"}, "The data set is 'camvid'; load one with keras_liteseg.load_dataset"),
        ({"val_data": None}, "The data set is None"),
        ({"val_data": "two classes"}, "Give both the same options, such as label_map"),
        ({"output_dir": ""}, "The output folder is ''; give a path"),
        ({"output_dir": None}, "The output folder is None; give a path"),
        ({"output_dir": TOO_LONG}, "which no file can be called"),
        ({"resume": "yes"}, "resume is 'yes'; it must be True or False"),
        ({"val_data": "one class", "train_data": "one class"}, "street_scenes has 1 class (road) and all other pixels"),
        ({"init_from": ""}, "The file to start from (init_from) is ''; give a path"),
        ({"init_from": 3}, "The file to start from (init_from) is 3; give a path"),
        ({"init_from": "missing.keras"}, "There is no checkpoint file missing.keras"),
    ],
)
def test_train(arguments, said, scenes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainingConfig(model="lps_net_tiny", crop_size=(64, 128), eval_size=(64, 128))
    good = {"config": config, "train_data": scenes, "val_data": scenes, "output_dir": "run"}
    arguments = {**good, **arguments}
    for part in ("train_data", "val_data"):
        if isinstance(arguments[part], str) and arguments[part] in MAPPED:
            arguments[part] = load_dataset("street_scenes", length=2, label_map=MAPPED[arguments[part]])
    assert said in refused(train, **arguments)
    if not isinstance(arguments["config"], TrainingConfig) or "ndnet" not in said:
        arguments["config"] = {TrainingConfig: QuantizationConfig}.get(type(arguments["config"]), dict)()
        refused(train_quantization_aware, **{"init_from": tmp_path / "missing.keras", **arguments})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "image",
    [
        None, "a.png", [[1]], np.zeros((64, 64, 3), np.uint8).tolist(),
        np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((0, 8, 3), np.uint8),
        np.zeros((8, 8, 3), np.float32), np.zeros((1, 8, 8, 3), np.uint8),
    ],
)  # fmt: skip
def test_images(image):
    predictor = load_predictor("lps_net_tiny", input_size=(64, 128))
    for function in (predictor.labels, predictor.logits):
        said = refused(function, image)
        assert said.startswith("The image is ") and len(said) < 1000


SEQUENTIAL = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3)])


@pytest.mark.parametrize("value", [None, "tiny", 3, SEQUENTIAL, keras.Model()])
def test_what_is_no_functional_model(value, tmp_path):
    tiny().save_weights(tmp_path / "a.weights.h5")
    for function in (load_checkpoint, load_backbone, assign_state_dict, lambda model, _: fold_batch_norm(model)):
        said = refused(function, value, tmp_path / "a.weights.h5")
        assert said.startswith(f"The model is {value!r}; give a functional Keras model")


@pytest.mark.parametrize("value", [None, "tiny", 3])
def test_what_is_no_model(value, tmp_path, metadata):
    assert refused(keras_liteseg.fold_batch_norm, value).startswith(f"The model is {value!r}")
    assert refused(save_model, value, tmp_path / "a.keras", metadata).startswith(f"The model is {value!r}")
    assert list(tmp_path.iterdir()) == []


def test_names_that_the_package_lacks():
    with pytest.raises(AttributeError, match="has no attribute 'exports'"):
        keras_liteseg.exports  # noqa: B018
