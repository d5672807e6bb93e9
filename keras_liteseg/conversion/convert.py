"""A Keras model of static size into the bytes of a TFLite file."""

import warnings

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_liteseg.choices import MOST_IMAGES, require_whole
from keras_liteseg.conversion.class_map import even_classes
from keras_liteseg.conversion.options import InputType, require_fitting_input
from keras_liteseg.conversion.steady_resizes import steady_resizes
from keras_liteseg.errors import UserError
from keras_liteseg.metadata import OutputType, Quantization
from keras_liteseg.tflite.metadata_buffers import with_metadata

_OWN_INPUT = {Quantization.INT8: tf.int8, Quantization.INT16X8: tf.int16}


def convert(model, metadata, input_type=InputType.AUTO, batch_size=1, calibration=None, for_gpu=True):
    """Convert a model.

    Args:
        model: a functional Keras model of static size; for int8 the one of
            `keras_liteseg.quantization.simulate.simulate_int8`, which carries the scales.
        metadata: a `Metadata`, which also says what to make: its `quantization` and its `output_type`.
        input_type: an `InputType`.
        batch_size: images per inference.
        for_gpu: whether class maps must be right on LiteRT's GPU accelerator too, see `even_classes`.
        calibration: list of normalized images, float32 (1, height, width, channels), that set the scales of 'int16x8'.

    Returns:
        bytes. Input `images` (batch_size, height, width, channels) and output (batch_size, height, width, classes), or
        for class maps (batch_size, height, width) in int32 or uint8; the input, the logits and the probabilities have
        the file's own type: int8 or int16 in quantized files, else float32.

    Raises:
        UserError: the quantization, the output type, the input type or the batch size is unknown, the second last does
            not go with the first, or 'int16x8' has no `calibration`.
    """
    quantization, output_type = Quantization(metadata.quantization), OutputType(metadata.output_type)
    input_type = InputType(input_type)
    require_fitting_input(input_type, quantization)
    require_whole("batch_size", batch_size, 1, MOST_IMAGES)
    if quantization == Quantization.INT16X8 and not calibration:
        raise UserError("The scales of an int16x8 file come from calibration images, and none were given.")

    if output_type.is_class_map and for_gpu:
        model = even_classes(model)
    own = _OWN_INPUT.get(quantization)
    if own:
        model = steady_resizes(model)

    def network(images):
        logits = model(images, training=False)
        return {output_type.value: _OUTPUTS[output_type](logits)}

    signature = [tf.TensorSpec((batch_size, *model.input.shape[1:]), tf.float32, name="images")]
    graph = convert_variables_to_constants_v2(tf.function(network, input_signature=signature).get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    if quantization != Quantization.NONE:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == Quantization.FLOAT16:
        converter.target_spec.supported_types = [tf.float16]
    if own:
        converter.inference_input_type = own if input_type == InputType.AUTO else tf.dtypes.as_dtype(input_type.value)
        converter.inference_output_type = own
    if quantization == Quantization.INT16X8:
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]
        batches = [image.repeat(batch_size, axis=0) for image in calibration]
        converter.representative_dataset = lambda: ([batch] for batch in batches)
    with warnings.catch_warnings():
        # It warns that the input's statistics are missing; they are in the graph.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        return with_metadata(converter.convert(), metadata)


def _classes(logits):
    # keras.ops.argmax would become a Flex op, and int64 classes leave GPU delegates.
    return tf.argmax(logits, -1, output_type=tf.int32)


_OUTPUTS = {
    OutputType.LOGITS: lambda logits: logits,
    OutputType.SOFTMAX: tf.nn.softmax,
    OutputType.CLASSES: _classes,
    OutputType.CLASSES_UINT8: lambda logits: tf.cast(_classes(logits), tf.uint8),
}
