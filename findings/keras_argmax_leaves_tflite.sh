#!/bin/sh
# Keras 3.15.1 on TensorFlow 2.21.0: a class map made by keras.ops.argmax, converted to .tflite.
#
# Expected: one ARG_MAX, as from tf.argmax.
# Seen: the converter refuses the model, because keras.ops.argmax looks for negative zeros before, by a bitwise
#   operation that no .tflite has. With SELECT_TF_OPS, as the error proposes, the file has seven operations in place of
#   one, and LiteRT 2.3.0 refuses it, since FlexBitwiseAnd is not in its wheel, nor in most apps. keras.ops.argmin is
#   the same. tf.argmax gives ARG_MAX, and keras.ops.top_k(scores, 1) gives TOPK_V2; both run.
# So: write tf.argmax(scores, -1, output_type=tf.int32) into models that are converted.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet tensorflow==2.21.0 keras==3.15.1 ai-edge-litert==2.3.0 numpy==2.4.6
cat > classes.py <<'PYTHON'
import keras
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


def converted(function):
    """Return (whether the built-in operations are enough, the names of the operations, whether LiteRT runs them)."""
    scores = keras.Input((16, 16, 8), batch_size=1)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(scores, keras.layers.Lambda(function)(scores)))
    try:
        content, enough = converter.convert(), True
    except Exception as error:
        assert "BitwiseAnd" in str(error)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        content, enough = converter.convert(), False
    interpreter = Interpreter(model_content=content)
    names = [op["op_name"] for op in interpreter._get_ops_details()]
    try:
        interpreter.allocate_tensors()
        runs = True
    except RuntimeError as error:
        assert "FlexBitwiseAnd" in str(error)
        runs = False
    print("found:", enough, names, runs)
    return enough, names, runs


enough, names, runs = converted(lambda x: keras.ops.argmax(x, -1))
assert not enough and not runs and len(names) == 7 and "FlexBitwiseAnd" in names
assert converted(lambda x: tf.argmax(x, -1, output_type=tf.int32)) == (True, ["ARG_MAX"], True)
assert converted(lambda x: keras.ops.top_k(x, 1)[1]) == (True, ["TOPK_V2"], True)
PYTHON
venv/bin/python classes.py > log 2>&1 || { cat log; exit 1; }
grep ^found log
