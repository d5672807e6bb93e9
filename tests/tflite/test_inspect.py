import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_liteseg.commands import main
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.flatbuffer import read_model
from keras_liteseg.tflite.inspect import inspect

INT8 = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
FLEX = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
SIDE = 16
# Convolution 3x3 from 3 to 8, depthwise 3x3 on 8, convolution 1x1 from 8 to 4, all at 16x16.
MACS = SIDE * SIDE * (3 * 3 * 3 * 8 + 3 * 3 * 8 + 8 * 4)


class Function(keras.layers.Layer):
    """Calls a TensorFlow function, so that the graph has exactly that op."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def network(tail=None, batch=1, dilation=1):
    keras.utils.set_random_seed(0)
    image = keras.Input((SIDE, SIDE, 3), batch_size=batch, name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", activation="relu", dilation_rate=dilation)(image)
    x = keras.layers.Add()([x, keras.layers.DepthwiseConv2D(3, padding="same")(x)])
    x = keras.layers.Conv2D(4, 1)(keras.layers.ReLU()(x))
    return keras.Model(image, x if tail is None else tail(x))


def island(x):
    # The sine has no int8 kernel.
    return keras.layers.Conv2D(4, 1)(Function(tf.math.sin)(x))


def to_tflite(model, ops=None, io=tf.float32, calibrate=False):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if ops:
        converter.target_spec.supported_ops = ops
    if calibrate:
        rng = np.random.default_rng(0)
        images = rng.uniform(-1, 1, (4, 1, SIDE, SIDE, 3)).astype("float32")
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in images)
        converter.inference_input_type = converter.inference_output_type = io
    return converter.convert()


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    argmax = Function(lambda x: tf.argmax(x, -1, output_type=tf.int32))
    folder = tmp_path_factory.mktemp("tflite")
    made = {
        "float": to_tflite(network()),
        "int8": to_tflite(network(), INT8, tf.int8, calibrate=True),
        "int8_float_io": to_tflite(network(), INT8, tf.float32, calibrate=True),
        "island": to_tflite(network(island), INT8 + [tf.lite.OpsSet.TFLITE_BUILTINS], tf.int8, calibrate=True),
        "argmax": to_tflite(network(argmax)),
        "flex": to_tflite(network(Function(lambda x: keras.ops.argmax(x, -1))), FLEX),
        "dynamic": to_tflite(network(batch=None, dilation=2)),
    }
    paths = {name: folder / f"{name}.tflite" for name in made}
    for name, data in made.items():
        paths[name].write_bytes(data)
    return paths


def test_float_file(files):
    report = inspect(files["float"])
    assert report.ops == {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 1, "ADD": 1}
    assert report.float_ops == report.ops
    assert report.macs == MACS
    assert report.size == files["float"].stat().st_size
    (image,) = report.inputs
    assert (image.dtype, image.shape, image.scale, image.zero_point) == ("float32", (1, SIDE, SIDE, 3), None, None)
    assert report.outputs[0].shape == (1, SIDE, SIDE, 4)
    assert report.delegation == {"partitions": 1, "delegated_ops": 4, "other_ops": []}
    assert not report.is_fully_int8
    assert report.problems(expect_int8=False, max_partitions=1) == []


def test_int8_file(files):
    report = inspect(files["int8"])
    assert report.is_fully_int8
    assert report.kinds == {"int8": {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 1, "ADD": 1}}
    assert report.macs == MACS
    (image,) = report.inputs
    assert image.dtype == "int8"
    # The calibration images fill [-1, 1], which int8 cuts into 255 steps.
    assert image.scale == pytest.approx(2 / 255, rel=0.01)
    assert image.zero_point in (-1, 0)
    assert report.problems(expect_int8=True) == []


def test_float_border_of_an_int8_file_is_not_a_float_op(files):
    report = inspect(files["int8_float_io"])
    assert report.inputs[0].dtype == report.outputs[0].dtype == "float32"
    assert report.kinds["boundary"] == {"QUANTIZE": 1, "DEQUANTIZE": 1}
    assert report.float_ops == {}
    assert report.is_fully_int8
    assert report.problems(expect_int8=True) == []


def test_float_island_inside_an_int8_file(files):
    report = inspect(files["island"])
    assert report.inputs[0].dtype == report.outputs[0].dtype == "int8"
    assert not report.is_fully_int8
    assert report.float_ops == {"DEQUANTIZE": 1, "SIN": 1, "QUANTIZE": 1}
    assert "boundary" not in report.kinds
    (problem,) = report.problems(expect_int8=True)
    assert problem.startswith("3 float ops inside an int8 file: ")
    assert "1x SIN" in problem


def test_float_file_where_int8_was_wanted(files):
    float_ops, no_int8 = inspect(files["float"]).problems(expect_int8=True)
    assert float_ops == "4 float ops inside an int8 file: 2x CONV_2D, 1x DEPTHWISE_CONV_2D, 1x ADD"
    assert no_int8 == "no int8 op in a file that was to be int8"


def test_op_outside_xnnpack(files):
    report = inspect(files["argmax"])
    assert report.outputs[0].dtype == "int32"
    assert report.delegation == {
        "partitions": 1,
        "delegated_ops": 4,
        "other_ops": [{"op": "ARG_MAX", "count": 1}],
    }
    assert report.problems(expect_int8=False, max_partitions=0) == [
        "1 XNNPACK partition, at most 0 wanted; outside: 1x ARG_MAX: XNNPACK does not have this op"
    ]


@pytest.mark.parametrize(("count", "left_out"), [(5, 0), (6, 1)])
def test_tensors_that_xnnpack_concatenates(tmp_path, count, left_out):
    image = keras.Input((8, 8, 3), batch_size=1)
    joined = keras.layers.Concatenate()([keras.layers.Conv2D(2, 1)(image) for _ in range(count)])
    (tmp_path / "a.tflite").write_bytes(to_tflite(keras.Model(image, keras.layers.Conv2D(2, 1)(joined))))
    found = inspect(tmp_path / "a.tflite").left_out
    assert [(each.op, each.reason) for each in found] == [
        ("CONCATENATION", "XNNPACK takes at most 5 tensors")
    ] * left_out


def test_op_that_only_tensorflow_can_run(files):
    report = inspect(files["flex"])
    assert report.flex_ops == {"FlexBitwiseAnd": 1}
    assert report.delegation is None
    assert "FlexBitwiseAnd" in report.refusal
    assert report.problems(expect_int8=False) == ["1 op that only TensorFlow can run: 1x FlexBitwiseAnd"]


def test_dynamic_batch(files):
    report = inspect(files["dynamic"])
    assert report.inputs[0].shape == (-1, SIDE, SIDE, 3)
    assert report.space_to_batch == 1
    dynamic, space_to_batch = report.problems(expect_int8=False)
    assert "dynamic shape" in dynamic and "image" in dynamic
    assert space_to_batch == "1x SPACE_TO_BATCH_ND: dilated convolutions that were not fused"


def test_macs_of_grouped_transposed_and_dense_layers(tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 4), batch_size=1)
    x = keras.layers.Conv2D(6, 3, groups=2, padding="same")(image)
    x = keras.layers.Conv2DTranspose(5, 2, strides=2)(x)
    x = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))
    path = tmp_path / "model.tflite"
    path.write_bytes(to_tflite(keras.Model(image, x)))
    assert inspect(path).macs == 8 * 8 * 6 * 3 * 3 * 2 + 8 * 8 * 6 * 2 * 2 * 5 + 5 * 3


def test_tensors_and_weights(files):
    report = inspect(files["int8"])
    # Kernels 3x3x3x8, 3x3x8 and 8x4; biases of 8 and 4, as the two of 8 are all zero and stored once.
    assert report.weights == {"int8": 216 + 72 + 32, "int32": 4 * (8 + 4)}
    kernel = next(tensor for tensor in report.tensors if tensor.shape == (8, 3, 3, 3))
    assert kernel.constant and kernel.bytes == 216 and len(kernel.channel_scales) == 8 and kernel.scale is None
    activations = [tensor for tensor in report.tensors if not tensor.constant]
    assert len(activations) == 5 and all(tensor.scale > 0 and tensor.dtype == "int8" for tensor in activations)
    assert inspect(files["dynamic"]).inputs[0].bytes is None


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        inspect(tmp_path / "none.tflite")


def test_file_of_another_kind(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(UserError, match="not a TFLite file"):
        inspect(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_truncated_file(files, tmp_path, share):
    data = files["int8"].read_bytes()
    path = tmp_path / "model.tflite"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match="truncated"):
        read_model(path)


def test_command_line(files, tmp_path, capsys):
    assert main(["inspect", str(files["island"]), str(files["argmax"])]) == 0
    printed = capsys.readouterr().out
    assert "3 float ops inside an int8 file" in printed
    assert "1 partition, outside: 1x ARG_MAX" in printed
    assert "1x ARG_MAX: XNNPACK does not have this op" in printed
    assert "GPU" not in printed and "tensors" not in printed

    assert main(["inspect", "--tensors", str(files["int8"])]) == 0
    printed = capsys.readouterr().out
    assert "tensors    11 in the main graph" in printed
    assert "8 scales per channel from" in printed and "216 bytes, constant" in printed

    assert main(["inspect", str(tmp_path / "none.tflite")]) == 1
    assert capsys.readouterr().err.startswith("error: Cannot read")
