"""Grow an LPS-Net for a latency budget on a device.

  liteseg expand --budget_ms 20 --target host:cpu --config lps_net_s_cityscapes --data_dir DIR \\
      --candidate_epochs 5 --output_dir runs/search

This is the progressive expansion of the LPS-Net paper. Every round times networks of about equal latency as exported
files on the target, trains each for --candidate_epochs, and goes on from the one that gained the most mIoU per ms.
--resume goes on after an interruption: nothing is trained or timed twice. docs/expansion.md explains the method and the
files in the output folder.
"""

import dataclasses
import math

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras
from keras_liteseg.errors import UserError

# Keys of a config that a short training has from elsewhere.
WITHOUT_EFFECT = {
    "epochs": "--candidate_epochs says how long the short trainings are",
    "model": "each candidate is a network of its own",
    "data": "the short trainings have the data of the config",
    "data_options": "the short trainings have the data of the config",
}


@command("expand", __doc__, renamed={"recipe": "--config"})
@click.option(
    "--budget_ms",
    type=options.FiniteRange(0, min_open=True),
    required=True,
    help="Largest latency of the network, in ms.",
)
@options.target()
@options.threads("Number of threads there.")
@options.precision("Of the files that are timed.")
@options.whole("--runs", 50, "Timed runs of each file.")
@options.config("Config that trains the final network in full; its model is replaced")
@options.folder("--data_dir", "Folder of the config's data set; street_scenes needs none.")
@options.override()
@options.whole("--candidate_epochs", None, "Epochs of the short training of each candidate.", required=True)
@options.override("--candidate_override", "As --override, for the short trainings alone.")
@options.switch("--inherit", "Let a candidate begin with its parent's weights, not from scratch as in the paper.")
@options.whole("--rounds", 14, "Largest number of rounds; the authors took 14.")
@options.real("--max_resolution", 1.0, "Largest factor of a path; 0 for no limit, as the authors.")
@options.folder("--output_dir", "Folder for everything.", required=True)
@options.switch("--resume", "Go on with the search in --output_dir.")
@options.devices()
def main(
    budget_ms,
    target,
    threads,
    precision,
    runs,
    config,
    data_dir,
    override,
    candidate_epochs,
    candidate_override,
    inherit,
    rounds,
    max_resolution,
    output_dir,
    resume,
    **devices,
):
    from edge import targets
    from keras_liteseg.commands.train import load_splits
    from keras_liteseg.datasets import parse_options
    from keras_liteseg.files import require_folder
    from keras_liteseg.training.config import load_config

    require_folder(output_dir)
    targets.check(target, options.device_options(**devices))
    taken = sorted(WITHOUT_EFFECT.keys() & parse_options(candidate_override, "override", "epochs=20"))
    if taken:
        raise UserError(
            f"--candidate_override has '{taken[0]}', which would change nothing: {WITHOUT_EFFECT[taken[0]]}."
        )
    name, config = config, load_config(config, override)
    short = load_config(name, [*override, *candidate_override])
    train_data, val_data = load_splits(config, data_dir)
    # What a search must not change when it goes on.
    decisions = {
        "budget_ms": budget_ms,
        "target": target,
        "threads": threads,
        "precision": precision,
        "candidate_epochs": candidate_epochs,
        "candidate_override": list(candidate_override),
        "inherit": inherit,
        "max_resolution": max_resolution,
        "config": dataclasses.asdict(config),
    }
    start_keras()
    from edge.family import FamilyLatency
    from keras_liteseg.expansion import START, expand
    from keras_liteseg.expansion.candidates import CandidateTraining
    from keras_liteseg.expansion.record import PUBLISHED, Record

    record = Record(output_dir, config, decisions, resume)
    latency = FamilyLatency(
        record.folder / "files",
        config.eval_size,
        train_data,
        precision,
        target,
        threads,
        runs,
        options.device_options(**devices),
    )
    training = CandidateTraining(
        record.folder / "candidates",
        dataclasses.replace(short, epochs=candidate_epochs),
        train_data,
        val_data,
        inherit,
        rounds,
    )
    # Beside the network to begin with, of which all later latencies are multiples too.
    _, *published = latency([START.name, *PUBLISHED])
    found = expand(
        lambda architectures: latency([architecture.name for architecture in architectures]),
        training,
        rounds,
        budget=budget_ms,
        max_resolution=max_resolution or math.inf,
    )
    record.published(published, latency.measured_on)
    for each in found:
        record.add(each)
    record.finish(latency.together)
