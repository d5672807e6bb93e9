"""Measures one TFLite file on the machine where it runs, driven by lines on stdin.

    python -m device.runner MODEL.tflite THREADS cpu|gpu|npu|tensorrt|openvino|onnxruntime [DELEGATE]

is started in the folder that holds the folder `device`; TensorRT and ONNX Runtime also want MODEL.onnx beside
MODEL.tflite. DELEGATE, for cpu, is an external delegate: {"library": path, "options": {name: text}}. Every line that it
reads is answered by one line of JSON on stdout:

    load       {"init_ms": ms until the first run can begin, "compile_ms": of these the ms in which the accelerator
                prepares the graph, "first_run_ms": ms of the first write + invoke + read, "load_average": of the
                machine over the last minute, before this}
    warmup N   {}
    run N      {"run": [ms of invoke, N of them], "end_to_end": [ms of write + invoke + read, N of them]}
    report     what ran, on what, with how much memory: see `cpu_runner.CpuRunner.report`
    profile N  {"ops": ms of each op over N runs of their own, see `op_profile.profile`}; the process must not have been
               asked to load; {"unsupported": reason} where the runtime cannot tell
    infer X    {"outputs": the output tensors for the input tensors X}, both as `tensors.pack` writes them

When something fails the answer is {"error": reason}, and the exit status is 1; with "log", what the accelerator wrote,
where it refused the model; with "delegate", see `delegate_runner.DelegateFailed`, where that cannot be used. Inputs are
seeded random numbers: floats in [-1, 1], integers over the full range of their type.
"""

import json
import os
import sys

from .tensors import UnsupportedType, pack, unpack

ACCELERATORS = ("cpu", "gpu", "npu", "tensorrt", "openvino", "onnxruntime")


def runner_class(accelerator):
    """Return the class that runs a model on one of `ACCELERATORS`.

    Raises:
        ValueError: it is none of them.
    """
    _check(accelerator)
    # Imported here, as LiteRT's GPU accelerator is not in every build of it, and the others are packages of their own.
    if accelerator == "gpu":
        from .gpu_runner import GpuRunner

        return GpuRunner
    if accelerator == "npu":
        from .npu_runner import NpuRunner

        return NpuRunner
    if accelerator == "tensorrt":
        from .tensorrt_runner import TensorRTRunner

        return TensorRTRunner
    if accelerator == "openvino":
        from .openvino_runner import OpenVINORunner

        return OpenVINORunner
    if accelerator == "onnxruntime":
        from .onnxruntime_runner import ONNXRuntimeRunner

        return ONNXRuntimeRunner
    from .cpu_runner import CpuRunner

    return CpuRunner


def profile(model, threads, accelerator, runs):
    """Return the times of a model's ops, see `op_profile.profile`; raises as `runner_class`."""
    _check(accelerator)
    if accelerator == "tensorrt":
        from .tensorrt_runner import profile
    elif accelerator == "openvino":
        from .openvino_runner import profile
    elif accelerator == "onnxruntime":
        from .onnxruntime_runner import profile
    else:
        from .op_profile import profile
    return profile(model, threads, accelerator, runs)


def _check(accelerator):
    if accelerator not in ACCELERATORS:
        raise ValueError(f"unknown accelerator {accelerator!r}; choose from {', '.join(ACCELERATORS)}")


def main(model, threads, accelerator="cpu", delegate=None):
    """Answer the lines of stdin until it ends."""
    # The C libraries may print; what they print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.set_inheritable(answers.fileno(), True)  # see `gpu_runner.captured_stderr`
    os.dup2(2, 1)

    def answer(value):
        print(json.dumps(value), file=answers)

    try:
        for line in sys.stdin:
            command, *count = line.split()
            if command == "load":
                if delegate is None:
                    runner = runner_class(accelerator)(model, int(threads))
                else:
                    from .delegate_runner import DelegateRunner

                    runner = DelegateRunner(model, int(threads), **json.loads(delegate))
                answer(
                    {
                        "init_ms": runner.init_ms,
                        "compile_ms": runner.compile_ms,
                        "first_run_ms": runner.first_run_ms,
                        "load_average": runner.load_average,
                    }
                )
            elif command == "warmup":
                runner.warm_up(int(*count))
                answer({})
            elif command == "run":
                answer(runner.run(int(*count)))
            elif command == "infer":
                answer({"outputs": pack(runner.outputs_for(unpack(*count)))})
            elif command == "profile" and delegate is not None:
                answer({"unsupported": "LiteRT's profiler is not reached with an external delegate"})
            elif command == "profile":
                answer(profile(model, int(threads), accelerator, int(*count)))
            elif command == "report":
                answer(runner.report())
            else:
                raise ValueError(f"unknown command {command!r}")
    except UnsupportedType as error:
        answer({"error": str(error)})
        sys.exit(1)
    except Exception as error:
        # The accelerator's own log, where there is one; what it means is not for the device to say.
        told = {name: getattr(error, name) for name in ("log", "delegate") if hasattr(error, name)}
        answer({"error": str(error) if told else f"{type(error).__name__}: {error}", **told})
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
