#!/bin/sh
# LiteRT 2.3.0, GPU accelerator (WebGPU over Vulkan; seen with SwiftShader): ARG_MAX over the classes of a pixel.
#
# Expected: the labels of the CPU, or a refusal; CompiledModel takes the file for the GPU alone.
# Seen: channels lie in fours on the GPU, and ARG_MAX also looks at the zeros that fill the last four. With 5, 7 or 19
#   classes whose scores are all negative, each pixel gets class number 5, 7 or 19, which is none. Where the highest
#   score is above zero, and with 4 or 8 classes, labels are right, so that a file seems right on most pictures.
# So: add classes that never win up to a multiple of 4, or take the argmax outside; check labels against the CPU.
# Needs a Vulkan driver: that of a GPU, or SwiftShader from Debian's chromium-common, named by VK_DRIVER_FILES.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet tensorflow==2.21.0 ai-edge-litert==2.3.0 numpy==2.4.6
cat > labels.py <<'PYTHON'
import numpy as np
import tensorflow as tf
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator


def labels(classes, scores):
    """Return the labels that the GPU finds."""
    function = tf.function(
        lambda x: tf.argmax(x, -1, output_type=tf.int32), [tf.TensorSpec((1, 16, 16, classes), tf.float32)]
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    model = CompiledModel.from_buffer(converter.convert(), hardware_accel=HardwareAccelerator.GPU)
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    inputs[0].write(scores)
    model.run_by_index(0, inputs, outputs)
    return outputs[0].read(256, np.int32).reshape(1, 16, 16)


for classes in (4, 5, 7, 8, 19):
    scores = np.random.default_rng(classes).uniform(0, 1, (1, 16, 16, classes)).astype("float32")
    above, below = labels(classes, scores), labels(classes, scores - 2)
    found = sorted(set(below.ravel().tolist()))
    print(f"found: {classes} classes, all scores negative: labels {found}")
    assert (above == scores.argmax(-1)).all()
    if classes % 4:
        assert found == [classes]
    else:
        assert (below == scores.argmax(-1)).all()
PYTHON
venv/bin/python labels.py > log 2>&1 || { tail -5 log; exit 1; }
grep ^found log
