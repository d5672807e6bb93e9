"""CamVid: G. Brostow et al., Semantic Object Classes in Video: A High-Definition Ground Truth Database, PRL 2009.

The split, the 480x360 frames and the 11 classes of the SegNet tutorial.
"""

import pathlib

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList
from keras_liteseg.datasets.folder import UNKNOWN, FileDataset, require_folder
from keras_liteseg.errors import UserError

_CLASSES = (
    ("sky", (128, 128, 128)),
    ("building", (128, 0, 0)),
    ("pole", (192, 192, 128)),
    ("road", (128, 64, 128)),
    ("pavement", (60, 40, 222)),
    ("tree", (128, 128, 0)),
    ("sign symbol", (192, 128, 128)),
    ("fence", (64, 64, 128)),
    ("car", (64, 0, 128)),
    ("pedestrian", (64, 64, 0)),
    ("bicyclist", (0, 128, 192)),
)
_VOID = 11


class CamVid(FileDataset):
    """`SPLIT.txt` lists one `image annotation` pair a line, relative to `data_dir`.

    The SegNet tutorial's own lists hold absolute paths of its author's machine; where such a path does not exist, its
    last two parts are taken relative to `data_dir`.

    Raises:
        UserError: `data_dir` is not a folder, or the list is missing, empty or malformed.
    """

    def __init__(self, data_dir, split="train"):
        root = require_folder(data_dir)
        path = root / f"{split}.txt"
        if not path.is_file():
            there = ", ".join(sorted(other.name for other in root.glob("*.txt"))) or "none"
            raise UserError(f"The list {path} does not exist; the .txt lists found there: {there}.")
        pairs = []
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            files = line.split()
            if not files:
                continue
            if len(files) != 2:
                raise UserError(f"{path}, line {number}, is '{line}'; it must hold two paths, image and annotation.")
            pairs.append(tuple(_locate(root, file) for file in files))
        if not pairs:
            raise UserError(f"The list {path} is empty; it must hold a pair of paths a line, image and annotation.")
        table = np.full(256, UNKNOWN)
        table[: len(_CLASSES)] = np.arange(len(_CLASSES))
        table[_VOID] = IGNORE_LABEL
        names, colors = zip(*_CLASSES, strict=True)
        super().__init__("camvid", split, ClassList(names, colors), pairs, table)


def _locate(root, file):
    path = root / file  # `file` alone when it is absolute
    return path if path.exists() else root.joinpath(*pathlib.PurePosixPath(file).parts[-2:])
