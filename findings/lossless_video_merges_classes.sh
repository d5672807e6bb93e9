#!/bin/sh
# PyAV 18.1.0 and OpenCV 5.0.0.93: class maps as frames of a video in FFV1 and HuffYUV, which lose nothing.
#
# Expected: the class numbers come back, as from the grey FFV1 of cv2.VideoWriter with isColor=False.
# Seen, without a warning: grey frames are brought to the format that the codec is opened with, which is yuv420p in
#   PyAV, whatever the frame has, and a YUV for HuffYUV in OpenCV. Grey goes from 0 to 255 and YUV from 16 to 235, so
#   that 220 numbers are left of 256. In PyAV, 36 classes come back as their neighbour: of Cityscapes, 4 (the fence) as
#   3 (the wall), 11 (persons) as 10 (the sky), and 18 (bicycles) as 17 (motorcycles). In HuffYUV, 126 do.
# So: set stream.pix_fmt = "gray" for PyAV, take FFV1 in OpenCV, and compare a frame.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet opencv-python-headless==5.0.0.93 av==18.1.0 numpy==2.4.6
cat > frames.py <<'PYTHON'
import av
import cv2
import numpy as np

NUMBERS = np.repeat(np.arange(256, dtype=np.uint8), 4)
FRAME = np.tile(NUMBERS, (32, 1))


def by_av(path, pix_fmt):
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = FRAME.shape
        if pix_fmt:
            stream.pix_fmt = pix_fmt
        frame = av.VideoFrame.from_ndarray(FRAME, format="gray")
        for frame.pts in range(3):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return next(av.open(path).decode(video=0)).to_ndarray(format="gray")


def by_opencv(path, codec):
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*codec), 25, FRAME.shape[::-1], isColor=False)
    assert writer.isOpened()
    for _ in range(3):
        writer.write(FRAME)
    writer.release()
    return cv2.VideoCapture(path).read()[1][..., 0]


wrong = {}
for name, found in {
    "PyAV ffv1": by_av("default.mkv", None),
    "PyAV ffv1, gray": by_av("gray.mkv", "gray"),
    "OpenCV FFV1": by_opencv("ffv1.avi", "FFV1"),
    "OpenCV HFYU": by_opencv("hfyu.avi", "HFYU"),
}.items():
    wrong[name] = {number: value for number, value in enumerate(found[16, 2::4].tolist()) if value != number}
    print(name, "changes", len(wrong[name]), "numbers:", dict(list(wrong[name].items())[:6]))
assert [len(changed) for changed in wrong.values()] == [36, 0, 0, 126]
assert [wrong["PyAV ffv1"][number] for number in (4, 11, 18)] == [3, 10, 17]
PYTHON
venv/bin/python frames.py
