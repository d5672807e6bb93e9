"""Frames from a video file or a camera, and a video file from frames."""

import contextlib
import math
import os
import pathlib
import threading
import time

import cv2
import numpy as np

from keras_liteseg.errors import UserError
from keras_liteseg.files import atomic_path, plain_path

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv")
USUAL_RATE = 25.0
"""Frames per second of a source that does not say, or that says more than `HIGHEST_RATE`."""

HIGHEST_RATE = 240.0
"""Frames per second that are believed. Browsers, which record at any times, write 1000."""


class Frames:
    """Iterator over the frames of an open OpenCV capture: RGB, uint8 (height, width, 3), turned as they are to be seen.

    Attributes:
        name: of the source, for messages and the name of the result.
        rate: frames per second, as the source declares; the average where its rate varies.
        count: number of frames, or None where the source does not say or has no end. Many files say how long they
            last only, and this is that times the rate.
        live: whether frames come as time passes, and those that nobody fetches are lost.
        seconds: when the newest frame is seen, after the first.
    """

    def __init__(self, capture, name, live):
        self.name, self.live = name, live
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= HIGHEST_RATE else USUAL_RATE
        count = math.nan if live else capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = int(count) if 1 <= count < math.inf else None
        self.seconds = 0.0
        self._capture, self._first, self._read = capture, None, 0

    def __iter__(self):
        return self

    def __next__(self):
        found, frame = self._capture.read()
        if not found:
            raise StopIteration
        time_now = time.perf_counter() if self.live else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self._first is None:
            self._first = time_now
        elif time_now - self._first > self.seconds:
            self.seconds = time_now - self._first
        else:  # a file without times
            self.seconds += 1 / self.rate
        self._read += 1
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB, dst=frame)

    @property
    def length(self):
        """How many seconds the source says to last; 0 where it does not say."""
        return self.count / self.rate if self.count else 0.0

    @property
    def end(self):
        """When the newest frame vanishes, in seconds after the first was seen.

        That is the length of a file whose frames were all read, as its last frame may stand for long.
        """
        return self.length if self.length > self.seconds and not self.cut_off else self.seconds + 1 / self.rate

    @property
    def cut_off(self):
        """Whether a file whose frames were all read holds clearly less than it says.

        The sound may last a little longer than the picture, and decoders may lose a frame.
        """
        if self.count is None or self._read >= self.count:
            return False
        return self.length - self.seconds - 1 / self.rate > min(1, self.length / 10)

    def timed(self):
        """Yield (frame, when it is seen, in seconds after the first) of each frame that is left."""
        for frame in self:
            yield frame, self.seconds

    def close(self):
        """Give the file or the camera back."""
        self._capture.release()


class NewestFrame:
    """An OpenCV capture of a camera whose frames are read in a thread as they come; only the newest is kept.

    The camera's driver keeps some itself and would give the oldest of them first, long after it was seen.
    """

    def __init__(self, capture):
        self.get = capture.get
        self._capture, self._newest, self._ended = capture, None, False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def read(self):
        """Return (whether there is one, the newest frame that was not returned before), as OpenCV's method does."""
        if not self._thread.ident:
            self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._newest is not None)
            frame, self._newest = self._newest, None
        return frame is not None, frame

    def _read(self):
        try:
            while not self._ended:
                found, frame = self._capture.read()
                if not found:
                    break
                with self._changed:
                    self._newest = frame
                    self._changed.notify()
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def release(self):
        """Give the camera back."""
        self._ended = True
        if self._thread.ident:
            self._thread.join()
        self._capture.release()


def find_frames(source):
    """Return the `Frames` of `source`, 'camera:NUMBER' or a file with the suffix of a video; None for anything else.

    Raises:
        UserError: as `open_video` and `open_camera`, or what stands for NUMBER is none.
    """
    if source.startswith("camera:"):
        number = source.removeprefix("camera:")
        if not number.isdecimal() or int(number) > 999:
            raise UserError(f"'{source}' names no camera; write camera:NUMBER, camera:0 for the first, to camera:999.")
        return open_camera(int(number))
    path = pathlib.Path(source)
    return open_video(path) if path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir() else None


def open_video(path):
    """Return the `Frames` of a video file, in any format that OpenCV reads.

    Their name is that of the file, without the suffix where that is .mp4: `a.mp4` and `a.avi` differ in it.

    Raises:
        UserError: there is no such file, or it is no video.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"There is no video {path}. Check the path.")
    with plain_path(path) as plain:
        capture = _open(plain)
    if not capture.isOpened():
        raise UserError(f"{path} cannot be read as a video; it may be damaged or in a format that OpenCV lacks.")
    return Frames(capture, path.stem if path.suffix == ".mp4" else path.name, live=False)


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
    return Frames(NewestFrame(capture), f"camera{number}", live=True)


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
    with atomic_path(path) as temporary, plain_path(temporary) as plain:
        _silence_ffmpeg()
        # H.264 would need an encoder that OpenCV's packages leave out.
        writer = cv2.VideoWriter(plain, cv2.VideoWriter.fourcc(*"mp4v"), rate, size[::-1])
        if not writer.isOpened():
            raise UserError(f"OpenCV cannot write an MPEG-4 video of {size[0]}x{size[1]} pixels at {rate:g} frames/s.")
        turned = np.empty((*size, 3), np.uint8)
        try:
            yield lambda frame: writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR, dst=turned))
        finally:
            writer.release()
        # The writer itself says nothing of a full disk.
        if not _open(plain).isOpened():
            raise UserError(f"The video {path} could not be finished; free some space.")


def _silence_ffmpeg():
    # Its own notes on damaged files would stand among ours; OpenCV reads this when it first reads or writes a video.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def _open(source):
    _silence_ffmpeg()
    # OpenCV tries one reader after the other, and the notes of those that fail say nothing to the user.
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(source)
    finally:
        cv2.utils.logging.setLogLevel(level)
