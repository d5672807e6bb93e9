"""Grow an LPS-Net for a latency budget on a device: the progressive expansion of the LPS-Net paper.

  python expand.py --budget_ms 20 --target host:cpu --config configs/papers/lps_net_s_cityscapes.yaml \\
      --data_dir DIR --candidate_epochs 5 --output_dir runs/search

Every round times networks of about equal latency as exported files on the target, trains each for --candidate_epochs,
and goes on from the one that gained the most mIoU per ms. --resume goes on after an interruption: nothing is trained or
timed twice. docs/expansion.md explains the method and the files in the output folder.
"""

import dataclasses
import math

from absl import flags

from keras_liteseg import cli

FLAGS = flags.FLAGS
flags.DEFINE_float("budget_ms", None, "Largest latency of the network, in ms.", lower_bound=0)
flags.DEFINE_string("target", "host:cpu", "Where latency is measured, see edge/README.md.")
flags.DEFINE_integer("threads", 1, "Number of threads there.", lower_bound=1)
flags.DEFINE_enum("precision", "int8", ["float32", "float16", "int8"], "Of the files that are timed.")
flags.DEFINE_integer("runs", 50, "Timed runs of each file.", lower_bound=1)
flags.DEFINE_string("config", None, "Config that trains the final network in full; its model is replaced.")
flags.DEFINE_string("data_dir", None, "Folder of the config's data set; street_scenes needs none.")
flags.DEFINE_multi_string("override", [], "key=value that replaces a key of the config; may be repeated.")
flags.DEFINE_integer("candidate_epochs", None, "Epochs of the short training of each candidate.", lower_bound=1)
flags.DEFINE_multi_string("candidate_override", [], "As --override, for the short trainings alone.")
flags.DEFINE_bool(
    "inherit", False, "Let a candidate begin with its parent's weights, not from scratch as in the paper."
)
flags.DEFINE_integer("rounds", 14, "Largest number of rounds; the authors took 14.", lower_bound=1)
flags.DEFINE_float("max_resolution", 1.0, "Largest factor of a path; 0 for no limit, as the authors.", lower_bound=0)
flags.DEFINE_string("ssh_config", None, "File in place of ~/.ssh/config.")
flags.DEFINE_string("benchmark_model", None, "LiteRT's program of that name for an Android phone.")
flags.DEFINE_string("chromium", None, "Chromium or Chrome for browser:wasm and browser:webgpu.")
flags.DEFINE_string("output_dir", None, "Folder for everything.")
flags.DEFINE_bool("resume", False, "Go on with the search in --output_dir.")


def main():
    from edge import targets
    from edge.family import FamilyLatency
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.expansion import START, expand
    from keras_liteseg.expansion.candidates import CandidateTraining
    from keras_liteseg.expansion.record import PUBLISHED, Record
    from keras_liteseg.training.config import load_config

    targets.check(FLAGS.target)
    config = load_config(FLAGS.config, FLAGS.override)
    short = load_config(FLAGS.config, [*FLAGS.override, *FLAGS.candidate_override])
    train_data, val_data = (
        load_dataset(config.data, FLAGS.data_dir, **{"split": split, **config.data_options.get(split, {})})
        for split in ("train", "val")
    )
    record = Record(FLAGS.output_dir, config, _decisions(config), FLAGS.resume)
    latency = FamilyLatency(
        record.folder / "files",
        config.eval_size,
        train_data,
        FLAGS.precision,
        FLAGS.target,
        FLAGS.threads,
        FLAGS.runs,
        targets.Options(FLAGS.ssh_config, benchmark_model=FLAGS.benchmark_model, chromium=FLAGS.chromium),
    )
    training = CandidateTraining(
        record.folder / "candidates",
        dataclasses.replace(short, epochs=FLAGS.candidate_epochs),
        train_data,
        val_data,
        FLAGS.inherit,
        FLAGS.rounds,
    )
    rounds = expand(
        lambda architectures: latency([architecture.name for architecture in architectures]),
        training,
        FLAGS.rounds,
        budget=FLAGS.budget_ms,
        max_resolution=FLAGS.max_resolution or math.inf,
    )
    # Beside the network to begin with, of which all later latencies are multiples too.
    record.published(latency([START.name, *PUBLISHED])[1:], latency.measured_on)
    for found in rounds:
        record.add(found)
    record.finish(latency.together)


def _decisions(config):
    """Return what a search must not change when it goes on."""
    names = (
        "budget_ms",
        "target",
        "threads",
        "precision",
        "candidate_epochs",
        "candidate_override",
        "inherit",
        "max_resolution",
    )
    return {**{name: FLAGS[name].value for name in names}, "config": dataclasses.asdict(config)}


if __name__ == "__main__":
    required = ["budget_ms", "config", "candidate_epochs", "output_dir"]
    cli.run(main, required=required, renamed={"recipe": "--config"})
