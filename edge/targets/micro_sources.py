"""A .tflite file as C++ sources for TFLite Micro: the file as an array, and the resolver of the operators it needs."""

import collections
import pathlib
import re

from keras_liteseg.files import atomic_path
from keras_liteseg.tflite.flatbuffer import op_name, read_model

# Operators whose method of `MicroMutableOpResolver` is not the name in words.
_METHODS = {"BATCH_MATMUL": "BatchMatMul", "CUMSUM": "CumSum", "PADV2": "PadV2"}
_LINE = 16

_HEADER = """\
// {name}.tflite for TFLite Micro. Needs an arena of {arena} bytes, and {ops}.
#ifndef {guard}_H_
#define {guard}_H_

#include <cstddef>
#include <cstdint>

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

namespace {space} {{

// The smallest arena in which TFLite Micro's reference kernels ran it on a 64-bit computer.
constexpr std::size_t kArenaBytes = {arena};
constexpr std::size_t kModelBytes = {size};
alignas(16) extern const std::uint8_t kModel[kModelBytes];

using Resolver = tflite::MicroMutableOpResolver<{count}>;

// Adds the operators of the model to an empty resolver.
TfLiteStatus AddOperators(Resolver& resolver);

}}  // namespace {space}

#endif  // {guard}_H_
"""

_SOURCE = """\
#include "{stem}.h"

namespace {space} {{

TfLiteStatus AddOperators(Resolver& resolver) {{
{calls}
  return kTfLiteOk;
}}

alignas(16) const std::uint8_t kModel[kModelBytes] = {{
{bytes}
}};

}}  // namespace {space}
"""


def write_sources(model, arena, folder):
    """Write STEM.h and STEM.cc, where STEM is the name of the file in letters, digits and underscores.

    Args:
        model: path of a `.tflite` file.
        arena: KiB that it needs.
        folder: where to write.

    Returns:
        The paths of the header and of the source.

    Raises:
        UserError: they cannot be written.
    """
    model, folder = pathlib.Path(model), pathlib.Path(folder)
    file, content = read_model(model), model.read_bytes()
    counts = collections.Counter(
        op_name(file.operatorCodes[op.opcodeIndex]) for graph in file.subgraphs for op in graph.operators
    )
    stem = re.sub(r"\W+", "_", model.stem, flags=re.ASCII)
    space = stem if re.match(r"[A-Za-z]", stem) else f"model_{stem}"
    values = {
        "name": model.stem.replace("\n", " "),
        "stem": stem,
        "space": space,
        "guard": space.upper(),
        "arena": int(arena * 1024),
        "size": len(content),
        "ops": ", ".join(f"{count} {op}" for op, count in sorted(counts.items())),
        "count": len(counts),
        "calls": "\n".join(f"  TF_LITE_ENSURE_STATUS(resolver.Add{method(op)}());" for op in sorted(counts)),
        "bytes": "\n".join(
            "    " + "".join(f"0x{byte:02x}, " for byte in content[start : start + _LINE]).rstrip()
            for start in range(0, len(content), _LINE)
        ),
    }
    paths = folder / f"{stem}.h", folder / f"{stem}.cc"
    for path, template in zip(paths, (_HEADER, _SOURCE)):
        with atomic_path(path) as temporary:
            temporary.write_text(template.format(**values))
    return paths


def method(op):
    """Return the name of an operator as the methods of `MicroMutableOpResolver` have it, such as 'Conv2D'."""
    if op in _METHODS:
        return _METHODS[op]
    return "".join(word if word[0].isdigit() else word.capitalize() for word in op.split("_"))
