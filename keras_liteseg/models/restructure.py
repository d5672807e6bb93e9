"""The graph of a network in the form that LiteRT's XNNPACK delegate runs fastest, with the same results.

Every function here takes a functional Keras model of static size without batch normalization (see `fold_batch_norm`)
and returns an equal one; outputs differ by float rounding only. A layer whose output tensor is still there keeps its
name. What each is for was found with LiteRT's own profiler.
"""

import functools
import itertools
import math

import keras
import numpy as np
from keras import layers

from keras_liteseg.models.backbones.shufflenet import ChannelShuffle
from keras_liteseg.models.layers import BilinearResize, ExclusivePooling2D

# Layers whose output has no negative value where their inputs have none.
_KEEP_SIGN = (
    layers.AveragePooling2D,
    layers.Concatenate,
    layers.Cropping2D,
    layers.MaxPooling2D,
    layers.ZeroPadding2D,
    BilinearResize,
    ChannelShuffle,
    ExclusivePooling2D,
)
# More inputs of a concatenation leave XNNPACK.
_MOST_CONCATENATED = 5


def restructure(model):
    """Return `model` after all steps that help float and int8 files alike; `paired_pixels` is for int8 files alone."""
    return restructure_at_size(restructure_any_size(model))


def restructure_any_size(model):
    """Return `model` after the steps whose result can be brought to another image size."""
    return _after(
        model,
        two_input_sums,
        short_concatenations,
        relu_before_concatenation,
        merge_pointwise,
        merge_shuffles,
        resize_after_pointwise,
        depthwise_average_pools,
    )


def restructure_at_size(model):
    """Return `model` after the steps whose result is for its image size alone.

    A layer that these add either gives values of its input, or averages of such, so that it keeps the int8 scale.
    """
    return _after(model, depthwise_exclusive_average_pools, unpadded_max_pools, unshared_pads)


def _after(model, *steps):
    for step in steps:
        model = step(model)
    return model


def two_input_sums(model):
    """Sum two tensors at a time: a layer that adds three has a sum inside that gets no int8 scale."""
    sums = [layer.name for layer in _layers(model, layers.Add) if len(layer.input) > 2]
    return _rebuild(model, {name: functools.partial(_sum, name=name) for name in sums})


def _sum(terms, name):
    total = terms[0]
    for index, term in enumerate(terms[1:], start=2):
        total = layers.Add(name=name if index == len(terms) else f"{name}_{index}")([total, term])
    return total


def short_concatenations(model):
    """Concatenate at most five tensors at a time; XNNPACK takes no more."""
    long = [layer for layer in _layers(model, layers.Concatenate) if len(layer.input) > _MOST_CONCATENATED]
    return _rebuild(model, {layer.name: functools.partial(_concatenate, layer) for layer in long})


def _concatenate(layer, parts):
    for index in itertools.count():
        if len(parts) <= _MOST_CONCATENATED:
            return _like(layer, layer.name)(parts)
        first = _like(layer, f"{layer.name}_{index}")(parts[:_MOST_CONCATENATED])
        parts = [first, *parts[_MOST_CONCATENATED:]]


def relu_before_concatenation(model):
    """Move a ReLU from behind a concatenation into its branches, where it becomes part of a convolution, or goes away
    where the branch has no negative value. An int8 RELU of its own leaves XNNPACK."""
    graph = _Graph(model)

    def rule(relu, concatenation):
        is_identity = relu.max_value is None and not relu.threshold
        keep = [is_identity and graph.is_nonnegative(tensor) for tensor in concatenation.input]

        def call(concatenated):
            _, branches = _made_from(concatenated)
            branches = [
                branch if keep[index] else _like(relu, f"{relu.name}_{index}")(branch)
                for index, branch in enumerate(branches)
            ]
            return layers.Concatenate(axis=concatenation.axis, name=relu.name)(branches)

        return call

    rules = {}
    for relu in _layers(model, layers.ReLU):
        source = graph.producer(relu.input)
        if isinstance(source, layers.Concatenate) and graph.only_reader(source) is relu:
            rules[relu.name] = rule(relu, source)
    return _rebuild(model, rules)


