"""Reading the `Metadata` of a TFLite file, and nothing else of it.

To unpack a whole file into the classes of LiteRT's schema takes as long as LiteRT takes to load it, and delays a
program's first result by that. So this goes through the tables of the flatbuffer itself. The numbers of their fields
are those of LiteRT's schema, in which none ever changes.
"""

import mmap

from flatbuffers.number_types import Uint32Flags
from flatbuffers.table import Table

from keras_liteseg.choices import require_path
from keras_liteseg.errors import UserError
from keras_liteseg.metadata import Metadata

ENTRY = b"keras_liteseg.json"
"""Name of the buffer that holds the metadata."""

_MARK = b"TFL3"
_BUFFERS, _METADATA = 4, 6  # fields of a Model
_NAME, _BUFFER = 0, 1  # of a Metadata
_DATA = 0  # of a Buffer


def read_metadata(path):
    """Return the `Metadata` of a TFLite file.

    Raises:
        UserError: the file is missing or damaged, or was not exported by this library.
    """
    require_path(".tflite file", path)
    try:
        with open(path, "rb") as file:
            require_mark(path, file.read(8))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                text = _text(path, data)
    except OSError as error:
        raise cannot_read(path, error) from error
    if text is None:
        raise UserError(
            f"{path} does not say which network and classes it holds; export it with liteseg export, which writes that."
        )
    return Metadata.of_file(text, path)


def require_mark(path, start):
    """Raise a `UserError` unless `start`, the first 8 bytes of a file, is that of a TFLite file."""
    if start[4:8] != _MARK:
        raise UserError(f"{path} is not a TFLite file: the mark '{_MARK.decode()}' in its first bytes is missing.")


def cannot_read(path, error):
    """Return the `UserError` about an `OSError`."""
    return UserError(f"Cannot read {path}: {error.strerror or error}. Give the path of a .tflite file.")


def damaged(path):
    """Return the `UserError` about a file whose parts do not fit together."""
    return UserError(f"{path} is a damaged or truncated TFLite file; convert or copy it again.")


def _text(path, data):
    """Return the bytes of the metadata in `data`, those of a file, or None where there are none."""
    try:
        model = Table(data, int.from_bytes(data[:4], "little"))
        for entry in _tables(model, _METADATA):
            if _bytes(entry, _NAME) == ENTRY:
                offset = _offset(entry, _BUFFER)
                index = entry.Get(Uint32Flags, entry.Pos + offset) if offset else 0
                return _bytes(_tables(model, _BUFFERS)[index], _DATA)
    # Nothing checks the offsets, so a wrong one surfaces as whatever it happens to hit.
    except Exception as error:
        raise damaged(path) from error
    return None


def _offset(table, field):
    """Return where a field begins in a table; 0 if it is missing, and has its default."""
    return table.Offset(4 + 2 * field)


def _tables(table, field):
    """Return the tables of a field that is a vector of them."""
    offset = _offset(table, field)
    if not offset:
        return []
    start = table.Vector(offset)
    return [Table(table.Bytes, table.Indirect(start + 4 * index)) for index in range(table.VectorLen(offset))]


def _bytes(table, field):
    """Return the bytes of a field that is a string or a vector of bytes."""
    offset = _offset(table, field)
    start = table.Vector(offset)
    return table.Bytes[start : start + table.VectorLen(offset)]
