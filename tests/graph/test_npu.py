"""The graphs for an Ethos-U compute what the networks compute, in forms that it takes whole."""

import keras
import pytest
from keras import layers

from keras_liteseg.graph import fold_batch_norm, restructure_any_size, restructure_for_npu
from keras_liteseg.graph.npu import resizes, wide_maps
from keras_liteseg.graph.npu.dilations import short_dilations
from keras_liteseg.graph.npu.reductions import averages_of_averages
from keras_liteseg.graph.npu.resizes import resizes_as_products
from keras_liteseg.graph.traversal import first_input, layers_of
from keras_liteseg.models import create_model
from keras_liteseg.networks.layers import BilinearResize, DepthwiseConv2D
from keras_liteseg.networks.sppm import AdaptiveAveragePooling2D
from keras_liteseg.networks.uafm import ChannelReduction
from tests.graph.test_restructure import assert_equal, randomize

# No factor of LPS-Net's resizes is a whole number; 4 divides the map that PP-LiteSeg pools in one size and not in the
# other; LiteSeg's largest dilation is above half of the map in one size and above all of it in the other.
NETWORKS = [
    ("ndnet45", (64, 96)),
    ("lps_net_s", (70, 101)),
    pytest.param("liteseg_mobilenetv2", (320, 352), marks=pytest.mark.slow),
    pytest.param("liteseg_mobilenetv2", (96, 128), marks=pytest.mark.slow),
    pytest.param("pp_liteseg_t", (128, 256), marks=pytest.mark.slow),
    pytest.param("pp_liteseg_t", (140, 165), marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("name", "size"), NETWORKS)
def test_network_stays_and_an_ethos_u_takes_it(name, size, monkeypatch):
    monkeypatch.setattr(wide_maps, "_WIDE", 1)
    monkeypatch.setattr(resizes, "_LARGE", 10_000)
    model = restructure_any_size(fold_batch_norm(create_model(name, (*size, 3), 9)))
    randomize(model)
    for_npu, origins = restructure_for_npu(model)
    assert_equal(model, for_npu)
    assert_called_once(for_npu)
    for resize in layers_of(for_npu, BilinearResize):
        given = first_input(resize).shape[1:3]
        assert given in ((1, 1), resize.output.shape[1:3])
    assert all(layer.statistic == "max" for layer in layers_of(for_npu, ChannelReduction))
    names = {layer.name for layer in for_npu.layers}
    assert set(origins) <= names and {old for old in origins.values() if old} <= {layer.name for layer in model.layers}
    if name == "pp_liteseg_t":
        assert {layer.input.shape[3] for layer in layers_of(for_npu, ChannelReduction)} == {16}
        pooled = {layer.input.shape[1:3] for layer in layers_of(for_npu, AdaptiveAveragePooling2D)}
        assert pooled == ({(4, 8), (4, 4)} if size == (128, 256) else {(5, 6)})
        # Of the first stage, each reader of the wide map has one of its own.
        assert sum("backbone_features_2_conv_list_0_conv" in name for name in names) > 2


@pytest.mark.parametrize("arguments", [{}, {"training": False}])
def test_averages_are_taken_of_the_finest_which_is_made_once(arguments):
    x = keras.Input((8, 12, 3))
    pools = [AdaptiveAveragePooling2D(bins, name=f"bins_{bins}")(x, **arguments) for bins in (1, 2, 4)]
    model = keras.Model(x, layers.Concatenate()([layers.Flatten()(pool) for pool in pools]))
    averaged = averages_of_averages(model)
    assert_equal(model, averaged)
    shapes = {layer.name: layer.input.shape[1:3] for layer in layers_of(averaged, AdaptiveAveragePooling2D)}
    assert shapes == {"bins_1": (4, 4), "bins_2": (4, 4), "bins_4": (8, 12)}
    assert_called_once(averaged)


def assert_called_once(model):
    """No layer has two outputs, of which int8 would give each a range under the same name."""
    called = []

    def call(layer, *inputs, **arguments):
        called.append(layer.name)
        return layer(*inputs, **arguments)

    keras.models.clone_model(model, call_function=call)
    assert len(called) == len(set(called))


@pytest.mark.parametrize("large", [1, 10_000])
@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("given", "wanted"),
    [((3, 5), (24, 40)), ((6, 4), (17, 9)), ((9, 8), (5, 3)), ((4, 7), (9, 3)), ((7, 3), (2, 8)), ((1, 4), (8, 4))],
)
def test_any_resize_is_a_product(given, wanted, align_corners, large, monkeypatch):
    monkeypatch.setattr(resizes, "_LARGE", large)
    x = keras.Input((*given, 3))
    model = keras.Model(x, BilinearResize(size=wanted, align_corners=align_corners, name="resize")(x))
    products = resizes_as_products(model, {})
    assert not layers_of(products, BilinearResize) and products.layers[-1].name == "resize"
    assert_equal(model, products)


def test_enlarged_map_is_made_and_read_in_bands(monkeypatch):
    monkeypatch.setattr(resizes, "_LARGE", 4 * 2 * 18 * 3)  # bands of two rows
    x = keras.Input((4, 6, 3))
    detailed = layers.Conv2D(5, 1, name="detailed")(layers.UpSampling2D(3)(x))
    large = BilinearResize(size=(11, 18), name="large")(x)
    both = layers.Concatenate(name="both")([layers.Cropping2D(((1, 0), (0, 0)))(detailed), large])
    y = DepthwiseConv2D(3, padding="same", name="depthwise")(both)
    y = layers.ReLU(name="relu")(layers.Conv2D(4, 1, name="pointwise")(y))
    model = keras.Model(x, y)
    randomize(model)
    origins = {}
    products = resizes_as_products(model, origins)
    assert_equal(model, products)
    assert products.layers[-1].name == "relu" and set(origins.values()) == {"depthwise", "relu"}
    shapes = [layer.output.shape[1:] for layer in products.layers]
    assert (11, 18, 3) not in shapes and (11, 18, 8) not in shapes


@pytest.mark.parametrize(
    ("size", "rate", "reach"),
    [
        ((12, 16), 9, (6, 0)),  # 3 rows at either end meet, and 6 between them meet none
        ((10, 16), 6, (8, 0)),
        ((5, 16), 6, (1, 3)),  # no rows meet, columns do
        ((16, 5), 6, (3, 1)),
        ((5, 5), 6, (1, 1)),
        ((16, 16), 3, None),  # stays
    ],
)
def test_dilation_is_shortened(size, rate, reach):
    x = keras.Input((*size, 4))
    y = DepthwiseConv2D(3, padding="same", dilation_rate=rate, name="dilated")(x)
    model = keras.Model(x, layers.Conv2D(6, 1, name="pointwise")(y))
    randomize(model)
    origins = {}
    short = short_dilations(model, origins)
    assert_equal(model, short)
    found = [layer for layer in short.layers if isinstance(layer, layers.DepthwiseConv2D)]
    if reach is None:
        assert short is model
    elif reach == (1, 1):
        assert not found  # it is part of the pointwise convolution
    elif reach[1]:
        assert [layer.kernel_size for layer in found] == [reach] and not origins
    else:
        assert {layer.input.shape[1] for layer in found} == {2 * (size[0] - rate), 2 * rate - size[0]}
        assert origins == {layer.name: "dilated" for layer in found}