def merge_pointwise(model):
    """Make a 1x1 depthwise convolution part of the 1x1 convolution after it, or of the convolution before it where
    nothing but resizes stands between: it only scales channels."""
    graph = _Graph(model)
    rules = {}
    for layer in _layers(model, layers.DepthwiseConv2D):
        if layer.kernel_size != (1, 1) or layer.strides != (1, 1) or layer.depth_multiplier != 1:
            continue
        if not _is_linear(layer):
            continue
        kernel, bias = _kernel_and_bias(layer)
        scale = kernel[0, 0, :, 0]
        after, before = graph.only_reader(layer), graph.producer(layer.input)
        while isinstance(before, BilinearResize):
            before = graph.producer(_tensors(before)[0])
        if after is not None and _is_pointwise(after):
            changed, (own_kernel, own_bias) = after, _kernel_and_bias(after)
            weights = own_kernel * scale[:, None], own_bias + bias @ own_kernel[0, 0]
        elif _is_dense(before) and _is_linear(before) and graph.leads_only_to(before, layer):
            changed, (own_kernel, own_bias) = before, _kernel_and_bias(before)
            weights = own_kernel * scale, own_bias * scale + bias
        else:
            continue
        if changed.name not in rules:  # one change at a time
            rules[layer.name] = lambda x: x
            rules[changed.name] = functools.partial(_merged, changed, *weights)
    return _rebuild(model, rules)


def _merged(layer, kernel, bias, x):
    return _convolve(x, layer, kernel, bias, layer.name)


def merge_shuffles(model):
    """Let a convolution without groups make its channels in the order into which a shuffle would bring them."""
    graph = _Graph(model)
    rules = {}
    for shuffle in _layers(model, ChannelShuffle):
        source = graph.producer(shuffle.input)
        convolution = graph.producer(source.input) if isinstance(source, layers.ReLU) else source
        if _is_dense(convolution) and graph.leads_only_to(convolution, shuffle):
            order = np.arange(convolution.filters).reshape(shuffle.groups, -1).T.ravel()
            kernel, bias = _kernel_and_bias(convolution)
            rules[convolution.name] = functools.partial(_merged, convolution, kernel[..., order], bias[order])
            rules[shuffle.name] = lambda x: x
    return _rebuild(model, rules)


def resize_after_pointwise(model):
    """Where a 1x1 convolution reads a concatenation with upsampled maps, convolve each map at its own size and add up.

    Both operations are linear and the weights of a bilinear resize sum to 1, so they may change places; the convolution
    then reads fewer pixels.
    """
    graph = _Graph(model)
    rules = {}
    for convolution in _layers(model, layers.Conv2D):
        source = graph.producer(convolution.input)
        if not _is_pointwise(convolution) or not _is_linear(convolution) or not isinstance(source, layers.Concatenate):
            continue
        upsampled = [
            _enlarges(graph.producer(tensor)) and convolution.filters <= tensor.shape[-1] for tensor in source.input
        ]
        if any(upsampled) and not all(upsampled) and graph.only_reader(source) is convolution:
            rules[convolution.name] = functools.partial(_convolve_apart, convolution, upsampled)
    return _rebuild(model, rules)


def _enlarges(layer):
    return isinstance(layer, BilinearResize) and math.prod(layer.output.shape[1:3]) > math.prod(
        _tensors(layer)[0].shape[1:3]
    )


def _convolve_apart(convolution, upsampled, concatenated):
    """Return what `convolution` makes of a concatenation, the `upsampled` parts of which it convolves before that."""
    _, parts = _made_from(concatenated)
    kernel, bias = _kernel_and_bias(convolution)
    kernels = np.split(kernel, np.cumsum([part.shape[-1] for part in parts])[:-1], axis=2)
    name = convolution.name
    rest = [part for part, moved in zip(parts, upsampled) if not moved]
    rest_kernel = np.concatenate([part for part, moved in zip(kernels, upsampled) if not moved], axis=2)
    x = rest[0] if len(rest) == 1 else layers.Concatenate(name=f"{name}_rest_concat")(rest)
    terms = [_convolve(x, convolution, rest_kernel, bias, f"{name}_rest")]
    for part, part_kernel, moved in zip(parts, kernels, upsampled):
        if moved:
            resize, (x, *like) = _made_from(part)
            x = _convolve(x, convolution, part_kernel, None, f"{name}_{resize.name}")
            terms.append(_like(resize, f"{resize.name}_after")(x, *like))
    return _sum(terms, name)


