"""What int8 costs layer by layer: the error of the network's output when one operation alone computes in int8."""

import numpy as np
from tqdm import tqdm

from keras_liteseg.quantization.calibration import fused_operations
from keras_liteseg.quantization.simulate import FakeQuantize, set_rounded_weights, simulate_int8


def sensitivities(model, ranges, images, progress=True):
    """Return [(layer name, error)], the worst layer first.

    The error is KL(float || layer in int8) of the class probabilities, averaged over all pixels: what the rounding of
    the layer's kernel and output does to the result, through all layers behind it. A convolution and the ReLU that
    TFLite fuses into it count as one, under the name of the convolution.

    Args:
        model: a functional model without batch normalization, of static size, whose output is logits.
        ranges: activation ranges of `quantized_layers(model)`.
        images: list of normalized images, float32 (1, height, width, channels).
        progress: whether to show a progress bar on a terminal.
    """
    simulated = simulate_int8(model, ranges)
    switches = {layer.name: layer for layer in simulated.layers if isinstance(layer, FakeQuantize)}
    operations = {}
    for name, end in fused_operations(model).items():
        operations.setdefault(end, []).append(name)

    def activate(end):
        for switch in switches.values():
            switch.active = switch.name == f"{end}_int8"
        set_rounded_weights(simulated, model, operations.get(end, []))

    activate(None)
    expected = [_log_probabilities(simulated, image) for image in images]
    errors = {}
    for end, names in tqdm(operations.items(), "sensitivity", disable=None if progress else True):
        activate(end)
        found = [_log_probabilities(simulated, image) for image in images]
        pairs = zip(expected, found, strict=True)
        errors[names[0]] = float(np.mean([(np.exp(a) * (a - b)).sum(-1).mean() for a, b in pairs]))
    return sorted(errors.items(), key=lambda item: -item[1])


def _log_probabilities(model, image):
    # Called, not predicted, so that the switches are read each time.
    logits = np.asarray(model(image, training=False), np.float64)
    logits -= logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
