"""Frames from a video file or a camera, and a video file from frames."""

import contextlib
import math
import os
import pathlib

import cv2

from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv")
USUAL_RATE = 25.0
"""Frames per second of a source that does not say."""

# FFmpeg's own notes on damaged files would stand among ours; OpenCV reads this when it opens the first video.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class Frames:
    """Iterator over the frames of an open OpenCV capture: RGB, uint8 (height, width, 3).

    Attributes:
        name: of the source, for messages and the name of the result.
        rate: frames per second.
        count: number of frames, or None where the source does not say or has no end.
        live: whether frames come as time passes, and those that nobody fetches are lost.
    """

    def __init__(self, capture, name, live):
        self.name, self.live = name, live
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and rate > 0 else USUAL_RATE
        count = 0 if live else int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.count = count if count > 0 else None
        self._capture = capture

    def __iter__(self):
        return self

    def __next__(self):
        found, frame = self._capture.read()
        if not found:
            raise StopIteration
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def close(self):
        """Give the file or the camera back."""
        self._capture.release()


def find_frames(source):
    """Return the `Frames` of `source`, 'camera:NUMBER' or a file with the suffix of a video; None for anything else.

    Raises:
        UserError: as `open_video` and `open_camera`, or what stands for NUMBER is none.
    """
    if source.startswith("camera:"):
        number = source.removeprefix("camera:")
        if not number.isdecimal():
            raise UserError(f"'{source}' names no camera; write camera:NUMBER, camera:0 for the first.")
        return open_camera(int(number))
    path = pathlib.Path(source)
    return open_video(path) if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir() else None


def open_video(path):
    """Return the `Frames` of a video file, in any format that OpenCV reads.

    Raises:
        UserError: there is no such file, or it is no video.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"There is no video {path}. Check the path.")
    capture = _open(str(path))
    if not capture.isOpened():
        raise UserError(f"{path} cannot be read as a video; it may be damaged or in a format that OpenCV lacks.")
    return Frames(capture, path.stem, live=False)


def open_camera(number):
    """Return the `Frames` of a camera, which never end; 0 is the first camera of the machine.

    Raises:
        UserError: there is no such camera, or another program has it.
    """
    capture = _open(number)
    if not capture.isOpened():
        raise UserError(
            f"Camera {number} cannot be opened; check that it is plugged in, that no other program uses it and that "
            "you may (on Linux: the group 'video'). The first camera is camera:0."
        )
    return Frames(capture, f"camera{number}", live=True)


@contextlib.contextmanager
def video_writer(path, rate, size):
    """Yield a function that appends a frame, RGB, uint8 (*size, 3), to an MPEG-4 video without sound.

    The file appears, with its index, when the block ends; where the block fails, nothing is left. MPEG-4 has even sizes
    only: of an odd one the last column or row is lost.

    Args:
        path: the .mp4 file.
        rate: frames per second.
        size: (height, width) of the frames.

    Raises:
        UserError: the video cannot be written.
    """
    with atomic_path(path) as temporary:
        # H.264 would need an encoder that OpenCV's packages leave out.
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), rate, size[::-1])
        if not writer.isOpened():
            raise UserError(f"OpenCV cannot write an MPEG-4 video of {size[0]}x{size[1]} pixels at {rate:g} frames/s.")
        try:
            yield lambda frame: writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        finally:
            writer.release()
        # The writer itself says nothing of a full disk.
        if not _open(str(temporary)).isOpened():
            raise UserError(f"The video {path} could not be finished; free some space.")


def _open(source):
    # OpenCV tries one reader after the other, and the notes of those that fail say nothing to the user.
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(source)
    finally:
        cv2.utils.logging.setLogLevel(level)
