"""ONNX files: what is in them, and that ONNX Runtime finds in them what LiteRT and Keras find."""

import collections
import functools
import importlib.util
import json

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from keras_liteseg import CalibrationOptions, ExportOptions, load_dataset, load_model, load_predictor
from keras_liteseg.conversion import onnx_export
from keras_liteseg.conversion.apart import run_apart
from keras_liteseg.conversion.convert import convert
from keras_liteseg.conversion.export import export
from keras_liteseg.conversion.onnx_export import OPSET, export_onnx, tflite_to_onnx
from keras_liteseg.conversion.options import InputType
from keras_liteseg.errors import UserError
from keras_liteseg.graph import fold_batch_norm, native_dilation, restructure
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.inference.tensors import from_tensor, to_tensor
from keras_liteseg.metadata import Metadata
from keras_liteseg.models.network import load_network
from keras_liteseg.networks.layers import BilinearResize
from keras_liteseg.networks.ops import resize_bilinear
from keras_liteseg.quantization.post_training import quantize
from keras_liteseg.quantization.simulate import simulate_int8
from keras_liteseg.tflite.flatbuffer import describe, read_model
from keras_liteseg.tflite.inspect import inspect
from tests.tiny import tiny

MISSING = [name for name in (*onnx_export.PACKAGES, "sympy") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed: pip install -r requirements-onnx.txt"
)


def session(path, **settings):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for name, value in settings.items():
        setattr(options, name, value)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def load(path):
    import onnx

    return onnx.load(path)


def constants(graph):
    import onnx

    return {constant.name: onnx.numpy_helper.to_array(constant) for constant in graph.initializer}


@pytest.mark.parametrize("align_corners", [True, False])
def test_resize_of_odd_lengths(align_corners, metadata, tmp_path):
    sizes = [(25, 45), (97, 67), (31, 18), (62, 36)]
    x = images = keras.Input((13, 23, 3), name="images")
    for size in sizes:
        x = BilinearResize(size=size, align_corners=align_corners)(x)
    tflite = tmp_path / "a.tflite"
    request = metadata.replace(quantization="none", output_type="logits")
    tflite.write_bytes(convert(keras.Model(images, x), request))
    export_onnx(tflite, tmp_path / "a.onnx", request, InputType.AUTO, 300)

    values = np.random.default_rng(0).uniform(-1, 1, (1, 13, 23, 3)).astype(np.float32)
    (found,) = session(tmp_path / "a.onnx").run(None, {"images": values})
    expected = functools.reduce(lambda x, size: resize_bilinear(x, size, align_corners), sizes, values)
    assert found.shape == (1, 62, 36, 3)
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-5)
    properties = session(tmp_path / "a.onnx").get_modelmeta().custom_metadata_map
    assert properties["resize"] == ("align_corners" if align_corners else "half_pixel")


# Other tests here have an NDNet45.
@pytest.mark.parametrize(
    "name", [pytest.param("ndnet45", marks=pytest.mark.slow), "lps_net_s", "pp_liteseg_t", "liteseg_mobilenetv2"]
)
def test_float_file_of_every_family_gives_the_labels_of_keras(name, scenes, tmp_path):
    network, metadata = load_network(name, "camvid", scenes.size)
    metadata = metadata.replace(quantization="none", output_type="logits")
    tflite, onnx = tmp_path / "a.tflite", tmp_path / "a.onnx"
    tflite.write_bytes(convert(native_dilation(restructure(fold_batch_norm(network))), metadata))
    export_onnx(tflite, onnx, metadata, InputType.AUTO, 300)
    # OpenCV pads on the wrong side where a file says SAME in place of numbers.
    assert {"auto_pad"}.isdisjoint(each.name for node in load(onnx).graph.node for each in node.attribute)
    predictors = keras_predictor(network, metadata), load_predictor(tflite), load_predictor(onnx)
    for index in range(2):
        expected, lite, found = (predictor.logits(scenes.image(index)) for predictor in predictors)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
        np.testing.assert_allclose(found, lite, atol=1e-4 * np.abs(expected).max())
        assert np.mean(found.argmax(-1) == expected.argmax(-1)) > 0.999
        assert len(np.unique(found.argmax(-1))) > 1


