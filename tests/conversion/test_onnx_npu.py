"""ONNX for the compilers of NPUs: what they stumble over is gone, and ONNX Runtime computes the same."""

import collections
import importlib.util

import numpy as np
import pytest

from keras_liteseg.conversion import onnx_export
from keras_liteseg.conversion.onnx_export import tflite_to_onnx
from tests.edge.npu_files import branched_file

MISSING = [name for name in onnx_export.PACKAGES if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed: pip install -r requirements-onnx.txt"
)


@pytest.fixture(scope="module", params=["int8", pytest.param("none", marks=pytest.mark.slow)])
def files(request, tmp_path_factory):
    """(plain ONNX file, that for NPUs) of one file."""
    folder = tmp_path_factory.mktemp("onnx")
    tflite = branched_file(folder / "a.tflite", quantization=request.param)
    plain, npu = folder / "plain.onnx", folder / "npu.onnx"
    tflite_to_onnx(tflite, plain)
    tflite_to_onnx(tflite, npu, npu=True)
    return plain, npu


def graph_of(path):
    import onnx

    graph = onnx.load(path).graph
    return graph, collections.Counter(node.op_type for node in graph.node)


def requantized(graph):
    """Return the nodes that give a tensor another scale."""
    producer = {name: node for node in graph.node for name in node.output}
    found = [node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] in producer]
    return [node for node in found if producer[node.input[0]].op_type == "DequantizeLinear"]


def outputs(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: images})
    return result


def test_it_computes_the_same_with_channels_first(files):
    plain, npu = files
    (image,) = graph_of(plain)[0].input
    quantized = image.type.tensor_type.elem_type == 3
    rng = np.random.default_rng(0)
    images = rng.integers(-128, 128, (1, 16, 24, 3)).astype(np.int8)
    images = images if quantized else (images / 128).astype(np.float32)
    expected = outputs(plain, images)
    found = outputs(npu, images.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    assert found.shape == expected.shape == (1, 8, 12, 3) and found.dtype == expected.dtype == images.dtype
    assert np.ptp(expected.astype(float)) > 100 * (1 if quantized else 1e-3)
    np.testing.assert_allclose(found.astype(float), expected.astype(float), atol=2 if quantized else 1e-4)
    assert np.mean(found != expected) < 0.1 or not quantized


def test_what_compilers_stumble_over_is_gone(files):
    plain, npu = files
    before, after = graph_of(plain)[1], graph_of(npu)[1]
    assert before["Pad"] and before["Transpose"]
    assert not after["Pad"] and not after["Transpose"] and not after["Reshape"]
    assert before["Conv"] == after["Conv"] and before["Concat"] == after["Concat"] == 1
    if before["QuantizeLinear"]:
        assert requantized(graph_of(plain)[0])
    graph, _ = graph_of(npu)
    assert not requantized(graph)
    (concatenation,) = (node for node in graph.node if node.op_type == "Concat")
    producer = {name: node.op_type for node in graph.node for name in node.output}
    assert "QuantizeLinear" not in [producer[name] for name in concatenation.input]


def test_the_first_convolution_reads_pixels_again(files):
    graph, _ = graph_of(files[1])
    first = next(node for node in graph.node if node.op_type == "Conv")
    attributes = {attribute.name: list(attribute.ints) for attribute in first.attribute}
    assert attributes["kernel_shape"] == [3, 3] and attributes["strides"] == [2, 2]
    assert attributes["pads"] == [1, 1, 0, 0]
