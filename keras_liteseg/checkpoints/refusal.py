"""How the readers of weight files say no.

`files.read_weights` turns both ways into a `UserError` with the file's name.
"""

import struct
import tarfile
import tokenize
import zipfile
import zlib


class Refused(Exception):
    """The file is not read. The message continues a sentence that begins with the file's name."""


# What a reader, the standard library or NumPy raise for bytes that make no sense. `Warning` because `pickletools` may
# warn of an odd escape sequence, which is an exception where the user turned warnings into errors. `RuntimeError` and
# `NotImplementedError` are how `zipfile` speaks of encryption and of other features that no weight file uses;
# `SyntaxError` and `TokenError` come from the header of an array, which is Python source to NumPy.
DAMAGED = (
    *(ValueError, LookupError, TypeError, OverflowError, MemoryError, EOFError, RuntimeError, NotImplementedError),
    *(SyntaxError, tokenize.TokenError, Warning, struct.error, zlib.error, zipfile.BadZipFile, tarfile.TarError),
)


def needless(what):
    """Return the refusal of a file that asks for something which no weights need."""
    return Refused(
        f"asks for {what}, which a tensor file does not need; the file was not loaded. "
        "If you trust its source, load it with the library that wrote it and save its state_dict alone."
    )


def quoted(name):
    """Return a name from a file for a message: short, and as ASCII, because control characters fool terminals."""
    return ascii(name[:100])
