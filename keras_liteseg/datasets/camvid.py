"""CamVid: G. Brostow et al., Semantic Object Classes in Video: A High-Definition Ground Truth Database, PRL 2009.

It has the 11 classes and the splits of SegNet (V. Badrinarayanan et al., PAMI 2017). Two distributions are read: the
original one, 960x720 with masks in 32 colours, and that of the SegNet tutorial, 480x360 with masks of class numbers.
"""

import pathlib

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList
from keras_liteseg.datasets.classes_file import UNKNOWN
from keras_liteseg.datasets.folder import FileDataset, require_folder, unread
from keras_liteseg.datasets.pictures import Problem, files_below, open_picture
from keras_liteseg.errors import UserError

# Each class with its colour, and those of the original 32 labels, with their colours, that become this class.
_CLASSES = (
    ("sky", (128, 128, 128), {"Sky": (128, 128, 128)}),
    (
        "building",
        (128, 0, 0),
        {
            "Archway": (192, 0, 128),
            "Bridge": (0, 128, 64),
            "Building": (128, 0, 0),
            "Tunnel": (64, 0, 64),
            "Wall": (64, 192, 0),
        },
    ),
    ("pole", (192, 192, 128), {"Column_Pole": (192, 192, 128), "TrafficCone": (0, 0, 64)}),
    (
        "road",
        (128, 64, 128),
        {"LaneMkgsDriv": (128, 0, 192), "LaneMkgsNonDriv": (192, 0, 64), "Road": (128, 64, 128)},
    ),
    (
        "pavement",
        (60, 40, 222),
        {"ParkingBlock": (64, 192, 128), "RoadShoulder": (128, 128, 192), "Sidewalk": (0, 0, 192)},
    ),
    ("tree", (128, 128, 0), {"Tree": (128, 128, 0), "VegetationMisc": (192, 192, 0)}),
    (
        "sign symbol",
        (192, 128, 128),
        {"Misc_Text": (128, 128, 64), "SignSymbol": (192, 128, 128), "TrafficLight": (0, 64, 64)},
    ),
    ("fence", (64, 64, 128), {"Fence": (64, 64, 128)}),
    (
        "car",
        (64, 0, 128),
        {
            "Car": (64, 0, 128),
            "OtherMoving": (128, 64, 64),
            "SUVPickupTruck": (64, 128, 192),
            "Train": (192, 64, 128),
            "Truck_Bus": (192, 128, 192),
        },
    ),
    (
        "pedestrian",
        (64, 64, 0),
        {
            "Animal": (64, 128, 64),
            "CartLuggagePram": (64, 0, 192),
            "Child": (192, 128, 64),
            "Pedestrian": (64, 64, 0),
        },
    ),
    ("bicyclist", (0, 128, 192), {"Bicyclist": (0, 128, 192), "MotorcycleScooter": (192, 0, 192)}),
)
_VOID_COLOR = (0, 0, 0)
_VOID = 11

_FRAMES, _LABELS = "701_StillsRaw_full", "LabeledApproved_full"

# SegNet's split: the frames of a sequence, first to last, by the number in their name.
_SPLIT = (
    ("0001TP", 0, 8520, "train"),
    ("0001TP", 8521, 99999, "test"),
    ("0006R0", 0, 99999, "train"),
    ("0016E5", 0, 7958, "train"),
    ("0016E5", 7959, 8159, "val"),
    ("0016E5", 8160, 99999, "train"),
    ("Seq05VD", 0, 99999, "test"),
)