def depthwise_average_pools(model):
    """Compute average pools as depthwise convolutions with equal weights; an int8 AVERAGE_POOL_2D leaves XNNPACK."""
    rules = {}
    for layer in _layers(model, layers.AveragePooling2D):
        if layer.padding == "valid":
            rules[layer.name] = functools.partial(
                _average, window=layer.pool_size, strides=layer.strides, name=layer.name
            )
    return _rebuild(model, rules)


def depthwise_exclusive_average_pools(model):
    """Compute average pools in which padding does not count as depthwise convolutions too.

    The outputs at a border are averages of fewer pixels, with a small convolution of their own.
    """
    rules = {}
    for layer in _layers(model, ExclusivePooling2D):
        # A smaller map has no output that no border touches.
        if layer.kind == "average" and min(layer.input.shape[1:3]) >= 4:
            rules[layer.name] = functools.partial(_exclusive_average, name=layer.name)
    return _rebuild(model, rules)


def unpadded_max_pools(model):
    """Let the convolution before a 3x3 max pool with stride 2 make the row and the column that pad the pool at the end.

    "same" pads odd lengths on both sides, as the pool is meant to, and even lengths at the end only. Only an output
    that is cut off again reads the additional values, and XNNPACK makes the padding of a convolution part of it, where
    the padding of a pool costs a copy.
    """
    graph = _Graph(model)
    rules = {}
    for pool in model.layers:
        if isinstance(pool, ExclusivePooling2D) and pool.kind == "max":
            last = pool
        elif _is_padded_max_pool(pool, graph):
            last = graph.producer(pool.input)
        else:
            continue
        source = graph.producer(last.input)
        convolution = graph.producer(source.input) if isinstance(source, layers.ReLU) else source
        pad = graph.producer(convolution.input) if _is_dense(convolution) else None
        if not isinstance(pad, layers.ZeroPadding2D) or convolution.padding != "valid":
            continue
        if not graph.leads_only_to(pad, last):
            continue
        more = []
        for axis in (0, 1):
            length, made = pad.output.shape[1 + axis], convolution.output.shape[1 + axis]
            reach = convolution.dilation_rate[axis] * (convolution.kernel_size[axis] - 1) + 1
            needed = made * convolution.strides[axis] + reach - length  # for one output more
            more.append(needed if made % 2 == 0 else 0)
        padding = tuple((start, end + extra) for (start, end), extra in zip(pad.padding, more))
        rules[pad.name] = layers.ZeroPadding2D(padding, name=pad.name)
        if last is not pool:
            rules[last.name] = lambda x: x
        rules[pool.name] = _same_max_pool(pool.name, tuple((0, int(extra > 0)) for extra in more))
    return _rebuild(model, rules)


def _is_padded_max_pool(layer, graph):
    if not isinstance(layer, layers.MaxPooling2D) or layer.padding != "valid":
        return False
    pad = graph.producer(layer.input)
    return (
        (layer.pool_size, layer.strides) == ((3, 3), (2, 2))
        and isinstance(pad, layers.ZeroPadding2D)
        and pad.padding == ((1, 1), (1, 1))
        # Padding with zeros is none where nothing is below zero.
        and graph.is_nonnegative(pad.input)
        and graph.only_reader(pad) is layer
    )


def _same_max_pool(name, cropping):
    def call(x):
        if cropping == ((0, 0), (0, 0)):
            return layers.MaxPooling2D(3, 2, "same", name=name)(x)
        return layers.Cropping2D(cropping, name=name)(layers.MaxPooling2D(3, 2, "same", name=f"{name}_same")(x))

    return call


