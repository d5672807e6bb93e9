"""The tables of results/ (CSV files): what a row of each holds, and how a new measurement replaces an older one.

results/README.md explains every column.
"""

import csv
import json

from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path, sole_writer

DEVICE = ("cpu", "cores", "gpu", "os")
PROVENANCE = ("date", "package", "commit", *DEVICE, "versions", "command")
MEASURED = ("training", "variant", "split", "input_size")  # what tells two measurements of accuracy apart
SCORES = ("images", "miou", "miou_present", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "agreement")
STATISTICS = ("p50", "p90", "p99", "mean", "std", "min", "max")
NUMBERS = {
    *SCORES,
    *("cores", "epochs", "epochs_planned", "best_epoch", "best_val_miou", "minutes", "bytes", "threads", "warmup"),
    *("runs", "epoch", "loss", "val_loss", "val_miou", "peak_memory_mb", "process_memory_mb", "partitions"),
    *("delegated_ops", "equal_labels", "load_average", "init_ms", "compile_ms", "first_run_ms", "ratio_to_first"),
    *(f"{clock}_{name}_ms" for clock in ("run", "end_to_end") for name in STATISTICS),
}


def read(path, numbers=NUMBERS):
    """Return the rows of a table, dicts from column to text, number (in the columns `numbers`) or None (empty)."""
    with open(path, newline="") as file:
        return [{name: _value(text, name in numbers) for name, text in row.items()} for row in csv.DictReader(file)]


def read_class_iou(path):
    """Return {(training, variant, split, input size): {class: IoU, None where absent}} of a class_iou_DATA.csv."""
    with open(path, newline="") as file:
        classes = [name for name in next(csv.reader(file)) if name not in MEASURED]
    return {
        tuple(row[name] for name in MEASURED): {name: row[name] for name in classes}
        for row in read(path, numbers=set(classes))
    }


def replace(path, rows, key):
    """Put rows into a table, in the place of those that have the same values in the columns `key`, one process after
    the other.

    Args:
        path: the CSV file; a missing one is begun.
        rows: dicts that all have the same columns, which become those of a new table.
        key: names of columns.

    Raises:
        UserError: the table has other columns.
    """
    with sole_writer(path):
        _replace(path, rows, key)


def _replace(path, rows, key):
    columns = list(rows[0])
    old = read(path, numbers=()) if path.exists() else []
    if old and list(old[0]) != columns:
        raise UserError(
            f"{path} has the columns {', '.join(old[0])}, and the new row has {', '.join(columns)}; move the old table "
            "away, or change its columns to these."
        )
    new = [{name: _text(value) or None for name, value in row.items()} for row in rows]
    keys = {tuple(row[name] for name in key) for row in new}
    replaced = [tuple(row[name] for name in key) in keys for row in old]
    place = replaced.index(True) if True in replaced else len(old)
    kept = [(index, row) for index, row in enumerate(old) if not replaced[index]]
    table = [row for index, row in kept if index < place] + new + [row for index, row in kept if index >= place]
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def accuracy_row(result, training, variant):
    """Return the row of accuracy.csv of a result of liteseg evaluate.

    Args:
        result: what `liteseg evaluate --output` wrote, a dict.
        training: name of the config that trained the network.
        variant: what was measured of it, such as "float" or "int8".
    """
    return {
        **_measured(result, training, variant),
        **{name: result[name] for name in ("network", "quantization", "data")},
        "scales": " ".join(map(str, result["scales"])),
        "flip": result["flip"],
        **{name: result[name] for name in SCORES},
        **_provenance(result),
    }


def class_iou_row(result, training, variant):
    """Return the row of class_iou_DATA.csv of a result of liteseg evaluate; see `accuracy_row`."""
    return {**_measured(result, training, variant), **result["iou"]}


