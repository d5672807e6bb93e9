"""How much the labels of a video flicker, with and without smoothing, and what smoothing costs.

  python -m benchmarks.flicker --model a.tflite,b.tflite --output results/flicker.json
  python -m benchmarks.flicker --model a.tflite --video drive.mp4 --output results/flicker.json

Without --video, drawn street scenes are seen by a noisy camera that stands still for some frames and then jumps to the
next scene, so that the labels that are right are known, and for a network of these classes mIoU over all frames.
Flicker is the share of labels that change from frame to frame where the picture does not
(`keras_liteseg.inference.flicker`), those included that follow a jump late.
"""

import contextlib
import itertools
import pathlib
import statistics
import sys
import time

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run

SIZE, STAYS, NOISE = (720, 1280), 40, 6.0  # of a frame; frames of a scene; standard deviation of the noise, of 255


def scenes(count):
    """Yield (frame, label map) of `count` drawn scenes, each of which stays for some frames."""
    import numpy as np

    from keras_liteseg.datasets import load_dataset

    rng = np.random.default_rng(0)
    dataset = load_dataset("street_scenes", split="val", length=count, size=SIZE)
    for index in range(count):
        image, truth = dataset.sample(index)
        for _ in range(STAYS):
            noisy = image + rng.normal(0, NOISE, image.shape).astype(np.float32)
            yield np.clip(noisy, 0, 255).astype(np.uint8), truth


def measure(model, frames, smoothing, threads=2):
    """Return {"flicker", "ms": median of a frame's labels, "network_ms": of that the network, "miou" if it is known}.

    Args:
        model: path of a .tflite file.
        frames: iterable of (frame, label map or None).
        smoothing: of the `Segmenter`.
        threads: CPU threads.
    """
    import numpy as np

    from keras_liteseg import Segmenter, UserError
    from keras_liteseg.inference.flicker import Flicker
    from keras_liteseg.metrics import ConfusionMatrix

    segmenter, flicker = Segmenter(model, threads, smoothing), Flicker()
    confusion = ConfusionMatrix(len(segmenter.metadata.classes))
    labels, seconds, network = None, [], []
    for frame, truth in frames:
        labels = np.empty(frame.shape[:2], np.uint8) if labels is None else labels
        start = time.perf_counter()
        segmenter(frame, out=labels)
        seconds.append(time.perf_counter() - start)
        network.append(segmenter.network_seconds)
        flicker.update(frame, labels)
        if truth is not None:
            confusion.update(truth, labels)
    if not seconds:
        raise UserError("The video has no frame that can be read.")
    found = {
        "flicker": round(flicker.share, 6),
        "ms": round(1000 * statistics.median(seconds), 3),
        "network_ms": round(1000 * statistics.median(network), 3),
    }
    return found | ({"miou_present": round(confusion.miou_present(), 6)} if confusion.matrix.any() else {})


@command("flicker", __doc__)
@options.models("The .tflite files, which give scores.")
@options.file("--video", "A video in place of drawn scenes.")
@click.option(
    "--smoothing", type=options.CommaList(click.FLOAT, "0.3,0.6"), default="0.3,0.6,0.8", help="Weights beside none."
)
@options.whole("--frames", 160, "Number of frames at most.")
@options.threads("CPU threads of the network.", default=2)
@options.file("--output", "JSON file for the result.", required=True)
def main(models, video, smoothing, frames, threads, output):
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.inference.video import open_video
    from keras_liteseg.provenance import provenance
    from keras_liteseg.tflite.file_metadata import read_metadata

    require_writable(output)
    drawn_classes = load_dataset("street_scenes").classes

    def source(model):
        if video:
            with contextlib.closing(open_video(video)) as opened:
                yield from ((frame, None) for frame in opened)
            return
        known = read_metadata(model).classes.names == drawn_classes.names
        yield from ((frame, truth if known else None) for frame, truth in scenes(-(-frames // STAYS)))

    rows = []
    for model, weight in itertools.product(models, (0.0, *smoothing)):
        result = measure(model, itertools.islice(source(model), frames), weight, threads)
        rows.append({"model": pathlib.Path(model).name, "smoothing": weight, **result})
        print(", ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    what = {"kind": "flicker", "video": video, "frames": frames, "threads": threads}
    write_json(output, {**what, "results": rows, **provenance()})
    print(f"Wrote {output}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.flicker"))
