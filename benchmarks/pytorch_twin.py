"""Networks in PyTorch, channels_last, for `benchmarks.training_speed`; run by a Python that has both TensorFlow and
PyTorch (`make test-backends` makes one).

  python -m benchmarks.pytorch_twin BATCH_SIZE HEIGHT WIDTH CLOCK NETWORK[,compile][,bfloat16] ...

First come a line with PyTorch's version and its number of threads and one for each network, the number of its
parameters. Then each line of input, "NUMBER_OF_THE_NETWORK STEPS", is answered by the seconds that these steps took.
"""

import collections
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# Largest difference to the Keras model's outputs, as a share of their standard deviation. Sums of float32 in another
# order differ by a thousandth of that.
TOLERANCE = 0.02


class Twin(nn.Module):
    """The PyTorch network of a functional Keras model: the same layers in the same order, with the same weights.

    Padding becomes part of the convolution or pooling behind it and ReLU works in place, as one would write it.
    """

    def __init__(self, model):
        super().__init__()
        from keras_liteseg.graph import input_tensors

        readers = collections.Counter(id(x) for layer in model.layers for x in input_tensors(layer))
        self.steps, self.layers = [], nn.ModuleList()
        name, padding = {}, {}  # of the tensors of the Keras model
        for layer in model.layers:
            output, sources = id(layer.output), [id(x) for x in input_tensors(layer)]
            if type(layer).__name__ == "ZeroPadding2D":
                (padding[output], _), _ = layer.padding
                name[output] = name[sources[0]]
                continue
            name[output] = len(name)
            if type(layer).__name__ == "InputLayer":
                continue
            in_place = readers[sources[0]] == 1
            function = _LAYERS[type(layer).__name__](layer, padding.get(sources[0]), in_place)
            if isinstance(function, nn.Module):
                self.layers.append(function)
            self.steps.append((function, [name[x] for x in sources], name[output]))
        self.inputs = name[id(model.inputs[0])]
        self.outputs = [name[id(x)] for x in model.outputs]

    def forward(self, x):
        tensors = {self.inputs: x}
        for function, sources, output in self.steps:
            tensors[output] = function(*(tensors[source] for source in sources))
        return [tensors[output] for output in self.outputs]


def _convolution(layer, padding, in_place):
    depthwise = type(layer).__name__ == "DepthwiseConv2D"
    kernel, *bias = layer.get_weights()
    kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
    groups = kernel.shape[0] if depthwise else layer.groups
    (size, _), (dilation, _) = layer.kernel_size, layer.dilation_rate
    if padding is None:
        padding = dilation * (size - 1) // 2 if layer.padding == "same" else 0
    made = nn.Conv2d(
        kernel.shape[1] * groups, kernel.shape[0], size, layer.strides, padding, dilation, groups, bias=bool(bias)
    )
    with torch.no_grad():
        for parameter, values in zip(made.parameters(), (kernel, *bias), strict=True):
            parameter.copy_(torch.from_numpy(values.copy()))
    return made


def _batch_normalization(layer, padding, in_place):
    made = nn.BatchNorm2d(layer.gamma.shape[0], layer.epsilon, 1 - layer.momentum)
    tensors = made.weight, made.bias, made.running_mean, made.running_var
    with torch.no_grad():
        for tensor, values in zip(tensors, layer.get_weights(), strict=True):
            tensor.copy_(torch.from_numpy(values))
    return made


def _relu(layer, padding, in_place):
    return nn.ReLU(in_place) if layer.max_value is None else nn.ReLU6(in_place)


def _resize(layer, padding, in_place):
    def resize(x, like=None):
        size = [int(length * layer.scale) for length in x.shape[2:]] if like is None else like.shape[2:]
        return functional.interpolate(x, size, mode="bilinear", align_corners=layer.align_corners)

    return resize


def _exclusive_pooling(layer, padding, in_place):
    return nn.MaxPool2d(3, 2, 1) if layer.kind == "max" else nn.AvgPool2d(3, 2, 1, count_include_pad=False)


def _channel_shuffle(layer, padding, in_place):
    return lambda x: x.unflatten(1, (layer.groups, -1)).transpose(1, 2).flatten(1, 2)


def _channel_reduction(layer, padding, in_place):
    reduce = torch.mean if layer.statistic == "mean" else torch.amax
    return lambda x: reduce(x, 1, keepdim=True)