class CamVid(FileDataset):
    """CamVid in either distribution, whichever is in the folder.

    The split 'trainval' is 'train' and 'val' together, unless `trainval.txt` lists another one.

    The original distribution has `701_StillsRaw_full/FRAME.png` and `LabeledApproved_full/FRAME_L.png`. A file
    `SPLIT.txt` may list the frames of a split, one a line. Without it, 'train' has 367 of the 701 frames, 'val' 101 and
    'test' 233, as in SegNet. `_CLASSES` says which of the 32 colours become which class.

    The distribution of the SegNet tutorial has `SPLIT.txt` with one `image annotation` pair a line, relative to
    `data_dir`. The tutorial's own lists hold absolute paths of its author's machine. Where such a path does not exist,
    its last two parts are taken relative to `data_dir`.

    Raises:
        UserError: `data_dir` is not a folder, the list is missing, empty or malformed, or the split has no frames.
    """

    def __init__(self, data_dir, split="train"):
        root = require_folder(data_dir)
        self._colored = (root / _FRAMES).is_dir()
        find = _original_pairs if self._colored else _listed_pairs
        parts = ("train", "val") if split == "trainval" and not (root / "trainval.txt").exists() else (split,)
        pairs = [pair for part in parts for pair in find(root, part)]
        self._root_folder = root
        table = np.full(256, UNKNOWN)
        table[: len(_CLASSES)] = np.arange(len(_CLASSES))
        table[_VOID] = IGNORE_LABEL
        names, colors, _ = zip(*_CLASSES, strict=True)
        super().__init__("camvid", split, ClassList(names, colors), pairs, table)

    def left_out(self):
        """Return the `Problem`s of pictures that are no frame by their name; of the tutorial, none: see `notes`."""
        if not self._colored:
            return []
        root = self._root_folder
        frames, labels = root / _FRAMES, root / _LABELS
        return unread(frames, frames.glob("*.png"), (".png",)) + unread(labels, labels.glob("*_L.png"), (".png",))

    def notes(self):
        """Return a sentence about the pictures beside those of this split that no list names, if there are any."""
        root = self._root_folder
        lists = [path for path in root.glob("*.txt") if path.is_file()]
        if self._colored:
            if not (root / f"{self.split}.txt").is_file():
                return []
            listed = {pathlib.PurePosixPath(files[0]).stem for path in lists for _, files in _lines(path)}
            beside = [path for path in (root / _FRAMES).glob("*.png") if path.stem not in listed]
        else:
            listed = {_locate(root, files[0]) for path in lists for _, files in _lines(path)}
            folders = sorted({image.parent for image, _ in self.pairs()})
            beside = [path for folder in folders for path in files_below(folder) if path not in listed]
        if not beside:
            return []
        names = ", ".join(sorted(path.name for path in lists))
        return [f"Left out, as no list ({names}) names them: pictures {len(beside)}, such as {min(beside)}."]

    def mask(self, index):
        """Return the label map, uint8 (height, width), train ids and `IGNORE_LABEL`.

        Raises:
            Problem: the file is missing, unreadable, of the wrong kind, or holds an unknown value or colour.
        """
        return self._mask_of_colors(index) if self._colored else super().mask(index)

    def _mask_of_colors(self, index):
        image_path, path = self.files(index)
        rgb = np.asarray(open_picture(path, f"add it or remove {image_path}").convert("RGB")).astype(np.int32)
        codes = _code(rgb)
        entry = np.minimum(np.searchsorted(_CODES, codes), len(_CODES) - 1)
        unknown = _CODES[entry] != codes
        if unknown.any():
            raise Problem(path, *_describe_unknown(rgb[unknown]))
        return _TRAIN_IDS[entry]


def _original_pairs(root, split):
    path = root / f"{split}.txt"
    if path.is_file():
        # The first path of a line, so that the SegNet tutorial's lists serve here too.
        frames = [pathlib.PurePosixPath(files[0]).stem for _, files in _lines(path)]
    else:
        frames = sorted(file.stem for file in (root / _FRAMES).glob("*.png") if _split_of(file) == split)
    if not frames:
        raise UserError(
            f"{root / _FRAMES} has no frames of the split '{split}'; choose train, val, trainval or test, or list the "
            f"frames in {path}."
        )
    return [(root / _FRAMES / f"{frame}.png", root / _LABELS / f"{frame}_L.png") for frame in frames]


def _split_of(file):
    sequence, _, number = file.stem.partition("_")
    number = number.removeprefix("f")
    for known, first, last, split in _SPLIT:
        if sequence == known and number.isdigit() and first <= int(number) <= last:
            return split
    raise UserError(f"{file} is none of CamVid's 701 frames by its name; remove it, or list the frames in SPLIT.txt.")


def _listed_pairs(root, split):
    path = root / f"{split}.txt"
    if not path.is_file():
        there = ", ".join(sorted(other.name for other in root.glob("*.txt"))) or "none"
        raise UserError(
            f"The list {path} does not exist; the .txt lists found there: {there}. CamVid's original distribution "
            f"needs no list but the folders {_FRAMES} and {_LABELS}."
        )
    pairs = []
    for number, files in _lines(path):
        if len(files) != 2:
            line = " ".join(files)
            raise UserError(f"{path}, line {number}, is '{line}'; it must hold two paths, image and annotation.")
        pairs.append(tuple(_locate(root, file) for file in files))
    if not pairs:
        raise UserError(f"The list {path} is empty; it must hold a pair of paths a line, image and annotation.")
    return pairs


def _lines(path):
    """Yield (line number, words) of the lines that are not empty."""
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        if line.split():
            yield number, line.split()


def _locate(root, file):
    path = root / file  # `file` alone when it is absolute
    return path if path.exists() else root.joinpath(*pathlib.PurePosixPath(file).parts[-2:])


def _code(rgb):
    """Return the colours of an int32 array (..., 3) as single numbers."""
    return rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]


def _describe_unknown(colors):
    found, counts = np.unique(colors, axis=0, return_counts=True)
    listed = ", ".join(f"{tuple(map(int, color))} ({n} pixels)" for color, n in zip(found[:8], counts[:8], strict=True))
    more = f" and {len(found) - 8} more" if len(found) > 8 else ""
    return (
        f"holds colours that are none of CamVid's 32: {listed}{more}",
        "restore the original PNG; a label picture must never be resized smoothly or saved as JPEG",
    )


def _color_table():
    """Return (int32 codes of the 32 colours in order, uint8 train id of each)."""
    train_ids = {_VOID_COLOR: IGNORE_LABEL}
    for train_id, (_, _, sources) in enumerate(_CLASSES):
        train_ids.update(dict.fromkeys(sources.values(), train_id))
    table = sorted((int(_code(np.array(color, np.int32))), train_id) for color, train_id in train_ids.items())
    codes, train_ids = zip(*table, strict=True)
    return np.array(codes, np.int32), np.array(train_ids, np.uint8)


_CODES, _TRAIN_IDS = _color_table()