@pytest.mark.slow
def test_file_for_tensorrt_of_lps_net_at_360x480(tmp_path):
    """Of its resizes some have factors, such as 60/29, with which a float32 ends a row short."""
    from edge.targets import to_onnx

    network, metadata = load_network("lps_net_s", "camvid", (360, 480))
    metadata = metadata.replace(quantization="none", output_type="logits")
    tflite, onnx = tmp_path / "a.tflite", tmp_path / "a.onnx"
    tflite.write_bytes(convert(native_dilation(restructure(fold_batch_norm(network))), metadata))
    to_onnx.convert(tflite, onnx)
    values = np.random.default_rng(0).uniform(-1, 1, (1, 360, 480, 3)).astype(np.float32)
    (found,) = session(onnx).run(None, {session(onnx).get_inputs()[0].name: values})
    expected = load_predictor(tflite).run(values)
    np.testing.assert_allclose(found[0], expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"size": (61, 36)}, r"gives \[1, 61, 36, 3\] where the .tflite file gives \[1, 62, 36, 3\]"),
        ({"size": (62, 36), "align_corners": False}, "finds other values in the ONNX file"),
    ],
)
def test_file_that_does_not_agree_is_not_handed_over(other, says, metadata, tmp_path, monkeypatch):
    images = keras.Input((13, 23, 3), name="images")
    request = metadata.replace(quantization="none", output_type="logits")
    right, wrong = tmp_path / "right.tflite", tmp_path / "wrong.tflite"
    for path, resize in ((right, {"size": (62, 36)}), (wrong, other)):
        path.write_bytes(convert(keras.Model(images, BilinearResize(**resize)(images)), request))
    require_agreement = onnx_export.require_agreement
    monkeypatch.setattr(onnx_export, "require_agreement", lambda source, *rest: require_agreement(right, *rest))
    export_onnx(right, tmp_path / "a.onnx", request, InputType.AUTO, 300)
    with pytest.raises(UserError, match=says):
        export_onnx(wrong, tmp_path / "b.onnx", request, InputType.AUTO, 300)
    assert not (tmp_path / "b.onnx").exists()


@pytest.fixture(scope="module")
def int8_request(metadata):
    return metadata.replace(quantization="int8", output_type="logits")


@pytest.fixture(scope="module")
def int8_onnx(int8_file, int8_request):
    """`int8_file` as ONNX."""
    path = int8_file.with_suffix(".onnx")
    export_onnx(int8_file, path, int8_request, InputType.AUTO, 300)
    return path


def run_without_xnnpack(path, image):
    """Return the logits that LiteRT's other kernels find in an int8 file."""
    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, num_threads=1
    )
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], to_tensor(image, source))
    interpreter.invoke()
    return from_tensor(interpreter.get_tensor(result["index"])[0], result)


def test_int8_file_computes_what_the_tflite_file_does(int8_onnx, int8_file, images):
    """Every runtime rounds in its own way, and with random weights a hundred layers amplify each rounding: the ONNX
    file is to be nearer to the .tflite file than that is to itself in LiteRT's other kernels."""
    lite, onnx = load_predictor(int8_file), load_predictor(int8_onnx)
    expected = np.stack([lite.run(image) for image in images])
    found = np.stack([onnx.run(image) for image in images])
    other = np.stack([run_without_xnnpack(int8_file, image) for image in images])
    assert found.dtype == np.float32
    (logits,) = inspect(int8_file).outputs
    errors = [np.abs(each - expected).mean() / logits.scale for each in (found, other)]
    equal = [np.mean(each.argmax(-1) == expected.argmax(-1)) for each in (found, other)]
    assert errors[0] < errors[1] and errors[0] < 1
    assert equal[0] > equal[1] and equal[0] > 0.95


