"""Write the files `variable_rate.*` of `files/` with PyAV, as OpenCV cannot; those in the repository are of PyAV 18.1.

python -m tests.inference.write_videos FOLDER
"""

import fractions
import pathlib
import sys

import av
import numpy as np

from tests.inference.test_video import MILLISECONDS


def write(path):
    clock = fractions.Fraction(1, 1000)
    with av.open(path, "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.time_base = clock
        for number, time in enumerate(MILLISECONDS):
            pixels = np.full((48, 64, 3), (16 * number, 0, 100), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


if __name__ == "__main__":
    for suffix in ("mkv", "mp4"):
        write(pathlib.Path(sys.argv[1], f"variable_rate.{suffix}"))
