"""Tensors on their way to and from a device, and random ones."""

import base64
import io

import numpy as np


class UnsupportedType(Exception):
    """A model takes tensors that cannot be made up; the message says which."""


def require_supported(dtype):
    """Raise `UnsupportedType` unless `random_input` can make up tensors of this type."""
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        name = "string" if dtype.kind in "OSU" else dtype.name
        raise UnsupportedType(f"the model takes an input of type {name}; supported are floats, integers and bool")


def pack(arrays):
    """Return a list of arrays as one line of text."""
    data = io.BytesIO()
    # Compressed floats take seconds and are hardly smaller.
    save = np.savez if any(array.dtype.kind == "f" for array in arrays) else np.savez_compressed
    save(data, *arrays)
    return base64.b64encode(data.getvalue()).decode()


def unpack(text):
    """Return the list of arrays of `pack`."""
    arrays = np.load(io.BytesIO(base64.b64decode(text)))
    return [arrays[name] for name in arrays.files]


def random_input(rng, shape, dtype):
    """Return random numbers: floats in [-1, 1], integers over the full range of their type.

    Raises:
        UnsupportedType: `dtype` is neither these nor bool.
    """
    if np.issubdtype(dtype, np.floating):
        # In place and never in float64: temporary arrays would count as memory of the model.
        data = rng.random(shape, dtype=np.float32)
        data *= 2
        data -= 1
        return data.astype(dtype, copy=False)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(bool)
    require_supported(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
