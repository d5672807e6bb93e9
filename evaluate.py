"""Measure the accuracy of a network on a data set: mIoU, IoU per class, pixel accuracy.

  python evaluate.py --model runs/camvid/best.keras --data camvid --data_dir DIR --split test
  python evaluate.py --model a.tflite --data camvid --data_dir DIR --split test --output results/a.json
  python evaluate.py --model ndnet45 --checkpoint ndnet45_cityscapes.pth --input_size 1024x2048 --data cityscapes \\
      --data_dir DIR
"""

import dataclasses
import pathlib

from absl import flags

from keras_liteseg import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A .tflite file, a .keras file, or a registered name such as ndnet45.")
flags.DEFINE_string("checkpoint", None, "Weights for a registered name.")
flags.DEFINE_string("data", None, "Data set: street_scenes, cityscapes, camvid or folder.")
flags.DEFINE_string("data_dir", None, "Folder of the data set; street_scenes needs none.")
flags.DEFINE_string("split", "val", "Split of the data set.")
flags.DEFINE_string("input_size", None, "HEIGHTxWIDTH that images are resized to; the file's own size by default.")
flags.DEFINE_string("compare_with", None, "Another model file; the share of equal labels is measured too.")
flags.DEFINE_string("output", None, "JSON file for the result.")


def main():
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.evaluation import evaluate
    from keras_liteseg.files import write_json
    from keras_liteseg.predictor import load_predictor
    from keras_liteseg.results import provenance

    dataset = load_dataset(FLAGS.data, FLAGS.data_dir, FLAGS.split)
    size = cli.parse_size(FLAGS.input_size) if FLAGS.input_size else None
    predictor = load_predictor(FLAGS.model, FLAGS.checkpoint, size, classes=dataset.classes)
    reference = load_predictor(FLAGS.compare_with, input_size=size) if FLAGS.compare_with else None
    result = evaluate(predictor, dataset, reference)

    for name, iou in result.iou.items():
        print(f"{name:>15}  " + ("absent" if iou is None else f"{100 * iou:6.2f}"))
    print(f"{'mIoU':>15}  {100 * result.miou:6.2f}\n{'pixel accuracy':>15}  {100 * result.pixel_accuracy:6.2f}")
    if result.agreement is not None:
        print(f"{'equal labels':>15}  {100 * result.agreement:6.2f}")
    if FLAGS.output:
        write_json(
            FLAGS.output,
            {
                "kind": "accuracy",
                "model": pathlib.Path(FLAGS.model).name,
                "network": predictor.metadata.model,
                "quantization": predictor.metadata.quantization or "keras",
                "data": dataset.name,
                "split": FLAGS.split,
                "input_size": list(predictor.size),
                **dataclasses.asdict(result),
                **provenance(),
            },
        )
        print(f"Wrote {FLAGS.output}")


if __name__ == "__main__":
    cli.run(main, required=["model", "data"])
