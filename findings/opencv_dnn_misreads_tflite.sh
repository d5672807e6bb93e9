#!/bin/sh
# OpenCV 5.0.0.93: cv2.dnn.readNetFromTFLite on small files of TensorFlow 2.21.0, compared with LiteRT 2.3.0.
#
# Expected: the same numbers, or an error as for ARG_MAX and TRANSPOSE_CONV, which it does not know.
# Seen, without a warning:
#   softmax over the classes        over the columns of the picture instead: the numbers are off by up to 0.6
#   average pooling, 3 x 3, "same"  the borders are too small: zeros around the picture count in the mean
#   int8, a 1x1 convolution         numbers that have nothing to do with those of LiteRT (correlation below 0.1)
#   dilated convolutions            wrong too, and not shown here
# Plain and depthwise convolutions in float32, resizes of each kind, gates and concatenations are right.
# So: run .tflite files in LiteRT. Where it has to be OpenCV, take an ONNX file, and compare labels first.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet tensorflow==2.21.0 keras==3.15.1 ai-edge-litert==2.3.0 opencv-python-headless==5.0.0.93
cat > read.py <<'PYTHON'
import cv2
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers

x = np.random.default_rng(0).uniform(-1, 1, (1, 29, 29, 4)).astype("float32")


def both(layer, int8=False):
    """Return what LiteRT and OpenCV compute."""
    inputs = keras.Input(x.shape[1:], batch_size=1)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, layer(inputs)))
    if int8:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: [[x]]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    content = converter.convert()
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    network = cv2.dnn.readNetFromTFLite(np.frombuffer(content, np.uint8))
    network.setInput(x.transpose(0, 3, 1, 2).copy())
    litert = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    opencv = network.forward().transpose(0, 2, 3, 1)
    error, correlation = np.abs(litert - opencv), np.corrcoef(litert.ravel(), opencv.ravel())[0, 1]
    print(f"found: {layer.name}, int8 {int8}: off by {error.max():.2f}, correlation {correlation:.2f}")
    return litert, opencv, error, correlation


assert both(layers.Conv2D(4, 3, padding="same"))[2].max() < 1e-4
_, opencv, error, _ = both(layers.Softmax())
assert error.max() > 0.5 and np.allclose(opencv.sum(axis=2), 1, atol=1e-4)
_, _, error, _ = both(layers.AveragePooling2D(3, 1, padding="same"))
assert error[:, 1:-1, 1:-1].max() < 1e-4 and error[:, 0].max() > 0.1
assert both(layers.Conv2D(4, 1), int8=True)[3] < 0.1
PYTHON
venv/bin/python read.py > log 2>&1 || { tail -5 log; exit 1; }
grep ^found log
