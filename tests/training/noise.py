"""The smallest data set and sizes that something can be learned of."""

import numpy as np

from keras_liteseg.datasets import ClassList, SegmentationDataset

SIZES = dict(crop_size=(16, 24), eval_size=(16, 24), batch_size=4, steps_per_epoch=3)


class Noise(SegmentationDataset):
    """Noisy squares whose brightness tells their class."""

    name, split, classes = "noise", "train", ClassList(("a", "b", "c"), ((0, 0, 0), (1, 1, 1), (2, 2, 2)))

    def __init__(self, length=5, size=(16, 24)):
        rng = np.random.default_rng(length)
        squares = rng.integers(0, 3, (length, size[0] // 8, size[1] // 8), np.uint8)
        self.masks = squares.repeat(8, axis=1).repeat(8, axis=2)
        self.masks[:, :2] = 255
        noise = rng.integers(0, 40, (length, *size, 3), np.uint8)
        self.images = (np.minimum(self.masks, 3) * 60)[..., None] + noise

    def __len__(self):
        return len(self.masks)

    def sample_id(self, index):
        return str(index)

    def image(self, index):
        return self.images[index]

    def mask(self, index):
        return self.masks[index]
