"""Times of the single ops of a model, from the profiler in LiteRT's C library.

LiteRT's Python classes do not reach the profiler; the C library of the same package exports it. Its functions and
structures are those of the headers litert/c/*.h of LiteRT 2.3. A later LiteRT may change them: what can be checked is
checked, and the rest must be expected to end the process, so give it one of its own.
"""

import contextlib
import ctypes
import importlib.util
import pathlib
import time
from ctypes import c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

import numpy as np

from .tensors import random_input

WARMUP = 3
_LIBRARIES = ("libLiteRt.so", "libLiteRt.dylib", "libLiteRt.dll")
_CPU = 1  # kLiteRtHwAcceleratorCpu
_WRITE = 1  # kLiteRtTensorBufferLockModeWrite
# Kinds of events. There are others: of the whole run, and summaries.
_NODE, _DELEGATE_OPERATOR = 2, 8
_DTYPES = {1: np.float32, 2: np.int32, 3: np.uint8, 6: np.bool_, 7: np.int16, 9: np.int8}

# Arguments of the functions that return a status, 0 if all is well, and of those that return nothing.
_FUNCTIONS = {
    "LiteRtCreateEnvironment": (c_int, c_void_p, c_void_p),
    "LiteRtCreateModelFromFile": (c_void_p, c_char_p, c_void_p),
    "LiteRtCreateOptions": (c_void_p,),
    "LiteRtSetOptionsHardwareAccelerators": (c_void_p, c_int),
    "LiteRtCreateOpaqueOptions": (c_char_p, c_char_p, c_void_p, c_void_p),
    "LiteRtAddOpaqueOptions": (c_void_p, c_void_p),
    "LiteRtCreateCompiledModel": (c_void_p, c_void_p, c_void_p, c_void_p),
    "LiteRtGetModelSignature": (c_void_p, c_size_t, c_void_p),
    "LiteRtGetNumSignatureInputs": (c_void_p, c_void_p),
    "LiteRtGetNumSignatureOutputs": (c_void_p, c_void_p),
    "LiteRtGetSignatureInputTensorByIndex": (c_void_p, c_size_t, c_void_p),
    "LiteRtGetSignatureOutputTensorByIndex": (c_void_p, c_size_t, c_void_p),
    "LiteRtGetRankedTensorType": (c_void_p, c_void_p),
    "LiteRtGetCompiledModelInputBufferRequirements": (c_void_p, c_size_t, c_size_t, c_void_p),
    "LiteRtGetCompiledModelOutputBufferRequirements": (c_void_p, c_size_t, c_size_t, c_void_p),
    "LiteRtCreateManagedTensorBufferFromRequirements": (c_void_p, c_void_p, c_void_p, c_void_p),
    "LiteRtGetTensorBufferPackedSize": (c_void_p, c_void_p),
    "LiteRtLockTensorBuffer": (c_void_p, c_void_p, c_int),
    "LiteRtUnlockTensorBuffer": (c_void_p,),
    "LiteRtRunCompiledModel": (c_void_p, c_size_t, c_size_t, c_void_p, c_size_t, c_void_p),
    "LiteRtCompiledModelGetProfiler": (c_void_p, c_void_p),
    "LiteRtResetProfiler": (c_void_p,),
    "LiteRtStartProfiler": (c_void_p,),
    "LiteRtStopProfiler": (c_void_p,),
    "LiteRtGetNumProfilerEvents": (c_void_p, c_void_p),
    "LiteRtGetProfilerEvents": (c_void_p, c_int, c_void_p),
}
_DESTROYERS = ("Environment", "Model", "Options", "CompiledModel", "TensorBuffer")


class _TensorType(ctypes.Structure):
    _fields_ = [("type", c_int), ("rank", c_uint32, 7), ("has_strides", c_uint32, 1)]
    _fields_ += [("dimensions", c_int32 * 8), ("strides", c_uint32 * 8)]


class _Event(ctypes.Structure):
    _fields_ = [("tag", c_char_p), ("kind", c_int), ("start_us", c_uint64), ("elapsed_us", c_uint64)]
    _fields_ += [("memory", c_int64 * 6), ("index", c_uint64), ("metadata", c_uint64), ("source", c_int)]


# LiteRT hands option texts back to a function that frees them; ours belong to Python.
_keep = ctypes.CFUNCTYPE(None, c_void_p)(lambda text: None)


class _Refused(Exception):
    """There is no profile; the message is the reason."""


