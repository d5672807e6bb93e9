"""Draw a network's predictions over pictures, a video, or what a camera sees.

  python predict.py --model a.tflite --input street.jpg --output_dir predictions
  python predict.py --model a.tflite --input drive.mp4 --output_dir predictions
  python predict.py --model a.tflite --input camera:0 --output_dir predictions
  python predict.py --model ndnet45 --checkpoint ndnet45_cityscapes.pth --input_size 1024x2048 --input FOLDER \\
      --output_dir predictions

For each picture NAME the output folder gets NAME.png, the colours of the classes over the picture, and NAME_labels.png,
the label map (8 bits, train ids). A video NAME gives NAME.mp4 of the same frame rate, without its sound; a camera gives
cameraNUMBER.mp4, which Ctrl-C ends.
"""

import contextlib
import pathlib

from absl import flags

from keras_liteseg import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A .tflite file, a .keras file, or a registered name such as ndnet45.")
flags.DEFINE_string("checkpoint", None, "Weights for a registered name: an official file, or ours such as camvid.")
flags.DEFINE_string("input_size", None, "HEIGHTxWIDTH that pictures are resized to; the file's own size by default.")
flags.DEFINE_string("input", None, "A picture, a folder that is searched for pictures, a video, or camera:NUMBER.")
flags.DEFINE_string("output_dir", None, "Folder for the results.")
flags.DEFINE_float("opacity", 0.55, "Opacity of the colours over the picture.", lower_bound=0, upper_bound=1)


def main():
    from keras_liteseg.datasets.pictures import find_pictures
    from keras_liteseg.inference.overlays import draw_pictures
    from keras_liteseg.inference.video import find_frames

    frames = find_frames(FLAGS.input)
    if frames is None:
        pictures = find_pictures(FLAGS.input)
        painter = load_painter()
        draw_pictures(pictures, painter, FLAGS.output_dir)
        print(f"Wrote {len(pictures)} overlay(s) to {FLAGS.output_dir}; {painter.speed()}")
    else:
        with contextlib.closing(frames):
            predict_video(frames)


def predict_video(frames):
    from keras_liteseg.errors import UserError
    from keras_liteseg.files import require_writable
    from keras_liteseg.inference.overlays import draw_video

    path = pathlib.Path(FLAGS.output_dir) / f"{frames.name}.mp4"
    if path.exists() and not frames.live and path.samefile(FLAGS.input):
        raise UserError(f"The result {path} would replace the video itself; choose another --output_dir.")
    require_writable(path)
    painter = load_painter()
    if frames.live:
        print("Recording; Ctrl-C ends it.")
    count, interrupted = draw_video(frames, painter, path)
    print(f"Wrote {path}: {count} frames predicted, played at {frames.rate:g} frames/s; {painter.speed()}")
    if interrupted and not frames.live:
        raise KeyboardInterrupt


def load_painter():
    from keras_liteseg.inference.load import load_predictor
    from keras_liteseg.inference.overlays import Painter

    size = cli.parse_size(FLAGS.input_size) if FLAGS.input_size else None
    return Painter(load_predictor(FLAGS.model, FLAGS.checkpoint, size), FLAGS.opacity)


if __name__ == "__main__":
    cli.run(main, required=["model", "input", "output_dir"], renamed={"output": "--output_dir"})
