"""The restructured graphs compute what the networks compute, in forms that XNNPACK takes."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from keras_liteseg.conversion.convert import convert
from keras_liteseg.graph import fold_batch_norm, native_dilation, restructure
from keras_liteseg.graph import restructuring as steps
from keras_liteseg.models import create_model
from keras_liteseg.networks.backbones.shufflenet import ChannelShuffle
from keras_liteseg.networks.layers import BilinearResize, ExclusivePooling2D, GroupedConv2D
from keras_liteseg.tflite.partitions import op_details, partitions

# With an odd size for those networks that take it.
NETWORKS = {
    "ndnet45": (64, 128),
    "ndnet45_fcn8": (64, 128),
    "lps_net_s": (70, 101),
    "liteseg_mobilenetv2": (64, 96),
    "liteseg_shufflenet": (75, 98),
    "pp_liteseg_t": (140, 165),
}
# One network per paper in every run, the others in `make test-all`.
QUICK = ("ndnet45", "lps_net_s", "liteseg_shufflenet", "pp_liteseg_t")
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]


@pytest.fixture(scope="module", params=NAMES)
def pair(request):
    """(A network without batch normalization and with random weights, its restructured form)."""
    model = fold_batch_norm(create_model(request.param, (*NETWORKS[request.param], 3), 9))
    randomize(model)
    return model, restructure(model)


def randomize(model):
    """Give every convolution a kernel that keeps the size of the values, and a bias."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            shape = layer.kernel.shape
            depthwise = isinstance(layer, layers.DepthwiseConv2D)
            fan_in = np.prod(shape[:2] if depthwise else shape[:3])
            weights = [rng.normal(0, np.sqrt(2 / fan_in), shape)]
            if layer.use_bias:
                weights.append(rng.normal(0, 0.2, layer.bias.shape))
            layer.set_weights(weights)


def images_for(model):
    return np.random.default_rng(1).normal(size=(2, *model.input.shape[1:])).astype(np.float32)


def assert_equal(before, after):
    images = images_for(before)
    expected, found = before.predict_on_batch(images), after.predict_on_batch(images)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def delegation(content):
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return partitions(op_details(interpreter))


def int8_file(model):
    """Return the bytes of TensorFlow's own post-training int8 file."""
    signature = [tf.TensorSpec((1, *model.input.shape[1:]), tf.float32)]
    function = tf.function(lambda images: model(images, training=False), input_signature=signature)
    graph = convert_variables_to_constants_v2(function.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: iter([[images_for(model)[:1]]])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def count(model, kind):
    return sum(isinstance(layer, kind) for layer in model.layers)


def test_network_computes_the_same(pair):
    assert_equal(*pair)


def test_network_keeps_input_and_output(pair):
    before, after = pair
    assert after.input.shape == before.input.shape and after.output.shape == before.output.shape
    assert after.layers[-1].name == before.layers[-1].name


def test_network_is_one_partition(pair, metadata):
    metadata = metadata.replace(quantization="none", output_type="logits")
    found = delegation(convert(native_dilation(pair[1]), metadata))
    assert (found["partitions"], found["other_ops"]) == (1, [])


def test_network_needs_no_second_pass(pair):
    assert [layer.name for layer in restructure(pair[1]).layers] == [layer.name for layer in pair[1].layers]


def test_network_without_a_match_stays():
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, layers.Conv2D(4, 3)(images))
    assert restructure(model) is model


@pytest.mark.parametrize("size", [*itertools.product((4, 5, 6, 9), (4, 7))])
def test_exclusive_average_pool(size):
    images = keras.Input((*size, 3))
    before = keras.Model(images, ExclusivePooling2D("average", name="pool")(images))
    after = steps.depthwise_exclusive_average_pools(before)
    assert_equal(before, after)
    assert count(after, ExclusivePooling2D) == 0 and after.layers[-1].name == "pool"


def test_exclusive_average_pool_of_a_tiny_map_stays():
    images = keras.Input((3, 8, 3))
    model = keras.Model(images, ExclusivePooling2D("average")(images))
    assert steps.depthwise_exclusive_average_pools(model) is model