_LAYERS = {
    "Conv2D": _convolution,
    "GroupedConv2D": _convolution,
    "DepthwiseConv2D": _convolution,
    "BatchNormalization": _batch_normalization,
    "ReLU": _relu,
    "BilinearResize": _resize,
    "ExclusivePooling2D": _exclusive_pooling,
    "ChannelShuffle": _channel_shuffle,
    "ChannelReduction": _channel_reduction,
    "MaxPooling2D": lambda layer, padding, in_place: nn.MaxPool2d(layer.pool_size, layer.strides, padding or 0),
    "AveragePooling2D": lambda layer, padding, in_place: nn.AvgPool2d(layer.pool_size, layer.strides, padding or 0),
    "GlobalAveragePooling2D": lambda *_: nn.AdaptiveAvgPool2d(1),
    "AdaptiveAveragePooling2D": lambda layer, *_: nn.AdaptiveAvgPool2d(layer.bins),
    "Add": lambda *_: lambda *tensors: sum(tensors[1:], tensors[0]),
    "Multiply": lambda *_: torch.mul,
    "Concatenate": lambda *_: lambda *tensors: torch.cat(tensors, 1),
    "Activation": lambda *_: nn.Sigmoid(),  # of PP-LiteSeg's attention, which has no other
    "Complement": lambda *_: lambda x: 1.0 - x,  # its scale is 1 and not trained
}


def require_equal(twin, model, size):
    """Compare numbers of parameters, and outputs with the statistics of a batch.

    Raises:
        RuntimeError: they differ.
    """
    import keras

    ours = sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)
    theirs = sum(parameter.numel() for parameter in twin.parameters())
    if ours != theirs:
        raise RuntimeError(f"{model.name} has {ours} parameters, its twin {theirs}.")
    images = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    wanted = keras.tree.flatten(model(images, training=True))
    with torch.no_grad():
        found = twin(channels_last(images))
    for name, ours, theirs in zip(model.output_names, wanted, found, strict=True):
        ours, theirs = keras.ops.convert_to_numpy(ours), theirs.permute(0, 2, 3, 1).numpy()
        difference = np.abs(ours - theirs).max() / ours.std()
        if not difference < TOLERANCE:
            raise RuntimeError(
                f"{name} of {model.name} and of its twin differ by {difference:.3f} standard deviations."
            )


def channels_last(images):
    """Return images (N, height, width, channels) as PyTorch has them, on the same memory."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def trained(name, options, size, batch_size):
    """Return (a function that trains a network for one step, its number of parameters)."""
    from benchmarks.training_speed import batches, training_model

    config, model = training_model(name, "float32", size, batch_size)
    # The weights of a model of definite size, which has the same layers.
    twin = Twin(model).to(memory_format=torch.channels_last).train()
    require_equal(twin, model, size)
    weights = [1.0, *config.aux_weights * (len(twin.outputs) - 1)]
    decaying = [p for p in twin.parameters() if p.ndim > 1 or config.weight_decay_on == "all"]
    others = [p for p in twin.parameters() if not (p.ndim > 1 or config.weight_decay_on == "all")]
    groups = [{"params": decaying, "weight_decay": config.weight_decay}, {"params": others}]
    optimizer = torch.optim.SGD(groups, config.learning_rate, config.momentum, fused=True)
    source = iter(batches(size, batch_size, heads=1))
    forward = torch.compile(twin) if "compile" in options else twin

    def step():
        images, (masks,) = next(source)
        images, masks = channels_last(images.numpy()), torch.from_numpy(masks.numpy()).long()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled="bfloat16" in options):
            outputs = forward(images)
        losses = [functional.cross_entropy(logits.float(), masks, ignore_index=255) for logits in outputs]
        sum(weight * loss for weight, loss in zip(weights, losses)).backward()
        optimizer.step()

    return step, sum(parameter.numel() for parameter in twin.parameters())


def main(batch_size, height, width, clock, *networks):
    from keras_liteseg.commands.running import start_keras

    start_keras()
    clock = getattr(time, clock)
    print(torch.__version__, torch.get_num_threads(), flush=True)
    steps = []
    for network in networks:
        name, *options = network.split(",")
        step, parameters = trained(name, options, (int(height), int(width)), int(batch_size))
        step()
        steps.append(step)
        print(parameters, flush=True)
    for line in sys.stdin:
        number, count = map(int, line.split())
        start = clock()
        for _ in range(count):
            steps[number]()
        print(clock() - start, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
