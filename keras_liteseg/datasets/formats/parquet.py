"""A data set of Hugging Face as Parquet files with a column of pictures and one of label maps.

Names of classes come from id2label.json beside it, or from --classes. It needs pyarrow, the extra 'parquet'.
"""

import functools

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
        columns = pyarrow.parquet.read_schema(path).names
        picture, label = (_column(path, columns, names) for names in (_PICTURES, _LABELS))
        table = pyarrow.parquet.read_table(path, columns=[picture, label])
        for row, (image, mask) in enumerate(zip(table[picture].to_pylist(), table[label].to_pylist())):
            draw = functools.partial(_draw, mask["bytes"], len(classes))
            samples.append(Sample(f"{path.stem}-{row:06d}", image["bytes"], split_of(path.stem), draw))
    return Export(classes, samples, [f"Label maps number the classes from 0; {IGNORE_LABEL} is ignored."], drawn=False)


def _column(path, columns, names):
    for name in names:
        if name in columns:
            return name
    raise Problem(path, f"has the columns {', '.join(columns)}", f"name one of them {names[0]}")


def _draw(encoded, count, size):
    values = rasters.numbers(encoded)
    values = np.where(values == -1, IGNORE_LABEL, values)
    return rasters.by_table(encoded, values, numbered(count))
