"""Publish a trained network, with a card that holds the accuracy of what was published.

  liteseg publish --model runs/lps/best.keras --config runs/lps/config.yaml --data_dir DIR

Weights and card are written to pretrained/ of this installation. The data set has the options of the config, such as
label_map; --option replaces them.
"""

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras
from keras_liteseg.errors import UserError


@command("publish", __doc__)
@options.file("--model", "The .keras file of a training.", required=True)
@options.file("--config", "The config.yaml of that training.", required=True)
@options.folder("--data_dir", "Folder of its data set.")
@options.data_options()
@click.option("--name", help="What the weights are called, such as camvid_720x960; the data set by default.")
@click.option(
    "--starts_from", metavar="NAME", help="What the training started from (--init_from); random weights by default."
)
@click.option(
    "--data_licence", metavar="TEXT", help="What is known of the terms of its data; needed for data of your own."
)
@click.option(
    "--splits",
    type=options.CommaList(example="val,test"),
    default="val,test",
    help="Splits that the published weights are measured on.",
)
def main(model, config, data_dir, data_options, name, starts_from, data_licence, splits):
    start_keras()
    from keras_liteseg.commands.data_options import options_of
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.models.archive import load_model
    from keras_liteseg.tools.publish import publish
    from keras_liteseg.training.config_files import read_config

    _, metadata = load_model(model)
    if not metadata.data:
        raise UserError(f"{model} does not say what it was trained on; give the best.keras of a training.")
    training = read_config(config)
    datasets = [
        load_dataset(metadata.data, data_dir, split, **options_of(training, metadata.data, split) | data_options)
        for split in splits
    ]
    words = {"name": name, "starts_from": starts_from, "data_licence": data_licence}
    print(f"Wrote {publish(model, config, datasets, **words)} and its card")
