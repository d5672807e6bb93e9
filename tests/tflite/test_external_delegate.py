"""External delegates in Segmenter, predict and evaluate: on a library that is built here."""

import logging

import numpy as np
import pytest

from keras_liteseg import Segmenter, load_predictor
from keras_liteseg.errors import UserError
from keras_liteseg.tflite import external_delegate
from tests.edge.external_delegate import NEG, build, for_other_processor, needs_compiler, negating_file


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("delegate"))


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return negating_file(tmp_path_factory.mktemp("files") / "a.tflite")


@needs_compiler
def test_labels_are_those_of_the_cpu(file, library, tmp_path, caplog):
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8)
    options = {"builtin_code": int(NEG), "log": tmp_path / "log"}
    with caplog.at_level(logging.INFO):
        segmenter = load_predictor(file, delegate=library, delegate_options=options)
    assert isinstance(segmenter, Segmenter)
    assert f"{library} takes 2 of the 4 ops of {file}" in caplog.text
    expected = Segmenter(file)(image)
    assert len(np.unique(expected)) > 1
    for _ in range(2):
        np.testing.assert_array_equal(segmenter(image), expected)
    assert f"builtin_code={NEG}" in (tmp_path / "log").read_text()


@needs_compiler
def test_delegate_that_takes_nothing_is_refused(file, library):
    with pytest.raises(UserError, match=r"takes none of the 4 ops of .*, and the CPU would compute them all"):
        Segmenter(file, delegate=library)


@needs_compiler
def test_library_that_cannot_be_used(file, library):
    for name, options, says in (
        ("/no/lib.so", None, r"there is no delegate /no/lib.so"),
        (for_other_processor(library), None, r"is not for this processor, \S+; give"),
        ("libc.so.6", None, r"lacks the function tflite_plugin_create_delegate"),
        (library, {"refuse": "no NPU"}, r"does not start: no NPU"),
        (library, {"refuse": ""}, r"does not start: it gives no reason"),
    ):
        with pytest.raises(UserError, match=says):
            Segmenter(file, delegate=name, delegate_options=options)


def test_library_that_needs_another():
    said = "libOpenVX.so.1: cannot open shared object file: No such file or directory"
    reason = external_delegate.refusal("/usr/lib/libvx_delegate.so", said, True, "aarch64")
    assert reason == "the delegate /usr/lib/libvx_delegate.so needs libOpenVX.so.1, which is not there; install that"


def test_only_tflite_files_go_with_one():
    for model in ("ndnet45", "a.keras", "a.onnx"):
        with pytest.raises(UserError, match=f"{model} is no .tflite file, which alone goes with a delegate"):
            load_predictor(model, delegate="a.so")
    with pytest.raises(UserError, match="no delegate; name its library"):
        load_predictor("a.tflite", delegate_options={"a": "b"})
