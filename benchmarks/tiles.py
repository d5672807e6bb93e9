"""What tiles change: labels beside those of the network at the picture's size, and the memory that large pictures take.

  python -m benchmarks.tiles --model ndnet45_int8.tflite --checkpoint ndnet45_cityscapes.pth --data_dir DIR \\
      --output results/tiles.json

Labels: each Keras network is built for the tile, a quarter of a frame of Cityscapes, and for the whole frame, whose
labels count as the right ones. Beside tiles of several overlaps stands what comes of resizing the frame to the tile.
Seams are the pixels within 32 of the middle of an overlap. mIoU is over the classes of the ground truth, where the
network was trained on these classes.

Memory: `liteseg predict --tiles` with the .tflite file on drawn squares, in processes of their own.
"""

import pathlib
import subprocess
import sys
import tempfile

from benchmarks.startup import ROOT, timed
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, run, start_keras

FRAME, TILE = (1024, 2048), (512, 1024)
OVERLAPS = (0, 1 / 8, 1 / 4, 1 / 2)
SEAM = 32
LENGTHS = (3000, 6000, 13000)
PUBLISHED = ("lps_net_s", "liteseg_mobilenetv2", "pp_liteseg_t")
"""Networks whose published weights, of CamVid, are compared too."""


def memory(model, length, folder):
    """Return {"length", "seconds", "peak_memory_mb"} of `liteseg predict --tiles` on a drawn square; MB of 2^20 bytes.

    The square is of blocks of 8x8 pixels of random colours.
    """
    drawing = (
        "import sys; import numpy as np; from PIL import Image; length = int(sys.argv[2]); "
        "blocks = np.random.default_rng(0).integers(0, 256, (-(-length // 8),) * 2 + (3,), np.uint8); "
        "Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)[:length, :length]).save(sys.argv[1], compress_level=1)"
    )
    picture = pathlib.Path(folder) / f"{length}.png"
    subprocess.run([sys.executable, "-c", drawing, picture, str(length)], cwd=ROOT, check=True)
    words = [sys.executable, "-m", "keras_liteseg", "predict", "--tiles", "--model", model, "--input", picture]
    seconds, peak = timed(
        [*words, "--output_dir", pathlib.Path(folder) / "out"], ROOT, pathlib.Path(folder) / "log.txt"
    )
    picture.unlink()
    return {"length": length, "seconds": round(seconds, 1), "peak_memory_mb": round(peak / 2**20)}


def near_seams(size, tile, overlap):
    """Return which pixels, bool of `size`, are within `SEAM` of the middle of an overlap."""
    import numpy as np

    from keras_liteseg.inference.tiles import tiles_along

    near = np.zeros(size, bool)
    for axis in (0, 1):
        for each in tiles_along(size[axis], tile[axis], overlap)[1:]:
            middle = each.first + each.faded // 2
            near.swapaxes(0, axis)[max(0, middle - SEAM) : middle + SEAM] = True
    return near


def compare(network, metadata, dataset):
    """Yield a dict for the whole frame, for the frame resized to the tile, and for tiles of each overlap.

    Args:
        network: a Keras network of the tile's size.
        metadata: its `Metadata`.
        dataset: frames of `FRAME`.
    """
    import numpy as np

    from keras_liteseg.graph import at_size
    from keras_liteseg.inference.keras_predictor import keras_predictor
    from keras_liteseg.inference.tiles import TiledPredictor
    from keras_liteseg.metrics import ConfusionMatrix

    whole, tile = (keras_predictor(at_size(network, size), metadata) for size in (FRAME, TILE))
    ways = {"whole": whole, "resized": tile} | {overlap: TiledPredictor(tile, overlap) for overlap in OVERLAPS}
    expected = [whole.labels(dataset.image(index)) for index in range(len(dataset))]
    for name, predictor in ways.items():
        equal, confusion = np.zeros(FRAME), ConfusionMatrix(max(len(metadata.classes), len(dataset.classes)))
        for index, wanted in enumerate(expected):
            labels = predictor.labels(dataset.image(index))
            equal += (labels == wanted) / len(expected)
            confusion.update(dataset.mask(index), labels)
        found = {"network": metadata.model, "classes": len(metadata.classes), "way": name, "equal": equal.mean()}
        if name in OVERLAPS:
            near = near_seams(FRAME, TILE, name)
            found |= {"equal_at_seams": equal[near].mean(), "equal_elsewhere": equal[~near].mean()}
        if metadata.classes == dataset.classes:
            found["miou_present"] = confusion.miou_present()
        yield {key: round(float(value), 6) if isinstance(value, float) else value for key, value in found.items()}


@command("tiles", __doc__)
@options.file("--model", "A .tflite file for the memory.", required=True)
@options.file("--checkpoint", "The official weights of NDNet45 for Cityscapes.", required=True)
@options.folder("--data_dir", "Folder of Cityscapes.", required=True)
@options.file("--output", "JSON file for the result.", required=True)
def main(model, checkpoint, data_dir, output):
    from keras_liteseg.files import require_writable, write_json

    require_writable(output)
    # First, while this process is small, see `timed`.
    with tempfile.TemporaryDirectory() as folder:
        squares = []
        for length in LENGTHS:
            squares.append(memory(pathlib.Path(model).resolve(), length, folder))
            print(squares[-1], flush=True)
    start_keras()
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.models.network import load_network
    from keras_liteseg.provenance import provenance

    dataset = load_dataset("cityscapes", data_dir, "val")
    networks = [("ndnet45", checkpoint, dataset.classes), *((name, "camvid", None) for name in PUBLISHED)]
    labels = []
    for name, weights, classes in networks:
        for row in compare(*load_network(name, weights, TILE, classes), dataset):
            labels.append(row)
            print(row, flush=True)
    what = {"kind": "tiles", "model": pathlib.Path(model).name, "frame": list(FRAME), "tile": list(TILE)}
    write_json(output, {**what, "images": len(dataset), "memory": squares, "labels": labels, **provenance()})
    print(f"Wrote {output}")


if __name__ == "__main__":
    sys.exit(run(main, name="python -m benchmarks.tiles"))
