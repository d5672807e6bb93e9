"""What a program or its keras.json has set changes nothing of what is trained, exported and run."""

import keras
import numpy as np
import pytest

from keras_liteseg import CalibrationOptions, ExportOptions, TrainingConfig, export, load_predictor, train
from keras_liteseg.graph.precision import dtype_policy


@pytest.fixture
def floatx():
    """Function that sets the number type of Keras, and with it that of layers, as keras.json does."""

    def choose(name):
        keras.config.set_floatx(name)
        keras.config.set_dtype_policy(name)

    yield choose
    choose("float32")


def made(folder, name, scenes):
    """Train, run and export the network `name`; return (logits of an image, bytes of the file)."""
    config = TrainingConfig(
        model=name, crop_size=(64, 128), eval_size=(64, 128), batch_size=2, epochs=1, steps_per_epoch=2
    )
    best = train(config, scenes, scenes, folder)
    file = folder / "a.tflite"
    export(best, file, ExportOptions(quantization="int8"), CalibrationOptions(scenes, images=2))
    return load_predictor(best).logits(scenes.image(0)), file.read_bytes()


def test_results_are_those_of_float32(floatx, tiny_network, scenes, tmp_path):
    expected, file = made(tmp_path / "float32", tiny_network, scenes)
    for name in ("float16", "float64"):
        floatx(name)
        logits, other = made(tmp_path / name, tiny_network, scenes)
        assert logits.dtype == np.float32 and other == file
        np.testing.assert_array_equal(logits, expected)
        assert keras.config.floatx() == keras.config.dtype_policy().name == name


def test_policy_is_put_back_after_an_error(floatx):
    floatx("float64")
    with pytest.raises(ValueError), dtype_policy("mixed_bfloat16"):
        assert (keras.config.floatx(), keras.config.dtype_policy().name) == ("float32", "mixed_bfloat16")
        raise ValueError
    assert keras.config.floatx() == keras.config.dtype_policy().name == "float64"
