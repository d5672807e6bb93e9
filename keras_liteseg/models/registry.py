"""Names of networks, and how each is built."""

import dataclasses
import fnmatch
from collections.abc import Callable

from keras_liteseg.errors import UserError, nearest


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered network.

    Attributes:
        build: `build(input_shape, num_classes, aux_heads, **options)` that returns a functional model.
        mean, std: RGB normalization of the input, (image / 255 - mean) / std.
        size_multiple: input height and width must be multiples of this.
        aux_size_multiple: the same when the model has its auxiliary heads.
    """

    build: Callable
    mean: tuple
    std: tuple
    size_multiple: int
    aux_size_multiple: int


_ENTRIES = {}


def register(name, *, mean, std, size_multiple, aux_size_multiple):
    """Return a decorator that registers `build(input_shape, num_classes, aux_heads, **options)` as `name`."""

    def decorate(build):
        _ENTRIES[name] = Entry(build, mean, std, size_multiple, aux_size_multiple)
        return build

    return decorate


def list_models(pattern="*"):
    """Return the sorted names of the networks that match `pattern`, a shell wildcard such as 'ndnet*'."""
    return sorted(fnmatch.filter(_ENTRIES, pattern))


def model_entry(name):
    """Return the `Entry` of a name.

    Raises:
        UserError: there is no such network; the message shows the nearest names.
    """
    if name not in _ENTRIES:
        raise UserError(f"There is no model '{name}'. The nearest names: {nearest(str(name), _ENTRIES)}.")
    return _ENTRIES[name]


def create_model(name, input_shape=(512, 1024, 3), num_classes=19, aux_heads=False, **options):
    """Build a network with random weights.

    Args:
        name: one of `list_models()`.
        input_shape: (height, width, 3). Height and width may be None for any size, which training uses; a network for
            export needs both.
        num_classes: number of classes, at least 2.
        aux_heads: whether the auxiliary heads of the training loss are built.
        **options: arguments of the network itself.

    Returns:
        A `keras.Model` from normalized float images (N, height, width, 3), see `model_entry(name).mean` and `.std`, to
        logits (N, height, width, num_classes); with `aux_heads`, to the list [logits, auxiliary logits, ...], all of
        that shape.

    Raises:
        UserError: the name, the input shape or the number of classes cannot be used.
    """
    entry = model_entry(name)
    input_shape = tuple(input_shape)
    check_input_shape(name, input_shape, aux_heads)
    if not isinstance(num_classes, int) or num_classes < 2:
        raise UserError(f"num_classes is {num_classes!r}; a network needs a whole number of classes, 2 or more.")
    return entry.build(input_shape=input_shape, num_classes=num_classes, aux_heads=aux_heads, **options)


def check_input_shape(name, input_shape, aux_heads=False):
    """Refuse an input shape that `create_model` would refuse.

    Raises:
        UserError: there is no such network, or it cannot take the shape; the message shows the nearest legal sizes.
    """
    entry = model_entry(name)
    multiple = entry.aux_size_multiple if aux_heads else entry.size_multiple
    if len(input_shape) != 3 or input_shape[2] != 3:
        raise UserError(f"input_shape is {input_shape}; '{name}' takes (height, width, 3), an RGB image.")
    for length in input_shape[:2]:
        if length is not None and (not isinstance(length, int) or length < 1):
            raise UserError(f"input_shape is {input_shape}; height and width must be positive whole numbers.")
    legal = [(length, length) if length is None else nearest_multiples(length, multiple) for length in input_shape[:2]]
    if all(length in pair for length, pair in zip(input_shape[:2], legal)):
        return
    smaller, larger = (f"{legal[0][i]}x{legal[1][i]}" for i in (0, 1))
    raise UserError(
        f"Input size {input_shape[0]}x{input_shape[1]} does not fit '{name}', which needs multiples of {multiple}; "
        f"the nearest legal sizes are {smaller} and {larger}."
    )


def nearest_multiples(length, multiple):
    """Return the nearest legal lengths (at most `length` where possible, at least `length`)."""
    larger = -(-length // multiple) * multiple
    return max(length // multiple * multiple, multiple), larger
