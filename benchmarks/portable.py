"""The labels of the published networks in every runtime that reads their int8 files, beside those of XNNPACK.

  python -m benchmarks.portable --data_dir DIR --output results/portable.json

Every network is exported at its published size, with the scales of street scenes, and run on pictures of CamVid's split
val. Each file is compared with the same file as it was before: its resizes in one step each, see
`keras_liteseg.conversion.steady_resizes`. The times are processor times of LiteRT with XNNPACK, one thread, both files
in turns. Runtimes that are not installed are left out. After an interruption, the same command goes on.
"""

import importlib.util
import json
import pathlib
import statistics
import sys
import tempfile
import time

import click

from benchmarks import json_result
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.logs import quiet_log

ROUNDS = 15
REFERENCE = "LiteRT, XNNPACK"


def runtimes():
    """Return {name: function from a file's path to a function from its input, int8, to its output} of those here."""
    found = {REFERENCE: _litert("AUTO"), "LiteRT, built-in kernels": _litert("BUILTIN_WITHOUT_DEFAULT_DELEGATES")}
    found["LiteRT, reference kernels"] = _litert("BUILTIN_REF")
    for name, package, start in (
        ("TFLite Micro", "tflite_micro", _micro),
        ("ONNX Runtime", "onnxruntime", _onnxruntime),
        ("OpenVINO", "openvino", _openvino),
    ):
        if importlib.util.find_spec(package) is not None:
            found[name] = start
    return found


def _litert(kernels):
    def start(path):
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        kind = getattr(OpResolverType, kernels)
        interpreter = Interpreter(str(path), experimental_op_resolver_type=kind, num_threads=1)
        interpreter.allocate_tensors()
        (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

        def infer(values):
            interpreter.set_tensor(source["index"], values)
            interpreter.invoke()
            return interpreter.get_tensor(result["index"])

        return infer

    return start


def _micro(path):
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_file(str(path), arena_size=128 << 20)

    def infer(values):
        interpreter.set_input(values, 0)
        interpreter.invoke()
        return interpreter.get_output(0).copy()

    return infer


def _onnxruntime(path):
    import numpy as np

    from edge.targets.to_onnx import convert_for_onnxruntime
    from keras_liteseg.inference.onnx_predictor import open_session

    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "model.onnx")
        convert_for_onnxruntime(path, file)
        session = open_session(file, threads=1)
    (source,) = session.get_inputs()

    def infer(values):
        (found,) = session.run(None, {source.name: (values.astype(np.int16) + 128).astype(np.uint8)})
        return (found.astype(np.int16) - 128).astype(np.int8)

    return infer


def _openvino(path):
    import openvino

    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_NUM_THREADS": 1})
    return lambda values: compiled([values])[0]


def direct(source, target):
    """Write a file of ours with every resize in one step: without the maps of `steady_resizes`. Return whether there
    was one."""
    import numpy as np

    from keras_liteseg.tflite.flatbuffer import op_name, read_model
    from keras_liteseg.tflite.metadata_buffers import metadata_of, pack

    model = read_model(source)
    graph, first = model.subgraphs[0], {}
    kept = []
    for op in graph.operators:
        if op_name(model.operatorCodes[op.opcodeIndex]) == "RESIZE_BILINEAR":
            before = first.get(int(op.inputs[0]))
            first[int(op.outputs[0])] = op
            if before is not None:
                kept.remove(before)
                op.inputs = np.array([before.inputs[0], op.inputs[1]], np.int32)
        kept.append(op)
    changed = len(kept) < len(graph.operators)
    graph.operators = kept
    pathlib.Path(target).write_bytes(pack(model, metadata_of(model)))
    return changed


def same_labels(expected, found):
    """Return (share of equal labels, share of labels that are equal or whose score is the highest or one step less) of
    two int8 outputs (1, height, width, classes)."""
    import numpy as np

    labels = found.argmax(-1)
    scores = expected.astype(np.int16)
    chosen = np.take_along_axis(scores, labels[..., None], axis=-1)[..., 0]
    return float(np.mean(expected.argmax(-1) == labels)), float(np.mean(chosen >= scores.max(-1) - 1))


