"""Classes of a segmentation: what data sets, metrics and model files alike must know of them."""

import dataclasses

IGNORE_LABEL = 255
"""The value of pixels that count neither in the loss nor in any metric, in every data set after loading."""


@dataclasses.dataclass(frozen=True)
class ClassList:
    """Names and display colours (RGB, 0 to 255) of the classes, in the order of their train ids."""

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    def __len__(self) -> int:
        return len(self.names)