def test_int8_file_has_the_kernels_and_scales_of_the_tflite_file(int8_onnx, int8_file):
    graph = load(int8_onnx).graph
    values = constants(graph)
    file = read_model(int8_file)
    tensors = file.subgraphs[0].tensors
    described = [describe(tensor, file.buffers) for tensor in tensors]
    kernels = [
        np.frombuffer(bytes(file.buffers[tensor.buffer].data), np.int8)
        for tensor, each in zip(tensors, described)
        if each.constant and each.dtype == "int8"
    ]
    scales = {each.scale for each in described if each.scale is not None}
    zero_points = {each.zero_point + 128 for each in described if each.scale is not None and each.dtype == "int8"}

    producers = {node.output[0]: node for node in graph.node}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    found = [producers[node.input[1]] for node in convolutions]
    assert len(found) == len(kernels) == 99
    assert collections.Counter(np.sort(values[node.input[0]].ravel()).tobytes() for node in found) == (
        collections.Counter(np.sort(kernel).tobytes() for kernel in kernels)
    )
    for node in found:
        assert values[node.input[0]].dtype == np.int8 and not values[node.input[2]].any()
    activations = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert len(activations) > 99
    for node in activations:
        assert values[node.input[2]].dtype == np.uint8
        assert values[node.input[1]].item() in scales and values[node.input[2]].item() in zero_points


def test_every_convolution_of_an_int8_file_is_computed_in_int8(int8_onnx, tmp_path):
    path = tmp_path / "optimized.onnx"
    session(int8_onnx, optimized_model_filepath=str(path))
    counts = collections.Counter(node.op_type for node in load(path).graph.node)
    assert counts["QLinearConv"] == 99 and not counts["Conv"]
    assert counts["QLinearAdd"] and not counts["Add"]


def test_file_says_what_it_is(int8_onnx, int8_request):
    model = load(int8_onnx)
    properties = {each.key: each.value for each in model.metadata_props}
    assert Metadata.from_json(properties["keras_liteseg.json"]).to_json() == int8_request.to_json()
    assert (properties["opset"], properties["resize"]) == (str(OPSET), "align_corners")
    assert [(each.domain, each.version) for each in model.opset_import] == [("", OPSET)]
    assert [tensor.name for tensor in (*model.graph.input, *model.graph.output)] == ["images", "logits"]


@pytest.fixture(scope="module")
def small(metadata, scenes):
    """(A small int8 network, as `convert` takes it, its request): for the ends of the graph alone."""
    keras.utils.set_random_seed(0)
    model, prepared, _ = quantize(tiny((64, 128, 3), 9), metadata, CalibrationOptions(scenes, images=4))
    request = prepared.replace(quantization="int8", output_type="logits", ranges={})
    return simulate_int8(model, prepared.ranges), request