def test_average_pools_stay_in_xnnpack():
    images = keras.Input((16, 16, 8))
    x = ExclusivePooling2D("average")(images)
    before = keras.Model(images, layers.AveragePooling2D(3, 2, "valid")(layers.ZeroPadding2D(1)(x)))
    after = steps.restructure(before)
    assert_equal(before, after)
    assert {entry["op"] for entry in delegation(int8_file(before))["other_ops"]} == {"AVERAGE_POOL_2D"}
    assert delegation(int8_file(after))["other_ops"] == []


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("size", [*itertools.product((15, 16, 17, 18), (16, 17, 22))])
def test_max_pool(size, exclusive):
    images = keras.Input((*size, 3))
    x = layers.ZeroPadding2D(1)(images)
    x = layers.Conv2D(4, 3, 2)(x)
    if exclusive:
        x = ExclusivePooling2D("max", name="pool")(x)
    else:
        x = layers.ZeroPadding2D(1, name="pool_pad")(layers.ReLU()(x))
        x = layers.MaxPooling2D(3, 2, name="pool")(x)
    before = keras.Model(images, x)
    randomize(before)
    after = steps.unpadded_max_pools(before)
    assert_equal(before, after)
    assert count(after, layers.ZeroPadding2D) == 1 and after.layers[-1].name == "pool"
    assert count(after, ExclusivePooling2D) == 0


def test_max_pool_of_negative_values_keeps_its_zeros():
    images = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, 2)(layers.ZeroPadding2D(1)(images))
    model = keras.Model(images, layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x)))
    assert steps.unpadded_max_pools(model) is model


def test_max_pool_of_what_others_read_stays():
    images = keras.Input((16, 16, 3))
    x = layers.ReLU()(layers.Conv2D(4, 3, 2)(layers.ZeroPadding2D(1)(images)))
    model = keras.Model(images, [layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x)), x])
    assert steps.unpadded_max_pools(model) is model


def test_relu_moves_into_the_branches():
    images = keras.Input((16, 16, 8))
    first = layers.MaxPooling2D(2)(layers.ReLU()(layers.Conv2D(4, 1)(images)))
    second = layers.Conv2D(4, 2, 2)(images)
    x = layers.Concatenate()([first, second])
    before = keras.Model(images, layers.ReLU(name="relu")(x))
    randomize(before)
    after = steps.relu_before_concatenation(before)
    assert_equal(before, after)
    # The first branch needs none.
    assert count(after, layers.ReLU) == 2 and after.layers[-1].name == "relu"
    assert "RELU" in {entry["op"] for entry in delegation(int8_file(before))["other_ops"]}
    assert delegation(int8_file(after))["other_ops"] == []


def test_relu6_stays_in_every_branch():
    images = keras.Input((16, 16, 8))
    x = layers.Concatenate()([layers.ReLU()(layers.Rescaling(10.0)(images)), images])
    before = keras.Model(images, layers.ReLU(6.0)(x))
    after = steps.relu_before_concatenation(before)
    assert_equal(before, after)
    assert count(after, layers.ReLU) == 3


@pytest.mark.parametrize("bias", [False, True])
def test_pointwise_depthwise_convolution_is_merged(bias):
    images = keras.Input((8, 8, 6))
    x = layers.DepthwiseConv2D(1, use_bias=bias)(images)
    x = layers.Conv2D(5, 1, use_bias=False, activation="relu", name="after")(x)
    x = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = BilinearResize(2)(x)
    x = layers.DepthwiseConv2D(1, use_bias=bias)(x)
    before = keras.Model(images, x)
    randomize(before)
    after = steps.merge_pointwise(before)
    assert_equal(before, after)
    assert count(after, layers.DepthwiseConv2D) == 0


def test_convolution_between_two_pointwise_depthwise_convolutions():
    images = keras.Input((8, 8, 6))
    x = layers.DepthwiseConv2D(1)(images)
    x = layers.Conv2D(4, 1)(x)
    before = keras.Model(images, layers.DepthwiseConv2D(1)(x))
    randomize(before)
    assert_equal(before, steps.merge_pointwise(before))


