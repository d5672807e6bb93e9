"""What LiteRT's XNNPACK and its GPU accelerator take of every network, and whether the GPU computes what the CPU does.

  python -m benchmarks.coverage --output results/coverage.json

Every file is exported from random weights, calmed as a training would (see `save_network`), at 64x128. It is compiled
for the GPU accelerator alone, on SwiftShader where there is no GPU. After an interruption, the same command goes on
with the files that are missing.
"""

import collections
import itertools
import pathlib
import sys
import tempfile

import click

from benchmarks import json_result
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.logs import quiet_log

SIZE = (64, 128)
QUANTIZATIONS = ("float16", "int8")
OUTPUT_TYPES = ("logits", "classes")


@command("coverage", __doc__)
@click.option("--networks", type=options.CommaList(empty=True), default="", help="Networks; all by default.")
@options.file("--output", "JSON file for the result.", required=True)
def main(networks, output):
    start_keras()
    from keras_liteseg.files import require_writable
    from keras_liteseg.networks import list_models

    require_writable(output)
    done = {key(row) for row in json_result.read(output).get("files", [])}
    for name in networks or list_models():
        kinds = [kind for kind in itertools.product(QUANTIZATIONS, OUTPUT_TYPES) if (name, *kind) not in done]
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / f"{name}.keras"
            if kinds:
                save_network(name, model)
            for kind in kinds:
                row = coverage(model, *kind)
                json_result.add(output, {"kind": "coverage", "size": list(SIZE)}, [row], key, "files")
                print(line(row), flush=True)
    print(f"Wrote {output}")


def key(row):
    """Return what tells a row from all others."""
    return row["network"], row["quantization"], row["output_type"]


def line(row):
    """Return a row of `coverage` as a line of text."""
    gpu = row["gpu"]
    fate = gpu["failure"] or ", ".join(f"{op['count']}x {op['op']}" for op in gpu["left_out"]) or "all"
    xnnpack = ", ".join(f"{op['count']}x {op['op']}" for op in row["xnnpack"]["left_out"]) or "nothing"
    text = f"{row['network']} {row['quantization']} {row['output_type']}: {row['xnnpack']['partitions']} partition(s), "
    text += f"outside {xnnpack}; GPU: {fate}"
    if row["comparison"]:
        found = row["comparison"]
        text += f", {found['equal_labels']:.2%} of the labels"
        text += f" (built-in kernels: {found['built_in_kernels']['equal_labels']:.2%})"
    return text


