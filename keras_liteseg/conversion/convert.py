"""A Keras model of static size into the bytes of a TFLite file."""

import warnings

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_liteseg.conversion.class_map import even_classes
from keras_liteseg.errors import UserError
from keras_liteseg.tflite.metadata_buffers import with_metadata

QUANTIZATIONS = ("none", "float16", "int8", "int16x8")
OUTPUT_TYPES = ("logits", "softmax", "classes", "classes_uint8")
INPUT_TYPES = ("", "float32", "uint8")


def convert(model, metadata, input_type="", batch_size=1, calibration=None):
    """Convert a model.

    Args:
        model: a functional Keras model of static size; for int8 the one of
            `keras_liteseg.quantization.simulate_int8`, which carries the scales.
        metadata: a `Metadata`, which also says what to make: `quantization` 'none', 'float16' (weights), 'int8' or
            'int16x8' (activations of 16 bits, weights of 8); `output_type` 'logits', 'softmax' (probabilities),
            'classes' or 'classes_uint8' (class map).
        input_type: 'float32', 'uint8' for the bytes of a picture (int8 files), or '' for the file's own.
        batch_size: images per inference.
        calibration: list of normalized images, float32 (1, height, width, 3), that set the scales of 'int16x8'.

    Returns:
        bytes. Input `images` (batch_size, height, width, 3) and output (batch_size, height, width, classes), or for
        class maps (batch_size, height, width) in int32 or uint8; the input, the logits and the probabilities have the
        file's own type: int8 or int16 in quantized files, else float32.

    Raises:
        UserError: `input_type` does not go with the quantization.
    """
    if input_type == "uint8" and metadata.quantization != "int8":
        raise UserError(
            f"input_type is 'uint8' with quantization '{metadata.quantization}'; only int8 files can take bytes."
        )

    if metadata.output_type.startswith("classes"):
        model = even_classes(model)

    def network(images):
        logits = model(images, training=False)
        return {metadata.output_type: _output(logits, metadata.output_type)}

    signature = [tf.TensorSpec((batch_size, *model.input.shape[1:]), tf.float32, name="images")]
    graph = convert_variables_to_constants_v2(tf.function(network, input_signature=signature).get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    if metadata.quantization != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if metadata.quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    own = {"int8": tf.int8, "int16x8": tf.int16}.get(metadata.quantization)
    if own:
        converter.inference_input_type = tf.dtypes.as_dtype(input_type) if input_type else own
        converter.inference_output_type = own
    if metadata.quantization == "int16x8":
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        batches = [image.repeat(batch_size, axis=0) for image in calibration]
        converter.representative_dataset = lambda: ([batch] for batch in batches)
    with warnings.catch_warnings():
        # It warns that the input's statistics are missing; they are in the graph.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        return with_metadata(converter.convert(), metadata)


def _output(logits, output_type):
    if output_type == "logits":
        return logits
    if output_type == "softmax":
        return tf.nn.softmax(logits)
    # keras.ops.argmax would become a Flex op, and int64 classes leave GPU delegates.
    classes = tf.argmax(logits, -1, output_type=tf.int32)
    return tf.cast(classes, tf.uint8) if output_type == "classes_uint8" else classes
