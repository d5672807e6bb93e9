#!/bin/sh
# LiteRT 2.3.0: RESIZE_BILINEAR with align_corners in a file of 16-bit activations and 8-bit weights (16x8), as the
# converter of TensorFlow 2.21.0 writes it.
#
# Expected: the resize of the float file, to a step of the 16 bits: 16x8 is taken for accuracy.
# Seen: the built-in kernel, the only one there is for 16 bits, counts positions in 1024ths of an input pixel and rounds
#   the step from column to column to one. The error grows over the picture: a ramp of 256 columns made 2048 is 7.0
#   output pixels off near its end, worse than the same file in int8, where XNNPACK computes it. From 64 to 512 it is
#   1.0. Half-pixel centres (align_corners=False) at a whole factor have a step that 1024 holds, and are right to 0.05
#   pixels.
# So: let 16x8 files end before such a resize, or use half-pixel centres and whole factors.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet tensorflow==2.21.0 ai-edge-litert==2.3.0 numpy==2.4.6
cat > ramp.py <<'PYTHON'
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

INT16 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8


def resized(old, new, align, int16):
    """Return the positions in the input that each output column shows."""
    x = keras.Input((2, old, 1), batch_size=1)
    resize = keras.layers.Lambda(
        lambda x: tf.compat.v1.image.resize_bilinear(x, (4, new), align_corners=align, half_pixel_centers=not align)
    )
    y = resize(keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")(x))
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(x, y))
    ramp = np.linspace(0, 1, old, dtype="float32")[None, None, :, None].repeat(2, axis=1)
    if int16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: [[ramp]]
        converter.target_spec.supported_ops = [INT16]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], ramp)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0, 0, :, 0] * (old - 1)


for old, new, align, wanted in [(256, 2048, True, 7.0), (64, 512, True, 1.0), (256, 2048, False, 0.0)]:
    error = np.abs(resized(old, new, align, True) - resized(old, new, align, False)).max() * new / old
    print(f"{old} to {new} columns, align_corners={align}: {error:.2f} output pixels")
    assert abs(error - wanted) < 0.1
PYTHON
venv/bin/python ramp.py > log 2>&1 || { cat log; exit 1; }
grep columns log