@pytest.fixture(scope="module")
def small_onnx(small, tmp_path_factory):
    """`small` as ONNX that gives logits."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "a.tflite").write_bytes(convert(*small))
    export_onnx(folder / "a.tflite", folder / "a.onnx", small[1], InputType.AUTO, 300)
    return folder / "a.onnx"


def test_bytes_are_the_picture_and_change_nothing(small, small_onnx, scenes, tmp_path):
    floats, pixels = small_onnx, tmp_path / "pixels.onnx"
    export_onnx(floats.with_suffix(".tflite"), pixels, small[1], InputType.UINT8, 300)
    assert session(pixels).get_inputs()[0].type == "tensor(uint8)"
    for index in range(len(scenes)):
        image = scenes.image(index)
        expected = load_predictor(floats).logits(image)
        np.testing.assert_array_equal(load_predictor(pixels).logits(image), expected)
        np.testing.assert_array_equal(session(pixels).run(None, {"images": image[None]})[0][0], expected)


@pytest.mark.parametrize("output_type, dtype", [("classes", np.int32), ("classes_uint8", np.uint8)])
def test_class_map_of_an_int8_file(output_type, dtype, small, small_onnx, scenes, tmp_path):
    model, request = small[0], small[1].replace(output_type=output_type)
    (tmp_path / "a.tflite").write_bytes(convert(model, request))
    export_onnx(tmp_path / "a.tflite", tmp_path / "a.onnx", request, InputType.AUTO, 300)
    found, logits = (load_predictor(path).logits(scenes.image(0)) for path in (tmp_path / "a.onnx", small_onnx))
    assert found.dtype == dtype and found.shape == (64, 128) and len(np.unique(found)) > 2
    np.testing.assert_array_equal(found, logits.argmax(-1))


def test_batch_of_probabilities(small, small_onnx, scenes, tmp_path):
    model, request = small[0], small[1].replace(output_type="softmax")
    (tmp_path / "a.tflite").write_bytes(convert(model, request, batch_size=2))
    export_onnx(tmp_path / "a.tflite", tmp_path / "a.onnx", request, InputType.AUTO, 300)
    assert session(tmp_path / "a.onnx").get_inputs()[0].shape == [2, 64, 128, 3]
    found, logits = (load_predictor(path).logits(scenes.image(0)) for path in (tmp_path / "a.onnx", small_onnx))
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    np.testing.assert_allclose(found, exponents / exponents.sum(-1, keepdims=True), atol=1.5 / 256)


def card_of(path):
    return json.loads(path.with_name(f"{path.name}.json").read_text())


@pytest.mark.parametrize("quantization", ["none", "float16", "int8"])
def test_export_passes_the_gate_and_writes_a_card(quantization, small_file, scenes, tmp_path):
    path = tmp_path / "a.onnx"
    options = ExportOptions(quantization=quantization, format="onnx", upsampling="half")
    verification = export(small_file, path, options, CalibrationOptions(scenes), validation=scenes)
    assert verification.file.images == 4
    assert verification.file.agreement > (0.93 if quantization == "int8" else 0.999)
    assert {file.name for file in tmp_path.iterdir()} == {"a.onnx", "a.onnx.json"}
    card = card_of(path)
    assert (card["file"], card["format"], card["quantization"]) == ("a.onnx", "onnx", quantization)
    assert (card["opset"], card["resize"]) == (OPSET, "align_corners")
    assert card["inputs"] == [
        {
            "name": "images",
            "dtype": "float32",
            "shape": [1, 64, 128, 3],
            "layout": "NHWC",
            "scale": None,
            "zero_point": None,
        }
    ]
    assert card["outputs"][0]["shape"] == [1, 32, 64, 9]
    assert card["accuracy"]["agreement"] == verification.file.agreement
    assert card["versions"]["tf2onnx"] and card["versions"]["onnxruntime"]
    assert card["bytes"] == path.stat().st_size
    assert load_predictor(path).metadata.align_corners

    weights = {value.dtype for value in constants(load(path).graph).values() if value.ndim == 4}
    assert weights == {np.dtype({"none": "float32", "float16": "float16", "int8": "int8"}[quantization])}
    if quantization != "float16":
        export(small_file, tmp_path / "a.tflite", ExportOptions(quantization=quantization), CalibrationOptions(scenes))
        assert card["macs"] == json.loads((tmp_path / "a.json").read_text())["macs"]


def test_gate_refuses_a_file_that_lost_too_much(small_file, scenes, tmp_path):
    from keras_liteseg.models import save_model

    network, metadata = load_model(small_file)
    network.set_weights([0 * value for value in network.get_weights()])
    save_model(network, tmp_path / "constant.keras", metadata)
    with pytest.raises(UserError, match=r"lost .* more than --max_drop 0.01"):
        options = ExportOptions(format="onnx", max_drop=0.01)
        # Random weights are worse than one class everywhere.
        export(small_file, tmp_path / "a.onnx", options, validation=scenes, reference=tmp_path / "constant.keras")
    assert [file.name for file in tmp_path.iterdir()] == ["constant.keras"]


def test_commands_take_onnx_files(int8_onnx, int8_file, tmp_path, liteseg):
    data = ("--data", "street_scenes", "--split", "val")
    done = liteseg(
        "evaluate", "--model", int8_onnx, *data, "--compare_with", int8_file, "--output", tmp_path / "a.json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "a.json").read_text())
    assert result["model"] == int8_onnx.name and result["quantization"] == "int8"
    assert result["agreement"] > 0.95


def test_options_that_do_not_fit():
    with pytest.raises(UserError, match="'int16x8' with format 'onnx'; ONNX files can be 'none', 'float16' or 'int8'"):
        ExportOptions(quantization="int16x8", format="onnx")
    with pytest.raises(UserError, match="input_type is 'uint8' with quantization 'none'"):
        ExportOptions(input_type="uint8", format="onnx")
    with pytest.raises(UserError, match="format is 'onx'; .* Did you mean 'onnx'"):
        ExportOptions(format="onx")


@pytest.mark.parametrize("format, name, suffix", [("onnx", "a.tflite", ".onnx"), ("tflite", "a.onnx", ".tflite")])
def test_name_of_another_format_is_refused(format, name, suffix, small_file, tmp_path):
    with pytest.raises(UserError, match=f"{name} must end in {suffix}"):
        export(small_file, tmp_path / name, ExportOptions(format=format))
    assert not list(tmp_path.iterdir())


def test_missing_package_is_named(small_file, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "PACKAGES", ("onnx_that_is_not_here",))
    with pytest.raises(UserError, match=r"needs onnx_that_is_not_here; .* pip install 'keras-liteseg\[onnx\]'"):
        export(small_file, tmp_path / "a.onnx", ExportOptions(format="onnx"))


def test_files_that_other_tools_have_changed(int8_onnx, scenes, tmp_path):
    import onnx

    def changed(name, change):
        model = onnx.load(int8_onnx)
        change(model)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    def free(*axes):
        def change(model):
            for axis in axes:
                model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"free{axis}"

        return change

    def other_version(model):
        next(each for each in model.metadata_props if each.key == "keras_liteseg.json").value = '{"model": "ndnet45"}'

    found, expected = (load_predictor(path).logits(scenes.image(0)) for path in (changed("n.onnx", free(0)), int8_onnx))
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(UserError, match="any.onnx takes inputs of the shape .*'free1', 'free2', 3.* fixed height and"):
        load_predictor(changed("any.onnx", free(1, 2)))
    with pytest.raises(UserError, match="version.onnx says what it holds in a way that keras_liteseg .* does not know"):
        load_predictor(changed("version.onnx", other_version))


def test_files_that_are_none_of_ours(int8_onnx, int8_file, tmp_path):
    import onnx

    with pytest.raises(UserError, match="there is no such file"):
        load_predictor(tmp_path / "missing.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(UserError, match="text.onnx cannot be run by ONNX Runtime; export or copy it again"):
        load_predictor(tmp_path / "text.onnx")
    content = int8_onnx.read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="cut.onnx cannot be run by ONNX Runtime"):
        load_predictor(tmp_path / "cut.onnx")
    model = onnx.load(int8_onnx)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "bare.onnx")
    with pytest.raises(UserError, match="bare.onnx does not say which network and classes it holds"):
        load_predictor(tmp_path / "bare.onnx")
    with pytest.raises(UserError, match="takes 64x128 images only, not 32x64"):
        load_predictor(int8_onnx, input_size=(32, 64))
    with pytest.raises(UserError, match="holds its own weights; leave out --checkpoint"):
        load_predictor(int8_onnx, checkpoint="a.pth")


def test_process_of_its_own(small, small_onnx, images, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export, "run_apart", run_apart)
    tflite = small_onnx.with_suffix(".tflite")
    export_onnx(tflite, tmp_path / "a.onnx", small[1], InputType.AUTO, 300)
    found, expected = (load_predictor(path).run(images[0]) for path in (tmp_path / "a.onnx", small_onnx))
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(UserError, match="tf2onnx cannot make ONNX of it: failed: .*"):
        tflite_to_onnx(tflite, tmp_path / "b.onnx", opset=1)
    with pytest.raises(UserError, match="took longer than 0.1 seconds and was stopped"):
        tflite_to_onnx(tflite, tmp_path / "b.onnx", time_limit=0.1)
    assert [file.name for file in tmp_path.iterdir()] == ["a.onnx"]


@pytest.mark.slow
def test_published_network_on_real_pictures(shared, tmp_path):
    folder = shared / "data" / "camvid"
    training, validation = (load_dataset("camvid", folder, split) for split in ("train", "val"))
    files = []
    for form in ("tflite", "onnx"):
        files.append(tmp_path / f"ndnet45.{form}")
        options = ExportOptions(quantization="int8", format=form)
        export("ndnet45", files[-1], options, CalibrationOptions(training, images=8), checkpoint="camvid")
    lite, found = map(load_predictor, files)
    pictures = [validation.image(index) for index in range(0, len(validation), 20)]
    assert np.mean([np.mean(found.labels(image) == lite.labels(image)) for image in pictures]) > 0.99
