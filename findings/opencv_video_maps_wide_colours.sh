#!/bin/sh
# OpenCV 5.0.0.93: VideoCapture of a video with the colours of UHD and phones (BT.2020, HDR, Display P3).
#
# Expected: the RGB of the file, as PyAV 18.1.0 gives it (decord 0.6.0 and imageio-ffmpeg 0.6.0 do, too). Both convert
#   YUV by the matrix that the file names, whatever its primaries are.
# Seen, without a warning: where the file names the primaries of BT.2020 or P3, OpenCV maps the colours to those of
#   BT.709, and HLG and PQ to a normal brightness. A reader of the kind beside it does none of that: pure green differs
#   by 98 of 255 in BT.2020, and grey of 128 becomes 185 in PQ. Without the primaries in the file, or with those of
#   BT.709, both are the same.
# So: train and run with one reader. For phones and UHD cameras, OpenCV's frames are nearer to photos in sRGB.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet opencv-python-headless==5.0.0.93 av==18.1.0 numpy==2.4.6
cat > colours.py <<'PYTHON'
import av
import cv2
import numpy as np

COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 64, 128), (107, 142, 35), (128, 128, 128)], np.uint8)
PICTURE = np.repeat(np.repeat(COLOURS[None], 64, axis=1), 128, axis=0)
BT709, BT2020 = (1, 0.2126, 0.0722), (9, 0.2627, 0.0593)  # the number of the matrix, its weights of red and blue
# Matrix, primaries and transfer as files number them, and how far OpenCV moves green, the road of Cityscapes and grey.
KINDS = {
    "BT.709": (BT709, 1, 1, [0, 0, 0]),
    "BT.2020, primaries not named": (BT2020, 2, 2, [0, 0, 0]),
    "BT.2020": (BT2020, 9, 14, [98, 27, 0]),
    "BT.2020 HLG": (BT2020, 9, 18, [114, 34, 16]),
    "BT.2020 PQ": (BT2020, 9, 16, [90, 101, 57]),
    "Display P3": (BT709, 12, 1, [44, 17, 0]),
}
for name, ((matrix, red, blue), primaries, transfer, moved) in KINDS.items():
    r, _, b = rgb = np.moveaxis(PICTURE / 255.0, -1, 0)
    y = np.tensordot([red, 1 - red - blue, blue], rgb, 1)
    planes = 16 + 219 * y, 128 + 112 * (b - y) / (1 - blue), 128 + 112 * (r - y) / (1 - red)
    with av.open("a.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.height, stream.width, stream.pix_fmt = *PICTURE.shape[:2], "yuv444p"
        frame = av.VideoFrame.from_ndarray(np.stack(planes).round().astype(np.uint8), format="yuv444p")
        for tagged in (frame, stream.codec_context):
            tagged.colorspace, tagged.color_range = matrix, 1
            tagged.color_primaries, tagged.color_trc = primaries, transfer
        for frame.pts in range(3):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    by_av = next(av.open("a.mp4").decode(video=0)).to_ndarray(format="rgb24")
    by_opencv = cv2.VideoCapture("a.mp4").read()[1][..., ::-1]
    off = [abs(found[64, 32::64].astype(int) - COLOURS).max(1) for found in (by_av, by_opencv)]
    print(f"{name}: PyAV is off by {off[0].tolist()}, OpenCV by {off[1].tolist()}")
    assert off[0].max() <= 4 and abs(off[1][[1, 3, 5]] - moved).max() <= 4
PYTHON
venv/bin/python colours.py