@pytest.mark.parametrize("relu", [False, True])
def test_shuffle_is_merged_into_a_convolution_without_groups(relu):
    images = keras.Input((8, 8, 6))
    x = layers.Conv2D(12, 3, name="convolution")(images)
    x = ChannelShuffle(3)(layers.ReLU()(x) if relu else x)
    grouped = GroupedConv2D(8, 1, groups=4)(x)
    before = keras.Model(images, ChannelShuffle(2)(grouped))
    randomize(before)
    after = steps.merge_shuffles(before)
    assert_equal(before, after)
    assert count(after, ChannelShuffle) == 1


@pytest.mark.parametrize("size", [(16, 20), (15, 18)])
@pytest.mark.parametrize("end", [0, 1, 3])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_first_convolution_reads_pairs_of_pixels(size, end, channels):
    images = keras.Input((*size, channels))
    x = layers.ZeroPadding2D(((1, end), (1, end)))(images)
    before = keras.Model(images, layers.Conv2D(5, 3, 2, name="first", use_bias=False)(x))
    randomize(before)
    after = steps.paired_pixels(before)
    assert_equal(before, after)
    assert after.get_layer("first").kernel.shape == (3, 2, 2 * channels, 5)


@pytest.mark.parametrize("shape", [(16, 19, 3), (16, 20, 5)])
def test_an_odd_width_and_many_channels_have_no_pairs(shape):
    images = keras.Input(shape)
    model = keras.Model(images, layers.Conv2D(5, 3, 2)(layers.ZeroPadding2D(1)(images)))
    assert steps.paired_pixels(model) is model


@pytest.mark.parametrize(("inputs", "filters", "groups", "joined"), [(96, 360, 8, 2), (24, 40, 8, 2), (12, 20, 4, 1)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_groups_are_joined(inputs, filters, groups, joined, kernel):
    images = keras.Input((8, 8, inputs))
    before = keras.Model(images, GroupedConv2D(filters, kernel, groups=groups, use_bias=kernel == 3, name="c")(images))
    randomize(before)
    after = steps.even_groups(before)
    assert_equal(before, after)
    assert after.get_layer("c").groups == joined


def test_even_groups_stay():
    images = keras.Input((8, 8, 96))
    model = keras.Model(images, GroupedConv2D(384, 1, groups=8)(images))
    assert steps.even_groups(model) is model


def test_upsampled_maps_are_convolved_at_their_own_size():
    images = keras.Input((16, 16, 6))
    maps = [layers.Conv2D(6, 3, stride, padding="same")(images) for stride in (1, 2, 4)]
    resized = [maps[0], *(BilinearResize(name=f"resize_{i}")(maps[i], like=maps[0]) for i in (1, 2)), images]
    x = layers.Concatenate()(resized)
    before = keras.Model(images, layers.ReLU()(layers.Conv2D(5, 1, name="fusion")(x)))
    randomize(before)
    after = steps.resize_after_pointwise(before)
    assert_equal(before, after)
    assert after.get_layer("fusion_resize_1").output.shape[1:3] == (8, 8)
    assert isinstance(after.get_layer("fusion"), layers.Add)


def test_equal_paddings_become_different():
    images = keras.Input((16, 17, 3))
    outputs = []
    for _ in range(3):
        outputs.append(layers.DepthwiseConv2D(3, 2)(layers.ZeroPadding2D(1)(images)))
    before = keras.Model(images, layers.Concatenate()(outputs))
    randomize(before)
    after = steps.unshared_pads(before)
    assert_equal(before, after)
    assert len({layer.padding for layer in after.layers if isinstance(layer, layers.ZeroPadding2D)}) == 3


def test_sums_and_concatenations_of_many():
    images = keras.Input((8, 8, 2))
    branches = [layers.Conv2D(2, 1)(images) for _ in range(11)]
    before = keras.Model(images, layers.Concatenate()([*branches, layers.Add()(branches)]))
    randomize(before)
    after = steps.short_concatenations(steps.two_input_sums(before))
    assert_equal(before, after)
    assert max(len(layer.input) for layer in after.layers if isinstance(layer, layers.Add)) == 2
    assert "CONCATENATION" in {entry["op"] for entry in delegation(int8_file(before))["other_ops"]}
    assert delegation(int8_file(after))["other_ops"] == []
