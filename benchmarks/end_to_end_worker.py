"""What `benchmarks.end_to_end` measures of one source of keras_liteseg, in a process of its own; it prints JSON.

  python end_to_end_worker.py SOURCE frames MODEL THREADS FRAMES.npy
  python end_to_end_worker.py SOURCE evaluate MODEL DATA DATA_DIR SPLIT [REFERENCE]

It imports from the folder SOURCE, which may be of this commit or of an older one, and knows where each has what it
takes.
"""

import hashlib
import json
import pathlib
import resource
import statistics
import sys
import time


def frames(model, threads, path):
    """Return {"network", "labels", "overlay": median ms of a frame, "sha256": of all label maps}.

    "labels" is everything from the picture to the label map of its size, the network included.
    """
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    load_predictor, overlay = _imports()
    pictures = np.load(path)
    predictor = load_predictor(model, threads=int(threads))
    classes, digest = predictor.metadata.classes, hashlib.sha256()
    for picture in pictures:  # the first runs, which do not count
        digest.update(predictor.labels(picture).tobytes())
    interpreter = Interpreter(model_path=model, num_threads=int(threads))
    interpreter.allocate_tensors()
    interpreter.invoke()
    seconds = {"network": [], "labels": [], "overlay": []}
    for picture in pictures:
        times = [time.perf_counter()]
        interpreter.invoke()
        times.append(time.perf_counter())
        labels = predictor.labels(picture)
        times.append(time.perf_counter())
        overlay(picture, labels, classes)
        times.append(time.perf_counter())
        for name, start, end in zip(seconds, times, times[1:]):
            seconds[name].append(end - start)
    return {name: 1000 * statistics.median(each) for name, each in seconds.items()} | {"sha256": digest.hexdigest()}


def evaluate(model, data, data_dir, split, reference=None):
    """Return {"ms": of an image, "peak_memory_mb": of the process, "result": all numbers of the accuracy}.

    With a reference, a file too, labels are compared with its labels, as the gate of the export does."""
    import dataclasses

    load_predictor, _ = _imports()
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.evaluation import evaluate

    dataset, predictor = load_dataset(data, data_dir, split), load_predictor(model)
    other = load_predictor(reference) if reference else None
    start = time.perf_counter()
    result = dataclasses.asdict(evaluate(predictor, dataset, other))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"ms": 1000 * seconds / len(dataset), "peak_memory_mb": peak, "result": result}


def _imports():
    # Not by trying, because what an older source lacks would be found where the package is installed.
    if (pathlib.Path(sys.path[0]) / "keras_liteseg" / "inference").is_dir():
        from keras_liteseg.drawing.overlay import overlay
        from keras_liteseg.inference.load import load_predictor
    else:
        from keras_liteseg.predictor import load_predictor
        from keras_liteseg.visualization.overlay import overlay
    return load_predictor, overlay


if __name__ == "__main__":
    _, source, task, *arguments = sys.argv
    sys.path[0] = source
    print(json.dumps({"frames": frames, "evaluate": evaluate}[task](*arguments)))
