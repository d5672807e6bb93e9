#!/bin/sh
# TensorFlow 2.21.0 on a processor without AVX-512: dilated depthwise and grouped convolutions.
#
# Expected: an operation that runs on one x86-64 processor runs on another, only slower or faster.
# Seen: TensorFlow decides by the processor whether it uses oneDNN: on an EPYC with AVX-512 it does, on a Haswell with
#   AVX2 (qemu-x86_64 7.2 with -cpu Haswell) it does not, and fails in the same way as anywhere with
#   TF_ENABLE_ONEDNN_OPTS=0. With oneDNN, all of the following works. Without it:
#   DepthwiseConv2dNative with dilations (the operation which converts to one DEPTHWISE_CONV_2D): UNIMPLEMENTED
#   the gradient of a grouped convolution: INVALID_ARGUMENT
#   tf.nn.depthwise_conv2d with dilations, also behind Keras: right in both, since it moves pixels to batches first
# So: set TF_ENABLE_ONEDNN_OPTS=1 before TensorFlow is imported, where a training or a saved graph shall run anywhere.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet tensorflow==2.21.0 numpy==2.4.6
cat > dilated.py <<'PYTHON'
import os

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
x, kernel = (tf.constant(rng.normal(size=size), tf.float32) for size in [(1, 32, 32, 8), (3, 3, 8, 1)])


def raw():
    return tf.raw_ops.DepthwiseConv2dNative(
        input=x, filter=kernel, strides=[1] * 4, padding="SAME", dilations=[1, 2, 2, 1]
    )


def gradient_of_grouped():
    grouped = tf.Variable(tf.reshape(kernel, (3, 3, 1, 8)))
    with tf.GradientTape() as tape:
        result = tf.nn.conv2d(x, grouped, 1, "SAME")
    return tape.gradient(result, grouped)


def by_batches():
    return tf.nn.depthwise_conv2d(x, kernel, [1] * 4, "SAME", dilations=[2, 2])


def outcome(function):
    try:
        return "works" if np.isfinite(function()).all() else "wrong"
    except (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError) as error:
        return type(error).__name__


on = os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"
found = [outcome(function) for function in (raw, gradient_of_grouped, by_batches)]
print("oneDNN", "on" if on else "off", found)
assert found == (["works"] * 3 if on else ["UnimplementedError", "InvalidArgumentError", "works"])
PYTHON
for on in 1 0; do
    TF_ENABLE_ONEDNN_OPTS=$on venv/bin/python dilated.py 2> log || { cat log; exit 1; }
done
