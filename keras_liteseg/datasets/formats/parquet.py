"""A data set of Hugging Face as Parquet files with a column of pictures and one of label maps.

Pictures are read when they are written, so that a row group of a file is in memory at a time. Names of classes come
from id2label.json beside it, or from --classes. It needs pyarrow, the extra 'parquet'.
"""

import functools
import threading

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.formats import rasters
from keras_liteseg.datasets.formats.base import Export, Sample, numbered, read_class_list, split_of
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

TITLE = "Hugging Face data set (Parquet files)"
_PICTURES = ("image", "pixel_values", "img", "picture")
_LABELS = "label mask annotation labels semantic_segmentation segmentation label_map masks conditioning_image".split()


def recognised(source):
    return bool(source.files("*.parquet"))


def read(source):
    import pyarrow.parquet

    classes = source.classes
    for path in () if classes else source.files("id2label.json", "classes.yaml", "classes.txt"):
        classes = read_class_list(path)
        break
    if not classes:
        raise UserError(f"Nothing beside {source.root} names the classes; give them with --classes, from number 0 on.")
    samples = []
    for path in source.files("*.parquet"):
        file = pyarrow.parquet.ParquetFile(path)
        columns = [_column(path, file.schema_arrow.names, names) for names in (_PICTURES, _LABELS)]
        rows = _Rows(path, columns)
        for group in range(file.num_row_groups):
            for place in range(file.metadata.row_group(group).num_rows):
                picture, mask = (functools.partial(rows.content, group, place, column) for column in columns)
                draw = functools.partial(_draw, mask, len(classes))
                samples.append(Sample(f"{path.stem}-{len(samples):06d}", picture, split_of(path.stem), draw))
    return Export(classes, samples, [f"Label maps number the classes from 0; {IGNORE_LABEL} is ignored."], drawn=False)


def _column(path, columns, names):
    for name in names:
        if name in columns:
            return name
    raise Problem(path, f"has the columns {', '.join(columns)}", f"name one of them {names[0]}")


class _Rows:
    """The rows of a Parquet file, of which one row group at a time is in memory.

    Args:
        path: the file.
        columns: names of its columns of pictures.
    """

    def __init__(self, path, columns):
        self._path, self._columns = path, columns
        self._lock = threading.Lock()
        self._group = None

    def content(self, group, place, column):
        """Return the encoded picture of a column in a row of a row group."""
        import pyarrow.parquet

        with self._lock:
            if self._group != group:
                self._table = None  # before the next one is read
                with pyarrow.parquet.ParquetFile(self._path) as file:
                    self._table = file.read_row_group(group, columns=self._columns)
                self._group = group
            return self._table[column][place].as_py()["bytes"]


def _draw(mask, count, size):
    encoded = mask()
    values = rasters.numbers(encoded)
    values = np.where(values == -1, IGNORE_LABEL, values)
    return rasters.by_table(encoded, values, numbered(count))
