"""Run the whole chain on the built-in data.

  liteseg demo
  liteseg demo --output_dir demo_output --runs 200

It trains, quantizes, exports, checks the files, times them, and writes a report. After an interruption, the same
command goes on with the training where it stopped.
"""

import contextlib
import dataclasses
import pathlib
import shlex
import shutil
import time

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras

REPORT_FILE = "report.html"
SCENES = 6

# Name in the report: (file, whether it comes from the quantization-aware training, --quantization)
VARIANTS = {
    "float32": ("float32.tflite", False, "none"),
    "float16": ("float16.tflite", False, "float16"),
    "int8 (post-training)": ("int8.tflite", False, "int8"),
    "int8 (quantization-aware)": ("int8_qat.tflite", True, "int8"),
}


@command("demo", __doc__)
@options.folder(
    "--output_dir", "Folder for the models, the files, the measurements and the report.", default="demo_output"
)
@options.config("Config of the float training", required=False, default="demo")
@options.config("Config of the quantization-aware training", required=False, name="--qat_config", default="demo_qat")
@options.whole("--runs", 50, "Timed runs per file and number of threads.")
def main(output_dir, config, qat_config, runs):
    start_keras()
    from edge.benchmark import benchmark
    from edge.table import table
    from keras_liteseg import CalibrationOptions, ExportOptions, export
    from keras_liteseg.commands.train import load_splits
    from keras_liteseg.files import require_folder, write_json
    from keras_liteseg.provenance import provenance
    from keras_liteseg.quantization.config import QuantizationConfig
    from keras_liteseg.quantization.quantization_aware_training import train_quantization_aware
    from keras_liteseg.reports.demo_report import write_report
    from keras_liteseg.training.config import load_config
    from keras_liteseg.training.run_folder import BACKUP_FOLDER, LAST_FILE
    from keras_liteseg.training.trainer import train

    output = pathlib.Path(output_dir)
    require_folder(output)
    config, qat_config = load_config(config), load_config(qat_config, kind=QuantizationConfig)
    train_data, val_data = load_splits(config, data_dir=None)
    start_afresh_if_finished(output)
    stages = Stages()

    with stages("Train in float"):
        resume = (output / "float" / LAST_FILE).exists()
        best = train(config, train_data, val_data, output / "float", resume=resume)
    with stages("Train with quantization"):
        resume = (output / "qat" / BACKUP_FOLDER).exists()
        quantized = train_quantization_aware(qat_config, train_data, val_data, output / "qat", best, resume)
    verifications = {}
    with stages("Export, and measure the files"):
        for name, (file, quantization_aware, quantization) in VARIANTS.items():
            print(f"\n{name}")
            verifications[name] = export(
                quantized if quantization_aware else best,
                output / file,
                ExportOptions(quantization=quantization),
                CalibrationOptions(train_data),
                validation=val_data,
                reference=best,
            )
    with stages("Time the files"):
        rows = benchmark([output / file for file, _, _ in VARIANTS.values()], runs=runs)
        print(table(rows))

    origin = provenance()
    write_json(output / "results.json", results(config, val_data, verifications, rows, stages.seconds, origin))
    write_report(
        output / REPORT_FILE,
        make_report(config, train_data, val_data, verifications, rows, stages.seconds, origin, output),
    )
    before, after = verifications["float32"].keras, verifications["int8 (quantization-aware)"].file
    print(
        f"\nmIoU on {before.images} held-out scenes: {before.miou:.4f} float, {after.miou:.4f} int8 file "
        f"({100 * (after.miou - before.miou):+.2f} points), {100 * after.agreement:.2f} % of the labels equal\n"
        f"Took {sum(stages.seconds.values()) / 60:.1f} minutes. Open {output / REPORT_FILE}"
    )


class Stages:
    """Prints the stages of the chain as they begin and keeps their wall times.

    Attributes:
        seconds: {stage: wall time in seconds}.
    """

    def __init__(self):
        self.seconds = {}

    @contextlib.contextmanager
    def __call__(self, name):
        print(f"\n--- {name}", flush=True)
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 1)


def start_afresh_if_finished(output):
    """Remove the trainings of an earlier run that came to its end; one that was interrupted goes on."""
    if (output / REPORT_FILE).exists():
        for folder in ("float", "qat"):
            shutil.rmtree(output / folder, ignore_errors=True)
        (output / REPORT_FILE).unlink()


def results(config, val_data, verifications, rows, seconds, origin):
    """Return what was measured as one JSON value."""
    return {
        "kind": "demo",
        "network": config.model,
        "data": val_data.name,
        "images": len(val_data),
        "keras": dataclasses.asdict(verifications["float32"].keras),
        "files": {name: dataclasses.asdict(result.file) for name, result in verifications.items()},
        "latency": rows,
        "stage_seconds": seconds,
        **origin,
    }


def make_report(config, train_data, val_data, verifications, rows, seconds, origin, output):
    """Return the `DemoReport` of this run."""
    from keras_liteseg.inference.load import load_predictor
    from keras_liteseg.reports.demo_report import DemoReport, Scene, Variant
    from keras_liteseg.tflite.inspect import inspect
    from keras_liteseg.training.run_folder import read_log

    variants = []
    for name, (file, _, _) in VARIANTS.items():
        accuracy, inspection = verifications[name].file, inspect(output / file)
        variants.append(
            Variant(
                name=name,
                file=file,
                size=inspection.size,
                miou=accuracy.miou,
                pixel_accuracy=accuracy.pixel_accuracy,
                iou=accuracy.iou,
                agreement=accuracy.agreement,
                inspection=inspection,
                latency=[row for row in rows if row["model"] == file],
            )
        )
    first, last = (load_predictor(output / variant.file) for variant in (variants[0], variants[-1]))
    scenes = []
    for index in range(min(SCENES, len(val_data))):
        image = val_data.image(index)
        scenes.append(
            Scene(val_data.sample_id(index), image, val_data.mask(index), first.labels(image), last.labels(image))
        )
    return DemoReport(
        title="From street scenes to a measured int8 network",
        model=config.model,
        data=val_data.name,
        train_images=len(train_data),
        val_images=len(val_data),
        classes=val_data.classes,
        stage_seconds=seconds,
        provenance=origin,
        log=read_log(output / "float"),
        qat_log=read_log(output / "qat"),
        variants=variants,
        scenes=scenes,
        next_steps=next_steps(output),
    )


def next_steps(output):
    """Return {what it does: command} for the reader of the report."""
    file = shlex.quote(str(output / VARIANTS["int8 (quantization-aware)"][0]))
    return {
        "Train on your own pictures": "liteseg train --config folder --data_dir DIR --init_from camvid "
        "--output_dir runs/mine",
        "Look at predictions": f"liteseg predict --model {file} --input FOLDER --output_dir predictions",
        "Time a file again": f"liteseg benchmark --model {file} --output latency.json",
        "See what is inside a file": f"liteseg inspect {file}",
    }
