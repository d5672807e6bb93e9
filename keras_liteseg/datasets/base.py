"""What every data set here looks like from outside."""

import abc
import dataclasses

IGNORE_LABEL = 255
"""The value of pixels that count neither in the loss nor in any metric, in every data set after loading."""


@dataclasses.dataclass(frozen=True)
class ClassList:
    """Names and display colours (RGB, 0 to 255) of the classes, in the order of their train ids."""

    names: tuple
    colors: tuple

    def __len__(self):
        return len(self.names)


class SegmentationDataset(abc.ABC):
    """An indexed set of images with label maps.

    Attributes:
        name: registered name, such as 'cityscapes'.
        split: 'train', 'val' or 'test'.
        classes: a `ClassList`.
    """

    name: str
    split: str
    classes: ClassList

    @abc.abstractmethod
    def __len__(self):
        """Number of samples."""

    @abc.abstractmethod
    def sample_id(self, index):
        """Return a short unique name of the sample, usable as a file name without suffix."""

    @abc.abstractmethod
    def image(self, index):
        """Return the RGB image, uint8 (height, width, 3)."""

    @abc.abstractmethod
    def mask(self, index):
        """Return the label map, uint8 (height, width): train ids, `IGNORE_LABEL` where there is none."""

    def files(self, index):
        """Return (image path, mask path) of a sample that is stored as two files of its own, else None."""
        return None
