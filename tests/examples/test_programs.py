"""The sample programs give the labels of keras_liteseg's predictor, bit for bit, for every kind of file and picture."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
SIZE = (96, 128)
FILES = {
    "float32": {},
    "int8": {"quantization": "int8"},
    "bytes": {"quantization": "int8", "input_type": "uint8", "output_type": "classes_uint8"},
    # To be enlarged with aligned corners.
    "quarter": {"upsampling": "quarter"},
    "quarter_classes": {"upsampling": "quarter", "output_type": "classes"},
}
# The network's own size; larger ones, which shrink by 2, by 3 and by no whole number; a smaller one; one larger in one
# direction only.
PICTURES = [SIZE, (192, 256), (288, 384), (200, 300), (70, 90), (64, 200)]


@dataclasses.dataclass(frozen=True)
class Case:
    """A file, a picture and the right labels: RGB uint8 (height, width, 3) and uint8 (height, width)."""

    model: pathlib.Path
    image: np.ndarray
    labels: np.ndarray

    @property
    def card(self):
        return json.loads(self.model.with_suffix(".json").read_text())

    def __str__(self):
        return f"{self.model.stem} on {self.image.shape[0]}x{self.image.shape[1]}"


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Every file with every picture."""
    from keras_liteseg import CalibrationOptions, ExportOptions, load_dataset, load_predictor
    from keras_liteseg.conversion.export import export

    folder = tmp_path_factory.mktemp("models")
    images = [load_dataset("street_scenes", split="val", length=2, size=size).image(1) for size in PICTURES]
    calibration, found = CalibrationOptions(images=4), []
    for name, options in FILES.items():
        model = folder / f"{name}.tflite"
        export("ndnet45", model, ExportOptions(**options), calibration, checkpoint="camvid", input_size=SIZE)
        predictor = load_predictor(model)
        found += [Case(model, image, predictor.labels(image)) for image in images]
    # Pictures of one class would prove little.
    assert all(len(np.unique(case.labels)) > 2 for case in found)
    return found


def run(*command, **options):
    process = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert process.returncode == 0, process.stderr
    return process


def assert_equal(found, case):
    assert (found.dtype, found.shape) == (np.uint8, case.labels.shape), str(case)
    assert np.count_nonzero(found != case.labels) == 0, str(case)


def write_picture(path, image):
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


# Python


SEGMENT = EXAMPLES / "python" / "segment.py"
# Runs segment.py on one FOLDER MODEL PICTURE after the other; loading NumPy and OpenCV for each takes far longer.
EACH = """
import os, runpy, sys
script, *words = sys.argv[1:]
for folder, *sys.argv[1:] in zip(*[iter(words)] * 3):
    os.chdir(folder)
    runpy.run_path(script, run_name="__main__")
"""


