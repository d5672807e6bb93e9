"""A Keras model of static size into the bytes of a TFLite file."""

import warnings

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_liteseg.tflite.metadata import with_metadata

OUTPUT_TYPES = ("logits", "classes")


def convert(model, metadata):
    """Convert for one image at a time.

    Args:
        model: a functional Keras model of static size; for int8 the one of
            `keras_liteseg.quantization.simulate_int8`, which carries the scales.
        metadata: a `Metadata`, which also says what to make: `quantization` 'none', 'float16' (weights) or 'int8';
            `output_type` 'logits' or 'classes' (int32 class map, computed after the last upsampling).

    Returns:
        bytes. Input `images` (1, height, width, 3) and output (1, height, width, classes) or (1, height, width); the
        input and the logits are int8 in an int8 file, else float32.
    """
    name = metadata.output_type

    def network(images):
        logits = model(images, training=False)
        # keras.ops.argmax would become a Flex op, and int64 classes leave GPU delegates.
        return {name: tf.argmax(logits, -1, output_type=tf.int32) if name == "classes" else logits}

    signature = [tf.TensorSpec((1, *model.input.shape[1:]), tf.float32, name="images")]
    graph = convert_variables_to_constants_v2(tf.function(network, input_signature=signature).get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    if metadata.quantization != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if metadata.quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if metadata.quantization == "int8":
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        # It warns that the input's statistics are missing; they are in the graph.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        return with_metadata(converter.convert(), metadata)
