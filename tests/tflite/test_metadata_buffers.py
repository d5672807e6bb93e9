import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_liteseg.conversion.export import export
from keras_liteseg.conversion.options import ExportOptions
from keras_liteseg.datasets import ClassList
from keras_liteseg.metadata import Metadata
from keras_liteseg.tflite.flatbuffer import read_model
from keras_liteseg.tflite.metadata_buffers import with_metadata

METADATA = Metadata(
    model="ndnet45",
    data="camvid",
    classes=ClassList(("Straße", "car"), ((128, 64, 128), (0, 0, 142))),
    mean=[0.5, 0.5, 0.5],
    std=[0.25, 0.5, 1.0],
    ranges={"images": [-1.0, 1.0]},
    quantization="float16",
    output_type="logits",
)


@pytest.fixture(scope="module")
def plain():
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), batch_size=1)
    return tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, keras.layers.Conv2D(2, 3)(image))).convert()


def run(content):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ones((1, 8, 8, 3), np.float32))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_labels_and_colors_are_in_a_zip_archive_behind_the_network(plain, tmp_path):
    path = tmp_path / "a.tflite"
    path.write_bytes(with_metadata(plain, METADATA))
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode() == "Straße\ncar"
        assert archive.read("colors.csv").decode() == "class,red,green,blue\nStraße,128,64,128\ncar,0,0,142\n"
        # MediaPipe reads no others.
        assert all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())


@pytest.mark.parametrize("output_type", ["logits", "classes"])
def test_model_metadata_is_a_flatbuffer_of_its_own(plain, tmp_path, output_type):
    path = tmp_path / "a.tflite"
    path.write_bytes(with_metadata(plain, METADATA.replace(output_type=output_type)))
    model = read_model(path)
    (data,) = [bytes(model.buffers[entry.buffer].data) for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    assert data[4:8] == b"M001"
    # In pixel values, per channel. A class map has none, so that MediaPipe refuses it.
    for values in ([127.5, 127.5, 127.5], [63.75, 127.5, 255.0]):
        assert (np.float32(values).tobytes() in data) == (output_type == "logits")


def test_same_network_gives_the_same_bytes(plain):
    assert with_metadata(plain, METADATA) == with_metadata(plain, METADATA)


def test_network_stays_the_same(plain):
    np.testing.assert_array_equal(run(with_metadata(plain, METADATA)), run(plain))


@pytest.mark.parametrize("output_type", ["logits", "classes"])
def test_input_and_output_have_their_names(tiny_network, tmp_path, output_type):
    path = tmp_path / "a.tflite"
    export(tiny_network, path, ExportOptions(output_type=output_type), input_size=(64, 128))
    interpreter = Interpreter(model_path=str(path))
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["images"], "outputs": [output_type]}}
    assert interpreter.get_input_details()[0]["name"] == "images"
    result = interpreter.get_signature_runner()(images=np.zeros((1, 64, 128, 3), np.float32))
    assert list(result) == [output_type]
