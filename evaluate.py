"""Measure the accuracy of a network on a data set: mIoU, IoU per class, pixel accuracy, and where it fails.

  python evaluate.py --model runs/camvid/best.keras --data camvid --data_dir DIR --split test
  python evaluate.py --model a.tflite --data camvid --data_dir DIR --split test --output results/a.json
  python evaluate.py --model runs/camvid/best.keras --data camvid --data_dir DIR --report_dir report
  python evaluate.py --model runs/camvid/best.keras --data camvid --data_dir DIR --scales 0.75,1,1.25 --flip
  python evaluate.py --model ndnet45 --checkpoint ndnet45_cityscapes.pth --input_size 1024x2048 --data cityscapes \\
      --data_dir DIR

mIoU is the number of the Cityscapes evaluation: the mean over all classes that the ground truth or the prediction has.
Where the ground truth lacks some of them, as on few images, the mean over the classes of the ground truth is shown too.

--report_dir gets result.json (as --output), confusion.png and .csv, images.csv (every image, the worst first) and
worst/*.jpg: the images of the lowest mIoU over the classes of their own ground truth, beside ground truth, prediction
and errors.
"""

import dataclasses
import pathlib

from absl import flags

from keras_liteseg import cli
from keras_liteseg.datasets import list_datasets

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A .tflite file, a .keras file, or a registered name such as ndnet45.")
flags.DEFINE_string("checkpoint", None, "Weights for a registered name: an official file, or ours such as camvid.")
flags.DEFINE_string("data", None, f"Data set: {', '.join(list_datasets())}.")
flags.DEFINE_string("data_dir", None, "Folder of the data set; street_scenes needs none.")
flags.DEFINE_string("split", "val", "Split of the data set.")
flags.DEFINE_string("input_size", None, "HEIGHTxWIDTH that images are resized to; the file's own size by default.")
flags.DEFINE_list("scales", ["1"], "Factors of the input size whose predictions are averaged; not for .tflite files.")
flags.DEFINE_bool("flip", False, "Average with the prediction of the mirror image; not for class maps.")
flags.DEFINE_string("compare_with", None, "Another model file; the share of equal labels is measured too.")
flags.DEFINE_string("output", None, "JSON file for the result.")
flags.DEFINE_string("report_dir", None, "Folder for the confusion matrix, the worst images and the result.")
flags.DEFINE_integer("worst", 8, "Number of worst images in the report.", lower_bound=0, upper_bound=99)


def main():
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.evaluation import measure, summarize
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.inference.load import load_predictor
    from keras_liteseg.provenance import provenance
    from keras_liteseg.reports.evaluation_report import write_evaluation_report

    outputs = [pathlib.Path(FLAGS.output)] if FLAGS.output else []
    if FLAGS.report_dir:
        outputs.append(pathlib.Path(FLAGS.report_dir) / "result.json")
    scales = parse_scales(FLAGS.scales)
    dataset = load_dataset(FLAGS.data, FLAGS.data_dir, FLAGS.split)
    size = cli.parse_size(FLAGS.input_size) if FLAGS.input_size else None
    predictor = load(size, dataset.classes, scales)
    reference = load_predictor(FLAGS.compare_with, input_size=size) if FLAGS.compare_with else None
    for path in outputs:
        require_writable(path)
    images = list(measure(predictor, dataset, reference))
    result = summarize(images, dataset.classes)

    show(result)
    for path in outputs:
        write_json(
            path,
            {
                "kind": "accuracy",
                "model": pathlib.Path(FLAGS.model).name,
                "network": predictor.metadata.model,
                "quantization": predictor.metadata.quantization or "keras",
                "data": dataset.name,
                "split": FLAGS.split,
                "input_size": list(predictor.size),
                "scales": scales,
                "flip": FLAGS.flip,
                **dataclasses.asdict(result),
                **provenance(),
            },
        )
        print(f"Wrote {path}")
    if FLAGS.report_dir:
        write_evaluation_report(FLAGS.report_dir, predictor, dataset, images, FLAGS.worst)
        print(f"Wrote confusion matrix and worst images to {FLAGS.report_dir}")


def load(size, classes, scales):
    from keras_liteseg.inference.load import load_predictor
    from keras_liteseg.inference.multi_scale import load_multi_scale

    if scales == [1.0] and not FLAGS.flip:
        return load_predictor(FLAGS.model, FLAGS.checkpoint, size, classes=classes)
    predictor = load_multi_scale(FLAGS.model, FLAGS.checkpoint, size, classes, scales, FLAGS.flip)
    sizes = ", ".join(f"{height}x{width}" for height, width in predictor.sizes)
    print(f"Averaging the predictions at {sizes}{' and of their mirror images' if FLAGS.flip else ''}")
    return predictor


def parse_scales(words):
    """Return --scales as a list of floats."""
    from keras_liteseg.errors import UserError

    try:
        return [float(word) for word in words]
    except ValueError:
        raise UserError(f"--scales {','.join(words)} is no list of numbers; write it like 0.75,1,1.25.") from None


def show(result):
    """Print an `Evaluation` in percent."""
    rows = dict(result.iou)
    rows["mIoU"] = result.miou
    if result.miou_present != result.miou:
        rows["mIoU, classes of the truth"] = result.miou_present
    rows["pixel accuracy"] = result.pixel_accuracy
    rows["mean accuracy"] = result.mean_accuracy
    rows["frequency-weighted IoU"] = result.frequency_weighted_iou
    if result.agreement is not None:
        rows["equal labels"] = result.agreement
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:>{width}}  " + ("absent" if value is None else f"{100 * value:6.2f}"))


if __name__ == "__main__":
    cli.run(main, required=["model", "data"])
