"""Images per second of the training step of each family, beside the same network in PyTorch, and of the input pipeline.

  python -m benchmarks.training_speed --pytorch .venv-backends/bin/python --output results/training_speed.json

All take turns within one run, on the same batches of the same input pipeline; a number is the median over the rounds.
PyTorch runs where `--pytorch` names a Python that has it and TensorFlow, channels_last, on the networks of
`benchmarks.pytorch_twin`; that they are the same is checked. To let both use one core: taskset -c 0 python -m ...
With one core and `--processor_time`, a time is that of the processor in place of the clock's, which other programs on
the machine would distort.
"""

import itertools
import os
import statistics
import subprocess
import sys
import time
import types

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras

PIPELINE = "input pipeline"
OURS, QUANTIZED = "ours", "ours, quantization-aware"
PYTORCH, COMPILED = "PyTorch channels_last", "PyTorch channels_last, compiled"
CLASSES = 11  # as many as CamVid has
PRECISIONS = {"float32": "", "mixed_bfloat16": ",bfloat16"}  # ours, and what follows the name for the twin


@command("training_speed", __doc__)
@click.option(
    "--models", type=options.CommaList(), default="ndnet45,lps_net_s,liteseg_mobilenetv2,pp_liteseg_t", help="Networks."
)
@options.size("--crop_size", "Size of the training images.", default="352x480")
@options.whole("--batch_size", 8, "Images per step.")
@options.whole("--steps", 2, "Steps per round.")
@options.whole("--rounds", 5, "Rounds; one more goes before them, which does not count.")
@click.option(
    "--precisions", type=options.CommaList(), default="float32", help="Of float32 and mixed_bfloat16, what to measure."
)
@options.file("--pytorch", "Python with PyTorch and TensorFlow.")
@options.switch("--compile", "Measure PyTorch with torch.compile too, which takes minutes for each network.")
@options.switch("--processor_time", "Count the processor's time in place of the clock's; one core only.")
@options.file("--output", "JSON file for the result.", required=True)
def main(models, crop_size, batch_size, steps, rounds, precisions, pytorch, compile, processor_time, output):
    from keras_liteseg.errors import UserError
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance

    cores = len(os.sched_getaffinity(0))
    if processor_time and cores > 1:
        raise UserError("--processor_time counts one core; start this with taskset -c 0.")
    if not set(precisions) <= set(PRECISIONS):
        raise UserError(f"--precisions is {','.join(precisions)}; it takes {' and '.join(PRECISIONS)}.")
    require_writable(output)
    work = crop_size, batch_size, steps, "process_time" if processor_time else "perf_counter"
    start_keras()
    measures = {}
    for name, precision in itertools.product(models, precisions):
        measures[name, precision, OURS] = training_round(name, precision, *work)
    if "float32" in precisions:
        for name in models:
            measures[name, "float32", QUANTIZED] = quantization_aware_round(name, *work)
    measures[PIPELINE, "", OURS] = pipeline_round(*work)
    versions = {}
    if pytorch:
        keys = list(itertools.product(models, precisions, [PYTORCH, *[COMPILED] * compile]))
        names = [name + PRECISIONS[precision] + ",compile" * (program == COMPILED) for name, precision, program in keys]
        theirs, versions["torch"] = pytorch_rounds(pytorch, names, *work)
        measures |= zip(keys, theirs, strict=True)

    seconds = {key: [] for key in measures}
    for index in range(rounds + 1):
        for key, measure in measures.items():
            seconds[key].append(measure())
            speed = images(key[0], batch_size, steps) / seconds[key][-1]
            print(f"round {index}: {', '.join(filter(None, key))} {speed:.2f} images/s", flush=True)
    seconds = {key: values[1:] for key, values in seconds.items()}
    result = {
        "kind": "training speed",
        "crop_size": list(crop_size),
        "batch_size": batch_size,
        "cores": cores,
        "clock": "processor" if processor_time else "wall",
        "results": [
            {
                **dict(zip(("network", "precision", "program"), key)),
                "images_per_second": images(key[0], batch_size, steps) / statistics.median(values),
                "seconds_per_round": values,
            }
            for key, values in seconds.items()
        ],
        "ratios": ratios(seconds),
        **provenance(),
    }
    result["versions"] |= versions
    write_json(output, result)
    for row in result["results"]:
        words = filter(None, (row["network"], row["precision"], row["program"]))
        print(f"{', '.join(words):>60}  {row['images_per_second']:8.2f} images/s")
    for ratio in result["ratios"]:
        print(", ".join(f"{key} {value}" for key, value in ratio.items()))
    print(f"Wrote {output}")


def images(name, batch_size, steps):
    """Return the number of images in a round."""
    # Batches that were made ahead, between the rounds, should not count much.
    return batch_size * (20 * steps if name == PIPELINE else steps)


