"""Measure the accuracy of a network on a data set.

  liteseg evaluate --model runs/camvid/best.keras --data camvid --data_dir DIR --split test
  liteseg evaluate --model a.tflite --data camvid --data_dir DIR --split test --output results/a.json
  liteseg evaluate --model runs/camvid/best.keras --data camvid --data_dir DIR --report_dir report
  liteseg evaluate --model runs/camvid/best.keras --data camvid --data_dir DIR --scales 0.75,1,1.25 --flip
  liteseg evaluate --model a.tflite --data folder --data_dir DIR --tiles
  liteseg evaluate --model ndnet45 --checkpoint ndnet45_cityscapes.pth --input_size 1024x2048 \\
      --data cityscapes --data_dir DIR

It prints mIoU, IoU per class and pixel accuracy. mIoU is the number of the Cityscapes evaluation: the mean over all
classes that the ground truth or the prediction has. Where the ground truth lacks some of them, as on few images, the
mean over the classes of the ground truth is shown too.

The data set has the options that the network was trained with, such as label_map, as far as config.yaml beside a .keras
file or the card of an exported one has them; --option replaces them.

--report_dir gets result.json (as --output), confusion.png and .csv, images.csv (every image, the worst first) and
worst/*.jpg: the images of the lowest mIoU over the classes of their own ground truth, beside ground truth, prediction
and errors.
"""

import dataclasses
import pathlib

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras


@command("evaluate", __doc__)
@options.model()
@options.data()
@click.option(
    "--scales",
    type=options.CommaList(click.FLOAT, "0.75,1,1.25"),
    default="1",
    help="Factors of the input size whose predictions are averaged; not for .tflite files.",
)
@options.switch("--flip", "Average with the prediction of the mirror image; not for class maps.")
@options.tiles()
@options.file("--compare_with", "Another model file; the share of equal labels is measured too.")
@options.file("--output", "JSON file for the result.")
@options.folder("--report_dir", "Folder for the confusion matrix, the worst images and the result.")
@options.delegate()
@options.whole("--worst", 8, "Number of worst images in the report.", least=0, most=99)
def main(
    model,
    checkpoint,
    averaged,
    input_size,
    data,
    data_dir,
    split,
    data_options,
    scales,
    flip,
    tiles,
    compare_with,
    output,
    report_dir,
    delegate,
    delegate_options,
    worst,
):
    from keras_liteseg.commands.data_options import complete_options
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.datasets.check import require_readable
    from keras_liteseg.errors import UserError
    from keras_liteseg.evaluation import measure, summarize
    from keras_liteseg.files import require_result, write_json
    from keras_liteseg.inference.load import load_predictor
    from keras_liteseg.inference.tiles import TiledPredictor
    from keras_liteseg.provenance import provenance
    from keras_liteseg.reports.evaluation_report import write_evaluation_report

    averages = scales != [1.0] or flip
    if delegate and averages:
        raise UserError("--delegate is for one .tflite file as it is; leave it out, or leave out --scales and --flip.")
    if tiles and averages:
        raise UserError("--tiles goes over pictures as they are; leave it out, or leave out --scales and --flip.")
    outputs = [pathlib.Path(output)] if output else []
    if report_dir:
        outputs.append(pathlib.Path(report_dir) / "result.json")
    for path in outputs:
        require_result(path, model, *([compare_with] if compare_with else []))
    data_options = complete_options(model, data, split, data_options, checkpoint)
    dataset = load_dataset(data, data_dir, split, **data_options)
    require_readable(dataset)
    start_keras(model, *([compare_with] if compare_with else []))
    if averages:
        predictor = load_multi_scale(model, checkpoint, input_size, dataset, scales, flip, averaged)
    else:
        arguments = {"delegate": delegate, "delegate_options": delegate_options}
        predictor = load_predictor(model, checkpoint, input_size, dataset=dataset, averaged=averaged, **arguments)
    reference = load_predictor(compare_with, input_size=input_size) if compare_with else None
    if tiles:
        predictor = TiledPredictor(predictor, progress=True)
        reference = TiledPredictor(reference, progress=True) if reference else None
    images = list(measure(predictor, dataset, reference))
    result = summarize(images, dataset.classes)

    show(result)
    for path in outputs:
        write_json(
            path,
            {
                "kind": "accuracy",
                "model": pathlib.Path(model).name,
                "network": predictor.metadata.model,
                "quantization": predictor.metadata.quantization or "keras",
                "data": dataset.name,
                "split": split,
                "data_options": data_options,
                "input_size": list(predictor.size),
                "scales": scales,
                "flip": flip,
                "tiles": tiles,
                **({"delegate": delegate} if delegate else {}),
                **dataclasses.asdict(result),
                **provenance(),
            },
        )
        print(f"Wrote {path}")
    if report_dir:
        write_evaluation_report(report_dir, predictor, dataset, images, worst)
        print(f"Wrote confusion matrix and worst images to {report_dir}")


def load_multi_scale(model, checkpoint, size, dataset, scales, flip, averaged):
    """Load a predictor that averages, and say over what."""
    from keras_liteseg.inference.multi_scale import load_multi_scale

    predictor = load_multi_scale(model, checkpoint, size, None, scales, flip, averaged, dataset)
    sizes = ", ".join(f"{height}x{width}" for height, width in predictor.sizes)
    print(f"Averaging the predictions at {sizes}{' and of their mirror images' if flip else ''}")
    return predictor


def show(result):
    """Print an `Evaluation` in percent."""
    from keras_liteseg.evaluation import absent_note

    note = absent_note(result.absent, len(result.iou))
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
        shown = "absent" if value is None else f"{100 * value:6.2f}"
        print(f"{name:>{width}}  {shown}{note if name == 'mIoU' else ''}")
