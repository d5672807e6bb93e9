"""Street scenes that the program draws: any number of images with exact labels, without a download.

A pinhole camera looks along a street of houses, trees, signs, people and vehicles, in varying light and weather. Every
shape writes its colour and its label into the same pixels, from far to near, so the label maps are exact; lens blur,
noise and compression change the colours only. The scenes serve as training data for examples, tests and benchmarks
where there are no photographs. They do not replace photographs.

    scene.py        lays a scene out and draws it
    canvas.py       camera and raster; conditions.py: hour and weather; street.py: the plan of the road
    sky.py, ground.py, buildings.py, plants.py, furniture.py, people.py, vehicles.py: what is drawn
    lens.py         from the drawing to a photograph
"""

import operator
import random
import threading

import numpy as np

from keras_liteseg.choices import LARGEST, require_size, require_whole
from keras_liteseg.datasets.base import SegmentationDataset
from keras_liteseg.datasets.street_scenes.labels import CLASSES
from keras_liteseg.datasets.street_scenes.scene import render
from keras_liteseg.errors import UserError

LENGTHS = {"train": 2000, "val": 200, "test": 200}
"""Default number of scenes of each split."""

SMALLEST = 64

# A pipeline asks for the image and the mask of one index in turn, from several threads; each keeps its last scene.
_last = threading.local()


class StreetScenes(SegmentationDataset):
    """Rendered street scenes with nine classes.

    A scene depends on (seed, split, index) and size alone: the same index always gives the same scene, and the splits
    draw from separate random streams. Safe to read from several threads.

    Args:
        split: 'train', 'val' or 'test'.
        length: number of scenes, any positive number; None for the split's entry in `LENGTHS`.
        size: (height, width) in pixels. Everything scales with the height.
        seed: a non-negative integer; another seed gives other scenes.

    Raises:
        UserError: unknown split, or a length, size or seed out of range.
    """

    name = "street_scenes"
    classes = CLASSES

    def __init__(self, split="train", length=None, size=(256, 512), seed=0):
        if split not in LENGTHS:
            raise UserError(f"'{split}' is not a split of street_scenes; choose one of {', '.join(LENGTHS)}.")
        if length is not None:
            require_whole("length", length, 1, LARGEST)
        require_size("size", size)
        if min(size) < SMALLEST:
            raise UserError(f"Scenes of {size[0]}x{size[1]} are too small; use {SMALLEST}x{SMALLEST} pixels or more.")
        require_whole("seed", seed, 0)
        self.split = split
        self.size = (int(size[0]), int(size[1]))
        self.seed = seed
        self._length = LENGTHS[split] if length is None else int(length)

    def __len__(self):
        return self._length

    def sample_id(self, index):
        return f"{self.split}_{self._checked(index):06d}"

    def image(self, index):
        return self.sample(index)[0]

    def mask(self, index):
        return self.sample(index)[1]

    def sample(self, index):
        """Return (image, mask) of one scene, as `image` and `mask` do.

        Raises:
            IndexError: `index` is negative or not below the length.
        """
        key = (self.seed, list(LENGTHS).index(self.split), self._checked(index))
        if getattr(_last, "key", None) != (key, self.size):
            state = np.random.SeedSequence(key).generate_state(4)
            _last.scene = render(random.Random(int.from_bytes(state.astype("<u4").tobytes(), "little")), self.size)
            _last.key = (key, self.size)
        image, mask = _last.scene
        return image.copy(), mask.copy()

    def _checked(self, index):
        index = operator.index(index)
        if not 0 <= index < self._length:
            raise IndexError(f"scene {index} of street_scenes {self.split}, which has {self._length}")
        return index
