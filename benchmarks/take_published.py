"""Write the network of published weights that a config trained as a model file, in place of training it anew.

  python -m benchmarks.take_published --config configs/ours/ndnet45_camvid_scratch.yaml --output runs/ndnet45/best.keras

Exit status 1 where no weights in `pretrained/` are of that config. Where the weights of the backbone and of the
teacher lay does not count: the training may have read them from files that the config calls otherwise.
"""

import dataclasses
import sys

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras


@command("take_published", __doc__)
@options.config()
@options.file("--output", "The .keras file to write.", required=True)
def main(config, output):
    start_keras()
    from keras_liteseg.errors import UserError
    from keras_liteseg.models.archive import save_model
    from keras_liteseg.models.network import load_network
    from keras_liteseg.training.config import load_config

    card = card_of(load_config(config))
    if card is None:
        raise UserError(f"No published weights are of {config}; train it with liteseg train.")
    network, metadata = load_network(card.model, card.name)
    save_model(network, output, metadata)
    print(f"Took the published weights of {card.path.stem} for {config}")


def card_of(config):
    """Return the `Card` of the published weights that a `TrainingConfig` trained, or None."""
    from keras_liteseg.models.pretrained import list_pretrained
    from keras_liteseg.training.config import OLD_KEYS, TrainingConfig

    for card in list_pretrained():
        published = {OLD_KEYS.get(key, key): value for key, value in card.config.items()}
        lay = {"backbone_weights": config.backbone_weights}
        if published.get("teacher") and config.teacher:
            lay["teacher"] = config.teacher
        trained = dataclasses.replace(TrainingConfig(**published), **lay)
        if card.model == config.model and trained == config:
            return card
    return None


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.take_published"))