def profile(model, threads, accelerator, runs):
    """Run a file with LiteRT's profiler on, which costs some microseconds per op, and return the times of its ops.

    Args:
        model: path of a .tflite file.
        threads: number of threads.
        accelerator: 'cpu' for XNNPACK; the GPU has no profiler.
        runs: number of runs to take the mean of; some untimed ones go before.

    Returns:
        {"ops": [{"op": type such as 'ARG_MAX', or what XNNPACK calls its operator, such as 'Convolution (NHWC, QC8)
        IGEMM', "ms": mean time, "share": of the total, "delegate": 'xnnpack', or None for a built-in kernel, "index":
        number of the op in the file, for XNNPACK of the operator in its partition}, ...] in order of execution,
        "total_ms": mean time of a run with the profiler on, "runs": number, "partitions": number of XNNPACK
        partitions}. XNNPACK splits ops and joins them, so that its operators are not the file's ops one by one.
        {"unsupported": reason} where there is no profile.
    """
    if runs < 1:
        raise ValueError(f"runs is {runs}; give 1 or more")
    if accelerator != "cpu":
        return {"unsupported": f"LiteRT has no profiler for its {accelerator.upper()} accelerator"}
    try:
        with contextlib.ExitStack() as stack:
            return _Profiler(model, threads, stack).profile(runs)
    except _Refused as reason:
        return {"unsupported": str(reason)}


def summary(measured, delegate):
    """Return a profile in the form of `profile`, of a runtime that takes all of a model, from the times of each run.

    Args:
        measured: list of (ms of the run, [(op, ms), ...] in order of execution), the same ops in each.
        delegate: name of the runtime.
    """
    total_ms = float(np.mean([ms for ms, _ in measured]))
    times = np.mean([[ms for _, ms in ops] for _, ops in measured], axis=0)
    ops = [
        {
            "op": op,
            "ms": round(float(ms), 6),
            "share": round(float(ms / total_ms), 6),
            "delegate": delegate,
            "index": index,
        }
        for index, ((op, _), ms) in enumerate(zip(measured[0][1], times))
    ]
    return {"ops": ops, "total_ms": round(total_ms, 6), "runs": len(measured), "partitions": 1}


def find_library():
    """Return the path of LiteRT's C library."""
    package = importlib.util.find_spec("ai_edge_litert")
    folder = pathlib.Path(package.origin).parent
    return next((str(folder / name) for name in _LIBRARIES if (folder / name).exists()), None)


def _load():
    path = find_library()
    if path is None:
        raise _Refused("ai-edge-litert comes without its C library libLiteRt here")
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise _Refused(f"LiteRT's C library cannot be loaded: {error}") from error
    missing = [name for name in (*_FUNCTIONS, *(f"LiteRtDestroy{kind}" for kind in _DESTROYERS))
               if not hasattr(library, name)]  # fmt: skip
    if missing:
        raise _Refused(f"{pathlib.Path(path).name} has no function {missing[0]}; another version of LiteRT may have it")
    for name, arguments in _FUNCTIONS.items():
        getattr(library, name).argtypes = arguments
    for kind in _DESTROYERS:
        destroy = getattr(library, f"LiteRtDestroy{kind}")
        destroy.argtypes, destroy.restype = (c_void_p,), None
    return library