def save_network(name, path):
    """Write a network with random weights to a `.keras` file. As in a trained network, residual branches add little, so
    that roundings pile up less; the statistics of batch normalization are left to the export."""
    import keras
    import numpy as np

    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.metadata import Metadata
    from keras_liteseg.models import create_model
    from keras_liteseg.models.archive import save_model
    from keras_liteseg.networks import model_spec

    classes = load_dataset("street_scenes", split="val", length=1, size=SIZE).classes
    entry = model_spec(name)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = create_model(name, (*SIZE, 3), len(classes))
    branches = _branch_ends(model)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = 0.1 if layer.name in branches else 1.0
            layer.gamma.assign(size * rng.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(rng.normal(0, 0.2, layer.beta.shape))
    save_model(model, path, Metadata(name, "", classes, entry.mean, entry.std))


def _branch_ends(model):
    """Return the names of the normalizations that end residual branches."""
    import keras

    from keras_liteseg.graph import Graph, layers_of

    graph = Graph(model)
    ends = set()
    for add in layers_of(model, keras.layers.Add):
        norms = [graph.producer(tensor) for tensor in add.input]
        norms = [norm for norm in norms if isinstance(norm, keras.layers.BatchNormalization)]
        # Where both inputs are normalized, the second is the shortcut.
        ends.update(norm.name for norm in norms[:1])
    return ends


def coverage(model, quantization, output_type):
    """Export a network, compile and run the file, and return what was found.

    Args:
        model: `.keras` file.
        quantization, output_type: see `keras_liteseg.conversion.convert.convert`.

    Returns:
        {"network", "quantization", "output_type", "ops": {type: number in the file}, "xnnpack": {"partitions": number,
        "left_out": [{"op", "reason", "count"}, ...]}, "gpu": {"adapter", "left_out": the same, "failure": sentence or
        None}, "comparison": None where the GPU does not run all of it, else of its results and XNNPACK's
        {"equal_labels": share of the labels that are equal or tied, "max_difference", "mean_difference": of a score, in
        steps for int8, "equal_to_own_scores": for a class map, share of the labels that the scores on the GPU give or
        tie, "built_in_kernels": the first three of LiteRT's built-in kernels}}.

        The last tells what rounding alone does: random weights amplify it more than those of a training.
    """
    from keras_liteseg import CalibrationOptions, ExportOptions, export
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.models.archive import read_metadata
    from keras_liteseg.tflite.flatbuffer import read_model
    from keras_liteseg.tflite.inspect import inspect

    files = {}
    scenes = load_dataset("street_scenes", split="val", length=4, size=SIZE)
    # A class map is compared with the CPU's scores: it does not tell which of its classes were tied.
    for kind in dict.fromkeys((output_type, "logits")):
        files[kind] = model.with_name(f"{model.stem}_{quantization}_{kind}.tflite")
        if not files[kind].exists():
            options = ExportOptions(quantization=quantization, output_type=kind)
            with quiet_log():
                export(model, files[kind], options, CalibrationOptions(scenes))
    report = inspect(files[output_type])
    gpu, comparison = run_on_gpu(files[output_type], files["logits"], read_model(files[output_type]))
    return {
        "network": read_metadata(model).model,
        "quantization": quantization,
        "output_type": output_type,
        "ops": report.ops,
        "xnnpack": {"partitions": report.delegation["partitions"], "left_out": _counted(report.left_out)},
        "gpu": gpu,
        "comparison": comparison,
    }


def run_on_gpu(file, logits_file, graph):
    """Return ("gpu", "comparison") of `coverage` for a file, whose scores are those of `logits_file`."""
    from edge.correctness import Reference, tied_labels
    from edge.targets import MeasurementFailed
    from keras_liteseg.tflite.gpu import gpu

    reference = Reference(logits_file)
    try:
        gpu_scores, adapter = gpu_outputs(logits_file, reference.frames)
        found = gpu_scores if file == logits_file else gpu_outputs(file, reference.frames)[0]
    except MeasurementFailed:
        # Compiled once more, with the CPU for the rest, to learn what falls off and why.
        report = gpu(file, graph)
        return {"adapter": report.device, "left_out": _counted(report.left_out), "failure": report.failure}, None
    scores = [output for (output,) in reference.outputs]
    comparison = compare(scores, gpu_scores)
    if file != logits_file:
        comparison["equal_labels"] = min(map(tied_labels, scores, found))
        comparison["equal_to_own_scores"] = min(map(tied_labels, gpu_scores, found))
    comparison["built_in_kernels"] = compare(scores, run_built_in_kernels(logits_file, reference.frames))
    return {"adapter": adapter, "left_out": [], "failure": None}, comparison


def gpu_outputs(file, frames):
    """Return ([output of a file for each of the frames on the GPU alone, ...], name of the adapter)."""
    from edge import targets
    from edge.device.tensors import pack, unpack

    session = targets.connect("host:gpu").start(file, 1, 600)
    try:
        session.ask("load")
        outputs = [unpack(session.ask(f"infer {pack(frame)}")["outputs"])[0] for frame in frames]
        return outputs, session.ask("report")["adapter"]["name"]
    finally:
        session.close()


def run_built_in_kernels(file, frames):
    """Return the output of a file for each of the frames without XNNPACK."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(file), experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    outputs = []
    for (frame,) in frames:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], frame)
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return outputs


def compare(expected, found):
    """Return how scores differ from those of XNNPACK, both lists of arrays; see `coverage`."""
    import numpy as np

    from edge.correctness import tied_labels

    differences = np.abs(np.subtract(found, expected, dtype=np.float64))
    return {
        "equal_labels": min(tied_labels(ours, theirs.argmax(-1)) for ours, theirs in zip(expected, found, strict=True)),
        "max_difference": float(differences.max()),
        "mean_difference": float(differences.mean()),
    }


def _counted(left_out):
    counts = collections.Counter((op.op, op.reason) for op in left_out)
    return [{"op": op, "reason": reason, "count": count} for (op, reason), count in counts.items()]


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.coverage"))
