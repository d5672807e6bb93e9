"""Draw a network's predictions over pictures, a video, or what a camera sees.

  liteseg predict --model a.tflite --input street.jpg --output_dir predictions
  liteseg predict --model a.tflite --input drive.mp4 --output_dir predictions
  liteseg predict --model a.tflite --input camera:0 --output_dir predictions
  liteseg predict --model a.tflite --input aerial.tif --output_dir predictions --tiles
  liteseg predict --model ndnet45 --checkpoint ndnet45_cityscapes.pth --input_size 1024x2048 \\
      --input FOLDER --output_dir predictions

For each picture NAME.jpg the output folder gets NAME.png, the colours of the classes over the picture, and
NAME_labels.png, the label map (8 bits, train ids). Pictures in sub-folders have results in sub-folders. Where two
pictures would have a result in common, such as a.jpg and a.png, their results keep the suffix: a.jpg.png and a.png.png.
Pictures that cannot be read are listed at the end, and the exit status is 1; the others have their results.

A video NAME.mp4 gives NAME.mp4, another one NAME.avi.mp4, without its sound. It lasts as long, whatever the times of
its frames are: at the frame rate that the source declares, frames are repeated or left out. A video that ends before
the length that it declares gives what is there, and the exit status is 1. A camera gives cameraNUMBER.mp4, which
Ctrl-C ends.

Results of earlier runs are replaced, but for recordings of a camera. Pictures and videos are turned as they are to be
seen.
"""

import contextlib
import pathlib
import sys

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
@options.tiles()
@options.real("--opacity", 0.55, "Opacity of the colours over the picture.", most=1)
@options.threads("CPU threads for a .tflite file.", default=2)
def main(model, checkpoint, averaged, input_size, source, output_dir, tiles, opacity, threads):
    from keras_liteseg.inference.video import find_frames

    def load_painter():
        from keras_liteseg.inference.load import load_predictor
        from keras_liteseg.inference.overlays import Painter
        from keras_liteseg.inference.tiles import TiledPredictor

        start_keras(model)
        predictor = load_predictor(model, checkpoint, input_size, threads=threads, averaged=averaged)
        return Painter(TiledPredictor(predictor, progress=True) if tiles else predictor, opacity)

    frames = find_frames(source)
    if frames is None:
        return predict_pictures(source, output_dir, load_painter)
    with contextlib.closing(frames):
        return predict_video(frames, source, output_dir, load_painter)


def predict_pictures(source, output_dir, load_painter):
    from keras_liteseg.datasets.pictures import files_below, find_pictures
    from keras_liteseg.inference.overlays import draw_pictures, name_results
    from keras_liteseg.inference.video import VIDEO_SUFFIXES

    source = pathlib.Path(source)
    videos = files_below(source, VIDEO_SUFFIXES, output_dir)
    if videos:
        print(f"Left out {len(videos)} video(s) such as {videos[0]}; give each by itself as --input.", flush=True)
    found = find_pictures(source, output_dir)
    pictures = name_results(found, source if source.is_dir() else source.parent)
    painter = load_painter()
    written, problems, interrupted = draw_pictures(pictures, painter, output_dir)
    if found == [source] and problems:
        raise problems[0]
    print(f"Wrote {written} overlay(s) to {output_dir}; {painter.speed()}", flush=True)
    for problem in problems:
        print(problem, file=sys.stderr)
    if interrupted:
        raise KeyboardInterrupt
    if problems:
        raise UserError(f"{len(problems)} of {len(pictures)} pictures cannot be read; see above.")


def predict_video(frames, source, output_dir, load_painter):
    from keras_liteseg.files import require_writable
    from keras_liteseg.inference.overlays import draw_video

    path = pathlib.Path(output_dir) / f"{frames.name}.mp4"
    if path.exists() and frames.live:
        raise UserError(f"{path} is there, and what it shows will not come again; choose another --output_dir.")
    if path.exists() and path.samefile(source):
        raise UserError(f"The result {path} would replace the video itself; choose another --output_dir.")
    require_writable(path)
    if path.exists():
        print(f"Replacing {path}, the result of an earlier run.", flush=True)
    painter = load_painter()
    if frames.live:
        print("Recording; Ctrl-C ends it.")
    count, interrupted = draw_video(frames, painter, path)
    print(f"Wrote {path}: {count} frames predicted, played at {frames.rate:g} frames/s; {painter.speed()}", flush=True)
    if interrupted and not frames.live:
        raise KeyboardInterrupt
    if not interrupted and frames.cut_off:
        raise UserError(
            f"{source} ends after {frames.end:.1f} of the {frames.length:.1f} seconds that it says to last; it may be "
            "cut off or damaged. The result holds what is there."
        )
