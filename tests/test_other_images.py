"""Images other than 8-bit RGB from training to benchmark: four channels of 8 bits, and thermal ones of 16."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from edge.benchmark import benchmark
from keras_liteseg import (
    CalibrationOptions,
    ExportOptions,
    QuantizationConfig,
    TrainingConfig,
    UserError,
    evaluate,
    export,
    load_dataset,
    load_predictor,
    train,
)
from keras_liteseg.commands.predict import predict_video
from keras_liteseg.datasets.class_statistics import measure_images
from keras_liteseg.evaluation import measure
from keras_liteseg.inference.overlays import Painter, draw_pictures
from keras_liteseg.inference.video import open_video, video_writer
from keras_liteseg.models.archive import read_metadata
from keras_liteseg.quantization.quantization_aware_training import train_quantization_aware
from keras_liteseg.reports.evaluation_report import write_evaluation_report
from keras_liteseg.reports.preview import contact_sheet
from keras_liteseg.tflite.file_metadata import read_metadata as read_tflite_metadata
from keras_liteseg.tflite.flatbuffer import describe, read_model
from keras_liteseg.training.run_folder import BEST_FILE
from tests.image_sets import FOUR_BANDS, THERMAL, scene, write_set

SIZE = (32, 48)
RUN = dict(model="tiny", crop_size=SIZE, eval_size=SIZE, batch_size=2, steps_per_epoch=8)


@pytest.fixture(params=[FOUR_BANDS, THERMAL], ids=["four_bands", "thermal"])
def data(request, tmp_path):
    """(Training data, validation data) with measured mean and standard deviation."""
    root = write_set(tmp_path / "data", request.param, size=SIZE)
    measured = measure_images(load_dataset("folder", root), progress=False)
    text = (
        (root / "classes.yaml").read_text().replace("}", f", mean: {list(measured.mean)}, std: {list(measured.std)}}}")
    )
    (root / "classes.yaml").write_text(text)
    return load_dataset("folder", root, "train"), load_dataset("folder", root, "val")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of the trainings, one per kind of images."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def trained(data, tiny_network, runs):
    run = runs / data[0].image_format.dtype
    if not (run / BEST_FILE).exists():
        config = TrainingConfig(epochs=1, learning_rate=0.1, scale_range=(0.8, 1.5), rotation=10, contrast=0.2, **RUN)
        train(config, *data, run)
    return run / BEST_FILE


@pytest.mark.slow
def test_from_training_to_benchmark(data, trained, tmp_path):
    train_data, val_data = data
    image_format = train_data.image_format
    metadata = read_metadata(trained)
    assert metadata.image_format == image_format
    assert (tuple(metadata.mean), tuple(metadata.std)) == (train_data.mean, train_data.std)

    file = tmp_path / "int8.tflite"
    options = ExportOptions(quantization="int8", max_drop=100)
    result = export(trained, file, options, CalibrationOptions(train_data, images=4), validation=val_data)
    assert result.file.agreement > 0.98

    # Its 256 steps go from the smallest to the largest value of the sensor.
    graph = read_model(file).subgraphs[0]
    source = describe(graph.tensors[graph.inputs[0]], read_model(file).buffers)
    written = read_tflite_metadata(file)
    assert written.image_format == image_format
    ends = np.stack([np.full((1, 1, image_format.channels), end) for end in (image_format.min, image_format.max)])
    normalized = (image_format.to_unit(ends.astype(image_format.dtype)) - written.mean) / written.std
    steps = normalized / source.scale + source.zero_point
    np.testing.assert_allclose(
        steps.squeeze(), np.squeeze([[-128.0] * len(written.mean), [127.0] * len(written.mean)]), atol=1e-3
    )

    card = json.loads(file.with_suffix(".json").read_text())
    assert card["image"] == dataclasses.asdict(image_format)
    image = val_data.image(0)
    formula = {"x": image.astype(np.float64), "mean": np.array(written.mean), "std": np.array(written.std)}
    np.testing.assert_allclose(
        eval(card["normalization"]["formula"], formula),
        (image_format.to_unit(image) - written.mean) / written.std,
        atol=1e-5,
    )

    predictor = load_predictor(file)
    found = evaluate(predictor, val_data, reference=load_predictor(trained), progress=False)
    assert found.miou == result.file.miou and found.agreement > 0.98

    pictures = {path.stem: path for path in sorted((tmp_path / "data/images/val").glob("*.png"))}
    draw_pictures(pictures, Painter([predictor], 0.5), tmp_path / "predictions")
    labels = np.asarray(Image.open(tmp_path / "predictions/0_labels.png"))
    np.testing.assert_array_equal(labels, predictor.labels(image))
    assert np.asarray(Image.open(tmp_path / "predictions/0.png")).shape == (*SIZE, 3)

    for images in (None, tmp_path / "data/images/val"):
        (row,) = benchmark([file], "host:cpu", threads=[1], runs=1, warmup=0, images=images)
        assert row["status"] == "ok" and row["correctness"]["equal_labels"] > 0.99, row


def test_quantization_aware_training(data, trained, tmp_path):
    train_data, val_data = data
    config = QuantizationConfig(epochs=1, calibration_images=4, **RUN)
    file = train_quantization_aware(config, train_data, val_data, tmp_path / "qat", trained)
    assert read_metadata(file).image_format == train_data.image_format
    options = ExportOptions(quantization="int8", max_drop=100)
    result = export(file, tmp_path / "int8.tflite", options, validation=val_data, reference=trained)
    assert result.file.agreement > 0.97


@pytest.mark.slow
def test_bytes_as_input(data, trained, tmp_path):
    train_data, val_data = data
    options = ExportOptions(quantization="int8", input_type="uint8", max_drop=100)
    arguments = trained, tmp_path / "bytes.tflite", options, CalibrationOptions(train_data, images=4)
    if train_data.image_format.dtype == "uint8":
        assert export(*arguments, validation=val_data).file.agreement > 0.98
    else:
        with pytest.raises(UserError, match="which are no bytes; leave it out for an int8 input, or take 'float32'"):
            export(*arguments)
        assert not arguments[1].exists()


def test_pictures_of_them_are_rgb(data, trained, tmp_path):
    train_data, val_data = data
    sheet = contact_sheet(train_data, TrainingConfig(**RUN), count=2)
    assert (
        sheet.dtype == np.uint8 and sheet.shape[2] == 3 and len(np.unique(sheet[8 : 8 + SIZE[0], 8 : 8 + SIZE[1]])) > 30
    )
    predictor = load_predictor(trained)
    results = list(measure(predictor, val_data, progress=False))
    write_evaluation_report(tmp_path / "report", predictor, val_data, results, worst=1)
    (worst,) = (tmp_path / "report/worst").glob("*.jpg")
    assert Image.open(worst).mode == "RGB"


def test_networks_and_images_of_different_kinds_do_not_meet(data, trained, tmp_path, scenes):
    train_data, _ = data
    predictor = load_predictor(trained)
    street = np.zeros((*SIZE, 3), np.uint8)
    with pytest.raises(UserError, match=r"The image is uint8 \(32, 48, 3\); give uint"):
        predictor.labels(street)
    with pytest.raises(UserError, match=r"The image is uint8 \(32, 48, 3\); give uint"):
        Painter([predictor], 0.5).labels(street)
    with pytest.raises(
        UserError,
        match="takes images that are uint.*, and quantization needs such images; give the data set.*--calibration_dir",
    ):
        export(trained, tmp_path / "a.tflite", ExportOptions(quantization="int8"))
    image, _ = scene(train_data.image_format, SIZE)
    with pytest.raises(UserError, match=r"give uint8 \(height, width, 3\), RGB, from 0 to 255"):
        load_predictor("lps_net_tiny", input_size=(64, 128)).labels(image)


def test_a_video_is_refused_before_anything_is_written(trained, tmp_path):
    path = tmp_path / "drive.mp4"
    with video_writer(path, 10, SIZE) as write:
        write(np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(UserError, match=r"takes pictures that are uint.*, and those of .*drive\.mp4 are 8-bit RGB"):
        predict_video(
            open_video(path), path, tmp_path / "out", False, lambda _: Painter([load_predictor(trained)], 0.5)
        )
    assert not (tmp_path / "out").exists()


def test_training_needs_mean_and_standard_deviation_before_anything_is_written(tiny_network, tmp_path):
    root = write_set(tmp_path / "data", THERMAL, size=SIZE)
    splits = (load_dataset("folder", root, split) for split in ("train", "val"))
    with pytest.raises(UserError, match="nothing says their mean and standard deviation.* liteseg statistics measures"):
        train(TrainingConfig(**RUN), *splits, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_pictures_without_masks_set_the_scales(data, trained, scenes, tmp_path):
    options = ExportOptions(quantization="int8")
    export(trained, tmp_path / "a.tflite", options, CalibrationOptions(data[0], images=2))
    pictures = tmp_path / "data" / "images" / "train"
    export(trained, tmp_path / "b.tflite", options, CalibrationOptions(images=2, folder=pictures))
    assert (tmp_path / "a.tflite").read_bytes() == (tmp_path / "b.tflite").read_bytes()
    (tmp_path / "photos").mkdir()
    Image.fromarray(scenes.image(0)).save(tmp_path / "photos" / "a.png")
    with pytest.raises(UserError, match="a.png is uint8 of 3 channels, where the network takes"):
        export(trained, tmp_path / "c.tflite", options, CalibrationOptions(folder=tmp_path / "photos"))
