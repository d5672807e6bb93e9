"""A loaded file per runtime, ready to be timed: for `benchmarks.runtimes`.

`run()` of a session computes once, from an input that lies in the runtime's own memory into an output that lies there
too. `scores(image)` sets that input from a normalized image, float32 (1, height, width, 3), runs, and returns the
scores, float32 (1, height', width', classes).
"""

import json

import numpy as np

from keras_liteseg.inference.tensors import from_tensor, to_tensor

NCHW, NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
"""Orders of the axes that turn the one layout into the other."""

_DTYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}


class LiteRT:
    def __init__(self, path, precision, threads):
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=threads)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self.run = self._interpreter.invoke

    def scores(self, image):
        self._interpreter.set_tensor(self._input["index"], to_tensor(image, self._input))
        self.run()
        return from_tensor(self._interpreter.get_tensor(self._output["index"]), self._output)


class ONNXRuntime:
    def __init__(self, path, precision, threads):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # The other sessions must not share the processor with threads that spin after a run.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (image,), (scores,) = self._session.get_inputs(), self._session.get_outputs()
        scales = self._session.get_modelmeta().custom_metadata_map
        # Our file has the layout of LiteRT.
        self._to, self._from = ((0, 1, 2, 3),) * 2 if image.shape[-1] == 3 else (NCHW, NHWC)
        self._input, self._output = (
            {"dtype": _DTYPES[tensor.type], "quantization": json.loads(scales.get(end, "[0.0, 0]"))}
            for end, tensor in (("input", image), ("output", scores))
        )
        self._image = np.zeros(image.shape, self._input["dtype"])
        self._scores = np.zeros(scores.shape, self._output["dtype"])
        self._binding = self._session.io_binding()
        self._binding.bind_cpu_input(image.name, self._image)
        self._binding.bind_output(
            scores.name, "cpu", 0, self._output["dtype"], self._scores.shape, self._scores.ctypes.data
        )

    def run(self):
        self._session.run_with_iobinding(self._binding)

    def scores(self, image):
        self._image[:] = to_tensor(image, self._input).transpose(self._to)
        self.run()
        return from_tensor(self._scores, self._output).transpose(self._from)


class OpenVINO:
    def __init__(self, path, precision, threads):
        import openvino

        core = openvino.Core()
        if precision == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ValueError("this processor has no bfloat16")
        properties = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        if precision != "int8":  # what is not quantized there is left to the plug-in
            properties["INFERENCE_PRECISION_HINT"] = {"float32": "f32", "bfloat16": "bf16"}[precision]
        self._request = core.compile_model(str(path), "CPU", properties).create_infer_request()
        self.run = self._request.infer
        self._to, self._from = NCHW, NHWC
        self._input = self._output = {"dtype": np.float32, "quantization": (0.0, 0)}

    def scores(self, image):
        self._request.input_tensors[0].data[:] = to_tensor(image, self._input).transpose(self._to)
        self.run()
        return from_tensor(self._request.output_tensors[0].data, self._output).transpose(self._from).copy()


class OpenVINOWithOurFile(OpenVINO):
    """It takes and gives what LiteRT does with the file: its layout, and int8 where that is int8."""

    def __init__(self, path, precision, threads):
        from ai_edge_litert.interpreter import Interpreter

        super().__init__(path, precision, threads)
        interpreter = Interpreter(str(path))
        (self._input,), (self._output,) = interpreter.get_input_details(), interpreter.get_output_details()
        self._to = self._from = (0, 1, 2, 3)


RUNTIMES = {
    "LiteRT": LiteRT,
    "TFLite converter": LiteRT,
    "ONNX Runtime": ONNXRuntime,
    "ONNX Runtime, our file": ONNXRuntime,
    "OpenVINO": OpenVINO,
    "OpenVINO, our file": OpenVINOWithOurFile,
}
