"""One way to run a network on pictures, whatever file it is in."""

from keras_liteseg.choices import MOST_THREADS, require_bool, require_size, require_whole
from keras_liteseg.errors import UserError
from keras_liteseg.files import suffix_of
from keras_liteseg.inference.predictor import fixed_size
from keras_liteseg.tflite.external_delegate import require_named


def load_predictor(
    model,
    checkpoint=None,
    input_size=None,
    classes=None,
    threads=2,
    averaged=False,
    dataset=None,
    delegate=None,
    delegate_options=None,
):
    """Return a `Predictor`.

        >>> from keras_liteseg import load_dataset, load_predictor
        >>> predictor = load_predictor("lps_net_tiny", input_size=(64, 128))  # or "best.keras", or "int8.tflite"
        >>> predictor.labels(load_dataset("street_scenes", size=(100, 200)).image(0)).shape
        (100, 200)

    Args:
        model: a `.tflite` file, an `.onnx` file of ours, a `.keras` file, or a registered name.
        checkpoint: weights for a registered name; without, they are random.
        input_size: (height, width); a file's own size by default. A `.tflite` or `.onnx` file has only that one.
        classes: `ClassList` for a registered name, by default that of Cityscapes; a file has its own.
        threads: CPU threads of LiteRT or ONNX Runtime.
        averaged: take the averaged weights (EMA) of the checkpoint, see `keras_liteseg.load_checkpoint`.
        dataset: data set whose classes and kind of images a registered name gets, in place of `classes`.
        delegate, delegate_options: external delegate for a `.tflite` file, see `Segmenter`.

    Raises:
        UserError: the file or the name cannot be used, or the size does not fit.
    """
    require_whole("threads", threads, 1, MOST_THREADS)
    if input_size is not None:
        require_size("input_size", input_size)
    require_bool("averaged", averaged)
    if delegate is not None and suffix_of(model) != ".tflite":
        raise UserError(f"{model} is no .tflite file, which alone goes with a delegate; leave out {delegate}.")
    require_named(delegate, delegate_options)
    if is_exported(model):
        if checkpoint is not None:
            raise UserError(f"{model} holds its own weights; leave out --checkpoint {checkpoint}.")
        if averaged:
            raise UserError(f"{model} holds one set of weights; leave out --averaged.")
        if suffix_of(model) == ".onnx":
            from keras_liteseg.inference.onnx_predictor import onnx_predictor

            return onnx_predictor(model, input_size, threads)
        from keras_liteseg.inference.segmenter import Segmenter

        segmenter = Segmenter(model, threads, delegate=delegate, delegate_options=delegate_options)
        fixed_size(model, segmenter.size, input_size)
        return segmenter
    # An exported file is to run without the seconds, and the installation, that Keras takes.
    from keras_liteseg.inference.keras_predictor import keras_predictor
    from keras_liteseg.models.network import load_network_to_predict

    network, metadata = load_network_to_predict(model, checkpoint, input_size, classes, averaged, dataset)
    return keras_predictor(network, metadata)


def is_exported(model):
    """Return whether `model`, the path of a file or a registered name, is a file that needs no Keras."""
    return suffix_of(model) in (".tflite", ".onnx")