class _Profiler:
    """A model compiled for the CPU with the profiler in it; `stack` frees what it takes."""

    def __init__(self, model, threads, stack):
        self._library = _load()
        self._stack = stack
        self._environment = self._create("Environment", 0, None)
        self._model = self._create("Model", self._environment, str(model).encode(), function="CreateModelFromFile")
        options = self._create("Options")
        self._call("SetOptionsHardwareAccelerators", options, _CPU)
        # LiteRT does not copy the texts.
        self._texts = [b"enable_profiling = true", b"num_threads = %d" % threads]
        for group, text in zip((b"runtime_options_string", b"xnnpack"), self._texts):
            self._call("AddOpaqueOptions", options, self._get("CreateOpaqueOptions", group, text, _keep))
        self._compiled = self._create("CompiledModel", self._environment, self._model, options)
        self._signature = self._get("GetModelSignature", self._model, 0)
        self._inputs = self._buffers("Input")
        self._outputs = self._buffers("Output")
        self._fill_inputs()
        self._profiler = self._get("CompiledModelGetProfiler", self._compiled)
        if not self._profiler:
            raise _Refused("LiteRT made no profiler for this file")

    def profile(self, runs):
        for _ in range(WARMUP):
            self._run()
        measured = [self._profiled_run() for _ in range(runs)]
        names = [[row[:3] for row in rows] for _, rows in measured]
        if any(other != names[0] for other in names):
            raise _Refused("LiteRT ran other ops from run to run")
        if not names[0]:
            raise _Refused("LiteRT's profiler saw no op")
        found = summary([(ms, [(row[0], row[3]) for row in rows]) for ms, rows in measured], "xnnpack")
        for op, (_, kind, index) in zip(found["ops"], names[0]):
            op |= {"delegate": "xnnpack" if kind == _DELEGATE_OPERATOR else None, "index": index}
        # XNNPACK counts its operators anew in each partition.
        found["partitions"] = sum(op["delegate"] is not None and op["index"] == 0 for op in found["ops"])
        return found

    def _profiled_run(self):
        """Return (ms of the run, [(op, kind, index, ms), ...])."""
        self._call("ResetProfiler", self._profiler)
        self._call("StartProfiler", self._profiler)
        start = time.perf_counter()
        self._run()
        end = time.perf_counter()
        self._call("StopProfiler", self._profiler)
        rows = [
            (event.tag.decode(errors="replace"), event.kind, event.index, event.elapsed_us / 1e3)
            for event in self._events()
            if event.kind in (_NODE, _DELEGATE_OPERATOR)
        ]
        return (end - start) * 1e3, rows

    def _events(self):
        count = self._get("GetNumProfilerEvents", self._profiler, kind=c_int).value
        if count < 1:
            return []
        # With room to spare, filled with a mark, to see whether LiteRT's structure is as long as this one.
        events = (_Event * (2 * count))()
        ctypes.memset(events, 0xFF, ctypes.sizeof(events))
        self._call("GetProfilerEvents", self._profiler, count, events)
        if events[count].kind != -1 or events[count - 1].kind == -1:
            raise _Refused("the events of this LiteRT's profiler have another form than those of LiteRT 2.3")
        return events[:count]

    def _run(self):
        inputs, outputs = self._inputs, self._outputs
        self._call("RunCompiledModel", self._compiled, 0, len(inputs), inputs, len(outputs), outputs)

    def _buffers(self, side):
        buffers = []
        for index in range(self._get(f"GetNumSignature{side}s", self._signature, kind=c_size_t).value):
            tensor_type = self._tensor_type(side, index)
            needs = self._get(f"GetCompiledModel{side}BufferRequirements", self._compiled, 0, index)
            arguments = self._environment, ctypes.byref(tensor_type), needs
            function = "CreateManagedTensorBufferFromRequirements"
            buffers.append(self._create("TensorBuffer", *arguments, function=function))
        return (c_void_p * len(buffers))(*(buffer.value for buffer in buffers))

    def _tensor_type(self, side, index):
        tensor = self._get(f"GetSignature{side}TensorByIndex", self._signature, index)
        return self._get("GetRankedTensorType", tensor, kind=_TensorType)

    def _fill_inputs(self):
        rng = np.random.default_rng(0)
        for index, buffer in enumerate(self._inputs):
            tensor_type = self._tensor_type("Input", index)
            if tensor_type.type not in _DTYPES:
                raise _Refused(f"there are no random numbers for an input of LiteRT's type {tensor_type.type}")
            shape = tuple(tensor_type.dimensions[: tensor_type.rank])
            data = np.ascontiguousarray(random_input(rng, shape, np.dtype(_DTYPES[tensor_type.type])))
            size = self._get("GetTensorBufferPackedSize", buffer, kind=c_size_t).value
            if size != data.nbytes:
                raise _Refused(f"LiteRT wants {size} bytes for an input of {data.nbytes}")
            address = c_void_p()
            self._call("LockTensorBuffer", buffer, ctypes.byref(address), _WRITE)
            ctypes.memmove(address, data.ctypes.data, size)
            self._call("UnlockTensorBuffer", buffer)

    def _create(self, kind, *arguments, function=None):
        """Return a new object, which `stack` will destroy."""
        handle = self._get(function or f"Create{kind}", *arguments)
        self._stack.callback(getattr(self._library, f"LiteRtDestroy{kind}"), handle)
        return handle

    def _get(self, function, *arguments, kind=c_void_p):
        """Return what a function writes to where its last argument points."""
        result = kind()
        self._call(function, *arguments, ctypes.byref(result))
        return result

    def _call(self, function, *arguments):
        status = getattr(self._library, f"LiteRt{function}")(*arguments)
        if status:
            raise _Refused(f"LiteRt{function} failed with status {status}")
