"""Write the network of published weights that a recipe trained as a model file, in place of training it anew.

  python -m benchmarks.take_published --recipe configs/pp_liteseg_t_camvid_scratch.yaml --output runs/pp/best.keras

Exit status 1 where no weights in `pretrained/` are of that recipe.
"""

import json
import pathlib

from absl import flags

from keras_liteseg import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("recipe", None, "Recipe file.")
flags.DEFINE_string("output", None, "The .keras file to write.")


def main():
    from keras_liteseg.checkpoints.pretrained import FOLDER
    from keras_liteseg.errors import UserError
    from keras_liteseg.model_file import save_model
    from keras_liteseg.predictor import load_network
    from keras_liteseg.training.recipe import Recipe, load_recipe

    recipe = load_recipe(FLAGS.recipe)
    for card in sorted(FOLDER.glob(f"{recipe.model}-*.json")):
        if Recipe(**json.loads(card.read_text())["recipe"]) == recipe:
            network, metadata = load_network(recipe.model, card.stem.rsplit("-", 1)[1])
            pathlib.Path(FLAGS.output).parent.mkdir(parents=True, exist_ok=True)
            save_model(network, FLAGS.output, metadata)
            print(f"Took the published weights of {card.stem} for {FLAGS.recipe}")
            return
    raise UserError(f"No published weights are of {FLAGS.recipe}; train it with train.py.")


if __name__ == "__main__":
    cli.run(main, required=["recipe", "output"])
