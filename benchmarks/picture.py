"""The picture of README.md: scenes, ground truth, float file and int8 file of `make demo`.

  python -m benchmarks.picture --demo demo_output --output docs/images/demo.jpg

Made again after every `make demo` whose networks the page is to show.
"""

import pathlib
import sys

import click
import numpy as np

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run

GAP = 6


@command("picture", __doc__)
@options.folder("--demo", "Output folder of the demo.", default="demo_output")
@options.file("--output", "Picture to write.", default="docs/images/demo.jpg")
@click.option(
    "--scenes",
    type=options.CommaList(click.INT, "0,3,5"),
    default="0,3,5",
    help="Validation scenes to show, one per row.",
)
def main(demo, output, scenes):
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.drawing.overlay import overlay, save_image
    from keras_liteseg.inference.load import load_predictor

    networks = [load_predictor(pathlib.Path(demo) / name) for name in ("float32.tflite", "int8_qat.tflite")]
    dataset = load_dataset("street_scenes", split="val")
    rows = []
    for index in scenes:
        image = dataset.image(index)
        labels = [dataset.mask(index), *(network.labels(image) for network in networks)]
        rows.append(joined([image, *(overlay(image, each, dataset.classes) for each in labels)], axis=1))
    save_image(output, joined(rows, axis=0))
    print(f"Wrote {output}")


def joined(pictures, axis):
    """Put pictures side by side (axis 1) or below each other (axis 0) with a white gap."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=axis)


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.picture"))
