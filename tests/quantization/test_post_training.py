"""What the log says of post-training quantization; what it computes is tested beside each of its steps."""

import logging

import pytest

from keras_liteseg import CalibrationOptions
from keras_liteseg.quantization.post_training import quantize
from tests.tiny import tiny


@pytest.mark.parametrize(("quantization", "said"), [("int8", "int8"), ("int16x8", "int16x8"), ("", "int8")])
def test_log_names_the_numbers_that_get_scales(quantization, said, scenes, metadata, caplog):
    """Quantization-aware training, whose metadata has none yet, is for int8."""
    with caplog.at_level(logging.INFO):
        quantize(
            tiny((64, 128, 3), 9), metadata.replace(quantization=quantization), CalibrationOptions(scenes, images=2)
        )
    assert f"{said} scales: calibrated on 2 training images of street_scenes" in caplog.messages
