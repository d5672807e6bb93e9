"""One network as a file for LiteRT, ONNX Runtime and OpenVINO, in float and in int8: for `benchmarks.runtimes`.

Every function takes the network and writes one file. The int8 files are made as each runtime's own documentation
recommends for this kind of processor, all calibrated on the same images.
"""

import json
import pathlib
import tempfile

import keras
import numpy as np

from keras_liteseg import CalibrationOptions, ExportOptions
from keras_liteseg.conversion.export import SETTLING_IMAGES, export
from keras_liteseg.conversion.onnx_export import tflite_to_onnx
from keras_liteseg.datasets import load_dataset
from keras_liteseg.graph import native_dilation
from keras_liteseg.inference.predictor import calibration_images
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import create_model
from keras_liteseg.models.archive import save_model
from keras_liteseg.models.pretrained import is_pretrained
from keras_liteseg.networks import model_spec
from keras_liteseg.tflite.flatbuffer import describe, read_model
from keras_liteseg.training.batch_norm_statistics import measure_statistics

OPSET = 18  # the highest of tf2onnx
WEIGHTS = "camvid"


def network_of(name, size, count, upsampling="none"):
    """Return (network for 19 classes, its `Metadata`, data set of `count` street scenes, these as normalized images).

    It has the weights published for CamVid, where there are any, so that labels can be compared; classes beyond those
    of CamVid repeat the first. Other networks get seeded random weights with the statistics of the scenes, because
    values that grow or vanish from layer to layer end in denormal numbers, which are slow. Neither changes a latency.
    The network ends before its last upsampling unless `upsampling` is 'full'.
    """
    entry = model_spec(name)
    trained = is_pretrained(name, WEIGHTS)
    dataset = load_dataset("street_scenes", split="train", length=count, size=size)
    metadata = Metadata(name, WEIGHTS if trained else "", dataset.classes, entry.mean, entry.std)
    images = calibration_images(dataset, count, size, metadata)
    keras.utils.set_random_seed(0)
    model = create_model(name, (*size, 3), 19)
    if trained:
        for layer, source in zip(model.layers, create_model(name, (*size, 3), weights=WEIGHTS).layers, strict=True):
            pairs = zip(source.get_weights(), layer.weights, strict=True)
            layer.set_weights([_repeated(values, weight.shape[-1]) for values, weight in pairs])
    else:
        # As the export does, which does it again.
        measure_statistics(model, [(np.concatenate(images[:SETTLING_IMAGES]), None)])
    return model if upsampling == "full" else before_last_upsampling(model), metadata, dataset, images


def _repeated(values, length):
    """Return weights with as many output channels as asked for, by repeating the first ones."""
    return np.take(values, np.arange(length) % values.shape[-1], axis=-1)


def make_files(network, metadata, dataset, images, folder):
    """Write the files of a network that `folder` lacks, and return {(runtime, precision): path, or the exception that
    prevented it} of all."""
    folder.mkdir(parents=True, exist_ok=True)
    float_onnx, int8_onnx = folder / "float32.onnx", folder / "int8.onnx"
    ours = folder / "int8.tflite"
    steps = {
        ("LiteRT", "float32"): (litert, (network, metadata, dataset, len(images), "none"), folder / "float32.tflite"),
        ("LiteRT", "int8"): (litert, (network, metadata, dataset, len(images), "int8"), ours),
        ("TFLite converter", "float32"): (converter_alone, (network,), folder / "plain_float32.tflite"),
        ("TFLite converter", "int8"): (converter_alone, (network, images), folder / "plain_int8.tflite"),
        ("ONNX Runtime", "float32"): (onnx_float32, (network,), float_onnx),
        ("ONNX Runtime", "int8"): (onnx_int8, (float_onnx, images), int8_onnx),
        ("ONNX Runtime, our file", "int8"): (our_onnx_int8, (ours,), folder / "our_int8.onnx"),
        ("OpenVINO", "int8"): (openvino_int8, (float_onnx, images), folder / "int8.xml"),
    }
    paths = {}
    for (runtime, precision), (make, arguments, path) in steps.items():
        paths[runtime, precision] = path
        if path.exists():
            continue
        print(f"{network.name}: making the {precision} file for {runtime}", flush=True)
        try:
            _whole(make, arguments, path)
        # Whatever another tool raises: the others go on without it.
        except Exception as error:
            paths[runtime, precision] = error
    # OpenVINO reads .onnx and .tflite files itself, and computes floats in the precision that it is told.
    paths["OpenVINO, our file", "int8"] = paths["LiteRT", "int8"]
    for precision in ("float32", "bfloat16"):
        paths["OpenVINO", precision] = paths["ONNX Runtime", "float32"]
        paths["OpenVINO, our file", precision] = paths["LiteRT", "float32"]
    return paths


