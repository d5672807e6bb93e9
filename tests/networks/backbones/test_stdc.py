import keras
import numpy as np
import pytest

from keras_liteseg.networks.backbones.stdc import STDC1, STDC2, stdc_backbone, stdc_module

# Backbone: (trainable parameters counted in the reference implementation, first module of stages 3, 4 and 5, last).
BACKBONES = {STDC1: (5_318_304, (2, 4, 6), 7), STDC2: (9_348_768, (2, 6, 11), 13)}


@pytest.mark.parametrize("depths", BACKBONES, ids=["STDC1", "STDC2"])
def test_modules_and_parameters(depths):
    parameters, firsts, last = BACKBONES[depths]
    images = keras.Input((None, None, 3))
    model = keras.Model(images, stdc_backbone(images, depths))
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == parameters
    names = {layer.name for layer in model.layers}
    modules = range(2, last + 1)
    assert {f"backbone_features_{index}_concat" for index in modules} == {n for n in names if n.endswith("_concat")}
    assert {n for n in names if n.endswith("_skip")} == {f"backbone_features_{index}_skip" for index in firsts}
    assert {n for n in names if n.endswith("_avd_layer_0")} == {f"backbone_features_{i}_avd_layer_0" for i in firsts}


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((512, 1024), [(64, 128), (32, 64), (16, 32)]),
        ((720, 960), [(90, 120), (45, 60), (23, 30)]),
        ((102, 166), [(13, 21), (7, 11), (4, 6)]),
        ((3, 5), [(1, 1), (1, 1), (1, 1)]),
    ],
)
def test_sizes(size, sizes):
    outputs = stdc_backbone(keras.Input((*size, 3)), STDC1)
    assert [tuple(x.shape[1:]) for x in outputs] == [(*s, c) for s, c in zip(sizes, (256, 512, 1024))]


def test_the_first_branch_of_a_stride_2_module_averages_without_the_padding():
    inputs = keras.Input((4, 4, 8))
    model = keras.Model(inputs, stdc_module(inputs, 16, 2, "m"))
    model.get_layer("m_conv_list_0_conv").kernel.assign(np.eye(8)[None, None])
    norm = model.get_layer("m_conv_list_0_bn")
    norm.gamma.assign(np.full(8, np.sqrt(1 + norm.epsilon)))
    x = np.random.default_rng(0).uniform(size=(1, 4, 4, 8)).astype(np.float32)
    expected = [[x[0, :2, :2], x[0, :2, 1:4]], [x[0, 1:4, :2], x[0, 1:4, 1:4]]]
    expected = [[window.mean(axis=(0, 1)) for window in row] for row in expected]
    np.testing.assert_allclose(model(x)[0, ..., :8], expected, rtol=1e-5)


def test_kernels_start_small():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 64))
    model = keras.Model(inputs, stdc_module(inputs, 256, 2, "m"))
    for name in ("m_conv_list_0_conv", "m_avd_layer_0", "m_conv_list_3_conv"):
        kernel = keras.ops.convert_to_numpy(model.get_layer(name).kernel)
        assert kernel.std() == pytest.approx(0.001, rel=0.1)
