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

With --output_labels there are no overlays: of a picture only NAME_labels.png is written, and of a video or a camera
the folder NAME_labels, with 000000.png, 000001.png and so on for its frames. With --smoothing, the labels of a video
flicker less.

Results of earlier runs are replaced, but for recordings of a camera. Pictures and videos are turned as they are to be
seen.
"""

import contextlib
import os
import pathlib
import sys

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras
from keras_liteseg.errors import UserError

AT_ONCE = 4
"""Images that go through the network at once, each with memory of its own."""


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
@options.switch("--output_labels", "Write label maps only, and no overlays.")
@click.option(
    "--smoothing",
    type=options.FiniteRange(0, 1, max_open=True),
    default=0.0,
    help="Weight of the frames before in the average of scores that a video's labels are taken from, such as 0.6.",
)
@options.threads("CPU threads for a .tflite file.", default=2)
@options.delegate()
def main(
    model,
    checkpoint,
    averaged,
    input_size,
    source,
    output_dir,
    tiles,
    opacity,
    output_labels,
    smoothing,
    threads,
    delegate,
    delegate_options,
):
    if tiles and smoothing:
        raise UserError("--smoothing averages the scores of whole frames; give --tiles or --smoothing, not both.")
    from keras_liteseg.files import require_folder
    from keras_liteseg.inference.video import find_frames

    require_folder(output_dir)

    def load_painter(images):
        from keras_liteseg.inference.load import is_exported, load_predictor
        from keras_liteseg.inference.overlays import Painter
        from keras_liteseg.inference.tiles import TiledPredictor

        start_keras(model)
        # Two images at once on one thread each are done before one after the other on two threads; an NPU is one.
        alone = tiles or smoothing or delegate or not is_exported(model)
        at_once = 1 if alone else min(images, threads, AT_ONCE)
        arguments = {"averaged": averaged, "delegate": delegate, "delegate_options": delegate_options}
        predictors = [
            load_predictor(model, checkpoint, input_size, threads=threads // at_once, **arguments)
            for _ in range(at_once)
        ]
        for predictor in predictors:
            predictor.smooth(smoothing)
        return Painter([TiledPredictor(each, progress=True) for each in predictors] if tiles else predictors, opacity)

    frames = find_frames(source)
    if frames is None:
        if smoothing:
            raise UserError(f"--smoothing is for the frames of a video, and {source} is none; leave it out.")
        return predict_pictures(source, output_dir, output_labels, load_painter)
    with contextlib.closing(frames):
        return predict_video(frames, source, output_dir, output_labels, load_painter)


def predict_pictures(source, output_dir, output_labels, load_painter):
    from keras_liteseg.datasets.pictures import files_below, find_pictures
    from keras_liteseg.inference.overlays import draw_pictures, name_results
    from keras_liteseg.inference.video import VIDEO_SUFFIXES

    source = pathlib.Path(source)
    if source.is_dir() and os.path.realpath(source) == os.path.realpath(output_dir):
        raise UserError(
            f"The results would lie among the pictures of {source}, and the next run would take them for pictures; "
            f"choose another --output_dir, such as {source / 'predictions'}."
        )
    videos = files_below(source, VIDEO_SUFFIXES, output_dir)
    if videos:
        print(f"Left out {len(videos)} video(s) such as {videos[0]}; give each by itself as --input.", flush=True)
    found = find_pictures(source, output_dir)
    pictures = name_results(found, source if source.is_dir() else source.parent)
    painter = load_painter(len(pictures))
    written, problems, interrupted = draw_pictures(pictures, painter, output_dir, output_labels)
    if found == [source] and problems:
        raise problems[0]
    what = "label map(s)" if output_labels else "overlay(s)"
    print(f"Wrote {written} {what} to {output_dir}; {painter.speed()}", flush=True)
    for problem in problems:
        print(problem, file=sys.stderr)
    if interrupted:
        raise KeyboardInterrupt
    if problems:
        raise UserError(f"{len(problems)} of {len(pictures)} pictures cannot be read; see above.")


def predict_video(frames, source, output_dir, output_labels, load_painter):
    from keras_liteseg.files import require_folder, require_writable
    from keras_liteseg.image_format import RGB
    from keras_liteseg.inference.overlays import draw_video, write_labels

    path = pathlib.Path(output_dir) / (f"{frames.name}_labels" if output_labels else f"{frames.name}.mp4")
    if path.exists() and frames.live:
        raise UserError(f"{path} is there, and what it shows will not come again; choose another --output_dir.")
    if path.exists() and path.samefile(source):
        raise UserError(f"The result {path} would replace the video itself; choose another --output_dir.")
    replaces = path.exists()
    (require_folder if output_labels else require_writable)(path)
    # The frames of a camera are not there before they are seen.
    painter = load_painter(1 if frames.live else AT_ONCE)
    painter.image_format.require(RGB, "The network", source)
    if replaces:
        print(f"Replacing {path}, the result of an earlier run.", flush=True)
    if frames.live:
        print("Recording; Ctrl-C ends it.")
    if output_labels:
        count, interrupted = write_labels(frames, painter, path)
        print(f"Wrote {count} label map(s) to {path}; {painter.speed()}", flush=True)
    else:
        count, interrupted = draw_video(frames, painter, path)
        played = f"played at {frames.rate:g} frames/s"
        print(f"Wrote {path}: {count} frames predicted, {played}; {painter.speed()}", flush=True)
    if interrupted and not frames.live:
        raise KeyboardInterrupt
    if not interrupted and frames.cut_off:
        raise UserError(
            f"{source} ends after {frames.end:.1f} of the {frames.length:.1f} seconds that it says to last; it may be "
            "cut off or damaged. The result holds what is there."
        )
