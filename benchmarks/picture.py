"""The picture of README.md: scenes, truth, float file and int8 file of `make demo`.

python -m benchmarks.picture --demo demo_output --output docs/images/demo.jpg
"""

import pathlib

import numpy as np
from absl import flags

from keras_liteseg import cli

FLAGS = flags.FLAGS

GAP = 6


def main():
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.drawing.overlay import overlay, save_image
    from keras_liteseg.inference.load import load_predictor

    networks = [load_predictor(pathlib.Path(FLAGS.demo) / name) for name in ("float32.tflite", "int8_qat.tflite")]
    scenes = load_dataset("street_scenes", split="val")
    rows = []
    for index in map(int, FLAGS.scenes):
        image = scenes.image(index)
        labels = [scenes.mask(index), *(network.labels(image) for network in networks)]
        rows.append(joined([image, *(overlay(image, each, scenes.classes) for each in labels)], axis=1))
    save_image(FLAGS.output, joined(rows, axis=0))
    print(f"Wrote {FLAGS.output}")


def joined(pictures, axis):
    """Put pictures side by side (axis 1) or below each other (axis 0) with a white gap."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=axis)


def define_flags():
    flags.DEFINE_string("demo", "demo_output", "Output folder of the demo.")
    flags.DEFINE_string("output", "docs/images/demo.jpg", "Picture to write.")
    flags.DEFINE_list("scenes", ["0", "3", "5"], "Validation scenes to show, one per row.")


if __name__ == "__main__":
    define_flags()
    cli.run(main)
