"""Which layers of a network lose what int8 costs: what each alone changes in the class probabilities.

  python -m benchmarks.sensitivity --model runs/qat/qat.keras --data camvid --data_dir DIR \\
      --output results/NAME_sensitivity.json
"""

import pathlib
import sys

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.errors import UserError


@command("sensitivity", __doc__)
@options.file("--model", "The qat.keras of a quantization-aware training.", required=True)
@options.data()
@options.whole("--images", 8, "Number of images, evenly spread over the split.")
@options.file("--output", "JSON file for the result.", required=True)
def main(model, data, data_dir, split, data_options, images, output):
    from keras_liteseg.files import require_writable, write_json

    require_writable(output)
    start_keras()
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.inference.predictor import calibration_images
    from keras_liteseg.models.archive import load_model
    from keras_liteseg.provenance import provenance
    from keras_liteseg.quantization.sensitivity import sensitivities

    network, metadata = load_model(model)
    if not metadata.ranges:
        raise UserError(f"{model} has no activation ranges; give the qat.keras of quantization-aware training.")
    dataset = load_dataset(data, data_dir, split, **data_options)
    images = calibration_images(dataset, images, network.input.shape[1:3], metadata)
    errors = sensitivities(network, metadata.ranges, images)
    for name, error in errors[:10]:
        print(f"{error:.2e}  {name}")
    result = {
        "kind": "sensitivity",
        "model": pathlib.Path(model).name,
        "network": metadata.model,
        "data": data,
        "split": split,
        "images": len(images),
        "kl": dict(errors),
    }
    write_json(output, result | provenance())
    print(f"Wrote {output}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.sensitivity"))
