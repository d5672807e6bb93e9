"""Predictions for pictures, videos and what a camera sees: drawn over them, or as label maps."""

import collections
import contextlib
import itertools
import pathlib
import queue
import threading
import time

from keras_liteseg.datasets.image_files import read_picture
from keras_liteseg.datasets.in_parallel import CORES
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.datasets.samples import one_opencv_thread
from keras_liteseg.drawing.overlay import overlay, save_image
from keras_liteseg.drawing.viewable import viewable
from keras_liteseg.errors import UserError
from keras_liteseg.inference.stages import in_stages
from keras_liteseg.inference.video import video_writer
from keras_liteseg.progress import progress_bar

_WAITING = 6  # frames of a video
_AT_ONCE = min(CORES + 1, 5)  # pictures: more would take memory and wait for the network


class Painter:
    """Makes a network's labels, draws them over images, and keeps the time.

    Args:
        predictors: a list of the same `keras_liteseg.inference.predictor.Predictor` once or several times, each for one
            image at a time.
        opacity: of the colours, 0 to 1.

    Attributes:
        image_format: of the images.
        at_once: number of images that can go through the network at once.
    """

    def __init__(self, predictors, opacity):
        self._opacity, self.at_once, self._metadata = opacity, len(predictors), predictors[0].metadata
        self.image_format = self._metadata.image_format
        # With each, whether it has run: the first run of a network also builds it or fetches its memory.
        self._free: queue.SimpleQueue = queue.SimpleQueue()
        for predictor in predictors:
            self._free.put((predictor, False))
        self._counting = threading.Lock()
        # Of first runs and of later ones.
        self._runs, self._seconds = [0, 0], [0.0, 0.0]
        self._start = time.perf_counter()

    def labels(self, image):
        """Return the label map, uint8 (height, width), of an image; a thread waits until a predictor is free.

        Raises:
            UserError: the image is not as the network takes them.
        """
        predictor, has_run = self._free.get()
        try:
            labels, seconds = predictor.labels(image), predictor.network_seconds
        finally:
            self._free.put((predictor, True))
        with self._counting:
            self._runs[has_run] += 1
            self._seconds[has_run] += seconds
        return labels

    def draw(self, image, labels, out=None):
        """Return the overlay of an image and its label map, uint8 (height, width, 3).

        Args:
            image: the image; only 8-bit RGB is shown as it is.
            labels: its label map.
            out: as in `keras_liteseg.drawing.overlay.overlay`, where the image is shown as it is.
        """
        shown = viewable(image, self.image_format)
        out = out if shown is image else None
        return overlay(shown, labels, self._metadata.classes, self._opacity, out)

    def speed(self):
        """Return a line about the time per image: of the network alone, and of all from reading to writing."""
        if not any(self._runs):
            return "no image was predicted"
        # First runs count only where there are no others.
        later = bool(self._runs[True])
        network = self._seconds[later] / self._runs[later] / self.at_once
        total = (time.perf_counter() - self._start) / sum(self._runs)
        return (
            f"{1 / network:.1f} frames/s ({1000 * network:.1f} ms) the network alone, "
            f"{1 / total:.1f} frames/s ({1000 * total:.1f} ms) end to end"
        )


def name_results(pictures, folder):
    """Return {name: path} of pictures, whose results are to be NAME.png and NAME_labels.png.

    A name is the path below the folder without the suffix. The suffix is kept where two pictures would have a result
    in common: `a.jpg` and `a.png`, or `a.png` and `a_labels.png`. Upper and lower case are one, as they are on some
    disks.

    Args:
        pictures: list of paths.
        folder: the folder that all of them are below.

    Raises:
        UserError: pictures would have a result in common even so.
    """
    short = {path: str(path.relative_to(folder).with_suffix("")) for path in pictures}
    shared = {path for paths in _shared_results(short) for path in paths}
    names = {path: str(path.relative_to(folder)) if path in shared else name for path, name in short.items()}
    for first, second, *_ in _shared_results(names):
        raise UserError(f"{first} and {second} would have the same result; rename one of them.")
    return {name: path for path, name in names.items()}


def _shared_results(names):
    """Return the lists of pictures, of {path: name}, that have a result in common."""
    found = collections.defaultdict(list)
    for path, name in names.items():
        for result in _results(name):
            found[result.casefold()].append(path)
    return [paths for paths in found.values() if len(paths) > 1]


def _results(name):
    return f"{name}.png", f"{name}_labels.png"


