"""What every data set here looks like from outside."""

import abc
import pathlib
from typing import Any

import numpy as np

from keras_liteseg.classes import IGNORE_LABEL, ClassList
from keras_liteseg.errors import UserError
from keras_liteseg.image_format import RGB, ImageFormat

__all__ = ["IGNORE_LABEL", "ClassList", "SegmentationDataset", "require_dataset"]


class SegmentationDataset(abc.ABC):
    """An indexed set of images with label maps.

    Attributes:
        name: registered name, such as 'cityscapes'.
        split: 'train', 'val' or 'test'.
        classes: a `ClassList`.
        label_map: {new class: list of old classes} where `remap` made the classes, else None.
        absent_classes: names of classes that no mask of the split need have, see `check.check_dataset`.
        image_format: `ImageFormat` of the pictures.
        mean, std: normalization of the pictures, a number per channel, see `Metadata`; None for that of the network,
            which only networks for 8-bit RGB have.
    """

    name: str
    split: str
    classes: ClassList
    label_map: dict[str, list[str]] | None = None
    absent_classes: tuple[str, ...] = ()
    image_format: ImageFormat = RGB
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @abc.abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abc.abstractmethod
    def sample_id(self, index: int) -> str:
        """Return a short unique name of the sample, usable as a file name without suffix."""

    @abc.abstractmethod
    def image(self, index: int) -> np.ndarray:
        """Return the image, (height, width, channels) as `image_format` says: by default RGB, uint8 (height, width,
        3)."""

    @abc.abstractmethod
    def mask(self, index: int) -> np.ndarray:
        """Return the label map, uint8 (height, width): train ids, `IGNORE_LABEL` where there is none."""

    def files(self, index: int) -> tuple[pathlib.Path, pathlib.Path] | None:
        """Return (image path, mask path) of a sample that is stored as two files of its own, else None."""
        return None

    def image_size(self, index: int) -> tuple[int, int]:
        """Return (height, width) of the image, which must be whole, where possible without decoding it."""
        height, width = self.image(index).shape[:2]
        return height, width

    def left_out(self) -> list[UserError]:
        """Return the `Problem`s of pictures that lie with the others and are no samples."""
        return []

    def notes(self) -> list[str]:
        """Return sentences about what is left out as somebody asked, such as pictures that no list names."""
        return []


def require_dataset(dataset: Any) -> None:
    """Raise a UserError when `dataset` is no data set at all, such as the name of one, or one of the caller's own that
    does not say what it holds."""
    if not isinstance(dataset, SegmentationDataset):
        raise UserError(f"The data set is {dataset!r}; load one with keras_liteseg.load_dataset.")
    wanted: dict[str, type] = {"name": str, "split": str, "classes": ClassList, "image_format": ImageFormat}
    for attribute, of_type in wanted.items():
        value = getattr(dataset, attribute, None)
        if not isinstance(value, of_type):
            raise UserError(
                f"The {attribute} of the data set {type(dataset).__name__} is {value!r}; it must be of type "
                f"{of_type.__name__}, see SegmentationDataset."
            )
