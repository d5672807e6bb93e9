"""Size and cost of the networks, as a table."""

import dataclasses
import math
from collections.abc import Iterator

import keras
from keras import layers

from keras_liteseg.errors import UserError
from keras_liteseg.models import create_model
from keras_liteseg.networks.registry import list_models, model_spec

ROW = "{:<20} {:>12} {:>12} {:>12} {:>14}"


@dataclasses.dataclass(frozen=True)
class Summary:
    """Size and cost of a network.

    Attributes:
        parameters: trainable parameters of the network that predicts.
        training_parameters: the same with the auxiliary heads of the training loss.
        macs: multiply-accumulates of all convolutions for one image, auxiliary heads left out; FLOPs are twice that.
        output_stride: input size over the size of the backbone's smallest feature map.
    """

    parameters: int
    training_parameters: int
    macs: int
    output_stride: int


def summarize(name: str, input_size: tuple[int, int], num_classes: int = 19) -> Summary:
    """Return the `Summary` of a registered network.

    Raises:
        UserError: there is no such network, or it cannot take the size (height, width).
    """
    model = create_model(name, (*input_size, 3), num_classes)
    training = create_model(name, (None, None, 3), num_classes, aux_heads=True)
    return Summary(
        count_parameters(model), count_parameters(training), count_macs(model), model_spec(name).output_stride
    )


def count_parameters(model: keras.Model) -> int:
    """Return the number of trainable parameters."""
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def count_macs(model: keras.Model) -> int:
    """Return the multiply-accumulates of the convolutions of a model of static size, for one image."""
    return sum(
        math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape)
        for layer in model.layers
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
    )


def summaries(pattern: str, input_size: tuple[int, int], num_classes: int = 19) -> Iterator[tuple[str, Summary | None]]:
    """Yield (name, `Summary`) of the networks that match `pattern`; None for one that cannot take `input_size`.

    Raises:
        UserError: no name matches, or the number of classes cannot be used.
    """
    names = list_models(pattern)
    if not names:
        raise UserError(f"No network is named '{pattern}'; the names are {', '.join(list_models())}.")
    for name in names:
        fits = all(map(model_spec(name).takes, input_size))
        yield name, summarize(name, input_size, num_classes) if fits else None


def line(name: str, summary: Summary | None) -> str:
    """Return the line of the table for a pair of `summaries`."""
    if summary is None:
        spec = model_spec(name)
        more = " or one more" if spec.plus_one else ""
        return f"{name:<20} needs height and width that are multiples of {spec.size_multiple}{more}"
    aux = summary.training_parameters - summary.parameters
    cells = (f"{summary.parameters:,}", f"{aux:,}", f"{summary.macs / 1e9:.4f} G", summary.output_stride)
    return ROW.format(name, *cells)


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg summary` now.")
