"""Exported files in MediaPipe's ImageSegmenter; `make test-mediapipe` runs this where MediaPipe is installed."""

import pathlib
import subprocess

import numpy as np
import pytest

mediapipe = pytest.importorskip("mediapipe", reason="MediaPipe is not installed here; run: make test-mediapipe")

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLASSES = ["road", "pavement", "building", "vegetation", "sky", "pole", "sign", "person", "vehicle"]
OPENED = ["none_logits", "float16_logits", "int8_from_float32"]


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mediapipe")
    command = [ROOT / ".venv/bin/python", "-m", "tests.conversion.mediapipe_files", folder]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return folder


def open_segmenter(path):
    from mediapipe.tasks import python as tasks

    try:
        return tasks.vision.ImageSegmenter.create_from_options(
            tasks.vision.ImageSegmenterOptions(
                base_options=tasks.BaseOptions(model_asset_path=str(path)),
                output_category_mask=True,
                output_confidence_masks=True,
            )
        )
    except OSError as error:
        if "libEGL" in str(error) or "libGLES" in str(error):
            pytest.fail(f"{error}: MediaPipe needs it; on Debian: apt-get install libegl1 libgles2")
        raise


def segment(segmenter, image):
    """Return (category mask (height, width), confidence masks (height, width, classes))."""
    result = segmenter.segment(mediapipe.Image(mediapipe.ImageFormat.SRGB, image))
    masks = [mask.numpy_view().squeeze(-1) for mask in result.confidence_masks]
    return result.category_mask.numpy_view().squeeze(-1).copy(), np.stack(masks, -1)


@pytest.mark.parametrize("name", OPENED)
def test_segmenter_computes_what_the_file_does(folder, name):
    image, logits = np.load(folder / "image.npy"), np.load(folder / f"{name}.npy")
    with open_segmenter(folder / f"{name}.tflite") as segmenter:
        assert list(segmenter.labels) == CLASSES
        classes, confidences = segment(segmenter, image)
    assert len(np.unique(classes)) > 3
    # The metadata ask for a softmax.
    assert confidences.shape == logits.shape == (*image.shape[:2], len(CLASSES))
    np.testing.assert_allclose(confidences.sum(-1), 1, atol=1e-4)
    difference = np.abs(centered(np.log(confidences)) - centered(logits))
    if "int8" in name:
        # MediaPipe brings kernels of another version, whose rounding differs.
        step = np.diff(np.unique(logits)).min()
        assert np.mean(difference < 2.5 * step) > 0.995
        assert np.mean(classes == logits.argmax(-1)) > 0.98
    else:
        assert difference.max() < 1e-3 * np.ptp(logits)
        assert np.mean(classes == logits.argmax(-1)) > 0.999


def centered(scores):
    # A softmax loses what all classes of a pixel have in common.
    return scores - scores.mean(-1, keepdims=True)


def test_probabilities_need_no_softmax(folder):
    image, expected = np.load(folder / "image.npy"), np.load(folder / "float32_softmax.npy")
    with open_segmenter(folder / "float32_softmax.tflite") as segmenter:
        _, confidences = segment(segmenter, image)
    np.testing.assert_allclose(confidences, expected, atol=1e-4)


def test_images_of_other_sizes(folder):
    image = np.random.default_rng(1).integers(0, 256, (96, 150, 3), dtype=np.uint8)
    with open_segmenter(folder / "none_logits.tflite") as segmenter:
        assert segment(segmenter, image)[0].shape == (96, 150)


@pytest.mark.parametrize("name, message", [("int8_logits", "got INT8"), ("none_classes", "NormalizationOptions")])
def test_what_it_cannot_read_is_refused(folder, name, message):
    with pytest.raises(Exception, match=message):
        open_segmenter(folder / f"{name}.tflite")


def test_metadata_in_their_own_schema(folder):
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
    from mediapipe.tasks.metadata import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf((folder / "none_logits.tflite").read_bytes())
    (entry,) = [entry for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    found = metadata_schema.ModelMetadataT.InitFromPackedBuf(bytes(model.buffers[entry.buffer].data))
    assert found.name == b"ndnet45"
    assert found.description == b"Semantic segmentation with 9 classes, trained on street_scenes."
    (graph,) = found.subgraphMetadata
    (image,), (logits,) = graph.inputTensorMetadata, graph.outputTensorMetadata
    assert (image.name, logits.name) == (b"images", b"logits")
    assert image.content.contentProperties.colorSpace == metadata_schema.ColorSpaceType.RGB
    normalization = image.processUnits[0].options
    assert list(normalization.mean) == [127.5] * 3 and list(normalization.std) == [127.5] * 3
    kinds = metadata_schema.AssociatedFileType
    assert [(file.name, file.type) for file in logits.associatedFiles] == [
        (b"labels.txt", kinds.TENSOR_AXIS_LABELS), (b"colors.csv", kinds.DESCRIPTIONS),
    ]  # fmt: skip
