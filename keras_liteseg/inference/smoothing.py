"""Steady labels for a video: the exponential moving average of the scores of its frames.

    average = smoothing * average before + (1 - smoothing) * scores of the frame

No motion is estimated: what moves leaves a trace, which fades to half of its weight in log(0.5) / log(smoothing)
frames, 1.4 for 0.6. The average is taken of the network's own output, before it is enlarged, so that it costs little.
"""

import cv2
import numpy as np

from keras_liteseg.choices import is_finite
from keras_liteseg.errors import UserError

_STEPS = 128  # of an average of bytes from one byte to the next; 255 times it is still an int16


class ScoreAverage:
    """The moving average of a network's outputs of one shape, with memory that is taken once.

    Args:
        smoothing: weight of the average before, 0 to below 1.

    Raises:
        UserError: it is something else.
    """

    def __init__(self, smoothing):
        if not is_finite(smoothing) or not 0 <= smoothing < 1:
            raise UserError(f"smoothing is {smoothing!r}; it must be a number from 0, which is none, to below 1.")
        self._smoothing = float(smoothing)
        self.reset()

    def reset(self):
        """Forget all frames."""
        self._average: np.ndarray | None = None

    @staticmethod
    def details(details):
        """Return number type and scale of the average, as LiteRT's `get_output_details` has those of the output.

        Averages of integers are integers of another scale, which has no say in which score is highest: none is told.
        """
        dtype = np.float32 if details["dtype"] == np.float32 else np.int16
        return {"dtype": np.dtype(dtype), "quantization": (0.0, 0)}

    def __call__(self, scores):
        """Return the average after one more frame, in memory that the next call overwrites.

        Args:
            scores: (height, width, classes), of any type that a network gives; always the same one.

        Returns:
            The same shape; float32, or int16 for integers, of which a byte's are 128 times as large.
        """
        if self._average is None:
            dtype = self.details({"dtype": scores.dtype})["dtype"]
            self._average, self._scores = np.empty((2, *scores.shape), dtype)
            self._write(scores, self._average)
            return self._average
        self._write(scores, self._scores)
        average, new = (array.reshape(len(scores), -1) for array in (self._average, self._scores))
        cv2.addWeighted(average, self._smoothing, new, 1 - self._smoothing, 0, dst=average)
        return self._average

    @staticmethod
    def _write(scores, out):
        np.copyto(out, scores)
        if scores.dtype.itemsize == 1:
            out *= _STEPS
