"""Result files of the benchmark: one JSON document for a run, or JSON lines, to which every run adds its rows."""

import json
import pathlib

from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path, require_result, sole_writer, suffix_of, write_json
from keras_liteseg.provenance import provenance, provenance_of_host


def check(path):
    """Raise a `UserError` unless `write` can write to `path`, a file whose name ends in .json or .jsonl."""
    path = pathlib.Path(path)
    if suffix_of(path) not in (".json", ".jsonl"):
        raise UserError(f"The output {path} is no result file; give a name that ends in .json or .jsonl.")
    require_result(path)
    if suffix_of(path) == ".jsonl" and path.exists():
        read(path)


def write(path, before, rows):
    """Write the rows of one target.

    A `.jsonl` file, to which others may add at the same time, gets a line for each of them, with the command, date and
    versions; in a `.json` file, one document holds these once, and all rows of this run.

    Args:
        path: the file.
        before: rows of this run that were written already.
        rows: the new ones.
    """
    path = pathlib.Path(path)
    if suffix_of(path) != ".jsonl":
        write_json(path, {**provenance(), "results": before + rows})
        return
    header = provenance_of_host()
    with sole_writer(path):
        old = path.read_text() if path.exists() else ""
        if old and not old.endswith("\n"):  # as some editors leave it
            old += "\n"
        with atomic_path(path) as temporary:
            temporary.write_text(old + "".join(json.dumps({**row, **header}) + "\n" for row in rows))


def read(path):
    """Return the rows of a file, each with "command", "date", "host" and "versions".

    Raises:
        UserError: it is missing, damaged, or no result of `edge.benchmark`.
    """
    path = pathlib.Path(path)
    try:
        text = path.read_text()
        if suffix_of(path) == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines()]
        else:
            document = json.loads(text)
            rows = document.pop("results")
            document["host"] = document.pop("device")
            rows = [{**row, **document} for row in rows]
        if not rows or not all({"model", "target", "threads", "status"} <= row.keys() for row in rows):
            raise ValueError("it has no rows of the benchmark")
    except OSError as error:
        raise UserError(
            f"Cannot read {path}: {error.strerror}. Give a file that liteseg benchmark has written."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is no result of liteseg benchmark ({error}); give a file that it has written."
        ) from None
    return rows