def python(*command, folder):
    """Run Python where it finds nothing of keras_liteseg."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)


def test_python_has_the_labels_of_the_predictor(cases, tmp_path):
    words = []
    for index, case in enumerate(cases):
        folder = tmp_path / str(index)
        folder.mkdir()
        words += [folder, case.model, write_picture(folder / "picture.png", case.image)]
    process = python("-c", EACH, SEGMENT, *words, folder=tmp_path)
    assert process.returncode == 0, process.stderr
    for index, case in enumerate(cases):
        assert_equal(cv2.imread(f"{tmp_path}/{index}/labels.png", cv2.IMREAD_UNCHANGED), case)


def test_python_draws_the_colors_of_the_card(cases, tmp_path):
    case = cases[0]
    picture = write_picture(tmp_path / "picture.png", case.image)
    assert python(SEGMENT, case.model, picture, folder=tmp_path).returncode == 0
    overlay = cv2.imread(str(tmp_path / "overlay.png"))[..., ::-1]
    colors = np.array([entry["color"] for entry in case.card["classes"]])
    expected = 0.45 * case.image + 0.55 * colors[case.labels]
    assert np.abs(overlay - expected).max() <= 1


def test_python_plays_a_video(cases, tmp_path):
    from keras_liteseg import load_predictor
    from keras_liteseg.inference.video import open_video

    case = cases[0]
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, SIZE[::-1])
    for frame in (np.zeros_like(case.image), case.image):
        writer.write(frame[..., ::-1])
    writer.release()
    process = python(SEGMENT, case.model, tmp_path / "a.avi", folder=tmp_path)
    assert process.returncode == 0, process.stderr
    # JPEG has changed the frames; the last one stays.
    *_, last = open_video(tmp_path / "a.avi")
    expected = dataclasses.replace(case, image=last, labels=load_predictor(case.model).labels(last))
    assert_equal(cv2.imread(str(tmp_path / "labels.png"), cv2.IMREAD_UNCHANGED), expected)


def test_python_says_what_is_wrong(cases, tmp_path):
    model = cases[0].model
    lonely = shutil.copy(model, tmp_path / "lonely.tflite")
    for name, content, card in (("damaged", b"", cases[0].card), ("mixed", model.read_bytes(), {"results": []})):
        (tmp_path / f"{name}.tflite").write_bytes(content)
        (tmp_path / f"{name}.json").write_text(json.dumps(card))
    (tmp_path / "broken.png").write_text("no picture")
    picture = write_picture(tmp_path / "picture.png", cases[0].image)
    full = tmp_path / "full"
    (full / "labels.png").mkdir(parents=True)
    for arguments, message in (
        ((lonely, "a.png"), "there is no .*lonely.json; wanted are the .tflite file and, beside it, its card"),
        ((tmp_path / "none.tflite", "a.png"), "there is no .*none.tflite"),
        ((model, "a.png"), "a.png is no picture, video or camera"),
        ((model, "7"), "7 is no picture, video or camera"),
        ((model, tmp_path / "broken.png"), ".*broken.png is no picture, video or camera"),
        ((tmp_path / "damaged.tflite", picture), ".*damaged.tflite is no .tflite file, or a damaged one"),
        ((tmp_path / "mixed.tflite", picture), ".*mixed.json is not the card of .*mixed.tflite"),
        ((model, picture, full), "labels.png cannot be written"),
    ):
        process = python(SEGMENT, *arguments[:2], folder=arguments[2] if len(arguments) > 2 else tmp_path)
        assert process.returncode == 1 and "Traceback" not in process.stderr
        assert re.search(f"^error: {message}", process.stderr, re.MULTILINE), process.stderr


# C++


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The C++ program, built in a folder of its own."""
    for tool in ("make", os.environ.get("CXX", "g++")):
        if not shutil.which(tool):
            pytest.skip(f"the C++ sample is not tested: there is no {tool}; on Debian: apt-get install g++ make")
    folder = tmp_path_factory.mktemp("cpp") / "cpp"
    shutil.copytree(EXAMPLES / "cpp", folder, ignore=shutil.ignore_patterns("segment"))
    run("make", f"PYTHON={sys.executable}", "CXXFLAGS=-O2 -Werror", cwd=folder)
    return folder / "segment"


def test_cpp_is_built_by_the_command_of_the_docs(program, tmp_path):
    (command,) = re.findall("^    (make -C examples/cpp .*)", (ROOT / "docs/apps.md").read_text(), re.MULTILINE)
    shutil.copytree(program.parent, tmp_path / "examples/cpp", ignore=shutil.ignore_patterns("segment"))
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    environment = os.environ | {"PWD": str(tmp_path), "CXXFLAGS": "-O0"}
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "examples/cpp/segment").exists(), done.stderr


