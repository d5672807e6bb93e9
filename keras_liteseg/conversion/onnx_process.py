"""A `.tflite` file as ONNX, by tf2onnx, in a process of its own, because that loads TensorFlow, and logs.

    python -m keras_liteseg.conversion.onnx_process FOLDER

is that process; `keras_liteseg.conversion.onnx_export` starts it.
"""

import json
import pathlib
import sys

from keras_liteseg.tflite.flatbuffer import read_model

REQUEST, RESULT = "request.json", "result.onnx"


def main(folder):
    import tf2onnx
    from onnx import helper

    from keras_liteseg.conversion import onnx_graph

    folder = pathlib.Path(folder)
    request = json.loads((folder / REQUEST).read_text())
    first = _channels_first(request["source"]) if request["npu"] else {}
    model, _ = tf2onnx.convert.from_tflite(request["source"], opset=request["opset"], **first)
    graph = model.graph
    if request["names"]:
        onnx_graph.rename_ends(graph, request["names"])
    onnx_graph.exact_sizes(model)
    if request["npu"]:
        from keras_liteseg.conversion.onnx_npu import for_npus

        for_npus(graph)
    if request["int8"]:
        onnx_graph.unsigned_activations(graph)
        if request["float_input"]:
            onnx_graph.float_input(graph, *request["float_input"])
        if request["float_output"]:
            onnx_graph.float_output(graph, *request["float_output"])
    if request["half"]:
        model = _half(model)
        graph = model.graph
    # tf2onnx names a domain whose operations it has not used.
    used = {node.domain for node in graph.node}
    for opset in [opset for opset in model.opset_import if opset.domain not in used]:
        model.opset_import.remove(opset)
    helper.set_model_props(model, {**request["properties"], "resize": ", ".join(onnx_graph.resize_modes(graph))})
    onnx_graph.save(model, folder / RESULT)


def _channels_first(source):
    """Return tf2onnx's arguments that turn pictures and scores into what ONNX itself has, channels first."""
    graph = read_model(source).subgraphs[0]
    pictures, scores = (
        [graph.tensors[index].name.decode() for index in ends if len(graph.tensors[index].shape) == 4]
        for ends in (graph.inputs, graph.outputs)
    )
    return {"inputs_as_nchw": pictures, "outputs_as_nchw": scores}


def _half(model):
    from onnxruntime.transformers.onnx_model import OnnxModel

    converter = OnnxModel(model)
    converter.convert_float_to_float16(keep_io_types=True)
    converter.topological_sort()
    return converter.model


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    # tf2onnx and the checker of ONNX raise what they like; of this only one line is shown.
    except Exception as error:
        sys.exit(f"{type(error).__name__}: " + " ".join(str(error).split()))
