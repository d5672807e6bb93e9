"""Builds one ONNX file for a Rockchip NPU and runs it in the simulator of rknn-toolkit2, driven by lines on stdin as
`runner.py` is:

    python -m device.rknn_simulator MODEL.onnx rk3588 RESULT.rknn

This is for an environment that has rknn-toolkit2 and not LiteRT. Inputs and outputs have their channels last, as in the
`.tflite` file, and first in the ONNX file. "load" writes RESULT.rknn and is answered with {}, "report" with

    {"version": of the toolkit, "layers": [{"op": such as 'ConvRelu', "target": 'NPU' or 'CPU', "cycles": what the
    compiler expects, 0 where it does not say}, ...], "memory_kib": {"internal": for feature maps, "weights"},
    "accelerator", "ops"}

"infer" as in `runner.py`; "run" not at all, as the simulator's time is no NPU's.
"""

import contextlib
import importlib.metadata
import json
import os
import re
import sys
import tempfile

from .tensors import pack, unpack

# A line of the 'Network Layer Information Table', such as
# 3    ConvRelu    INT8     NPU    (1,8,45,60),(16,8,1,1),(16)    (1,16,45,60)    3675/10816/10816    42    Conv:name
_LAYER = re.compile(r"\] \d+ +(\w+) +\S+ +(NPU|CPU|GPU) .* \d+/\d+/(\d+) ")
_MEMORY = re.compile(r"Total (Internal|Weight) Memory Size: ([\d.]+)KB")
_ERROR = re.compile(r"^E RKNN: \[[\d:.]+\] (.*)", re.MULTILINE)
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
# Convolutions of a concatenation would become sums of convolutions in 16-bit floats, which the smaller chips have not.
_DISABLED = ["fuse_concat_conv"]
# These are layers that it calls so and the NPU has no part in.
_ENDS = ("InputOperator", "OutputOperator")


class Simulator:
    """A file that is built for an NPU, and the simulator of it."""

    def __init__(self, model, chip, result):
        from rknn.api import RKNN

        with _log() as log:
            # The table of layers is told to those alone who want to know everything.
            self._rknn = RKNN(verbose=True)
            steps = (
                lambda: self._rknn.config(target_platform=chip, disable_rules=_DISABLED),
                lambda: self._rknn.load_onnx(model=model),
                lambda: self._rknn.build(do_quantization=False),  # it is quantized already
                lambda: self._rknn.export_rknn(result),
                self._rknn.init_runtime,
            )
            try:
                failed = any(step() != 0 for step in steps)
            except Exception as error:  # as text, it holds where in the toolkit that was
                failed = str(error)
        self._said = _COLOURS.sub("", log())
        if failed:
            raise RuntimeError(f"rknn-toolkit2 refused it: {_reason(self._said, failed)}")

    def report(self):
        """Return what was built."""
        layers = [
            {"op": op, "target": target, "cycles": int(cycles)}
            for op, target, cycles in _LAYER.findall(self._said)
            if op not in _ENDS
        ]
        memory = {kind.lower(): float(kib) for kind, kib in _MEMORY.findall(self._said)}
        return {
            "accelerator": "rknn",
            "ops": [],
            "version": importlib.metadata.version("rknn-toolkit2"),
            "layers": layers,
            "memory_kib": {"internal": memory.get("internal"), "weights": memory.get("weight")},
        }

    def infer(self, arrays):
        """Return the outputs for a list of inputs."""
        with _log():
            outputs = self._rknn.inference(inputs=arrays, data_format=["nhwc"] * len(arrays))
        return [each.transpose(0, 2, 3, 1) if each.ndim == 4 else each for each in outputs]


@contextlib.contextmanager
def _log():
    """Yield a function that returns, afterwards, what this process and its C libraries have written meanwhile."""
    with tempfile.TemporaryFile() as file:
        before = [os.dup(number) for number in (1, 2)]
        text = []
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield lambda: text[0]
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for number, old in zip((1, 2), before):
                os.dup2(old, number)
                os.close(old)
            file.seek(0)
            text.append(file.read().decode(errors="replace"))


def _reason(said, raised):
    # It calls an op that it gives to the CPU an error too.
    lines = [line for line in _ERROR.findall(said) if "op target" not in line]
    if isinstance(raised, str):
        lines += raised.strip().splitlines()[-1:]
    return "; ".join(dict.fromkeys(line.strip() for line in lines))[:300] or "it gave no reason"


def main(model, chip, result):
    """Answer the lines of stdin until it ends."""
    # The C libraries may print; what they print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    simulator = None
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            if command == "load":
                simulator = Simulator(model, chip, result)
                answer = {}
            elif command == "report":
                answer = simulator.report()
            else:
                answer = {"outputs": pack(simulator.infer(unpack(*arguments)))}
        except Exception as error:  # whatever it is, it is the reason
            print(json.dumps({"error": " ".join(str(error).split()) or type(error).__name__}), file=answers)
            return 1
        print(json.dumps(answer), file=answers)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
