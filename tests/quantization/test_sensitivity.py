import numpy as np
import pytest

from keras_liteseg.graph import fold_batch_norm
from keras_liteseg.quantization.post_training import post_training
from keras_liteseg.quantization.sensitivity import sensitivities
from tests.tiny import tiny


@pytest.fixture(scope="module")
def ready():
    images = [np.random.default_rng(seed).uniform(-1, 1, (1, 16, 24, 3)).astype(np.float32) for seed in range(2)]
    return *post_training(fold_batch_norm(tiny()), images)[:2], images


def test_a_wide_range_is_found(ready):
    model, ranges, images = ready
    victim = "features_dwconv"
    low, high = ranges[victim]
    errors = sensitivities(model, ranges | {victim: (20 * low, 20 * high)}, images, progress=False)
    assert errors[0][0] == victim
    assert [error for _, error in errors] == sorted((error for _, error in errors), reverse=True)
    assert dict(errors)[victim] > 10 * dict(sensitivities(model, ranges, images, progress=False))[victim]


def test_every_operation_is_measured_once(ready):
    model, ranges, images = ready
    names = [name for name, _ in sensitivities(model, ranges, images[:1], progress=False)]
    assert len(names) == len(set(names)) == len(ranges)
    assert {layer.name for layer in model.layers if layer.weights} < set(names)
    assert "features_conv1_relu" in ranges and "features_conv1_relu" not in names
