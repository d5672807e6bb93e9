"""A model in LiteRT with an external delegate, a library of its own; XNNPACK takes what it leaves."""

import ctypes
import os
import platform
import time

from ai_edge_litert.interpreter import Interpreter, load_delegate

from .cpu_runner import CpuRunner

_FUNCTIONS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")


class DelegateFailed(Exception):
    """The delegate cannot be used.

    Attributes:
        delegate: {"library", "said": by the system or LiteRT, "exists": whether there is such a file, "machine"}.
    """

    def __init__(self, library, error):
        super().__init__(str(error))
        exists, machine = os.path.exists(library), platform.machine()
        self.delegate = {"library": library, "said": str(error), "exists": exists, "machine": machine}


class DelegateRunner(CpuRunner):
    """A loaded model with an external delegate.

    Args:
        library: the delegate's path, or a name that the system finds.
        options: {name: text} for the delegate.
    """

    def __init__(self, model, threads, library, options):
        self._library, self._options = library, options
        super().__init__(model, threads)

    def load(self, model, threads):
        start = time.perf_counter()
        delegate = _loaded(self._library, self._options)
        self.interpreter = Interpreter(model, num_threads=threads, experimental_delegates=[delegate])
        # Later, the partitions of XNNPACK are among them, under the same name.
        self._ops_with_delegate = self.ops()
        self.interpreter.allocate_tensors()
        return start

    def report(self):
        delegate = {"library": self._library, "options": self._options, "ops": self._ops_with_delegate}
        return super().report() | {"delegate": delegate}


def _loaded(library, options):
    try:
        name = os.path.abspath(library) if os.path.exists(library) else library
        found = ctypes.PyDLL(name)
        for function in _FUNCTIONS:
            getattr(found, function)  # before LiteRT, whose class ends with a traceback where one is missing
        return load_delegate(name, options)
    except (OSError, AttributeError, ValueError) as error:
        raise DelegateFailed(library, error) from error
