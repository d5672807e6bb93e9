"""Predictions drawn over pictures, videos and what a camera sees."""

import itertools
import pathlib
import sys
import time

import numpy as np
from tqdm import tqdm

from keras_liteseg.datasets.image_files import read_picture
from keras_liteseg.drawing.overlay import overlay, save_image
from keras_liteseg.drawing.viewable import viewable
from keras_liteseg.errors import UserError
from keras_liteseg.inference.predictor import labels_at, prepare, require_image
from keras_liteseg.inference.video import video_writer


class Painter:
    """Draws a network's labels over images and keeps the time.

    Args:
        predictor: a `keras_liteseg.inference.predictor.Predictor`.
        opacity: of the colours, 0 to 1.
    """

    def __init__(self, predictor, opacity):
        self._predictor, self._opacity = predictor, opacity
        self.image_format = predictor.metadata.image_format
        empty = np.zeros((1, *predictor.size, self.image_format.channels), np.float32)
        predictor.run(empty)  # builds the network, which is not to be timed
        self._images, self._network_seconds = 0, 0.0
        self._start = time.perf_counter()

    def __call__(self, image):
        """Return (label map, overlay) of an image: uint8 (height, width) and (height, width, 3).

        Raises:
            UserError: the image is not as the network takes them.
        """
        require_image(image, self.image_format)
        metadata = self._predictor.metadata
        batch = prepare(image, self._predictor.size, metadata)
        start = time.perf_counter()
        output = self._predictor.run(batch)
        self._network_seconds += time.perf_counter() - start
        self._images += 1
        labels = labels_at(self._predictor.aligned(output), image.shape[:2])
        return labels, overlay(viewable(image, self.image_format), labels, metadata.classes, self._opacity)

    def speed(self):
        """Return a line about the time per image: of the network alone, and of all from reading to writing."""
        network = self._network_seconds / self._images
        total = (time.perf_counter() - self._start) / self._images
        return (
            f"{1 / network:.1f} frames/s ({1000 * network:.1f} ms) the network alone, "
            f"{1 / total:.1f} frames/s ({1000 * total:.1f} ms) end to end"
        )


def draw_pictures(pictures, painter, output):
    """Write the overlay and the label map of each picture.

    Args:
        pictures: {name: path}.
        painter: a `Painter`.
        output: folder that gets NAME.png and NAME_labels.png.

    Raises:
        UserError: a picture cannot be read, or a result cannot be written or would replace a picture.
    """
    output = pathlib.Path(output)
    sources = {path.resolve() for path in pictures.values()}
    for name in pictures:
        for path in (output / f"{name}.png", output / f"{name}_labels.png"):
            if path.resolve() in sources:
                raise UserError(f"The result {path} would replace one of the pictures; choose another --output_dir.")
    for name, path in tqdm(pictures.items(), "predicting", disable=None, file=sys.stderr):
        labels, drawn = painter(read_picture(path, painter.image_format))
        save_image(output / f"{name}.png", drawn)
        save_image(output / f"{name}_labels.png", labels)


def draw_video(frames, painter, path):
    """Write the overlays of all frames as a video of the same frame rate.

    Ctrl-C ends the video with what is there. Live frames are repeated or left out so that the video runs as fast as
    what was seen, however slow the network is.

    Args:
        frames: `keras_liteseg.inference.video.Frames`.
        painter: a `Painter`.
        path: the .mp4 file.

    Returns:
        (Number of frames predicted, whether Ctrl-C ended it).

    Raises:
        UserError: there is no frame, or the video cannot be written.
    """
    first = next(frames, None)
    if first is None:
        raise UserError(f"No frame of {frames.name} can be read; it may be damaged.")
    predicted = written = 0
    start = time.perf_counter()
    progress = tqdm(total=frames.count, desc="predicting", unit=" frames", disable=None, file=sys.stderr)
    with video_writer(path, frames.rate, first.shape[:2]) as write, progress:
        try:
            for frame in itertools.chain([first], frames):
                _, drawn = painter(frame)
                copies = copies_due(time.perf_counter() - start, frames.rate, written) if frames.live else 1
                for _ in range(copies):
                    write(drawn)
                written += copies
                predicted += 1
                progress.update()
        except KeyboardInterrupt:
            if not written:
                raise
            return predicted, True
    return predicted, False


def copies_due(seconds, rate, written):
    """Return how often the newest frame must be written for a video that is to last `seconds` by now; at first once."""
    return max(round(seconds * rate) - written, 0 if written else 1)
