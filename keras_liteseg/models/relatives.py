"""Starting a network from the weights of another one that shares layers with it, such as LPS-Net-M from LPS-Net-S."""

import keras
import numpy as np

from keras_liteseg.checkpoints.assign import class_layers
from keras_liteseg.errors import UserError

# With less, what is taken over is lost among random weights.
MIN_SHARE = 0.5


def assign_shared(model: keras.Model, layers: dict[str, list[np.ndarray]], source: str) -> list[str]:
    """Assign the weights of the layers that have the same name and shapes, in place, or none if they are few.

    Args:
        model: a model of `create_model`.
        layers: {name of a layer of the other network: its weights, a list of arrays}.
        source: what to call the other network, for messages.

    Returns:
        Names of the layers that kept their weights.

    Raises:
        UserError: the shared layers have less than `MIN_SHARE` of the model's weights, or hold NaN or infinity.
    """
    wanted = [layer for layer in model.layers if layer.weights]
    shared = [
        layer
        for layer in wanted
        if [value.shape for value in layers.get(layer.name, [])] == [tuple(each.shape) for each in layer.weights]
    ]
    classes = class_layers(model)
    share = sum(layer.count_params() for layer in shared) / sum(
        layer.count_params() for layer in wanted if layer in shared or layer.name not in classes
    )
    if share < MIN_SHARE:
        raise UserError(
            f"{source} is another network than '{model.name}' and has only {share:.0%} of its weights; start from "
            f"weights of '{model.name}', or of a network that shares at least {MIN_SHARE:.0%} with it."
        )
    broken = [layer.name for layer in shared if not all(np.isfinite(value).all() for value in layers[layer.name])]
    if broken:
        raise UserError(f"{source} holds NaN or infinity in {', '.join(broken[:5])}; take weights from before that.")
    for layer in shared:
        layer.set_weights(layers[layer.name])
    return [layer.name for layer in wanted if layer not in shared]
