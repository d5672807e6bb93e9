import numpy as np
import pytest

from keras_liteseg.conversion.upsampling import with_upsampling
from keras_liteseg.errors import UserError
from keras_liteseg.networks.ops import resize_bilinear
from tests.tiny import tiny

IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 16, 24, 3)).astype(np.float32)


def test_full_is_the_network_itself():
    model = tiny()
    assert with_upsampling(model, "full") is model


def test_none_gives_the_scores_that_are_upsampled():
    model = tiny()
    scores = with_upsampling(model, "none").predict_on_batch(IMAGES)
    assert scores.shape == (2, 8, 12, 3)
    np.testing.assert_allclose(resize_bilinear(scores, (16, 24)), model.predict_on_batch(IMAGES), atol=1e-6)


def test_a_part_of_the_size(network, images):
    model = with_upsampling(network, "half")
    assert model.output.shape == (None, 32, 64, 9)
    assert model.layers[-1].align_corners == network.layers[-1].align_corners
    scores = with_upsampling(network, "none").predict_on_batch(images[0])
    np.testing.assert_allclose(model.predict_on_batch(images[0]), resize_bilinear(scores, (32, 64)), atol=1e-5)


def test_less_than_the_scores_is_refused():
    with pytest.raises(UserError, match="'quarter' of the input is 4x6, but the scores of tiny are 8x12"):
        with_upsampling(tiny(), "quarter")


def test_model_without_upsampling_is_refused():
    with pytest.raises(UserError, match="'tiny' does not end with an upsampling that 'half' could change; use 'full'"):
        with_upsampling(with_upsampling(tiny(), "none"), "half")
