"""Draw a network's predictions over pictures, a video, or what a camera sees.

  liteseg predict --model a.tflite --input street.jpg --output_dir predictions
  liteseg predict --model a.tflite --input drive.mp4 --output_dir predictions
  liteseg predict --model a.tflite --input camera:0 --output_dir predictions
  liteseg predict --model ndnet45 --checkpoint ndnet45_cityscapes.pth --input_size 1024x2048 \\
      --input FOLDER --output_dir predictions

For each picture NAME the output folder gets NAME.png, the colours of the classes over the picture, and NAME_labels.png,
the label map (8 bits, train ids). A video NAME gives NAME.mp4 of the same frame rate, without its sound; a camera gives
cameraNUMBER.mp4, which Ctrl-C ends.
"""

import contextlib
import pathlib

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras
from keras_liteseg.errors import UserError


@command("predict", __doc__, renamed={"output": "--output_dir"})
@options.model()
@click.option(
    "--input",
    "source",
    type=options.FILE,
    required=True,
    help="A picture, a folder that is searched for pictures, a video, or camera:NUMBER.",
)
@options.folder("--output_dir", "Folder for the results.", required=True)
@options.real("--opacity", 0.55, "Opacity of the colours over the picture.", most=1)
@options.threads("CPU threads for a .tflite file.", default=2)
def main(model, checkpoint, averaged, input_size, source, output_dir, opacity, threads):
    from keras_liteseg.datasets.pictures import find_pictures
    from keras_liteseg.inference.overlays import draw_pictures
    from keras_liteseg.inference.video import find_frames

    def load_painter():
        from keras_liteseg.inference.load import load_predictor
        from keras_liteseg.inference.overlays import Painter

        start_keras(model)
        return Painter(load_predictor(model, checkpoint, input_size, threads=threads, averaged=averaged), opacity)

    frames = find_frames(source)
    if frames is None:
        pictures = find_pictures(source)
        painter = load_painter()
        draw_pictures(pictures, painter, output_dir)
        print(f"Wrote {len(pictures)} overlay(s) to {output_dir}; {painter.speed()}")
    else:
        with contextlib.closing(frames):
            predict_video(frames, source, output_dir, load_painter)


def predict_video(frames, source, output_dir, load_painter):
    from keras_liteseg.files import require_writable
    from keras_liteseg.inference.overlays import draw_video

    path = pathlib.Path(output_dir) / f"{frames.name}.mp4"
    if path.exists() and not frames.live and path.samefile(source):
        raise UserError(f"The result {path} would replace the video itself; choose another --output_dir.")
    require_writable(path)
    painter = load_painter()
    if frames.live:
        print("Recording; Ctrl-C ends it.")
    count, interrupted = draw_video(frames, painter, path)
    print(f"Wrote {path}: {count} frames predicted, played at {frames.rate:g} frames/s; {painter.speed()}")
    if interrupted and not frames.live:
        raise KeyboardInterrupt
