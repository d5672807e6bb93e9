"""How the activation ranges of an int8 network are found."""

import dataclasses
from collections.abc import Sequence

from keras_liteseg.choices import Choice, require_bool, require_whole
from keras_liteseg.datasets import SegmentationDataset, load_dataset
from keras_liteseg.datasets.image_files import Pictures
from keras_liteseg.datasets.street_scenes import SMALLEST
from keras_liteseg.errors import UserError
from keras_liteseg.files import AnyPath
from keras_liteseg.image_format import RGB, ImageFormat


class CalibrationMethod(Choice):
    """How the range of an activation follows from the values that were seen."""

    MSE = "mse", "the range of least squared error"
    MINMAX = "minmax", "everything that was seen"
    PERCENTILE = "percentile", "all but the smallest and the largest 0.005 %"


@dataclasses.dataclass(frozen=True)
class CalibrationOptions:
    """What sets the scales of a network that had no quantization-aware training.

        >>> from keras_liteseg import CalibrationOptions
        >>> CalibrationOptions(images=8, method="minmax").method.meaning
        'everything that was seen'

    Attributes:
        dataset: `SegmentationDataset` of pictures of the kind that the network will see; its labels are not used. None
            takes the built-in street scenes.
        folder: folder of such pictures in its place, with its sub-folders; masks are not needed.
        images: how many of its images, at most, evenly spread.
        method: a `CalibrationMethod` or its word.
        cross_layer_equalization: whether channels are centered and their ranges equalized first, which changes weights,
            but not what the network computes; see `keras_liteseg.quantization.channel_centering` and
            `keras_liteseg.quantization.cross_layer_equalization`.
        bias_correction: whether biases, and the kernels of convolutions that sum few values, make up for the error of
            rounded kernels; see `keras_liteseg.quantization.bias_correction` and
            `keras_liteseg.quantization.kernel_rounding`.

    Raises:
        UserError: an option cannot be used.
    """

    dataset: SegmentationDataset | None = None
    images: int = 32
    method: CalibrationMethod = CalibrationMethod.MSE
    cross_layer_equalization: bool = True
    bias_correction: bool = True
    folder: AnyPath | None = None

    def __post_init__(self) -> None:
        if self.dataset is not None and not isinstance(self.dataset, SegmentationDataset):
            raise UserError(f"The calibration data set is {self.dataset!r}; give a data set of load_dataset, or None.")
        if self.folder is not None and self.dataset is not None:
            raise UserError(
                f"Calibration is to be on the folder {self.folder} and on the data set {self.dataset.name}; give one."
            )
        if self.folder is not None:
            Pictures(self.folder)
        require_whole("calibration images", self.images, 1)
        object.__setattr__(self, "method", CalibrationMethod(self.method))
        require_bool("cross_layer_equalization", self.cross_layer_equalization)
        require_bool("bias_correction", self.bias_correction)

    def data(self, size: Sequence[int], image_format: ImageFormat = RGB) -> SegmentationDataset | Pictures:
        """Return the data set or the pictures of the folder, or else the street scenes, of `size` (height, width) where
        they can be so small. Pictures of the folder are read as `image_format`."""
        if self.folder is not None:
            return Pictures(self.folder, image_format)
        if self.dataset is not None:
            return self.dataset
        return load_dataset("street_scenes", split="train", size=[max(length, SMALLEST) for length in size])
