"""Delegates that are a library of their own, such as libvx_delegate.so of the NPU on some boards."""

import ctypes
import pathlib
import platform
import re

from keras_liteseg.choices import require_path
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.partitions import op_details, partitions

FUNCTIONS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")
"""What such a library must have."""


def load(library, options=None):
    """Return LiteRT's delegate of a library.

    Args:
        library: its path, or a name that the system finds.
        options: {name: value} that the delegate gets, as text.

    Raises:
        UserError: there is no such library, it is no delegate or not for this processor, or the delegate does not
            start.
    """
    from ai_edge_litert.interpreter import load_delegate

    require_path("delegate", library)
    path = pathlib.Path(library)
    try:
        name = str(path.resolve()) if path.exists() else str(library)
        found = ctypes.PyDLL(name)
        for function in FUNCTIONS:
            getattr(found, function)  # before LiteRT, whose class ends with a traceback where one is missing
        return load_delegate(name, options)
    except (OSError, AttributeError, ValueError) as error:
        raise UserError(f"{refusal(library, str(error), path.exists(), platform.machine())}.") from None


def require_named(library, options):
    """Raise a `UserError` where `options` are no dict or None, or where there is no `library` that they are for."""
    if not isinstance(options, dict | None):
        raise UserError(f"The options of the delegate are {options!r}; give a dict, {{name: value}}.")
    if library is None and options:
        raise UserError("There are options for a delegate, and no delegate; name its library.")


def refusal(library, said, exists, machine):
    """Return why a delegate cannot be used, as a clause.

    Args:
        library: its path or name.
        said: what the system or LiteRT said.
        exists: whether there is a file of that path.
        machine: the processor that it is for, such as 'aarch64'.
    """
    missing = re.search(r"undefined symbol: (tflite_plugin\w*)", said)
    if missing:
        return f"{library} is a library, but no delegate of TensorFlow Lite: it lacks the function {missing[1]}"
    if "Failed to load delegate" in said:
        reason = " ".join(said.split("\n", 1)[-1].split())
        return f"the delegate {library} does not start: {reason or 'it gives no reason'}; look at its options"
    needed = re.match(r"(\S+): cannot open shared object file", said)
    if needed and pathlib.Path(needed[1]).name != pathlib.Path(library).name:
        return f"the delegate {library} needs {needed[1]}, which is not there; install that"
    if needed and not exists:
        return f"there is no delegate {library}; give the path of its library, such as /usr/lib/libvx_delegate.so"
    # The system passes over a library for another processor as if it were not there.
    if needed or "wrong ELF class" in said:
        return f"the delegate {library} is not for this processor, {machine}; give the library that is made for it"
    if "ELF header" in said or "file too short" in said:
        return f"{library} is no library; give that of the delegate, such as /usr/lib/libvx_delegate.so"
    return f"the delegate {library} does not load: {' '.join(said.split())}"


def require_taken(library, interpreter, model):
    """Return how many ops of a file a delegate has taken, and of how many.

    Args:
        library: the delegate's path or name.
        interpreter: LiteRT interpreter with the delegate, before `allocate_tensors()`, where XNNPACK takes the rest.
        model: path of the file, for the message.

    Raises:
        UserError: it has taken none, so that the CPU would compute all.
    """
    found = partitions(op_details(interpreter))
    count = found["delegated_ops"] + sum(entry["count"] for entry in found["other_ops"])
    if not found["partitions"]:
        raise UserError(
            f"The delegate {library} takes none of the {count} ops of {model}, and the CPU would compute them all; "
            "leave the delegate out, or give a file that it takes."
        )
    return found["delegated_ops"], count
