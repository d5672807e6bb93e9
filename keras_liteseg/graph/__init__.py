"""Surgery on the graphs of functional Keras models; every function returns a new model and leaves the given one as it
is.

- Reading a graph: `Graph` (what makes and what reads a tensor), `layers_of`, `input_tensors`, `first_input`,
  `first_layers`, `before_last_resize`. `require_functional` refuses models without one.
- The same network, copied: `copy_model`; for another image size: `at_size`; in float32: `precision.in_float32`.
- Of Keras's own layers: `stock_layers`, which `is_stock` recognises.
- For inference: `fold_batch_norm`, which `norms_after_convolutions` tells the pairs of; for LiteRT: `restructure` and
  its parts `restructure_any_size` and `restructure_at_size`, `paired_pixels` for int8, `native_dilation`.
- For an NPU: `restructure_for_npu`.
- What no network computes with: `not_finite` names the variables that hold NaN or infinity, `listed` some of many.

`keras_private` holds all that relies on private attributes of Keras. The room stands on `keras_liteseg.networks` alone.
"""

from keras_liteseg.graph.copies import copy_model
from keras_liteseg.graph.dilation import native_dilation
from keras_liteseg.graph.finite import listed, not_finite
from keras_liteseg.graph.fold import fold_batch_norm, norms_after_convolutions
from keras_liteseg.graph.npu import restructure_for_npu
from keras_liteseg.graph.restructuring import paired_pixels, restructure, restructure_any_size, restructure_at_size
from keras_liteseg.graph.size import at_size
from keras_liteseg.graph.stock import is_stock, stock_layers
from keras_liteseg.graph.traversal import (
    Graph,
    before_last_resize,
    first_input,
    first_layers,
    input_tensors,
    layers_of,
    require_functional,
)

__all__ = [
    "Graph",
    "at_size",
    "before_last_resize",
    "copy_model",
    "first_input",
    "first_layers",
    "fold_batch_norm",
    "input_tensors",
    "is_stock",
    "layers_of",
    "listed",
    "native_dilation",
    "norms_after_convolutions",
    "not_finite",
    "paired_pixels",
    "require_functional",
    "restructure",
    "restructure_any_size",
    "restructure_at_size",
    "restructure_for_npu",
    "stock_layers",
]
