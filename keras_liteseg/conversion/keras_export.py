"""A network as a `.keras` file of Keras's own layers, which Keras opens where this package is not installed."""

import collections
import dataclasses
import hashlib
import logging
import pathlib

import numpy as np

from keras_liteseg.errors import UserError
from keras_liteseg.graph import stock_layers
from keras_liteseg.metadata import Metadata, OutputType, Quantization
from keras_liteseg.models.archive import load_model, save_model
from keras_liteseg.models.summary import count_macs
from keras_liteseg.tflite.flatbuffer import Tensor

_EQUAL_LABELS = 0.999  # Keras may add in another order, and on a GPU with fewer bits.
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class KerasReport:
    """What is in a plain `.keras` file, for its card.

    Attributes:
        size: bytes of the file.
        sha256: its hash.
        metadata: its `Metadata`, with the words that other kinds of files have for float32 logits.
        inputs, outputs: tuples of `keras_liteseg.tflite.flatbuffer.Tensor`.
        macs: multiply-accumulates of the convolutions for one image.
        ops: {class of layers: how many}, the most frequent first.
    """

    size: int
    sha256: str
    metadata: Metadata
    inputs: tuple
    outputs: tuple
    macs: int
    ops: dict


def write_plain(network, path, metadata, images):
    """Write a network as a plain `.keras` file, load it, and run both.

    Args:
        network: a functional Keras model of static size.
        path: file to write.
        metadata: its `Metadata`, which the file holds besides, for `liteseg evaluate` and `liteseg predict`.
        images: list of normalized images, float32 (1, height, width, channels).

    Raises:
        UserError: the network has a layer that Keras's own cannot stand for, or labels of the file differ from its.
    """
    save_model(stock_layers(network), path, metadata.replace(ranges={}, quantization="", output_type=""))
    plain, _ = load_model(path)
    found, expected = (np.concatenate([np.asarray(m.predict_on_batch(i)) for i in images]) for m in (plain, network))
    equal = np.mean(found.argmax(-1) == expected.argmax(-1))
    worst, largest = np.abs(found - expected).max(), np.abs(expected).max()
    _log.info(
        f"Logits of the file differ by up to {worst:.1e}, of up to {largest:.1e}; {100 * equal:.2f} % labels equal."
    )
    if not equal >= _EQUAL_LABELS:
        raise UserError(
            f"The file has {100 * equal:.2f} % of the labels of the network, and not {100 * _EQUAL_LABELS} %; it was "
            "not written. Look for weights whose outputs overflow float32, or run it on a CPU."
        )


def inspect_plain(path):
    """Return the `KerasReport` of a file that `write_plain` wrote."""
    data = pathlib.Path(path).read_bytes()
    model, metadata = load_model(path)
    inputs, outputs = (
        tuple(Tensor(name, str(each.dtype), (-1, *each.shape[1:]), None, None) for name, each in zip(names, tensors))
        for names, tensors in (
            ([each.name for each in model.inputs], model.inputs),
            (model.output_names, model.outputs),
        )
    )
    return KerasReport(
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        metadata=metadata.replace(quantization=Quantization.NONE, output_type=OutputType.LOGITS),
        inputs=inputs,
        outputs=outputs,
        macs=count_macs(model),
        ops=dict(collections.Counter(type(layer).__name__ for layer in model.layers).most_common()),
    )
