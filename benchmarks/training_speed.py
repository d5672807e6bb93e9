"""Images per second of the training step of each family, of the input pipeline alone, and of NDNet45 in PyTorch.

  python -m benchmarks.training_speed --output results/training_speed.json

All take turns within one run; a number is the median over the rounds. PyTorch runs where `--pytorch` names a Python
that has it, such as .venv-backends/bin/python.
"""

import statistics
import subprocess
import time

from absl import flags

from keras_liteseg import cli

PIPELINE = "input pipeline"

FLAGS = flags.FLAGS


def main():
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    require_writable(FLAGS.output)
    size = cli.parse_size(FLAGS.crop_size)
    rounds = {}
    for name in FLAGS.models:
        rounds[name] = training_round(name, size)
    for name in FLAGS.jit_compile:
        rounds[f"{name}, jit_compile"] = training_round(name, size, jit_compile=True)
    for name in FLAGS.mixed_bfloat16:
        rounds[f"{name}, mixed_bfloat16"] = training_round(name, size, precision="mixed_bfloat16")
    rounds[PIPELINE] = pipeline_round(size)
    versions = {}
    if FLAGS.pytorch:
        rounds["ndnet45, PyTorch channels_last"], versions["torch"] = pytorch_round(size)

    seconds = {name: [] for name in rounds}
    for index in range(FLAGS.rounds + 1):
        for name, run in rounds.items():
            seconds[name].append(run())
            print(f"round {index}: {name} {images(name) / seconds[name][-1]:.2f} images/s", flush=True)
    speeds = {name: images(name) / statistics.median(values[1:]) for name, values in seconds.items()}
    for name, speed in speeds.items():
        print(f"{name:>32}  {speed:8.2f} images/s")
    result = {
        "kind": "training speed",
        "crop_size": list(size),
        "batch_size": FLAGS.batch_size,
        "images_per_second": speeds,
        "seconds_per_round": seconds,
        **provenance(),
    }
    result["versions"] |= versions
    write_json(FLAGS.output, result)
    print(f"Wrote {FLAGS.output}")


def images(name):
    """Return the number of images in a round."""
    # Batches that were made ahead, between the rounds, should not count much.
    return FLAGS.batch_size * (20 * FLAGS.steps if name == PIPELINE else FLAGS.steps)


def training_round(name, size, **changes):
    """Return a function that trains for a round, on one batch that lies in memory, and returns the seconds."""
    import numpy as np
    import tensorflow as tf

    from keras_liteseg.training.build import build
    from keras_liteseg.training.config import TrainingConfig

    config = TrainingConfig(model=name, crop_size=size, batch_size=FLAGS.batch_size, optimizer="sgd", **changes)
    model, _ = build(config, _camvid_classes(), FLAGS.steps)
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(FLAGS.batch_size, *size, 3)).astype(np.float32)
    masks = rng.integers(0, 11, (FLAGS.batch_size, *size), np.int32)
    batch = tf.data.Dataset.from_tensors((pictures, (masks,) * len(model.outputs))).repeat()
    options = tf.data.Options()
    options.autotune.enabled = False  # it would delay the end of `fit`
    batch = batch.with_options(options)

    def run():
        start = time.perf_counter()
        model.fit(batch, steps_per_epoch=FLAGS.steps, epochs=1, verbose=0, shuffle=False)
        return time.perf_counter() - start

    return run


def pipeline_round(size):
    """Return a function that makes a round's batches of CamVid-sized street scenes and returns the seconds."""
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.datasets.augment import Augmentation
    from keras_liteseg.datasets.samples import CachedDataset
    from keras_liteseg.training.pipeline import training_pipeline

    scenes = CachedDataset(load_dataset("street_scenes", split="train", length=32, size=(360, 480)), 2**30)
    augmentation = Augmentation(size, scale_range=(0.75, 2.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.03)
    batches = iter(training_pipeline(scenes, augmentation, FLAGS.batch_size, (0.5,) * 3, (0.5,) * 3))

    def run():
        start = time.perf_counter()
        for _ in range(images(PIPELINE) // FLAGS.batch_size):
            next(batches)
        return time.perf_counter() - start

    return run


def pytorch_round(size):
    """Return (a function that trains NDNet45 in PyTorch for a round and returns the seconds, PyTorch's version)."""
    command = [FLAGS.pytorch, "-m", "benchmarks.pytorch_ndnet45", *map(str, (FLAGS.batch_size, *size, FLAGS.steps))]
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


def define_flags():
    flags.DEFINE_list(
        "models", ["ndnet45", "lps_net_s", "liteseg_mobilenetv2", "liteseg_shufflenet", "pp_liteseg_t"], "Networks."
    )
    flags.DEFINE_string("crop_size", "352x480", "HEIGHTxWIDTH of the training images.")
    flags.DEFINE_integer("batch_size", 8, "Images per step.")
    flags.DEFINE_integer("steps", 3, "Steps per round.")
    flags.DEFINE_integer("rounds", 7, "Rounds; one more goes before them, which does not count.")
    flags.DEFINE_list("jit_compile", [], "Networks that are also measured with XLA.")
    flags.DEFINE_list("mixed_bfloat16", [], "Networks that are also measured in mixed_bfloat16.")
    flags.DEFINE_string("pytorch", "", "Python with PyTorch.")
    flags.DEFINE_string("output", None, "JSON file for the result.")


if __name__ == "__main__":
    define_flags()
    cli.run(main, required=["output"])
