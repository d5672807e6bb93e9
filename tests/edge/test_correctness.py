"""Whether a device's outputs count as right."""

import numpy as np
import pytest

from edge.correctness import Reference, tied_labels
from edge.device.tensors import pack
from edge.targets import MeasurementFailed
from keras_liteseg.inference.load import load_predictor


class Changed:
    """A session on a device that changes what the reference gives."""

    def __init__(self, reference, change):
        self.answers = {pack(frame): out for frame, out in zip(reference.frames, reference.outputs, strict=True)}
        self.change = change

    def ask(self, line):
        command, frame = line.split()
        assert command == "infer"
        return {"outputs": pack([self.change(output) for output in self.answers[frame]])}


@pytest.fixture(scope="module")
def reference(int8_file):
    return Reference(int8_file)


def test_frames_are_pictures_as_the_network_takes_them(reference, int8_file, scenes):
    (frame,), (output,) = reference.frames[0], reference.outputs[0]
    predictor = load_predictor(int8_file)
    assert frame.dtype == np.int8 and frame.shape == (1, 64, 128, 3)
    first = scenes.image(0)
    np.testing.assert_array_equal(output[0].argmax(-1), predictor.logits(first).argmax(-1))


def test_pictures_of_a_folder_are_taken(int8_file, tmp_path, scenes):
    from PIL import Image

    Image.fromarray(255 - scenes.image(0)).save(tmp_path / "negative.png")
    reference = Reference(int8_file, tmp_path)
    assert len(reference.frames) == 1
    assert np.abs(reference.frames[0][0].astype(int) - Reference(int8_file).frames[0][0]).mean() > 10


def test_one_step_is_rounding(reference):
    def up(output):
        return np.clip(output.astype(int) + 1, -128, 127).astype("int8")

    found = reference.compare(Changed(reference, up))
    assert found == {"frames": 2, "max_difference": 1.0, "equal_labels": 1.0}


def test_known_difference_asks_for_fewer_equal_labels(reference):
    def shifted(output, rows):
        output = output.copy()
        output[:, -rows:] = np.invert(output[:, -rows:])
        return output

    found = reference.compare(Changed(reference, lambda output: shifted(output, 3)), "rows drift")
    assert found["known_difference"] == "rows drift" and 0.9 < found["equal_labels"] < 0.995
    with pytest.raises(MeasurementFailed, match="wanted: 99.5 %"):
        reference.compare(Changed(reference, lambda output: shifted(output, 3)))
    with pytest.raises(MeasurementFailed, match="wanted: 90 %"):
        reference.compare(Changed(reference, lambda output: shifted(output, 30)), "rows drift")
    assert "known_difference" not in reference.compare(Changed(reference, lambda output: output), "rows drift")


def test_nan_in_any_frame_is_wrong(tiled_file):
    """In one pixel, which is too few to tell by the labels."""
    reference = Reference(tiled_file)
    for spoilt in (outputs[0] for outputs in reference.outputs):

        def spoil(output):
            output = output.copy()
            if np.array_equal(output, spoilt):
                output[0, 0, 0, 0] = np.nan
            return output

        with pytest.raises(MeasurementFailed, match="values differ by up to nan"):
            reference.compare(Changed(reference, spoil))


def test_other_labels_are_wrong(reference):
    with pytest.raises(MeasurementFailed, match="wrong result: .* of the labels"):
        reference.compare(Changed(reference, np.invert))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda output: output[:, 1:], r"int8 \[1, 63, 128, 9\] instead of int8 \[1, 64, 128, 9\]"),
        (lambda output: output.astype("float32"), "float32 .* instead of int8"),
    ],
)
def test_other_tensors_are_wrong(reference, change, message):
    with pytest.raises(MeasurementFailed, match=message):
        reference.compare(Changed(reference, change))


def test_result_that_is_no_number_is_wrong():
    reference = object.__new__(Reference)
    reference.frames, reference.outputs = [[np.zeros(1)]], [[np.ones((1, 4, 4, 2), "float32")]]
    with pytest.raises(MeasurementFailed, match="wrong result"):
        reference.compare(Changed(reference, lambda output: output * np.nan))


def test_tied_labels():
    scores = np.array([[[[10, 9, 0], [10, 5, 0], [1, 9, 9], [1, 2, 90]]]], np.int8)
    labels = np.array([[[1, 1, 1, 3]]])
    # The second is five steps short, the fourth no class.
    assert tied_labels(scores, labels) == 0.5
    assert tied_labels(scores.astype(np.float32), labels) == 0.25
