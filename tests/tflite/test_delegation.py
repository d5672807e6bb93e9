import flatbuffers
import keras
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from keras_liteseg.tflite.delegation import xnnpack_left_out
from keras_liteseg.tflite.flatbuffer import parse
from tests.tflite.test_inspect import Function, network, to_tflite

SIDE = 8


def reasons(content):
    """Return {(op, reason)} of a TFLite file's bytes."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return {(op.op, op.reason) for op in xnnpack_left_out(interpreter, parse("test", content))}


def one_op(name, inputs, output, options=None):
    """Return the bytes of a file with one op on (number type, scale) tensors of one shape."""
    model, graph, op, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = 2
    graph.tensors = []
    for number, (dtype, scale) in enumerate([*inputs, output]):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = b"t%d" % number, [1, SIDE, SIDE, 4], 0
        tensor.type = getattr(schema.TensorType, dtype)
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        graph.tensors.append(tensor)
    op.opcodeIndex, op.inputs, op.outputs = 0, list(range(len(inputs))), [len(inputs)]
    if options:
        op.builtinOptionsType = getattr(schema.BuiltinOptions, options)
        op.builtinOptions = getattr(schema, options + "T")()
    graph.operators, graph.inputs, graph.outputs = [op], op.inputs, op.outputs
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def test_network_that_xnnpack_takes_whole_has_nothing_to_explain():
    assert reasons(to_tflite(network())) == set()


def test_op_that_xnnpack_does_not_have():
    argmax = Function(lambda x: tf.argmax(x, -1, output_type=tf.int32))
    assert reasons(to_tflite(network(argmax))) == {("ARG_MAX", "XNNPACK does not have this op")}


def test_number_type():
    add = Function(lambda x: tf.cast(tf.cast(x, tf.int64) + 1, tf.float32))
    found = dict(reasons(to_tflite(network(add))))
    assert found["ADD"] == "XNNPACK computes on float32, int8 and uint8, not on int64"


def test_op_that_xnnpack_has_for_float_only():
    image = keras.Input((SIDE, SIDE, 3), batch_size=1)
    x = keras.layers.AveragePooling2D(2)(keras.layers.Conv2D(4, 3)(image))
    model = keras.Model(image, x)
    assert reasons(to_tflite(model)) == set()
    int8 = to_int8(model)
    assert reasons(int8) == {("AVERAGE_POOL_2D", "XNNPACK has this op for float32 only")}


def to_int8(model):
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    images = tf.random.stateless_uniform((4, 1, *model.input.shape[1:]), (0, 0))
    converter.representative_dataset = lambda: ([image] for image in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


# Just inside and just outside of the limits, so that they are those of the runtime that is installed.
@pytest.mark.parametrize("name, count, low, high", [("ADD", 2, -10, 8), ("SUB", 2, -10, 8), ("QUANTIZE", 1, -8, 7)])
def test_ratio_of_scales(name, count, low, high):
    options = None if name == "QUANTIZE" else name.capitalize() + "Options"
    for power, inside in [(low + 0.1, True), (low - 0.1, False), (high - 0.1, True), (high + 0.1, False)]:
        found = reasons(one_op(name, [("INT8", 2.0**power)] * count, ("INT8", 1.0), options))
        assert bool(found) != inside
        if not inside:
            ((op, reason),) = found
            assert op == name and reason.startswith(f"an input's scale is {2.0**power:.3g} times the output's")


def test_ratio_of_scales_of_a_product():
    for power, inside in [(-15.9, True), (-16.1, False), (7.9, True), (8.1, False)]:
        found = reasons(one_op("MUL", [("INT8", 2.0**power), ("INT8", 0.5)], ("INT8", 0.5), "MulOptions"))
        assert bool(found) != inside
        assert inside or "an input's scale" in min(found)[1]


def test_change_of_sign():
    assert reasons(one_op("QUANTIZE", [("UINT8", 1.0)], ("INT8", 1.0))) == {
        ("QUANTIZE", "XNNPACK does not turn uint8 into int8")
    }
