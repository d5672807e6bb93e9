import cv2
import numpy as np
import pytest

from keras_liteseg.inference.channels import resize_channels
from keras_liteseg.inference.predictor import labels_at


@pytest.mark.parametrize("channels", [1, 2, 128, 129, 150, 255, 300])
def test_every_channel_is_resized_as_alone(channels):
    values = np.random.default_rng(0).normal(size=(5, 7, channels)).astype(np.float32)
    resized = resize_channels(values, (20, 33))
    assert resized.shape == (20, 33, channels) and resized.dtype == np.float32
    for channel in {0, channels // 2, channels - 1}:
        alone = cv2.resize(np.ascontiguousarray(values[..., channel]), (33, 20), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(resized[..., channel], alone, atol=1e-6)


def test_labels_of_150_classes():
    scores = np.zeros((2, 2, 150), np.float32)
    scores[0, :, 149] = scores[1, :, 130] = 1
    np.testing.assert_array_equal(np.unique(labels_at(scores, (8, 8))), [130, 149])