def unshared_pads(model):
    """Give convolutions that pad the same tensor equally paddings that differ where no output reads them.

    The converter merges equal paddings into one, and XNNPACK makes a padding part of a convolution only when no other
    reads it.
    """
    graph = _Graph(model)
    taken = {}
    rules = {}
    for pad in _layers(model, layers.ZeroPadding2D):
        convolution = graph.only_reader(pad)
        if not isinstance(convolution, layers.Conv2D | layers.DepthwiseConv2D) or convolution.padding != "valid":
            continue
        used = taken.setdefault(id(pad.input), set())
        # The given one first; every size that gives as many outputs will do.
        choices = [pad.padding, *itertools.product(*(_equal_paddings(pad, convolution, axis) for axis in (0, 1)))]
        padding = next((choice for choice in choices if choice not in used), pad.padding)
        used.add(padding)
        if padding != pad.padding:
            rules[pad.name] = layers.ZeroPadding2D(padding, name=pad.name)
    return _rebuild(model, rules)


def _equal_paddings(pad, convolution, axis):
    """Return the paddings (first, last) of an axis with as many outputs of the convolution as it has."""
    first, last = pad.padding[axis]
    reach = convolution.dilation_rate[axis] * (convolution.kernel_size[axis] - 1) + 1
    unread = (pad.output.shape[1 + axis] - reach) % convolution.strides[axis]
    least = max(last - unread, 0)
    return [(first, end) for end in range(least, last - unread + convolution.strides[axis])]


