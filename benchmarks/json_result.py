"""A JSON result to which several runs of a benchmark add rows, also at the same time."""

import json
import pathlib

from keras_liteseg.files import sole_writer, write_json
from keras_liteseg.provenance import provenance


def read(path):
    """Return the content of a result, a dict; {} where there is none."""
    path = pathlib.Path(path)
    return json.loads(path.read_text()) if path.exists() else {}


def update(path, document):
    """Write a result anew from what it holds at this moment, one process after the other, and return the new content.

    Args:
        path: the JSON file.
        document: function from the content, as `read` returns it, to the new one.
    """
    with sole_writer(path):
        content = document(read(path))
        write_json(path, content)
    return content


def add(path, header, new, key, name="rows"):
    """Add rows to a result, in the place of those of the same key.

    Args:
        path: the JSON file.
        header: what stands above the rows, a dict.
        new: the rows, dicts.
        key: function of a row to what tells it from all others.
        name: the key of the rows in the result.
    """
    update(path, lambda before: {**header, name: merged(before.get(name, []), new, key), **provenance()})


def merged(rows, new, key):
    """Return rows in which `new` ones take the place of those of the same key, and the others follow."""
    return list({key(row): row for row in [*rows, *new]}.values())
