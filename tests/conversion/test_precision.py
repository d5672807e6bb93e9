"""Networks and programs in mixed precision: files, and what is measured, are those of float32."""

import keras
import numpy as np

from keras_liteseg import (
    CalibrationOptions,
    ExportOptions,
    Metadata,
    create_model,
    export,
    load_dataset,
    load_predictor,
    model_spec,
    save_model,
)
from keras_liteseg.models.network import load_network

SIZE = (64, 64)


def test_mixed_precision_of_a_program_changes_no_exported_file(tmp_path):
    data, spec = load_dataset("street_scenes", length=2, size=SIZE), model_spec("lps_net_tiny")
    labels = []
    for policy in ("float32", "mixed_bfloat16"):
        network, file = tmp_path / f"{policy}.keras", tmp_path / f"{policy}.tflite"
        keras.config.set_dtype_policy(policy)
        try:
            keras.utils.set_random_seed(0)
            model = create_model("lps_net_tiny", (*SIZE, 3), len(data.classes))
            assert {layer.compute_dtype for layer in model.layers if layer.weights} == {policy.removeprefix("mixed_")}
            save_model(model, network, Metadata("lps_net_tiny", "", data.classes, spec.mean, spec.std))
            for loaded, _ in (load_network(network), load_network("lps_net_tiny", input_size=SIZE)):
                assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
            export(network, file, ExportOptions(quantization="int8"), CalibrationOptions(data, 2))
            assert keras.config.dtype_policy().name == policy
        finally:
            keras.config.set_dtype_policy("float32")
        labels.append(load_predictor(file).labels(data.image(0)))
    np.testing.assert_array_equal(*labels)
