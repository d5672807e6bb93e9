"""An external delegate that is built here, and a file that it can take a part of."""

import pathlib
import shutil
import subprocess

import keras
import pytest

from keras_liteseg.networks.layers import conv
from tests.edge.npu_files import write_file

SOURCE = pathlib.Path(__file__).with_name("negating_delegate.c")
NEG = "59"
needs_compiler = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="no C compiler here; on Debian: apt install gcc libc6-dev"
)


def build(folder):
    """Return the path of the library of `SOURCE`, built in a folder."""
    library = folder / "libnegating_delegate.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SOURCE], check=True)
    return library


def for_other_processor(library):
    """Return the path of a copy of a library that says to be for a processor that nobody has."""
    other = library.with_name("libother.so")
    content = bytearray(library.read_bytes())
    content[18:20] = b"\x15\x00"  # e_machine of the ELF header: 64-bit PowerPC
    other.write_bytes(content)
    return other


def negating_file(path, size=(16, 24)):
    """Write a float network of convolutions with two NEG ops between them, and return the path."""
    keras.utils.set_random_seed(0)
    images = keras.Input((*size, 3), name="images")
    x = keras.ops.negative(conv(images, 4, 3, "first", use_bias=True))
    logits = keras.ops.negative(conv(x, 3, 3, "logits", use_bias=True))
    return write_file(path, keras.Model(images, logits, name="negating"), "none")