def draw_pictures(pictures, painter, output, labels_only=False):
    """Write the overlay and the label map of each picture that can be read.

    Several pictures are read, drawn and written at once. Ctrl-C ends this with what is there.

    Args:
        pictures: {name: path}, see `name_results`.
        painter: a `Painter`.
        output: folder that gets NAME.png and NAME_labels.png.
        labels_only: whether NAME.png is left out.

    Returns:
        (Number of pictures predicted, list of the `Problem` of each that cannot be read, whether Ctrl-C ended it).

    Raises:
        UserError: a result cannot be written or would replace a picture.
    """
    output = pathlib.Path(output)
    sources = {path.resolve() for path in pictures.values()}
    for name in pictures:
        for path in (output / result for result in _results(name)[1 if labels_only else 0 :]):
            if path.resolve() in sources:
                raise UserError(f"The result {path} would replace one of the pictures; choose another --output_dir.")
    written = []

    def draw(named):
        name, path = named
        try:
            image = read_picture(path, painter.image_format, in_data_set=False)
        except Problem as problem:
            return problem
        drawn_path, labels_path = (output / result for result in _results(name))
        labels = painter.labels(image)
        if not labels_only:
            save_image(drawn_path, painter.draw(image, labels, out=image))  # in place: a large picture fits once
        save_image(labels_path, labels)
        written.append(name)

    problems = []
    try:
        results = _results_of(pictures.items(), draw, threads=[min(_AT_ONCE, len(pictures))])
        with _progress(len(pictures), "it") as progress, results as done:
            for problem in done:
                if problem is not None:
                    problems.append(problem)
                progress.update()
    except KeyboardInterrupt:
        return len(written), problems, True
    return len(written), problems, False


def draw_video(frames, painter, path):
    """Write the overlays of all frames as a video that lasts as long.

    The video has the frame rate that the source declares. Where frames come at other times, of a video of variable
    rate or of a camera whose network is slow, they are repeated or left out so that each is seen when it was. Reading,
    labels and drawing of as many frames as the painter takes at once, and writing overlap. Ctrl-C ends the video with
    what is there.

    Args:
        frames: `keras_liteseg.inference.video.Frames`.
        painter: a `Painter`.
        path: the .mp4 file.

    Returns:
        (Number of frames predicted, whether Ctrl-C ended it).

    Raises:
        UserError: there is no frame, or the video cannot be written.
    """

    first, timed = _begin(frames)
    predicted = written = 0
    shown, seconds = None, 0.0
    with video_writer(path, frames.rate, first.shape[:2]) as write, _progress(frames.count, " frames") as progress:

        def draw(timed):
            frame, when = timed
            return painter.draw(frame, painter.labels(frame), out=frame), when

        def show(drawn):
            nonlocal shown, seconds, predicted
            show_until(drawn[1])
            shown, seconds = drawn
            predicted += 1

        def show_until(end):
            nonlocal written
            for _ in range(round(end * frames.rate) - written):
                write(shown)
                written += 1

        try:
            with _results_of(timed, draw, show, threads=[painter.at_once, 1], waiting=_WAITING) as done:
                for _ in done:
                    progress.update()
        except KeyboardInterrupt:
            if shown is None:
                raise
            show_until(seconds + 1 / frames.rate)
            return predicted, True
        show_until(frames.end)
    return predicted, False


def write_labels(frames, painter, folder):
    """Write the label map of each frame as 000000.png, 000001.png and so on into a folder.

    Ctrl-C ends this with what is there.

    Args:
        frames: `keras_liteseg.inference.video.Frames`.
        painter: a `Painter`.
        folder: the folder; label maps of an earlier run are removed from it.

    Returns:
        (Number of frames predicted, whether Ctrl-C ended it).

    Raises:
        UserError: there is no frame, or a label map cannot be written.
    """
    folder, written = pathlib.Path(folder), []

    def label(numbered):
        number, (frame, _) = numbered
        return number, painter.labels(frame)

    def save(labelled):
        number, labels = labelled
        save_image(folder / f"{number:06}.png", labels)
        written.append(number)

    _, timed = _begin(frames)
    for path in folder.glob("*.png"):
        if path.stem.isdecimal():
            path.unlink()
    try:
        results = _results_of(enumerate(timed), label, save, threads=[painter.at_once, 1], waiting=_WAITING)
        with _progress(frames.count, " frames") as progress, results as done:
            for _ in done:
                progress.update()
    except KeyboardInterrupt:
        if not written:
            raise
        return len(written), True
    return len(written), False


def _begin(frames):
    """Return (first frame, what `frames.timed` yields, the first frame included)."""
    timed = frames.timed()
    first = next(timed, None)
    if first is None:
        raise UserError(f"No frame of {frames.name} can be read; it may be damaged.")
    return first[0], itertools.chain([first], timed)


@contextlib.contextmanager
def _results_of(items, *stages, threads, waiting=2):
    """Yield what `in_stages` returns, for a `with` block at whose end all its threads have ended."""
    # Threads of OpenCV's own would only get in the way of several of ours.
    alone = contextlib.nullcontext() if sum(threads) == 1 else one_opencv_thread
    with alone, contextlib.closing(in_stages(items, *stages, threads=threads, waiting=waiting)) as results:
        yield results


def _progress(total, unit):
    return progress_bar(total=total, desc="predicting", unit=unit)
