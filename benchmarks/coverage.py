"""What LiteRT's XNNPACK and its GPU accelerator take of every network, and whether the GPU computes what the CPU does.

  python -m benchmarks.coverage --output results/coverage.json

Every file is exported from random weights, calmed as training would (see `network`), at 64x128. It is compiled for the
GPU accelerator alone, on SwiftShader where there is no GPU. After an interruption, the same command goes on with the
files that are missing.
"""

import collections
import contextlib
import itertools
import json
import os
import pathlib
import tempfile

from absl import flags

from keras_liteseg import cli

SIZE = (64, 128)
QUANTIZATIONS = ("float16", "int8")
OUTPUT_TYPES = ("logits", "classes")

FLAGS = flags.FLAGS


def main():
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.models import list_models
    from keras_liteseg.results import provenance

    require_writable(FLAGS.output)
    rows = _rows_so_far(FLAGS.output)
    for name in FLAGS.networks or list_models():
        kinds = [kind for kind in itertools.product(QUANTIZATIONS, OUTPUT_TYPES) if (name, *kind) not in rows]
        with tempfile.TemporaryDirectory() as folder:
            model = pathlib.Path(folder) / f"{name}.keras"
            if kinds:
                save_network(name, model)
            for kind in kinds:
                rows[name, *kind] = coverage(model, *kind)
                print(line(rows[name, *kind]), flush=True)
        ordered = [rows[key] for key in sorted(rows)]
        write_json(FLAGS.output, {"kind": "coverage", "size": list(SIZE), "files": ordered, **provenance()})
    print(f"Wrote {FLAGS.output}")


def _rows_so_far(path):
    if not os.path.exists(path):
        return {}
    rows = json.loads(pathlib.Path(path).read_text())["files"]
    return {(row["network"], row["quantization"], row["output_type"]): row for row in rows}


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
        if found["max_difference"] is not None:
            text += f", up to {found['max_difference']:.3g} apart"
    return text


def save_network(name, path):
    """Write a network with random weights, in which values neither vanish nor explode and roundings do not pile up, to
    a `.keras` file: the statistics of batch normalization are those of street scenes, and residual branches add
    little, as in a trained network."""
    import keras
    import numpy as np

    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.model_file import Metadata, save_model
    from keras_liteseg.models import create_model, model_entry
    from keras_liteseg.predictor import calibration_images

    scenes = load_dataset("street_scenes", split="val", length=4, size=SIZE)
    entry = model_entry(name)
    metadata = Metadata(name, scenes.name, scenes.classes, entry.mean, entry.std)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = create_model(name, (*SIZE, 3), len(scenes.classes))
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    branches = _branch_ends(model)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        size = 0.1 if norm.name in branches else 1.0
        norm.gamma.assign(size * rng.uniform(0.5, 1.5, norm.gamma.shape))
        norm.beta.assign(rng.normal(0, 0.2, norm.beta.shape))
        norm.momentum = 0.0
    model(np.concatenate(calibration_images(scenes, len(scenes), SIZE, metadata)), training=True)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    # As if trained on them, so that the export asks of its files what it asks of those of trained networks.
    save_model(model, path, metadata)


def _branch_ends(model):
    """Return the names of the normalizations that end residual branches."""
    import keras

    from keras_liteseg.models.restructure.graph import Graph, layers_of

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
        quantization, output_type: see `keras_liteseg.tflite.convert.convert`.

    Returns:
        {"network", "quantization", "output_type", "ops": {type: number in the file}, "xnnpack": {"partitions": number,
        "left_out": [{"op", "reason", "count"}, ...]}, "gpu": {"adapter", "left_out": the same, "failure": sentence or
        None}, "comparison": None where the GPU does not run all of it, else {"equal_labels": share of the labels that
        are the CPU's or tied with them, "max_difference": of a value, in steps for int8; None for a class map}}.
    """
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.model_file import read_metadata
    from keras_liteseg.tflite.export import export
    from keras_liteseg.tflite.flatbuffer import read_model
    from keras_liteseg.tflite.inspect import inspect

    files = {}
    scenes = load_dataset("street_scenes", split="val", length=4, size=SIZE)
    # A class map is compared with the CPU's scores: it does not tell which of its classes were tied.
    for kind in dict.fromkeys((output_type, "logits")):
        files[kind] = model.with_name(f"{model.stem}_{quantization}_{kind}.tflite")
        if not files[kind].exists():
            with contextlib.redirect_stdout(None):
                export(model, files[kind], quantization=quantization, output_type=kind, calibration=scenes)
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
    import numpy as np

    from edge import targets
    from edge.correctness import Reference
    from edge.tensors import pack, unpack
    from keras_liteseg.tflite.gpu import gpu

    device = targets.connect("host:gpu")
    session = device.start(file, 1, 600)
    try:
        session.ask("load")
        reference = Reference(logits_file)
        shares, differences = [], []
        for frame, (scores,) in zip(reference.frames, reference.outputs, strict=True):
            (found,) = unpack(session.ask(f"infer {pack(frame)}")["outputs"])
            if found.ndim == 4:
                differences.append(float(np.abs(found.astype(np.float64) - scores).max()))
                found = found.argmax(-1)
            shares.append(tied_labels(scores, found))
        adapter = session.ask("report")["adapter"]["name"]
    except targets.MeasurementFailed:
        # Compiled once more, with the CPU for the rest, to learn what falls off and why.
        found = gpu(file, graph)
        return {"adapter": found.device, "left_out": _counted(found.left_out), "failure": found.failure}, None
    finally:
        session.close()
    comparison = {"equal_labels": min(shares), "max_difference": max(differences, default=None)}
    return {"adapter": adapter, "left_out": [], "failure": None}, comparison


def tied_labels(scores, labels):
    """Return the share of pixels whose label is a class and has the highest of the scores, or one tied with it."""
    import numpy as np

    from edge.correctness import TIED_SHARE, TIED_STEPS

    tied = TIED_STEPS if scores.dtype == np.int8 else TIED_SHARE * np.ptp(scores)
    classes = scores.shape[-1]
    chosen = np.take_along_axis(scores.astype(np.float64), np.minimum(labels, classes - 1)[..., None], -1)[..., 0]
    return float(np.mean((labels < classes) & (chosen >= scores.max(-1) - tied)))


def _counted(left_out):
    counts = collections.Counter((op.op, op.reason) for op in left_out)
    return [{"op": op, "reason": reason, "count": count} for (op, reason), count in counts.items()]


if __name__ == "__main__":
    flags.DEFINE_list("networks", [], "Networks; all by default.")
    flags.DEFINE_string("output", None, "JSON file for the result.")
    cli.run(main, required=["output"])
