"""What the numbers of a picture are: how many channels, of which type, and from where to where."""

import dataclasses
from typing import Any

import numpy as np

from keras_liteseg.choices import is_whole
from keras_liteseg.errors import UserError

LIMITS = {"uint8": 255, "uint16": 65535}
"""The types that pictures may have, each with its largest number."""


@dataclasses.dataclass(frozen=True)
class ImageFormat:
    """What the pictures of a data set hold, and those that a network takes; by default 8-bit RGB.

        >>> from keras_liteseg import ImageFormat
        >>> str(ImageFormat(channels=1, dtype="uint16", max=4095))
        'uint16 of 1 channel, from 0 to 4095'

    Networks see (value - min) / (max - min), from 0 to 1, to which mean and standard deviation of a normalization
    refer, and which an int8 file divides into its 255 steps. So `min` and `max` are what the sensor gives: with a `max`
    of 65535, 12-bit data would fill 16 of these steps.

    Attributes:
        channels: of a pixel. Three of 8 bits are red, green and blue.
        dtype: 'uint8' or 'uint16'.
        min, max: the smallest and the largest value; by default those of the type.

    Raises:
        UserError: a value that cannot be.
    """

    channels: int = 3
    dtype: str = "uint8"
    min: int = 0
    max: int = None  # type: ignore[assignment]  # the largest of the type

    def __post_init__(self) -> None:
        if not is_whole(self.channels) or self.channels < 1:
            raise UserError(f"channels is {self.channels!r}; pictures have a whole number of channels, 1 or more.")
        if not isinstance(self.dtype, str) or self.dtype not in LIMITS:
            raise UserError(f"dtype is {self.dtype!r}; pictures are of {' or '.join(map(repr, LIMITS))}.")
        limit = LIMITS[self.dtype]
        if self.max is None:
            object.__setattr__(self, "max", limit)
        if not (is_whole(self.min) and is_whole(self.max) and 0 <= self.min < self.max <= limit):
            raise UserError(
                f"min is {self.min!r} and max {self.max!r}; for {self.dtype} they are whole numbers from 0 to {limit}, "
                "min the smaller."
            )
        for name in ("channels", "min", "max"):
            object.__setattr__(self, name, int(getattr(self, name)))  # NumPy's are not for JSON

    def __str__(self) -> str:
        if self.is_rgb:
            return "8-bit RGB"
        plural = "" if self.channels == 1 else "s"
        return f"{self.dtype} of {self.channels} channel{plural}, from {self.min} to {self.max}"

    @property
    def is_rgb(self) -> bool:
        """Whether it is 8-bit RGB, which every file format, camera and screen has."""
        return self == RGB

    def to_unit(self, image: np.ndarray) -> np.ndarray:
        """Return a picture as float32 from 0 to 1; values beyond `min` and `max` become 0 and 1."""
        image = np.asarray(image)
        if (self.min, self.max) != (0, LIMITS[self.dtype]):
            image = np.clip(image, self.min, self.max) - np.asarray(self.min, image.dtype)
        return image.astype(np.float32) / (self.max - self.min)

    def scaling(self, mean: Any, std: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return (factor, offset), float32 (channels,), of x * factor + offset = ((x - min) / (max - min) - mean) / std
        for pictures x."""
        mean, std, span = np.asarray(mean, np.float64), np.asarray(std, np.float64), self.max - self.min
        return (1 / (span * std)).astype(np.float32), ((-mean - self.min / span) / std).astype(np.float32)

    def declaration(self) -> str:
        """Return the line of `classes.yaml` that says it, such as 'image: {channels: 1, dtype: uint16}'."""
        words = [f"channels: {self.channels}", f"dtype: {self.dtype}"]
        words += [f"min: {self.min}"] if self.min else []
        words += [f"max: {self.max}"] if self.max != LIMITS[self.dtype] else []
        return f"image: {{{', '.join(words)}}}"

    def require(self, found: "ImageFormat", network: str, source: str) -> None:
        """Raise a `UserError` unless `found`, which `source` has, is this one, which `network` takes."""
        if found != self:
            raise UserError(
                f"{network} takes pictures that are {self}, and those of {source} are {found}; take pictures of the "
                "kind that it was trained on, or train a network on these."
            )


RGB = ImageFormat()
"""8-bit RGB."""