@command("portable", __doc__)
@click.option("--networks", type=options.CommaList(empty=True), default="", help="Networks; all published by default.")
@options.folder("--data_dir", "Folder of CamVid.", required=True)
@options.whole("--images", 8, "Pictures of the split val.")
@options.file("--output", "JSON file for the result.", required=True)
def main(networks, data_dir, images, output):
    start_keras()
    from keras_liteseg import load_dataset
    from keras_liteseg.files import require_writable
    from keras_liteseg.models.pretrained import list_pretrained

    require_writable(output)
    dataset = load_dataset("camvid", data_dir, "val")
    done = {key(row) for row in json_result.read(output).get("rows", [])}
    for card in list_pretrained():
        if (card.model, card.name) in done or (networks and card.model not in networks):
            continue
        with tempfile.TemporaryDirectory() as folder:
            steady, one_step = (pathlib.Path(folder, name) for name in ("steady.tflite", "direct.tflite"))
            _export(card, steady)
            changed = direct(steady, one_step)
            row = {"network": card.model, "checkpoint": card.name, "input_size": list(card.input_size)}
            row |= {"images": images, "steps_added": changed}
            row["steady"] = _measured(steady, dataset, images)
            row["direct"] = _measured(one_step, dataset, images) if changed else row["steady"]
            row["time_ratio"] = _time_ratio(steady, one_step) if changed else 1.0
        json_result.add(output, {"kind": "portable"}, [row], key)
        print(json.dumps(row), flush=True)
    print(f"Wrote {output}")


def key(row):
    """Return what tells a row from all others."""
    return row["network"], row["checkpoint"]


def _export(card, path):
    from keras_liteseg import CalibrationOptions, ExportOptions, export

    with quiet_log():
        export(
            card.model,
            path,
            ExportOptions(quantization="int8"),
            CalibrationOptions(),
            checkpoint=card.name,
            input_size=card.input_size,
        )


def inputs(path, dataset, count):
    """Return `count` pictures of a data set, evenly spread, as a file's int8 input each."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from keras_liteseg.inference.input_table import InputTable
    from keras_liteseg.inference.predictor import evenly_spread
    from keras_liteseg.tflite.file_metadata import read_metadata

    (details,) = Interpreter(str(path)).get_input_details()
    table, made = InputTable(read_metadata(path), details), []
    for index in evenly_spread(count, len(dataset)):
        made.append(np.empty(details["shape"], details["dtype"]))
        table.write(dataset.image(index), made[-1])
    return made


def _measured(path, dataset, count):
    """Return {runtime: {"equal", "tied": shares of the labels, "miou"}} of a file; the mIoU is only that of a few
    pictures, for comparison between the runtimes."""
    import numpy as np

    from keras_liteseg.inference.predictor import evenly_spread, labels_at
    from keras_liteseg.metrics import ConfusionMatrix

    pictures, result, expected = inputs(path, dataset, count), {}, None
    masks = [dataset.mask(index) for index in evenly_spread(count, len(dataset))]
    for name, start in runtimes().items():
        infer = start(path)
        outputs = [infer(picture) for picture in pictures]
        expected = expected or outputs
        shares = [same_labels(*pair) for pair in zip(expected, outputs, strict=True)]
        equal, tied = (round(float(np.mean(share)), 5) for share in zip(*shares, strict=True))
        confusion = ConfusionMatrix(len(dataset.classes))
        for mask, scores in zip(masks, outputs, strict=True):
            confusion.update(mask, labels_at(scores[0].astype(np.float32), mask.shape))
        result[name] = {"equal": equal, "tied": tied, "miou": round(confusion.miou_present(), 4)}
    return result


def _time_ratio(first, second):
    """Return how much processor time `first` takes, of that of `second`."""
    from ai_edge_litert.interpreter import Interpreter

    interpreters, ratios = [], []
    for path in (first, second):
        interpreters.append(Interpreter(str(path), num_threads=1))
        interpreters[-1].allocate_tensors()
        interpreters[-1].invoke()
    for number in range(ROUNDS):
        took = {}
        for index in (0, 1) if number % 2 else (1, 0):
            start = time.process_time()
            for _ in range(3):
                interpreters[index].invoke()
            took[index] = time.process_time() - start
        ratios.append(took[0] / took[1])
    return round(statistics.median(ratios), 4)


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.portable"))
