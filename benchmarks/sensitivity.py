"""Which layers of a network lose what int8 costs: what each alone changes in the class probabilities.

  python -m benchmarks.sensitivity --model runs/qat/qat.keras --data camvid --data_dir DIR \\
      --output results/NAME_sensitivity.json
"""

import pathlib

from absl import flags

from keras_liteseg import cli
from keras_liteseg.datasets import load_dataset
from keras_liteseg.errors import UserError
from keras_liteseg.files import write_json
from keras_liteseg.inference.predictor import calibration_images
from keras_liteseg.models.archive import load_model
from keras_liteseg.provenance import provenance
from keras_liteseg.quantization.sensitivity import sensitivities

FLAGS = flags.FLAGS


def main():
    model, metadata = load_model(FLAGS.model)
    if not metadata.ranges:
        raise UserError(f"{FLAGS.model} has no activation ranges; give the qat.keras of quantization-aware training.")
    dataset = load_dataset(FLAGS.data, FLAGS.data_dir, FLAGS.split)
    images = calibration_images(dataset, FLAGS.images, model.input.shape[1:3], metadata)
    errors = sensitivities(model, metadata.ranges, images)
    for name, error in errors[:10]:
        print(f"{error:.2e}  {name}")
    result = {
        "kind": "sensitivity",
        "model": pathlib.Path(FLAGS.model).name,
        "network": metadata.model,
        "data": FLAGS.data,
        "split": FLAGS.split,
        "images": len(images),
        "kl": dict(errors),
    }
    write_json(FLAGS.output, result | provenance())
    print(f"Wrote {FLAGS.output}")


def define_flags():
    flags.DEFINE_string("model", None, "The qat.keras of a quantization-aware training.")
    flags.DEFINE_string("data", None, "Data set.")
    flags.DEFINE_string("data_dir", None, "Folder of the data set; street_scenes needs none.")
    flags.DEFINE_string("split", "val", "Split of the data set.")
    flags.DEFINE_integer("images", 8, "Number of images, evenly spread over the split.", lower_bound=1)
    flags.DEFINE_string("output", None, "JSON file for the result.")


if __name__ == "__main__":
    define_flags()
    cli.run(main, required=["model", "data", "output"])