@pytest.mark.parametrize("python", ["/bin/false", "no_such_python"])
def test_cpp_names_what_a_python_lacks(program, python, tmp_path):
    folder = tmp_path / "cpp"
    shutil.copytree(program.parent, folder, ignore=shutil.ignore_patterns("segment"))
    done = subprocess.run(["make", f"PYTHON={python}"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2 and f"error: {python} has no ai-edge-litert" in done.stderr
    assert "libLiteRt.so: " not in done.stderr and not (folder / "segment").exists()


def cpp_arguments(case, picture, labels):
    normalization = case.card["normalization"]
    numbers = [",".join(map(repr, normalization[name])) for name in ("mean", "std")]
    return [case.model, picture, labels, *numbers, *(["align_corners"] if case.card["align_corners"] else [])]


def test_cpp_has_the_labels_of_the_predictor(program, cases, tmp_path):
    for case in cases:
        picture = write_picture(tmp_path / "picture.ppm", case.image)
        run(program, *cpp_arguments(case, picture, tmp_path / "labels.pgm"))
        assert_equal(cv2.imread(str(tmp_path / "labels.pgm"), cv2.IMREAD_UNCHANGED), case)


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "There is no picture "),
        (b"P5\n2 2\n255\n1234", "is no PPM picture of 8 bits per channel"),
        (b"P6\n# a comment\n2 2\n65535\n" + bytes(24), "is no PPM picture of 8 bits per channel"),
        (b"P6\n2 2\n255\n123", "ends too early"),
    ],
)
def test_cpp_refuses_what_is_no_picture(program, cases, content, message, tmp_path):
    picture = tmp_path / "picture.ppm"
    if content is not None:
        picture.write_bytes(content)
    command = [program, *cpp_arguments(cases[0], picture, tmp_path / "labels.pgm")]
    process = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert process.returncode == 1
    assert "error: " in process.stderr and message in process.stderr
    assert not (tmp_path / "labels.pgm").exists()


def test_cpp_refuses_what_is_no_network(program, cases, tmp_path):
    (tmp_path / "a.tflite").write_bytes(b"nothing")
    picture = write_picture(tmp_path / "picture.ppm", cases[0].image)
    arguments = cpp_arguments(cases[0], picture, tmp_path / "labels.pgm")
    process = subprocess.run([program, tmp_path / "a.tflite", *arguments[1:]], capture_output=True, text=True)
    assert process.returncode == 1
    assert "error: LiteRT could not read the .tflite file" in process.stderr


# Kotlin


@pytest.fixture(scope="module")
def kotlin(tmp_path_factory):
    """Function that runs lines of SegmentationCheck.kt."""
    compiler = shutil.which("kotlinc", path=f"{ROOT / '.kotlin/node_modules/kotlin-compiler/bin'}:{os.environ['PATH']}")
    if not compiler or not shutil.which("java"):
        pytest.skip("the Kotlin sample is not tested: there is no Kotlin compiler or no Java; run: make test-kotlin")
    jar = tmp_path_factory.mktemp("kotlin") / "check.jar"
    sources = [EXAMPLES / "android" / "Segmentation.kt", pathlib.Path(__file__).with_name("SegmentationCheck.kt")]
    run(compiler, "-Werror", "-include-runtime", "-d", jar, *sources)
    return lambda lines: run(
        "java", "-cp", jar, "keras_liteseg.example.SegmentationCheckKt", input="".join(f"{line}\n" for line in lines)
    )


def described(tensor):
    shape = ",".join(map(str, tensor["shape"]))
    return f"{tensor['dtype']} {tensor['scale'] or 0} {tensor['zero_point'] or 0} {shape}"


def test_kotlin_has_the_labels_of_the_predictor(kotlin, cases, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    lines = []
    for index, case in enumerate(cases):
        pixels = case.image.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32) - (1 << 24)
        pixels.astype("<i4").tofile(tmp_path / f"{index}.pixels")
        mean, std = (",".join(map(repr, case.card["normalization"][name])) for name in ("mean", "std"))
        height, width = case.labels.shape
        files = f"{tmp_path}/{index}.pixels {height} {width} {tmp_path}/{index}.input"
        lines.append(f"prepare {described(case.card['inputs'][0])} {mean} {std} {files}")
    kotlin(lines)
    lines = []
    for index, case in enumerate(cases):
        (source,), (result,) = case.card["inputs"], case.card["outputs"]
        interpreter = Interpreter(str(case.model))
        runner = interpreter.get_signature_runner()
        values = np.fromfile(tmp_path / f"{index}.input", source["dtype"]).reshape(source["shape"])
        runner(**{source["name"]: values})[result["name"]].tofile(tmp_path / f"{index}.output")
        height, width = case.labels.shape
        files = f"{tmp_path}/{index}.output {height} {width} {tmp_path}/{index}.labels"
        shape = ",".join(map(str, source["shape"]))
        lines.append(f"label {described(result)} {str(case.card['align_corners']).lower()} {shape} {files}")
    kotlin(lines)
    for index, case in enumerate(cases):
        labels = np.fromfile(tmp_path / f"{index}.labels", "<i4").reshape(case.labels.shape)
        assert_equal(labels.astype(np.uint8), case)
