"""Images per second of the training step of each family, of the input pipeline alone, and of NDNet45 in PyTorch.

  python -m benchmarks.training_speed --output results/training_speed.json

All take turns within one run; a number is the median over the rounds. PyTorch runs where `--pytorch` names a Python
that has it, such as .venv-backends/bin/python.
"""

import statistics
import subprocess
import sys
import time

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras

PIPELINE = "input pipeline"


@command("training_speed", __doc__)
@click.option(
    "--models",
    type=options.CommaList(),
    default="ndnet45,lps_net_s,liteseg_mobilenetv2,liteseg_shufflenet,pp_liteseg_t",
    help="Networks.",
)
@options.size("--crop_size", "Size of the training images.", default="352x480")
@options.whole("--batch_size", 8, "Images per step.")
@options.whole("--steps", 3, "Steps per round.")
@options.whole("--rounds", 7, "Rounds; one more goes before them, which does not count.")
@click.option(
    "--jit_compile", type=options.CommaList(empty=True), default="", help="Networks that are also measured with XLA."
)
@click.option(
    "--mixed_bfloat16",
    type=options.CommaList(empty=True),
    default="",
    help="Networks that are also measured in mixed_bfloat16.",
)
@options.file("--pytorch", "Python with PyTorch.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, crop_size, batch_size, steps, rounds, jit_compile, mixed_bfloat16, pytorch, output):
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(output)
    start_keras()
    work = crop_size, batch_size, steps
    timed = {}
    for name in models:
        timed[name] = training_round(name, *work)
    for name in jit_compile:
        timed[f"{name}, jit_compile"] = training_round(name, *work, jit_compile=True)
    for name in mixed_bfloat16:
        timed[f"{name}, mixed_bfloat16"] = training_round(name, *work, precision="mixed_bfloat16")
    timed[PIPELINE] = pipeline_round(*work)
    versions = {}
    if pytorch:
        timed["ndnet45, PyTorch channels_last"], versions["torch"] = pytorch_round(pytorch, *work)

    seconds = {name: [] for name in timed}
    for index in range(rounds + 1):
        for name, measure in timed.items():
            seconds[name].append(measure())
            print(
                f"round {index}: {name} {images(name, batch_size, steps) / seconds[name][-1]:.2f} images/s", flush=True
            )
    speeds = {name: images(name, batch_size, steps) / statistics.median(values[1:]) for name, values in seconds.items()}
    for name, speed in speeds.items():
        print(f"{name:>32}  {speed:8.2f} images/s")
    result = {
        "kind": "training speed",
        "crop_size": list(crop_size),
        "batch_size": batch_size,
        "images_per_second": speeds,
        "seconds_per_round": seconds,
        **provenance(),
    }
    result["versions"] |= versions
    write_json(output, result)
    print(f"Wrote {output}")


def images(name, batch_size, steps):
    """Return the number of images in a round."""
    # Batches that were made ahead, between the rounds, should not count much.
    return batch_size * (20 * steps if name == PIPELINE else steps)


def training_round(name, size, batch_size, steps, **changes):
    """Return a function that trains for a round, on one batch that lies in memory, and returns the seconds."""
    import numpy as np
    import tensorflow as tf

    from keras_liteseg.training.build import build
    from keras_liteseg.training.config import TrainingConfig

    config = TrainingConfig(model=name, crop_size=size, batch_size=batch_size, optimizer="sgd", **changes)
    model, _ = build(config, _camvid_classes(), steps)
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(batch_size, *size, 3)).astype(np.float32)
    masks = rng.integers(0, 11, (batch_size, *size), np.int32)
    batch = tf.data.Dataset.from_tensors((pictures, (masks,) * len(model.outputs))).repeat()
    options = tf.data.Options()
    options.autotune.enabled = False  # it would delay the end of `fit`
    batch = batch.with_options(options)

    def run():
        start = time.perf_counter()
        model.fit(batch, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
        return time.perf_counter() - start

    return run


def pipeline_round(size, batch_size, steps):
    """Return a function that makes a round's batches of CamVid-sized street scenes and returns the seconds."""
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.datasets.augment import Augmentation
    from keras_liteseg.datasets.samples import CachedDataset
    from keras_liteseg.training.pipeline import training_pipeline

    scenes = CachedDataset(load_dataset("street_scenes", split="train", length=32, size=(360, 480)), 2**30)
    augmentation = Augmentation(size, scale_range=(0.75, 2.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.03)
    batches = iter(training_pipeline(scenes, augmentation, batch_size, (0.5,) * 3, (0.5,) * 3))

    def run():
        start = time.perf_counter()
        for _ in range(images(PIPELINE, batch_size, steps) // batch_size):
            next(batches)
        return time.perf_counter() - start

    return run


def pytorch_round(python, size, batch_size, steps):
    """Return (a function that trains NDNet45 in PyTorch for a round and returns the seconds, PyTorch's version)."""
    command = [python, "-m", "benchmarks.pytorch_ndnet45", *map(str, (batch_size, *size, steps))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    version, parameters, threads = process.stdout.readline().split()
    print(f"PyTorch {version}: {int(parameters):,} parameters, {threads} threads")

    def run():
        print("go", file=process.stdin, flush=True)
        return float(process.stdout.readline())

    return run, version


def _camvid_classes():
    """Return an object with the classes of CamVid, which is all that building a training needs of a data set."""
    from keras_liteseg.datasets import ClassList

    class Classes:
        classes = ClassList(tuple(map(str, range(11))), ((0, 0, 0),) * 11)

    return Classes


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.training_speed"))
