"""A page that runs a .tflite file in the browser, live: on a picture, a video or the camera."""

import errno
import json
import pathlib

from edge import model_files, web_server
from keras_liteseg.errors import UserError
from keras_liteseg.files import plain_path

SAMPLE, SAMPLE_WIDTH = 2, 960
TYPES = ("float32", "int32", "uint8")  # that LiteRT.js takes and gives


def serve(model, host, port):
    """Return a `web_server.Server` that serves the page for a file; it runs until it is closed.

    Raises:
        UserError: the file cannot be shown, the runtime for browsers is not there, or the port is taken.
    """
    path = pathlib.Path(model)
    facts = describe(path)
    try:
        litertjs = web_server.install()
    except web_server.NotInstalled as reason:
        raise UserError(f"{reason}.") from None
    try:
        server = web_server.Server(litertjs, host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"Port {port} is taken; choose another one with --port, or 0 for any.") from None
        raise UserError(f"Cannot serve at {host}:{port}: {error.strerror}.") from None
    server.answers |= pages(path, facts)
    return server


def pages(path, facts):
    """Return what `web_server.Server` answers for a file and its `describe`."""
    _, height, width, _ = facts["input"]["shape"]
    return {
        "/": ("text/html", (web_server.PAGES / "index.html").read_bytes()),
        "/model": ("application/octet-stream", path.read_bytes()),
        "/model.json": ("application/json", json.dumps(facts).encode()),
        "/sample": ("image/png", sample(height, width)),
    }


def describe(path):
    """Return what the page has to know of a file.

    Returns:
        {"file", "network", "data", "precision", "bytes", "accuracy" as in
        `edge.model_files.describe`, "align_corners", "input" and "output":
        {"dtype", "shape"}, "classes": [{"name", "color"}], "lookup": for red, green and blue the 256 values that stand
        for 0 to 255 in the input}.

    Raises:
        UserError: the file is damaged, is not of this library, or takes or gives what LiteRT.js does not know.
    """
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from keras_liteseg.inference.input_table import byte_table
    from keras_liteseg.tflite.file_metadata import read_metadata

    metadata = read_metadata(path)
    if not metadata.image_format.is_rgb:
        raise UserError(
            f"{path} takes images that are {metadata.image_format}, and a browser's pictures, videos and cameras are "
            "8-bit RGB; look at its predictions with liteseg predict."
        )
    with plain_path(path) as plain:
        interpreter = Interpreter(plain)
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    types = {name: np.dtype(tensor["dtype"]).name for name, tensor in (("input", source), ("output", result))}
    if not set(types.values()) <= set(TYPES):
        raise UserError(
            f"{path} has an {types['input']} input and an {types['output']} output, and LiteRT.js takes and gives "
            f"{', '.join(TYPES)} only; export it with --input_type float32 --output_type classes."
        )
    said = model_files.describe(path)
    return {
        "file": path.name,
        "network": metadata.model,
        "data": metadata.data,
        "precision": said["precision"],
        "bytes": said["bytes"],
        "accuracy": said["accuracy"],
        "align_corners": metadata.align_corners,
        "input": {"dtype": types["input"], "shape": source["shape"].tolist()},
        "output": {"dtype": types["output"], "shape": result["shape"].tolist()},
        "classes": [
            {"name": name, "color": color}
            for name, color in zip(metadata.classes.names, metadata.classes.colors, strict=True)
        ],
        "lookup": byte_table(metadata, source).T.tolist(),
    }


def sample(height, width):
    """Return a street scene that the program draws, as PNG file: large enough to look at, of the network's shape."""
    import cv2

    from keras_liteseg.datasets import load_dataset

    scale = max(1, -(-SAMPLE_WIDTH // width))
    scenes = load_dataset("street_scenes", split="val", length=SAMPLE + 1, size=(scale * height, scale * width))
    return cv2.imencode(".png", cv2.cvtColor(scenes.image(SAMPLE), cv2.COLOR_RGB2BGR))[1].tobytes()


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg demo-page` now.")