def _whole(make, arguments, path):
    """Make a file and those that belong to it elsewhere, and move them in place when all are whole."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = pathlib.Path(folder, path.name)
        make(*arguments, made)
        for other in pathlib.Path(folder).iterdir():
            if other != made:
                other.replace(path.with_name(other.name))
        made.replace(path)


def before_last_upsampling(model):
    """Return the part of a network that ends with the scores which its layer `logits` resizes."""
    scores = model.get_layer("logits").input
    # A resize to the size of another tensor has that as second input.
    return keras.Model(model.input, scores[0] if isinstance(scores, list) else scores, name=model.name)


def litert(network, metadata, dataset, count, quantization, path):
    """The file that liteseg export makes of the network; in int8, input and scores are int8 too."""
    archive = path.with_suffix(".keras")
    save_model(network, archive, metadata)
    export(archive, path, ExportOptions(quantization=quantization), CalibrationOptions(dataset, count))


def converter_alone(network, *images_and_path):
    """The file that TensorFlow's converter makes of the same Keras model, in int8 by its own calibration on `images`:
    what our restructuring is compared with."""
    import tensorflow as tf

    *images, path = images_and_path
    converter = tf.lite.TFLiteConverter.from_keras_model(with_batch_of_one(network))
    if images:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image] for image in images[0])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    path.write_bytes(converter.convert())


def with_batch_of_one(network):
    """Return the same network for one image, as a file with a batch of any size would have dynamic shapes."""
    image = keras.Input(batch_shape=(1, *network.input.shape[1:]), name="images")
    return keras.Model(image, network(image, training=False))


def onnx_float32(network, path):
    """Input and scores are float32 (1, channels, height, width), the layout of both runtimes that read ONNX."""
    import onnx
    import onnxslim
    import tensorflow as tf
    import tf2onnx

    model = native_dilation(network)
    signature = [tf.TensorSpec((1, *model.input.shape[1:]), tf.float32, name="images")]
    function = tf.function(lambda images: {"logits": model(images, training=False)}, input_signature=signature)
    content, _ = tf2onnx.convert.from_function(
        function, signature, opset=OPSET, inputs_as_nchw=["images"], outputs_as_nchw=["logits"]
    )
    onnx.save(onnxslim.slim(content), path)


def onnx_int8(float_path, images, path):
    """ONNX Runtime's static quantization: QDQ, activations uint8, weights int8 per channel, which its documentation
    advises for x86 with VNNI. Input and scores are uint8 too, where the first and the last operation are quantized."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.inputs = iter([{"images": nchw(image)} for image in images])

        def get_next(self):
            return next(self.inputs, None)

    prepared = path.with_suffix(".prepared.onnx")
    # Without symbolic shape inference, which is for transformers: every shape is static here.
    quant_pre_process(str(float_path), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(path),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {end: json.dumps(scale) for end, scale in quantized_ends(model.graph).items()})
    onnx.save(model, path)


def our_onnx_int8(tflite_path, path):
    """Our int8 file as ONNX, as liteseg export makes it, but with the 8-bit input and scores of the .tflite file."""
    file = read_model(tflite_path)
    graph = file.subgraphs[0]
    ends = {"input": graph.inputs, "output": graph.outputs}
    tensors = {name: describe(graph.tensors[indices[0]], file.buffers) for name, indices in ends.items()}
    scales = {name: json.dumps((tensor.scale, tensor.zero_point + 128)) for name, tensor in tensors.items()}
    tflite_to_onnx(tflite_path, path, int8=True, properties=scales)


def quantized_ends(graph):
    """Take the quantization of the input and the dequantization of the output off an ONNX graph, in place, where they
    come first and last, as the int8 file of LiteRT has neither. Returns {"input" or "output": (scale, zero point)}."""
    from onnx import TensorProto, numpy_helper

    (image,), (scores,) = graph.input, graph.output
    values = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    first = [node for node in graph.node if image.name in node.input]
    (last,) = [node for node in graph.node if scores.name in node.output]
    found = {}
    if all(node.op_type == "QuantizeLinear" for node in first):
        quantized = {node.output[0] for node in first}
        for node in graph.node:
            node.input[:] = [image.name if name in quantized else name for name in node.input]
        found["input"] = image, first
    if last.op_type == "DequantizeLinear":
        scores.name = last.input[0]
        found["output"] = scores, [last]
    for end, nodes in found.values():
        end.type.tensor_type.elem_type = TensorProto.UINT8
        for node in nodes:
            graph.node.remove(node)
    return {name: tuple(values[key].item() for key in nodes[0].input[1:3]) for name, (_, nodes) in found.items()}


def openvino_int8(float_path, images, path):
    """NNCF's post-training quantization with its preset for speed. Input and scores are float32."""
    import nncf
    import openvino

    model = openvino.Core().read_model(float_path)
    data = nncf.Dataset([nchw(image) for image in images])
    quantized = nncf.quantize(
        model, data, preset=nncf.QuantizationPreset.PERFORMANCE, target_device=nncf.TargetDevice.CPU,
        subset_size=len(images),
    )  # fmt: skip
    openvino.save_model(quantized, path, compress_to_fp16=False)


def nchw(image):
    return np.ascontiguousarray(image.transpose(0, 3, 1, 2))
