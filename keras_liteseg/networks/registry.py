"""Names of networks, and how each is built."""

import dataclasses
import fnmatch
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from keras_liteseg.choices import MOST_PIXELS, is_whole
from keras_liteseg.errors import UserError, suggestion

if TYPE_CHECKING:
    import keras  # takes seconds, and names need none of it


ImageShape = Sequence[int | None]
"""(height, width, channels), 3 channels for RGB; height and width may be None, for any."""


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """A registered network.

    Attributes:
        build: `build(input_shape, num_classes, aux_heads, **options)` that returns a functional model.
        mean, std: RGB normalization of the input, (image / 255 - mean) / std; other images bring their own.
        output_stride: input size over the size of the backbone's smallest feature map.
        size_multiple: input height and width must be multiples of this.
        aux_size_multiple: the same when the model has its auxiliary heads.
        plus_one: whether a multiple plus 1 is legal too. Every upsampling with align_corners then has a whole factor,
            as (n + 1) positions become (8n + 1), which NPUs demand.
        min_length: smallest input height and width, itself a legal one.
    """

    build: Callable
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    output_stride: int
    size_multiple: int = 1
    aux_size_multiple: int = 1
    plus_one: bool = False
    min_length: int = 1

    def multiple(self, aux_heads: bool = False) -> int:
        """Return what height and width must be multiples of."""
        return self.aux_size_multiple if aux_heads else self.size_multiple

    def takes(self, length: int, aux_heads: bool = False) -> bool:
        """Return whether `length` is a legal height or width."""
        multiple = self.multiple(aux_heads)
        fits = length % multiple == 0 or self.plus_one and length % multiple == 1
        return fits and length >= max(self.min_length, multiple)

    def nearest_lengths(self, length: int, aux_heads: bool = False) -> tuple[int, int]:
        """Return the nearest legal lengths (at most `length` where possible, at least `length`)."""
        multiple = self.multiple(aux_heads)
        below, above = length // multiple * multiple, -(-length // multiple) * multiple
        if self.plus_one and length > below:
            below += 1
            above = max(above, below) if length > below else below
        least = max(self.min_length, multiple)
        return max(below, least), max(above, least)


# Normalization of networks whose backbone was pre-trained on ImageNet.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_SPECS: dict[str, ModelSpec] = {}
_ALIASES: dict[str, str] = {}
_FAMILIES: dict[re.Pattern[str], Callable[..., ModelSpec | None]] = {}
_COMMON_ARGUMENTS = ("input_shape", "num_classes", "aux_heads")


def register(name: str, *, aliases: Iterable[str] = (), **attributes: Any) -> Callable[[Callable], Callable]:
    """Return a decorator that registers `build(input_shape, num_classes, aux_heads, **options)` as `name`.

    Args:
        aliases: further names of the same network, which `list_models` does not list.
        **attributes: the other attributes of its `ModelSpec`.
    """

    def decorate(build: Callable) -> Callable:
        register_spec(name, ModelSpec(build, **attributes))
        _ALIASES.update(dict.fromkeys(aliases, name))
        return build

    return decorate


def register_spec(name: str, spec: ModelSpec) -> None:
    """Register a `ModelSpec` that is made already."""
    _SPECS[name] = spec


def register_family(pattern: str) -> Callable[[Callable], Callable]:
    """Return a decorator that registers a family: `spec(*groups)` gives the `ModelSpec` of any name that `pattern`, a
    regular expression, matches as a whole. `list_models` does not list such names."""

    def decorate(spec: Callable) -> Callable:
        _FAMILIES[re.compile(pattern)] = spec
        return spec

    return decorate


def list_models(pattern: str = "*") -> list[str]:
    """Return the sorted names of the networks that match `pattern`, a shell wildcard.

        >>> from keras_liteseg import list_models
        >>> list_models("pp_liteseg*")
        ['pp_liteseg_b', 'pp_liteseg_t']

    Raises:
        UserError: `pattern` is no text.
    """
    if not isinstance(pattern, str):
        raise UserError(f"The pattern is {pattern!r}; give a text such as 'ndnet*'.")
    return sorted(fnmatch.filter(_SPECS, pattern))


def model_spec(name: str) -> ModelSpec:
    """Return the `ModelSpec` of a name or an alias.

        >>> from keras_liteseg import model_spec
        >>> model_spec("ndnet45").size_multiple
        8

    Raises:
        UserError: there is no such network; the message shows the nearest names.
    """
    name = resolved_name(name)
    spec = _SPECS.get(name) or _family_spec(name)
    assert spec is not None  # `resolved_name` has refused other names
    return spec


def _family_spec(name: str) -> ModelSpec | None:
    """Return the `ModelSpec` of a member of a family, or None."""
    matches = ((spec, pattern.fullmatch(str(name))) for pattern, spec in _FAMILIES.items())
    return next((spec(*match.groups()) for spec, match in matches if match), None)


