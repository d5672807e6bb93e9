import subprocess
import sys

import cv2
import numpy as np
import pytest

from keras_liteseg import CalibrationOptions, ExportOptions, Segmenter, UserError, export, load_predictor
from keras_liteseg.inference.input_table import InputTable
from keras_liteseg.inference.predictor import prepare
from keras_liteseg.inference.tensors import to_tensor
from keras_liteseg.metadata import Metadata

FILES = {
    "float32": {},
    "int8": {"quantization": "int8"},
    "int16x8": {"quantization": "int16x8", "upsampling": "none"},
    "bytes": {"quantization": "int8", "input_type": "uint8", "output_type": "softmax", "batch_size": 2},
    "classes": {"upsampling": "none", "output_type": "classes"},
}
SIZES = [(64, 128), (128, 256), (100, 180), (50, 90), (30, 200)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """{name: path} of files of every kind, with trained weights: random ones give pictures of one class."""
    folder = tmp_path_factory.mktemp("segmenter")
    paths = {name: folder / f"{name}.tflite" for name in FILES}
    for name, options in FILES.items():
        made = ExportOptions(**options), CalibrationOptions(images=2)
        export("ndnet45", paths[name], *made, checkpoint="camvid", input_size=SIZES[0])
    return paths


def plain_labels(path, image):
    """Return the labels as they are computed without any short cut."""
    predictor = load_predictor(path)
    output = predictor.aligned(predictor.run(prepare(image, predictor.size, predictor.metadata)))
    if output.ndim == 2:
        return cv2.resize(output.astype(np.uint8), image.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return cv2.resize(output, image.shape[1::-1], interpolation=cv2.INTER_LINEAR).argmax(-1)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_labels_are_the_plain_ones_for_every_file_and_size(files, scenes, name):
    segmenter = Segmenter(files[name])
    for size in (*SIZES, SIZES[0]):
        image = cv2.resize(scenes.image(1), size[::-1])
        labels = segmenter(image)
        assert labels.dtype == np.uint8 and labels.shape == size and len(np.unique(labels)) > 2
        np.testing.assert_array_equal(labels, plain_labels(files[name], image))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float32"])
def test_table_has_the_numbers_of_prepare(dtype, scenes):
    metadata = Metadata("a", "", scenes.classes, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    scale = {"int8": (0.0187, -14), "uint8": (0.0187, 114), "int16": (0.0001, 0), "float32": (0.0, 0)}[dtype]
    values = np.arange(256, dtype=np.uint8)
    every = np.stack([values, values[::-1], np.roll(values, 99)], -1)[None]
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    for image, size in ((every, (1, 256)), (noise, (35, 30)), (noise, (100, 99))):
        details = {"dtype": np.dtype(dtype), "quantization": scale, "shape": (2, *size, 3)}
        batch = np.empty((2, *size, 3), dtype)
        InputTable(metadata, details).write(image, batch)
        for found in batch:
            np.testing.assert_array_equal(found, to_tensor(prepare(image, size, metadata), details)[0])


def test_labels_go_where_they_are_wanted(int8_file, scenes):
    segmenter = Segmenter(int8_file, threads=1)
    image, out = scenes.image(0), np.empty(scenes.size, np.uint8)
    assert segmenter(image, out=out) is out
    before = out.copy()
    again = segmenter(scenes.image(2))
    assert (again != before).any()
    np.testing.assert_array_equal(out, before)
    np.testing.assert_array_equal(segmenter.labels(image), before)
    assert 0 < segmenter.network_seconds < 60


def test_image_may_be_a_view(int8_file, scenes):
    segmenter, image = Segmenter(int8_file), scenes.image(0)
    for view in (image[:, ::-1], image[::2, ::2], image[..., ::-1]):
        np.testing.assert_array_equal(segmenter(view), segmenter(view.copy()))


def test_scores_after_labels(int8_file, scenes):
    """The interpreter runs on only while nobody holds its memory."""
    segmenter, image = Segmenter(int8_file), scenes.image(0)
    labels = segmenter(image)
    np.testing.assert_array_equal(segmenter.logits(image).argmax(-1), labels)
    np.testing.assert_array_equal(segmenter(image), labels)


def test_exported_file_is_loaded_as_segmenter(int8_file):
    assert isinstance(load_predictor(int8_file), Segmenter)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ([], r"out is \[\]; give an array, uint8 \(64, 128\)"),
        (np.zeros((64, 128), np.uint8).tolist(), r"out is .{1,200}; give an array"),
        (np.empty((64, 128), np.int32), r"out is int32 \(64, 128\); give uint8 \(64, 128\)"),
        (np.empty((128, 64), np.uint8), r"out is uint8 \(128, 64\)"),
        (np.empty((64, 256), np.uint8)[:, ::2], "in one piece"),
    ],
)
def test_other_memory_is_refused(int8_file, scenes, out, message):
    with pytest.raises(UserError, match=message):
        Segmenter(int8_file)(scenes.image(0), out=out)


def test_mistakes(int8_file, scenes, tmp_path):
    with pytest.raises(UserError, match="Cannot read .*missing.tflite"):
        Segmenter(tmp_path / "missing.tflite")
    for path in (None, 3, b"a.tflite", ""):
        with pytest.raises(UserError, match="The .tflite file is .*; give a path"):
            Segmenter(path)
    with pytest.raises(UserError, match="threads is 0"):
        Segmenter(int8_file, threads=0)
    with pytest.raises(UserError, match="threads is 1000000000000; it must be a whole number from 1 to 1024"):
        Segmenter(int8_file, threads=10**12)
    with pytest.raises(UserError, match="The delegate is 3; give a path"):
        Segmenter(int8_file, delegate=3)
    with pytest.raises(UserError, match="options for a delegate, and no delegate"):
        Segmenter(int8_file, delegate_options={"a": "1"})
    with pytest.raises(UserError, match="The image is float32"):
        Segmenter(int8_file)(scenes.image(0).astype(np.float32))


def test_first_result_waits_for_no_needless_import(int8_file):
    code = (
        "import sys, numpy as np; from keras_liteseg import Segmenter; "
        "Segmenter(sys.argv[1])(np.zeros((20, 30, 3), np.uint8)); "
        "print({'ai_edge_litert.schema_py_generated', 'PIL', 'tqdm', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, int8_file], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