def ratios(seconds):
    """Return a row for each network and precision of ours: how many times as fast it is as the faster form of PyTorch's
    (`against_pytorch`, `best_other`), and how many times as long a quantization-aware step takes as a float one
    (`quantization_aware`). Each is the median of the ratios within a round, and is left out where it was not measured.

    Args:
        seconds: {(network, precision, program): list of the seconds of each round}.
    """
    found = []
    for (network, precision, program), ours in seconds.items():
        if program != OURS or network == PIPELINE:
            continue
        row = {"network": network, "precision": precision}
        theirs = {
            name: seconds[network, precision, name]
            for name in (PYTORCH, COMPILED)
            if (network, precision, name) in seconds
        }
        if theirs:
            row["best_other"] = min(theirs, key=lambda name: statistics.median(theirs[name]))
            row["against_pytorch"] = _median_ratio(theirs[row["best_other"]], ours)
        if (network, precision, QUANTIZED) in seconds:
            row["quantization_aware"] = _median_ratio(seconds[network, precision, QUANTIZED], ours)
        found.append(row)
    return found


def _median_ratio(dividends, divisors):
    return statistics.median(dividend / divisor for dividend, divisor in zip(dividends, divisors, strict=True))


def training_model(name, precision, size, batch_size):
    """Return (`TrainingConfig` of the measured training of a network, its compiled model)."""
    from keras_liteseg.training.build import build
    from keras_liteseg.training.config import TrainingConfig

    config = TrainingConfig(model=name, crop_size=size, batch_size=batch_size, optimizer="sgd", precision=precision)
    # All that building a training needs of a data set.
    data = types.SimpleNamespace(classes=_class_list(), image_format=scenes().image_format)
    return config, build(config, data, steps_per_epoch=1)[0]


def scenes():
    """Return street scenes of the size of CamVid's pictures."""
    from keras_liteseg.datasets import load_dataset

    return load_dataset("street_scenes", split="train", length=32, size=(360, 480))


def batches(size, batch_size, heads):
    """Return endless batches of `scenes` as `fit` gets them."""
    from keras_liteseg.datasets.augment import Augmentation
    from keras_liteseg.datasets.samples import CachedDataset
    from keras_liteseg.training.data_loader import training_batches

    augmentation = Augmentation(size, scale_range=(0.75, 2.0), brightness=0.4, contrast=0.4, saturation=0.4, hue=0.03)
    return training_batches(
        CachedDataset(scenes(), 2**30), augmentation, batch_size, (0.5,) * 3, (0.5,) * 3, heads=heads
    )


def training_round(name, precision, size, batch_size, steps, clock):
    """Return a function that trains for a round and returns the seconds; the start of `fit` does not count."""
    import keras

    clock = getattr(time, clock)
    _, model = training_model(name, precision, size, batch_size)
    source = batches(size, batch_size, len(model.outputs))
    ends = []
    note_end = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(clock()))

    def run():
        ends.clear()
        model.fit(source, steps_per_epoch=1 + steps, epochs=1, verbose=0, shuffle=False, callbacks=[note_end])
        return ends[-1] - ends[0]

    return run


def quantization_aware_round(name, size, batch_size, steps, clock):
    """As `training_round`, for the step of quantization-aware training."""
    import tf_keras

    from keras_liteseg.metadata import Metadata
    from keras_liteseg.models import create_model
    from keras_liteseg.networks import model_spec
    from keras_liteseg.quantization.options import CalibrationOptions
    from keras_liteseg.quantization.post_training import quantize
    from keras_liteseg.quantization.quantization_aware_training import make_student

    clock = getattr(time, clock)
    data, spec = scenes(), model_spec(name)
    network = create_model(name, (*size, 3), CLASSES)
    metadata = Metadata(name, data.name, _class_list(), spec.mean, spec.std)
    network, metadata, exact = quantize(network, metadata, CalibrationOptions(data, 2))
    student, _ = make_student(network, exact, metadata.ranges, size, 0.0)
    student.compile(tf_keras.optimizers.Adam(1e-4))
    source = batches(size, batch_size, heads=1)
    ends = []
    note_end = tf_keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append(clock()))

    def run():
        ends.clear()
        student.fit(source, steps_per_epoch=1 + steps, epochs=1, verbose=0, callbacks=[note_end])
        return ends[-1] - ends[0]

    return run


def _class_list():
    from keras_liteseg.datasets import ClassList

    return ClassList(tuple(map(str, range(CLASSES))), ((0, 0, 0),) * CLASSES)


def pipeline_round(size, batch_size, steps, clock):
    """Return a function that makes a round's batches and returns the seconds."""
    clock = getattr(time, clock)
    source = iter(batches(size, batch_size, heads=1))

    def run():
        start = clock()
        for _ in range(images(PIPELINE, batch_size, steps) // batch_size):
            next(source)
        return clock() - start

    return run


def pytorch_rounds(python, names, size, batch_size, steps, clock):
    """Return (for each name a function that trains that network in PyTorch for a round and returns the seconds,
    PyTorch's version)."""
    command = [python, "-m", "benchmarks.pytorch_twin", *map(str, (batch_size, *size, clock)), *names]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    version, threads = process.stdout.readline().split()
    print(f"PyTorch {version}, {threads} threads")
    for name in names:
        print(f"{name}: the same network, {int(process.stdout.readline()):,} parameters", flush=True)

    def round_of(number):
        def run():
            print(number, steps, file=process.stdin, flush=True)
            return float(process.stdout.readline())

        return run

    return [round_of(number) for number in range(len(names))], version


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.training_speed"))