def resolved_name(name: str, head: str | None = None) -> str:
    """Return the registered name of a name that may be an alias, with the head of an NDNet appended.

    Raises:
        UserError: there is no such network; the message shows the nearest names.
    """
    name = str(name) if head is None else f"{name}_{head}"
    resolved = _ALIASES.get(name, name)
    if resolved not in _SPECS and not _family_spec(resolved):
        raise UserError(f"There is no model '{name}'; {suggestion(name, _SPECS)}")
    return resolved


def build_network(
    name: str,
    input_shape: ImageShape = (512, 1024, 3),
    num_classes: int = 19,
    aux_heads: bool = False,
    head: str | None = None,
    **options: Any,
) -> "keras.Model":
    """Build a network with random weights; arguments, result and errors as `keras_liteseg.create_model`."""
    require_channels_last()
    name = resolved_name(name, head)
    spec = model_spec(name)
    check_input_shape(name, input_shape, aux_heads)
    check_num_classes(num_classes)
    unknown = sorted(set(options) - set(inspect.signature(spec.build).parameters))
    if unknown:
        raise UserError(f"'{name}' has no option '{unknown[0]}'; {_options(spec)}.")
    shape, num_classes = plain_shape(input_shape), int(num_classes)
    return spec.build(input_shape=shape, num_classes=num_classes, aux_heads=aux_heads, **options)


def _options(spec: ModelSpec) -> str:
    """Say which options of its own a network has."""
    own = [option for option in inspect.signature(spec.build).parameters if option not in _COMMON_ARGUMENTS]
    return f"its options are {', '.join(own)}" if own else "it has none"


def check_input_shape(name: str, input_shape: ImageShape, aux_heads: bool = False) -> None:
    """Refuse an input shape that `create_model` would refuse.

    Raises:
        UserError: there is no such network, or it cannot take the shape; the message shows the nearest legal sizes.
    """
    spec = model_spec(name)
    check_image_shape(name, input_shape)
    if all(length is None or spec.takes(length, aux_heads) for length in input_shape[:2]):
        return
    legal = [
        (length, length) if length is None else spec.nearest_lengths(length, aux_heads) for length in input_shape[:2]
    ]
    smaller, larger = (f"{legal[0][i]}x{legal[1][i]}" for i in (0, 1))
    multiple = spec.multiple(aux_heads)
    wants = [f"multiples of {multiple}{' or one more' if spec.plus_one else ''}"] * (multiple > 1)
    wants += [f"at least {spec.min_length}"] * (spec.min_length > multiple)
    nearest_sizes = f"sizes are {smaller} and {larger}" if smaller != larger else f"size is {larger}"
    raise UserError(
        f"Input size {input_shape[0]}x{input_shape[1]} does not fit '{name}', which needs {', '.join(wants)}; "
        f"the nearest legal {nearest_sizes}."
    )


def check_image_shape(name: str, input_shape: ImageShape) -> None:
    """Raise a `UserError` unless `input_shape` is (height, width, channels), all positive, the first two or None."""
    right = isinstance(input_shape, tuple | list) and len(input_shape) == 3
    channels = input_shape[2] if right else None
    if not is_whole(channels) or channels < 1:
        raise UserError(
            f"input_shape is {input_shape}; '{name}' takes (height, width, channels), 3 channels for an RGB image."
        )
    if input_shape[0] in (1, 3, 4) and channels > 4:
        raise UserError(
            f"input_shape is {input_shape}, which looks like (channels, height, width); '{name}' takes (height, width, "
            "channels), as images are in NumPy."
        )
    for length in input_shape[:2]:
        if length is not None and (not is_whole(length) or not 1 <= length <= MOST_PIXELS):
            raise UserError(
                f"input_shape is {input_shape}; height and width must be whole numbers from 1 to {MOST_PIXELS}."
            )


def require_channels_last() -> None:
    """Raise a `UserError` where Keras takes channels for the first axis, as layers that do not say theirs then do."""
    import keras

    if keras.config.image_data_format() != "channels_last":
        raise UserError(
            f"Keras is set to {keras.config.image_data_format()}, and the networks here take images (height, width, "
            "channels); call keras.config.set_image_data_format('channels_last'), or correct image_data_format in "
            "keras.json."
        )


def plain_shape(input_shape: ImageShape) -> ImageShape:
    """Return an input shape in Python's own whole numbers: those of NumPy are none to Keras and to JSON."""
    return tuple(None if length is None else int(length) for length in input_shape)


def check_num_classes(num_classes: int) -> None:
    """Raise a `UserError` unless `num_classes` is a whole number from 2 to 255, as many as label maps can tell."""
    if not is_whole(num_classes) or not 2 <= num_classes <= 255:
        raise UserError(f"num_classes is {num_classes!r}; a network needs a whole number of classes, from 2 to 255.")
