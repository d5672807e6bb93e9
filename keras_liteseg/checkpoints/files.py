"""Reading weight files of any kind into arrays; the file is never executed."""

import io
import pathlib
import zipfile

from keras_liteseg.checkpoints.array_file import read_npz, read_safetensors, starts_as_safetensors
from keras_liteseg.checkpoints.darknet_file import read_darknet
from keras_liteseg.checkpoints.paddle_file import read_paddle, read_paddle_tar
from keras_liteseg.checkpoints.refusal import DAMAGED, Refused
from keras_liteseg.checkpoints.state_dicts import StateDict, choose
from keras_liteseg.checkpoints.torch_file import (
    is_torch_pickle,
    read_torch_legacy,
    read_torch_zip,
    starts_as_torch_legacy,
)
from keras_liteseg.errors import UserError
from keras_liteseg.files import suffix_of

# Enough for every mark by which a kind is told; that of tar comes last.
_HEAD_SIZE = 512

_READABLE = (
    "Readable are the weight files of PyTorch (.pth, .pt), Paddle (.pdparams, also in a .tar.gz), NumPy (.npz) and "
    "Darknet (named .weights or .conv.23), and .safetensors."
)


def read_weights(path, averaged=False):
    """Return the named arrays in a weight file.

    Nothing in the file is executed. Memory and time stay within a multiple of the file size; compressed files unpack to
    4 GiB at most.

    Args:
        path: a file of one of these kinds, told by its content (Darknet's by its name):
            PyTorch: written by `torch.save`, in either container;
            Paddle: written by `paddle.save` (`.pdparams`), or a `.tar.gz` with one such file;
            NumPy's `.npz`; safetensors; Darknet's `.weights` or `.conv.23` of Darknet19.
            For PyTorch and Paddle it holds a state dict, or a dictionary with the state dict under 'state_dict',
            'model', 'model_state_dict' or the like; if there are several, the one with the most tensors is taken.
        averaged: take the moving average of the weights (EMA), such as that under 'state_dict_ema'. Without it, that is
            taken only where the file holds no other weights; the log says which were.

    Returns:
        A dictionary name -> array, in the order of the file. The arrays have the shape and dtype of the file's, with
        float32 for bfloat16; they may be read-only and share memory. Entries that are no tensors, such as an epoch
        number or the arguments of a program, are left out.

    Raises:
        UserError: the file cannot be read, is of no known kind, is damaged, holds no named tensors or no averages, or
            asks for anything but tensors and what training programs save beside them; the message names what.
    """
    path = pathlib.Path(path)
    try:
        data, kind, reader = _opened(path)
    except Refused as error:
        raise UserError(f"{path} {error}") from error
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}. Check its permissions.") from error
    try:
        found = reader(data)
        # The other kinds hold named arrays and nothing else.
        arrays = choose([StateDict("", False, found)] if isinstance(found, dict) else found, averaged)
    except Refused as error:
        raise UserError(f"{path} {error}") from error
    except DAMAGED as error:
        raise UserError(
            f"{path} ends too early or is damaged: it starts as a {kind} but makes no sense further on. "
            "Copy or download it again."
        ) from error
    if not arrays:
        raise UserError(
            f"{path} is a {kind} that holds no named tensors; expected a state dict, alone or under 'state_dict' or "
            "'model'. Save the state dict of the network."
        )
    return arrays


def _opened(path):
    """Return the content of a file, the name of its kind and the function that reads that kind."""
    if not path.exists():
        raise UserError(f"There is no checkpoint file {path}. Check the path.")
    # Opening a pipe or a device could wait for ever.
    if not path.is_file():
        raise Refused(f"is {'a folder' if path.is_dir() else 'no plain file'}, not a weight file. {_READABLE}")
    with path.open("rb") as stream:
        kind, reader = _recognized(stream.read(_HEAD_SIZE), suffix_of(path))
        stream.seek(0)
        return stream.read(), kind, reader


def _recognized(head, suffix):
    """Return the name of the kind of a file that starts with `head`, and the function that reads it."""
    if not head:
        raise Refused("is empty. Copy or download it again.")
    if head.startswith(b"version https://git-lfs"):
        raise Refused("is a pointer of Git LFS, not the weights themselves. Fetch them with: git lfs pull")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise Refused("is a web page, not a weight file. Download the file itself, not the page that links to it.")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        raise Refused("is an HDF5 file. If Keras wrote it with save_weights, give it a name that ends in .weights.h5.")

    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip archive", _read_zip
    if starts_as_torch_legacy(head):
        return "PyTorch checkpoint", read_torch_legacy
    if starts_as_safetensors(head):
        return "safetensors file", read_safetensors
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "Paddle file", read_paddle
    if head.startswith(b"\x1f\x8b") or head[257:262] == b"ustar":
        return "tar archive", read_paddle_tar
    # Darknet's files have no mark. Those cut off behind convolution 23 are named so.
    if suffix in (".weights", ".23"):
        return "Darknet file", read_darknet
    raise Refused(f"is no weight file of a known kind. {_READABLE}")


def _read_zip(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if any(map(is_torch_pickle, names)):
            return read_torch_zip(archive, data)
        if "model.weights.h5" in names:
            raise Refused("is a model that Keras saved. Give it a name that ends in .keras.")
        if any(name.endswith(".npy") for name in names):
            return read_npz(archive)
    raise Refused(f"is a zip archive without weights of a known kind. {_READABLE}")