def training_row(record, training):
    """Return the row of trainings.csv of a training; see `benchmarks.record_training.record`."""
    config = record["config"]
    return {
        "training": training,
        "network": config["model"],
        "data": config["data"],
        "train_split": config["data_options"].get("train", {}).get("split", "train"),
        "epochs": record["epochs"],
        "epochs_planned": config["epochs"],
        **{name: record[name] for name in ("best_epoch", "best_val_miou", "minutes")},
        **_provenance(record),
    }


def curve_rows(record, training):
    """Return the rows of training_curves.csv of a training, one for each epoch."""
    epochs = zip(*record["curve"].values(), strict=True)
    rows = [dict(zip(record["curve"], values, strict=True)) for values in epochs]
    return [{"training": training, **row, "epoch": int(row["epoch"])} for row in rows]


def latency_rows(document, run):
    """Return the rows of latency.csv of what `liteseg benchmark --output FILE.json` wrote.

    Args:
        document: its content, a dict.
        run: name of the run; only rows of one run took turns and can be compared.

    Raises:
        UserError: a row failed.
    """
    return [_latency_row(row, run) for row in document["results"]]


def latency_run_row(document, run):
    """Return the row of latency_runs.csv: where the rows of a run come from; see `latency_rows`."""
    return {"run": run, **{name: value for name, value in _provenance(document).items() if name not in DEVICE}}


def _latency_row(row, run):
    if row["status"] != "ok":
        raise UserError(
            f"{row['model']} was not measured: {row.get('reason')} Mend that and measure all of them again."
        )
    # What a target does not tell stays empty: the time end to end, rare percentiles, memory.
    clocks = {
        f"{clock}_{name}_ms": (row["latency_ms"][clock] or {}).get(name)
        for clock in ("run", "end_to_end")
        for name in STATISTICS
    }
    return {
        "run": run,
        "model": row["model"],
        "network": row.get("network"),
        "precision": row.get("precision"),
        **{name: row[name] for name in ("sha256", "bytes", "target", "accelerator", "threads", "warmup", "runs")},
        "inputs": _tensors(row["inputs"]),
        "outputs": _tensors(row["outputs"]),
        **clocks,
        **{name: row.get(name) for name in ("init_ms", "compile_ms", "first_run_ms")},
        "peak_memory_mb": row["peak_memory_mb"].get("model"),
        "process_memory_mb": row["peak_memory_mb"].get("process"),
        "partitions": row["delegation"].get("partitions"),
        "delegated_ops": row["delegation"].get("delegated_ops"),
        "other_ops": " ".join(f"{op['count']}x{op['op']}" for op in row["delegation"]["other_ops"]),
        "equal_labels": (row.get("correctness") or {}).get("equal_labels"),
        "load_average": row["load_average"],
        "ratio_to_first": row["ratio_to_first"],
        "round_p50_ms": " ".join(map(str, row["round_p50_ms"])),
        "runtime": f"{row['runtime']['name']} {row['runtime']['version']}",
        **_device(row["device"] | {"gpu": (row.get("adapter") or {}).get("name")}),
    }


def _measured(result, training, variant):
    height, width = result["input_size"]
    return dict(zip(MEASURED, (training, variant, result["split"], f"{height}x{width}"), strict=True))


def _tensors(tensors):
    """Return inputs or outputs in words, such as "int8 1x360x480x11"."""
    return "; ".join(f"{tensor['dtype']} {'x'.join(map(str, tensor['shape']))}" for tensor in tensors)


def _provenance(result):
    versions = dict(result["versions"])
    package, commit = versions.pop("keras_liteseg", None), versions.pop("commit", None)
    values = _device(result["device"])
    values |= {"date": result["date"], "command": result["command"], "package": package, "commit": commit}
    values["versions"] = "; ".join(f"{name} {version}" for name, version in versions.items())
    return {name: values[name] for name in PROVENANCE}


def _device(device):
    return {name: device.get(name) for name in DEVICE}


def _text(value):
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _value(text, is_number):
    if not text:
        return None
    return json.loads(text) if is_number else text
