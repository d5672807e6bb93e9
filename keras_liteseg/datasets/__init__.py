"""Data sets: images with label maps of train ids, by name."""

import inspect

from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList, SegmentationDataset
from keras_liteseg.datasets.camvid import CamVid
from keras_liteseg.datasets.cityscapes import Cityscapes
from keras_liteseg.datasets.folder import Folder
from keras_liteseg.errors import UserError, nearest

__all__ = ["IGNORE_LABEL", "ClassList", "SegmentationDataset", "list_datasets", "load_dataset"]

_FROM_FILES = {"camvid": CamVid, "cityscapes": Cityscapes, "folder": Folder}


def list_datasets():
    """Return the names that `load_dataset` knows."""
    return sorted([*_FROM_FILES, "street_scenes"])


def load_dataset(name, data_dir=None, split="train", **options):
    """Return the data set `name` as a `SegmentationDataset`.

    Args:
        name: one of `list_datasets()`. 'street_scenes' is drawn by the program and needs no files.
        data_dir: root folder of a data set that is read from files; the layout is in the class's docstring.
        split: 'train', 'val' or 'test'.
        **options: arguments of `StreetScenes` such as `size`; the data sets from files take none.

    Raises:
        UserError: an unknown name or option; `data_dir` is missing, superfluous or not laid out as expected; the
            split has no images.
    """
    if name not in list_datasets():
        raise UserError(
            f"There is no data set '{name}'; did you mean {nearest(name, list_datasets())}? Known are "
            f"{', '.join(list_datasets())}."
        )
    if name == "street_scenes":
        from keras_liteseg.datasets.street_scenes import StreetScenes

        if data_dir is not None:
            raise UserError(f"street_scenes is drawn by the program and reads no files; leave out data_dir {data_dir}.")
        _refuse_unknown(options, name, set(inspect.signature(StreetScenes).parameters) - {"split"})
        return StreetScenes(split=split, **options)
    _refuse_unknown(options, name, ())
    if data_dir is None:
        raise UserError(f"The data set '{name}' is read from files; say in which folder they are (data_dir).")
    return _FROM_FILES[name](data_dir, split)


def _refuse_unknown(options, name, known):
    for option in options:
        if option not in known:
            cure = f"did you mean one of {nearest(option, known)}?" if known else "it takes none."
            raise UserError(f"The data set '{name}' has no option '{option}'; {cure}")
