"""What counts as the same values in an ONNX file and the `.tflite` file of which it was made."""

import numpy as np
import pytest

from keras_liteseg.conversion.onnx_agreement import _require_same
from keras_liteseg.errors import UserError

SCORES = np.random.default_rng(0).integers(-100, 100, (1, 5, 12, 16)).astype(np.int8)
STEPS = np.random.default_rng(1).integers(-1, 2, SCORES.shape).astype(np.int8)


def test_scores_of_integers_may_be_a_step_apart():
    """As the files for an NPU give them: a third of these is the same."""
    _require_same(SCORES, SCORES + STEPS, rounded=False)


def test_scores_of_integers_that_are_a_row_off_are_refused():
    with pytest.raises(UserError, match=r"apart, of 1 for no likeness at all and 0\.15 allowed"):
        _require_same(SCORES, np.roll(SCORES, 1, axis=2), rounded=False)


def test_floats_may_not_be_a_step_apart():
    with pytest.raises(UserError, match=r"0\.001 allowed"):
        _require_same(SCORES.astype(np.float32), (SCORES + STEPS).astype(np.float32), rounded=False)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8])
def test_most_classes_must_be_equal(dtype):
    classes = (np.arange(60).reshape(1, 6, 10) % 7).astype(dtype)
    found = classes.copy()
    found[0, 0, :5] += 1
    _require_same(classes, found, rounded=True)
    found[0, 0] += 1
    with pytest.raises(UserError, match=r"0\.1 allowed"):
        _require_same(classes, found, rounded=True)
