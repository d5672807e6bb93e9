"""Write the network of published weights that a config trained as a model file, in place of training it anew.

  python -m benchmarks.take_published --config configs/ours/pp_liteseg_t_camvid_scratch.yaml --output runs/pp/best.keras

Exit status 1 where no weights in `pretrained/` are of that config.
"""

import pathlib
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
    from keras_liteseg.models.pretrained import list_pretrained
    from keras_liteseg.training.config import OLD_KEYS, TrainingConfig, load_config

    name, config = config, load_config(config)
    for card in list_pretrained():
        published = {OLD_KEYS.get(key, key): value for key, value in card.config.items()}
        if card.model == config.model and TrainingConfig(**published) == config:
            network, metadata = load_network(config.model, card.name)
            pathlib.Path(output).parent.mkdir(parents=True, exist_ok=True)
            save_model(network, output, metadata)
            print(f"Took the published weights of {card.path.stem} for {name}")
            return
    raise UserError(f"No published weights are of {name}; train it with liteseg train.")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.take_published"))