def paired_pixels(model):
    """Let the first convolution read two neighbouring pixels as one of twice the channels.

    XNNPACK's int8 convolutions take channels eight at a time, so that the three of a picture leave most of the work
    empty. For int8 alone, as float convolutions get slower, and so no part of `restructure`.
    """
    graph = _Graph(model)
    rules = {}
    for pad in _layers(model, layers.ZeroPadding2D):
        _, height, width, channels = pad.input.shape
        convolution = graph.only_reader(pad)
        if channels != 3 or width % 2 or not _is_dense(convolution) or convolution.padding != "valid":
            continue
        form = convolution.kernel_size, convolution.strides, convolution.dilation_rate
        rows, (left, _) = pad.padding
        if form != ((3, 3), (2, 2), (1, 1)) or left != 1:
            continue
        pads = rows, (1, convolution.output.shape[2] - width // 2)
        rules[pad.name] = functools.partial(_padded_pairs, pad.name, (height, width // 2, 6), pads)
        kernel, bias = _kernel_and_bias(convolution)
        # The left one of the first two pixels is not read.
        pairs = np.pad(kernel, ((0, 0), (1, 0), (0, 0), (0, 0))).reshape(3, 2, 6, -1)
        rules[convolution.name] = functools.partial(_convolve_pairs, convolution, pairs, bias)
    return _rebuild(model, rules)


def _padded_pairs(name, shape, padding, x):
    return layers.ZeroPadding2D(padding, name=name)(layers.Reshape(shape, name=f"{name}_pairs")(x))


def _convolve_pairs(layer, kernel, bias, x):
    config = {**layer.get_config(), "kernel_size": (3, 2), "strides": (2, 1), "use_bias": True}
    convolution = type(layer).from_config(config)
    result = convolution(x)
    convolution.set_weights([kernel, bias])
    return result


def _average(x, window, strides, name):
    """Return the averages over windows without padding."""
    kernel = np.full((*window, x.shape[-1], 1), 1 / math.prod(window), np.float32)
    layer = layers.DepthwiseConv2D(window, strides=strides, use_bias=False, trainable=False, name=name)
    result = layer(x)
    layer.set_weights([kernel])
    return result


def _exclusive_average(x, name):
    """`ExclusivePooling2D("average")` as depthwise convolutions: the middle, and a strip along each padded border."""
    lines = []
    for vertical, (crop_rows, pad_rows, height) in _exclusive_parts(x.shape[1]).items():
        line = []
        for horizontal, (crop_columns, pad_columns, width) in _exclusive_parts(x.shape[2]).items():
            part, pad = f"{name}_{vertical}_{horizontal}", (pad_rows, pad_columns)
            y = layers.Cropping2D((crop_rows, crop_columns), name=f"{part}_in")(x) if height * width < 9 else x
            y = layers.ZeroPadding2D(pad, name=f"{part}_pad")(y) if max(height, width) == 3 else y
            y = _average(y, (height, width), (2, 2), part)
            # What the padding spoiled; the strips take its place.
            line.append(layers.Cropping2D(pad, name=f"{part}_out")(y) if max(height, width) == 3 else y)
        lines.append(layers.Concatenate(axis=2, name=f"{name}_{vertical}")(line))
    return layers.Concatenate(axis=1, name=name)(lines)


def _exclusive_parts(length):
    """Return {part of an axis: (cropping of the input, padding and then cropping of the output, window)}."""
    parts = {"first": ((0, length - 2), (0, 0), 2), "middle": ((0, 0), (1, length % 2), 3)}
    return parts | ({"last": ((length - 2, 0), (0, 0), 2)} if length % 2 else {})


class _Graph:
    """What reads and what makes the tensors of a functional model."""

    def __init__(self, model):
        self._producers = {id(layer.output): layer for layer in model.layers}
        self._outputs = {id(tensor) for tensor in model.outputs}
        self._readers = {}
        for layer in model.layers:
            for tensor in _tensors(layer):
                self._readers.setdefault(id(tensor), []).append(layer)

    def producer(self, tensor):
        """Return the layer that makes a tensor, or None where a bare operation makes it."""
        return self._producers.get(id(tensor))

    def only_reader(self, layer):
        """Return the one layer that reads the output of `layer`; None where others do, or where it is the model's."""
        readers = self._readers.get(id(layer.output), [])
        return readers[0] if len(readers) == 1 and id(layer.output) not in self._outputs else None

    def leads_only_to(self, first, last):
        """Whether the output of `first` is used on the way to `last` and nowhere else."""
        while first is not last:
            first = self.only_reader(first)
            if first is None:
                return False
        return True

    def is_nonnegative(self, tensor):
        layer = self.producer(tensor)
        if isinstance(layer, layers.ReLU):
            return not layer.negative_slope
        if not isinstance(layer, _KEEP_SIGN):
            return False
        # The second input of a resize only gives the size.
        read = _tensors(layer)[:1] if isinstance(layer, BilinearResize) else _tensors(layer)
        return all(map(self.is_nonnegative, read))


def _rebuild(model, rules):
    """Return a copy of a model with its weights in which rules[name](inputs) takes the place of calling a layer."""
    if not rules:
        return model

    def call(layer, *args, **kwargs):
        return rules.get(layer.name, layer)(*args, **kwargs)

    copy = keras.models.clone_model(model, call_function=call)
    names = {layer.name for layer in model.layers} - set(rules)
    for layer in copy.layers:
        if layer.weights and layer.name in names:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    return copy


def _layers(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def _tensors(layer):
    """Return the input tensors of a layer, as a list."""
    if isinstance(layer, layers.InputLayer):
        return []
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _made_from(tensor):
    """Return (layer that made a tensor of the graph that is being built, that layer's input tensors)."""
    layer = tensor._keras_history.operation
    return layer, _tensors(layer)


def _like(layer, name):
    return type(layer).from_config({**layer.get_config(), "name": name})


def _is_dense(layer):
    return isinstance(layer, layers.Conv2D) and layer.groups == 1


def _is_pointwise(layer):
    return _is_dense(layer) and layer.kernel_size == (1, 1) and layer.strides == (1, 1)


def _is_linear(layer):
    return layer.activation is keras.activations.linear


def _kernel_and_bias(layer):
    kernel = layer.kernel.numpy()
    outputs = kernel.shape[2] if isinstance(layer, layers.DepthwiseConv2D) else kernel.shape[3]
    return kernel, layer.bias.numpy() if layer.use_bias else np.zeros(outputs, np.float32)


def _convolve(x, layer, kernel, bias, name):
    """Return the output for `x` of a convolution like `layer` with other weights; `bias` may be None."""
    convolution = type(layer).from_config({**layer.get_config(), "use_bias": bias is not None, "name": name})
    result = convolution(x)
    convolution.set_weights([kernel] if bias is None else [kernel, bias])
    return result
