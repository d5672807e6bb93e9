"""Floats as the number types of a file's tensors, and back."""

import numpy as np


def to_tensor(values, details):
    """Return float `values` in the number type and scale of a TFLite input."""
    if details["dtype"] == np.float32:
        return values
    scale, zero_point = details["quantization"]
    limits = np.iinfo(details["dtype"])
    return np.clip(np.rint(values / scale + zero_point), limits.min, limits.max).astype(details["dtype"])


def from_tensor(values, details):
    """Return a TFLite output as floats; class maps, which have no scale, as they are."""
    return dequantize(values, details, np.empty(values.shape, np.float32)) if details["quantization"][0] else values


def dequantize(scores, details, out):
    """Write a TFLite output of scores into `out`, float32 of the same shape, and return that."""
    scale, zero_point = details["quantization"]
    np.copyto(out, scores)
    if scale:
        out -= zero_point
        out *= np.float32(scale)
    return out
