"""Draw a network's predictions over pictures.

  python predict.py --model a.tflite --input street.jpg --output predictions
  python predict.py --model ndnet45 --checkpoint ndnet45_cityscapes.pth --input_size 1024x2048 --input FOLDER \\
      --output predictions

For each picture NAME the output folder gets NAME.png, the colours of the classes over the picture, and NAME_labels.png,
the label map (8 bits, train ids).
"""

import pathlib
import sys
import time

from absl import flags

from keras_liteseg import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A .tflite file, a .keras file, or a registered name such as ndnet45.")
flags.DEFINE_string("checkpoint", None, "Weights for a registered name; its classes are those of Cityscapes.")
flags.DEFINE_string("input_size", None, "HEIGHTxWIDTH that pictures are resized to; the file's own size by default.")
flags.DEFINE_string("input", None, "A picture, or a folder that is searched for pictures.")
flags.DEFINE_string("output", None, "Folder for the results.")
flags.DEFINE_float("opacity", 0.55, "Opacity of the colours over the picture.", lower_bound=0, upper_bound=1)


def main():
    from tqdm import tqdm

    from keras_liteseg.datasets.pictures import find_pictures, read_rgb
    from keras_liteseg.predictor import load_predictor
    from keras_liteseg.visualization.overlay import overlay, save_image

    pictures = find_pictures(FLAGS.input)
    size = cli.parse_size(FLAGS.input_size) if FLAGS.input_size else None
    predictor = load_predictor(FLAGS.model, FLAGS.checkpoint, size)
    output = pathlib.Path(FLAGS.output)
    seconds = 0.0
    for name, path in tqdm(pictures.items(), "predicting", disable=None, file=sys.stderr):
        image = read_rgb(path)
        start = time.perf_counter()
        labels = predictor.labels(image)
        seconds += time.perf_counter() - start
        save_image(output / f"{name}.png", overlay(image, labels, predictor.metadata.classes, FLAGS.opacity))
        save_image(output / f"{name}_labels.png", labels)
    print(f"Wrote {len(pictures)} overlay(s) to {output}; {1000 * seconds / len(pictures):.1f} ms per picture")


if __name__ == "__main__":
    cli.run(main, required=["model", "input", "output"])
