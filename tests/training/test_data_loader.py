"""The batches that JAX and PyTorch train on, against those of TensorFlow."""

import itertools

import keras
import numpy as np
import pytest

from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.errors import UserError
from keras_liteseg.training.data_loader import evaluation_batches, training_batches
from keras_liteseg.training.pipeline import evaluation_pipeline, training_pipeline
from tests.training.noise import Noise

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
AUGMENTATION = Augmentation(crop_size=(16, 24), scale_range=(0.5, 2), brightness=0.4, contrast=0.3, hue=0.1)


@pytest.fixture
def elsewhere(monkeypatch):
    """Let the code under test take the way of the other backends, on TensorFlow."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        one, other = keras.tree.flatten(one), keras.tree.flatten(other)
        for array, wanted in zip(one, other, strict=True):
            assert array.dtype == wanted.dtype
            np.testing.assert_array_equal(array, wanted)


def test_training_batches_are_those_of_tensorflow_bit_for_bit(elsewhere):
    arguments = (Noise(7), AUGMENTATION, 4, MEAN, STD)
    ours = training_batches(*arguments, seed=3, heads=2)
    assert ours.num_batches is None
    theirs = training_pipeline(*arguments, seed=3).map(lambda images, masks: (images, (masks, masks)))
    assert_equal(itertools.islice(ours, 6), theirs.take(6).as_numpy_iterator())


def test_evaluation_batches_are_those_of_tensorflow_bit_for_bit(elsewhere):
    arguments = (Noise(7), (12, 20), 3, MEAN, STD)
    ours = evaluation_batches(*arguments)
    assert ours.num_batches == 3
    for _ in range(2):
        assert_equal(ours, evaluation_pipeline(*arguments).as_numpy_iterator())


def test_a_resumed_stream_equals_the_uninterrupted_one_whatever_the_workers(elsewhere):
    arguments = (Noise(7), AUGMENTATION, 2, MEAN, STD)
    whole = list(itertools.islice(training_batches(*arguments, workers=1), 6))
    rest = training_batches(*arguments, first_step=3, workers=4)
    assert_equal(itertools.islice(rest, 3), whole[3:])


def test_a_batch_depends_on_its_index_alone(elsewhere):
    arguments = (Noise(7), AUGMENTATION, 2, MEAN, STD)
    forwards = list(itertools.islice(training_batches(*arguments), 6))
    jumping = training_batches(*arguments)
    for index in (0, 0, 3, 1, 5, 4):
        assert_equal([jumping[index]], [forwards[index]])


def test_on_tensorflow_it_is_a_pipeline():
    arguments = (Noise(3), AUGMENTATION, 2, MEAN, STD)
    images, masks = training_batches(*arguments, heads=2).element_spec
    assert images.shape == (2, 16, 24, 3) and [spec.shape for spec in masks] == [(2, 16, 24)] * 2
    assert evaluation_batches(Noise(3), (16, 24), 2, MEAN, STD).cardinality() == 2


def test_a_fault_of_a_file_reaches_the_caller(elsewhere):
    class Broken(Noise):
        def image(self, index):
            raise UserError("a.png is damaged.")

    with pytest.raises(UserError, match="a.png is damaged"):
        training_batches(Broken(), AUGMENTATION, 2, MEAN, STD)[0]
