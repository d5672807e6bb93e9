"""Labels for pictures by a `.tflite` file, with what a frame costs beside the network brought down to very little."""

import logging
import reprlib
import time

import numpy as np

from keras_liteseg.choices import MOST_THREADS, require_whole
from keras_liteseg.errors import UserError
from keras_liteseg.files import plain_path
from keras_liteseg.inference.input_table import InputTable
from keras_liteseg.inference.labels import LabelMaker
from keras_liteseg.inference.predictor import Predictor, require_image
from keras_liteseg.inference.tensors import from_tensor, to_tensor
from keras_liteseg.tflite import external_delegate
from keras_liteseg.tflite.file_metadata import damaged, read_metadata

_log = logging.getLogger(__name__)


class Segmenter(Predictor):
    """Labels for images of any size, by a `.tflite` file of ours in LiteRT.

        >>> from keras_liteseg import ExportOptions, Segmenter, export, load_dataset
        >>> export("lps_net_tiny", "tiny.tflite", ExportOptions(quantization="int8"), input_size=(64, 128))
        >>> segmenter = Segmenter("tiny.tflite")
        >>> scenes = load_dataset("street_scenes", length=2, size=(100, 200))
        >>> segmenter(scenes.image(0)).shape
        (100, 200)

    For a video, give the memory for the labels too. Then frames of one size are segmented without new memory but for
    the pixels along the borders of classes:

        >>> import numpy as np
        >>> labels = np.empty((100, 200), np.uint8)
        >>> for index in range(2):
        ...     labels is segmenter(scenes.image(index), out=labels)
        True
        True

    With `smoothing`, labels flicker less from frame to frame: they are taken from the moving average of the scores, and
    follow what moves a little later. `reset` begins another video:

        >>> steady = Segmenter("tiny.tflite", smoothing=0.6)
        >>> for index in range(2):
        ...     labels = steady(scenes.image(index))
        >>> steady.reset()

    On a board whose NPU has an external delegate of TensorFlow Lite, `delegate` names its library, and XNNPACK takes
    the ops that it leaves: `Segmenter("int8.tflite", delegate="/usr/lib/libvx_delegate.so")`. Labels may then differ
    in pixels whose scores are almost tied.

    Pictures become the input's numbers by a table, and labels are chosen from the output's integers; see
    `keras_liteseg.inference.labels`. They are those of `Predictor.labels`. Not for several threads at once: give each
    thread a `Segmenter` of its own.

    Args:
        path: the file.
        threads: CPU threads of LiteRT.
        smoothing: weight of the frames before in the average, 0 (none) to below 1, see `Predictor.smooth`.
        delegate: library of an external delegate: its path, or a name that the system finds.
        delegate_options: {name: value} for the delegate, which gets them as text.

    Attributes:
        metadata: the network's `Metadata`.
        size: input (height, width) of the network.
        network_seconds: how long the network alone took for the last image.

    Raises:
        UserError: the file cannot be read or does not say what it holds, `smoothing` does not go with it, or the
            delegate cannot be used or takes nothing of it.
    """

    def __init__(self, path, threads=2, smoothing=0.0, delegate=None, delegate_options=None):
        from ai_edge_litert.interpreter import Interpreter

        require_whole("threads", threads, 1, MOST_THREADS)
        external_delegate.require_named(delegate, delegate_options)
        metadata = read_metadata(path)
        delegates = None if delegate is None else [external_delegate.load(delegate, delegate_options)]
        with plain_path(path) as plain:
            try:
                self._interpreter = Interpreter(plain, num_threads=threads, experimental_delegates=delegates)
            except ValueError as error:
                if delegates:
                    raise UserError(f"{delegate} cannot run {path}: {error}. Try another of its options.") from error
                raise damaged(path) from error
        if delegate is not None:
            taken, ops = external_delegate.require_taken(delegate, self._interpreter, path)
            _log.info("%s takes %d of the %d ops of %s", delegate, taken, ops, path)
        self._interpreter.allocate_tensors()
        self._source, self._result = (
            details()[0] for details in (self._interpreter.get_input_details, self._interpreter.get_output_details)
        )
        super().__init__(metadata, tuple(int(length) for length in self._source["shape"][1:3]), self._run)
        self._input = self._interpreter.tensor(self._source["index"])
        self._output = self._interpreter.tensor(self._result["index"])
        self._input_table = InputTable(metadata, self._source)
        self._labels = None
        self.smooth(smoothing)

    def __call__(self, image, out=None):
        """Return the label map, uint8 (height, width), of an image (height, width, channels).

        Args:
            image: as the network takes them: by default RGB, uint8 (height, width, 3).
            out: memory for the label map, uint8 (height, width), in one piece; it is returned. Without, the label map
                is a new array.

        Raises:
            UserError: `image` or `out` is something else.
        """
        require_image(image, self.metadata.image_format)
        size = image.shape[:2]
        out = np.empty(size, np.uint8) if out is None else _require_labels(out, size)
        self._input_table.write(image, self._input())
        start = time.perf_counter()
        self._interpreter.invoke()
        self.network_seconds = time.perf_counter() - start
        # A reference to the interpreter's memory must not outlive the call, or the next one fails.
        scores = self._output()[0]
        if self._average:
            scores = self._average(scores)
        self._label_maker(size)(scores, out)
        return out

    def labels(self, image):
        return self(image)

    def _label_maker(self, size):
        if self._labels is None or self._labels.size != size:
            aligned = self.size if self.metadata.align_corners else None
            details = self._average.details(self._result) if self._average else self._result
            self._labels = LabelMaker(tuple(map(int, self._result["shape"][1:])), details, size, aligned)
        return self._labels

    def smooth(self, smoothing):
        super().smooth(smoothing)
        self._labels = None  # it is made for the numbers that it gets

    def _run(self, images):
        batch = images.repeat(self._source["shape"][0], axis=0)
        self._interpreter.set_tensor(self._source["index"], to_tensor(batch, self._source))
        self._interpreter.invoke()
        return from_tensor(self._interpreter.get_tensor(self._result["index"])[0], self._result)


def _require_labels(out, size):
    if not isinstance(out, np.ndarray):
        raise UserError(f"out is {reprlib.repr(out)}; give an array, uint8 {size}, as large as the image.")
    if out.dtype != np.uint8 or out.shape != size or not out.flags.c_contiguous or not out.flags.writeable:
        raise UserError(
            f"out is {out.dtype} {out.shape}; give uint8 {size}, as large as the image, in one piece that can be "
            "written to."
        )
    return out
