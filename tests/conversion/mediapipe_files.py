"""Exports files for `test_mediapipe.py`, whose environment has MediaPipe and nothing that makes TFLite files.

    python -m tests.conversion.mediapipe_files FOLDER

writes `image.npy`, the `.tflite` files, and for each what it gives for that image in LiteRT as `.npy`.
"""

import pathlib
import sys

import keras
import numpy as np

from keras_liteseg import CalibrationOptions, ExportOptions
from keras_liteseg.conversion.export import export
from keras_liteseg.datasets import load_dataset
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.inference.predictor import calibration_images
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import save_model

SIZE = (64, 128)
KINDS = {
    "none_logits": {},
    "float16_logits": {"quantization": "float16"},
    "float32_softmax": {"output_type": "softmax"},
    "int8_logits": {"quantization": "int8"},
    "int8_from_float32": {"quantization": "int8", "input_type": "float32"},
    "none_classes": {"output_type": "classes"},
}


def network_file(path, scenes):
    """Save NDNet45 with random weights and the statistics of street scenes, so that its scores are of a usual size."""
    keras.utils.set_random_seed(0)
    network = create_model("ndnet45", (*SIZE, 3), len(scenes.classes))
    metadata = Metadata("ndnet45", scenes.name, scenes.classes, (0.5,) * 3, (0.5,) * 3)
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    network(np.concatenate(calibration_images(scenes, len(scenes), SIZE, metadata)), training=True)
    save_model(network, path, metadata)


def main(folder):
    folder = pathlib.Path(folder)
    scenes = load_dataset("street_scenes", split="val", length=4, size=SIZE)
    image = scenes.image(0)
    np.save(folder / "image.npy", image)
    network_file(folder / "network.keras", scenes)
    for name, options in KINDS.items():
        export(
            folder / "network.keras", folder / f"{name}.tflite", ExportOptions(**options), CalibrationOptions(scenes)
        )
    for path in folder.glob("*.tflite"):
        np.save(path.with_suffix(".npy"), load_predictor(path).logits(image))


if __name__ == "__main__":
    main(*sys.argv[1:])
