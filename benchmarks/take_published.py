"""Write the network of published weights that a config trained as a model file, in place of training it anew.

  python -m benchmarks.take_published --config configs/ours/pp_liteseg_t_camvid_scratch.yaml --output runs/pp/best.keras

Exit status 1 where no weights in `pretrained/` are of that config.
"""

import pathlib

from absl import flags

from keras_liteseg import cli

FLAGS = flags.FLAGS


def main():
    from keras_liteseg.errors import UserError
    from keras_liteseg.models.archive import save_model
    from keras_liteseg.models.network import load_network
    from keras_liteseg.models.pretrained import list_pretrained
    from keras_liteseg.training.config import OLD_KEYS, TrainingConfig, load_config

    config = load_config(FLAGS.config)
    for card in list_pretrained():
        published = {OLD_KEYS.get(key, key): value for key, value in card.config.items()}
        if card.model == config.model and TrainingConfig(**published) == config:
            network, metadata = load_network(config.model, card.name)
            pathlib.Path(FLAGS.output).parent.mkdir(parents=True, exist_ok=True)
            save_model(network, FLAGS.output, metadata)
            print(f"Took the published weights of {card.path.stem} for {FLAGS.config}")
            return
    raise UserError(f"No published weights are of {FLAGS.config}; train it with train.py.")


def define_flags():
    flags.DEFINE_string("config", None, "Config file.")
    flags.DEFINE_string("output", None, "The .keras file to write.")


if __name__ == "__main__":
    define_flags()
    cli.run(main, required=["config", "output"])
