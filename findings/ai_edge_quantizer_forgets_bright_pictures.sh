#!/bin/sh
# ai-edge-quantizer 0.10.0, Google's quantizer of .tflite files: Quantizer.calibrate with ten pictures.
#
# Expected: the int8 ranges cover what calibration saw, in any order, as those of TensorFlow 2.21.0's converter do.
# Seen, without a warning: the first picture sets each range, and every further one moves it by a twentieth of the way.
#   Quantizer has no option for it. With a night picture (values up to 0.1) before nine of the day (up to 1), the
#   input ends at 0.43: more than half of the pixels of the day are clipped, and scores are off by 38 % of their range.
# So: calibrate with each picture alone, and take the smallest minimum and the largest maximum of each tensor.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet ai-edge-quantizer==0.10.0 tensorflow==2.21.0 keras==3.15.1 ai-edge-litert==2.3.0 \
    numpy==2.4.6
cat > calibrate.py <<'PYTHON'
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe

keras.utils.set_random_seed(0)
layers = keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.Conv2D(2, 1)
network = keras.Sequential([keras.Input((16, 16, 3), batch_size=1, name="picture"), *layers])
rng = np.random.default_rng(0)
night, *days = (rng.uniform(0, top, (1, 16, 16, 3)).astype("float32") for top in [0.1] + 9 * [1])
converter = tf.lite.TFLiteConverter.from_keras_model(network)
tool = quantizer.Quantizer(bytearray(converter.convert()), recipe.static_wi8_ai8())


def check(name, file, wanted):
    interpreter = Interpreter(model_content=bytes(file))
    interpreter.allocate_tensors()
    first, last = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = first["quantization"]
    interpreter.set_tensor(first["index"], np.clip(np.round(days[0] / scale) + zero, -128, 127).astype("int8"))
    interpreter.invoke()
    scores = (interpreter.get_tensor(last["index"]) - float(last["quantization"][1])) * last["quantization"][0]
    right = network(days[0], training=False).numpy()
    off = abs(scores - right).max() / np.ptp(right)
    print(f"{name}: the input ends at {(127 - zero) * scale:.2f}, scores are off by {off:.0%} of their range")
    assert abs((127 - zero) * scale - wanted) < 0.02


def ranges(*pictures):
    return tool.calibrate({"serving_default": [{"picture": each} for each in pictures]})


converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: ([each] for each in (night, *days))
converter.inference_input_type = converter.inference_output_type = tf.int8
check("TensorFlow's converter, night first", converter.convert(), 1.0)
check("ai-edge-quantizer, night first", tool.quantize(ranges(night, *days)).quantized_model, 0.43)
alone = [ranges(each) for each in (night, *days)]
joined = {n: {end.__name__: end(each[n][end.__name__] for each in alone) for end in (min, max)} for n in alone[0]}
check("ai-edge-quantizer, each alone", tool.quantize(joined).quantized_model, 1.0)
PYTHON
venv/bin/python calibrate.py
