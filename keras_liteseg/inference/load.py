"""One way to run a network on pictures, whatever file it is in."""


def load_predictor(model, checkpoint=None, input_size=None, classes=None, threads=2):
    """Return a `Predictor`.

    Args:
        model: a `.tflite` file, a `.keras` file, or a registered name.
        checkpoint: weights for a registered name; without, they are random.
        input_size: (height, width); a file's own size by default. A `.tflite` file has only that one.
        classes: `ClassList` for a registered name.
        threads: CPU threads of the TFLite runtime.

    Raises:
        UserError: the file or the name cannot be used, or the size does not fit.
    """
    if str(model).endswith(".tflite"):
        from keras_liteseg.inference.tflite_predictor import tflite_predictor

        return tflite_predictor(model, input_size, threads)
    # A .tflite file is to run without the seconds, and the installation, that Keras takes.
    from keras_liteseg.inference.keras_predictor import keras_predictor
    from keras_liteseg.models.network import load_network

    network, metadata = load_network(model, checkpoint, input_size, classes)
    return keras_predictor(network, metadata)
