"""Every family through the whole of quantization: twin, ranges, training step, simulation, file."""

import keras
import numpy as np
import pytest
import tf_keras

from keras_liteseg.conversion.convert import convert
from keras_liteseg.graph import at_size, copy_model, fold_batch_norm, restructure_at_size
from keras_liteseg.inference.keras_predictor import keras_predictor
from keras_liteseg.inference.load import load_predictor
from keras_liteseg.metadata import Metadata
from keras_liteseg.models import create_model
from keras_liteseg.networks import list_models, model_spec
from keras_liteseg.quantization.calibration import all_ranges
from keras_liteseg.quantization.cross_layer_equalization import equalize
from keras_liteseg.quantization.options import CalibrationOptions
from keras_liteseg.quantization.post_training import quantize
from keras_liteseg.quantization.quantization_aware_training import make_student
from keras_liteseg.quantization.simulate import simulate_int8
from keras_liteseg.quantization.tf_keras_twin import tf_keras_twin
from keras_liteseg.tflite.inspect import inspect

SIZE = (64, 128)
# One network per paper in every run, the others in `make test-all`; other tests here have an NDNet45.
QUICK = ("lps_net_tiny", "liteseg_shufflenet", "pp_liteseg_t")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in list_models()]


@pytest.fixture(scope="module", params=NAMES)
def prepared(request, scenes):
    """(Network with random weights and the statistics of the scenes, metadata)."""
    keras.utils.set_random_seed(0)
    entry = model_spec(request.param)
    metadata = Metadata(request.param, scenes.name, scenes.classes, entry.mean, entry.std)
    model = create_model(request.param, (*SIZE, 3), len(scenes.classes))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
            layer.gamma.assign(rng.uniform(0.5, 1.5, layer.gamma.shape))
            layer.beta.assign(rng.normal(0, 0.2, layer.beta.shape))
    model(normalized(scenes, metadata), training=True)
    return model, metadata


def normalized(scenes, metadata):
    """Return the scenes as one batch of network inputs."""
    pixels = np.stack([scenes.image(index) for index in range(len(scenes))]) / 255
    return ((pixels - metadata.mean) / metadata.std).astype(np.float32)


@pytest.fixture(scope="module")
def quantized(prepared, scenes):
    return quantize(*prepared, CalibrationOptions(scenes))


def test_twin_equals_the_network(prepared, scenes):
    model, metadata = prepared
    folded = fold_batch_norm(model)
    images = normalized(scenes, metadata)
    # Beside float64, because a deep network of random weights has roundings of its own, which differ from machine to
    # machine.
    expected = in_float64(folded, images)
    own = np.abs(folded.predict_on_batch(images) - expected).max()
    found = tf_keras_twin(folded).predict_on_batch(images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2 * own)


def test_equalization_keeps_the_function(prepared, scenes):
    model, metadata = prepared
    folded, images = fold_batch_norm(model), normalized(scenes, metadata)
    # In float64, because a deep network of random weights makes up to a thousandth of float32's own rounding.
    expected = in_float64(folded, images)
    found = in_float64(equalize(folded, [images]), images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-4 * np.abs(expected).max())


def in_float64(model, images):
    copy = copy_model(model, lambda layer: type(layer).from_config({**layer.get_config(), "dtype": "float64"}))
    return np.asarray(copy(images.astype(np.float64), training=False))


def test_training_step(quantized, scenes):
    model, metadata, exact = quantized
    student, variables = make_student(model, exact, metadata.ranges, SIZE, label_weight=0.5)
    # Tracing a graph takes longer than the one step; `test_training.py` trains in one.
    student.compile(tf_keras.optimizers.Adam(1e-4), run_eagerly=True)
    before = {name: [variable.numpy() for variable in pair] for name, pair in variables.items()}
    masks = np.stack([scenes.mask(index) for index in range(len(scenes))]).astype(np.int32)
    logs = student.train_on_batch(normalized(scenes, metadata), masks, return_dict=True)
    assert all(np.isfinite(value) for value in logs.values())
    kernels = {layer.name: layer.get_weights() for layer in model.layers if hasattr(layer, "kernel")}
    assert set(before) == set(kernels)
    for name, pair in before.items():
        for found, expected in zip(pair, kernels[name], strict=True):
            np.testing.assert_array_equal(found, expected)
    changed = [np.any(variables[name][0].numpy() != pair[0]) for name, pair in before.items()]
    # Not those of average pools, which stay what they are.
    assert changed.count(False) == sum(not layer.trainable for layer in model.layers if layer.name in before)


@pytest.mark.parametrize("size", [SIZE, (65, 129)])
def test_file_is_int8_throughout_in_one_partition(size, quantized, scenes, tmp_path):
    model, metadata, _ = quantized
    if not all(map(model_spec(model.name).takes, size)):
        pytest.skip(f"{model.name} takes no {size}")
    model = restructure_at_size(at_size(model, size))
    simulated = simulate_int8(model, all_ranges(model, metadata.ranges))
    path = tmp_path / "a.tflite"
    request = metadata.replace(quantization="int8", output_type="logits", ranges={})
    path.write_bytes(convert(simulated, request))
    report = inspect(path)
    assert report.problems(expect_int8=True, max_partitions=1) == []
    assert "boundary" not in report.kinds and report.delegation["other_ops"] == []
    expected = keras_predictor(simulated, request).logits(scenes.image(0))
    found = load_predictor(path).logits(scenes.image(0))
    # Random networks amplify each rounding, so that only trained ones can be asked for equal labels. A wrong operation
    # leaves no likeness at all.
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.5
