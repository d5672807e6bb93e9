import numpy as np
import pytest

from keras_liteseg.datasets import IGNORE_LABEL


@pytest.fixture
def batch():
    """Labels of 5 of 6 classes, a third of the pixels ignored, and logits that favour the true class somewhat."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, (2, 7, 9)).astype(np.int32)
    logits = (rng.normal(scale=2, size=(*labels.shape, 6)) + 2 * np.eye(6)[labels]).astype(np.float32)
    labels[rng.random(labels.shape) < 1 / 3] = IGNORE_LABEL
    return labels, logits


@pytest.fixture
def valid_pixels(batch):
    """(labels (pixels,), probabilities float64 (pixels, 6)) of the valid pixels of `batch`."""
    labels, logits = batch
    valid = labels != IGNORE_LABEL
    return labels[valid], softmax(logits[valid])


def softmax(logits):
    exponentials = np.exp(logits.astype(np.float64))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
