"""Options that several commands have, as decorators, and the types of their values."""

import math

import click

from keras_liteseg.choices import MOST_THREADS, require_path, require_size
from keras_liteseg.errors import UserError


def parse_size(text):
    """Return (height, width) from 'HEIGHTxWIDTH', such as '512x1024'.

    Raises:
        UserError: `text` has another form, or the size is larger than any can be.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"'{text}' is not a size; write HEIGHTxWIDTH in pixels, for example 512x1024.")
    height, width = map(int, parts)
    require_size("the size", (height, width))
    return height, width


class Size(click.ParamType):
    """(height, width) from HEIGHTxWIDTH."""

    name = "HEIGHTxWIDTH"

    def get_metavar(self, param, ctx):
        return self.name  # click's own would be in capitals

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return value
        try:
            return parse_size(value)
        except UserError as error:
            self.fail(str(error), param, ctx)


class Word(click.Choice):
    """One of a few words, shown and wanted as they are: click would have the underscores that it allows in flags."""

    def normalize_choice(self, choice, ctx):
        return choice


class CommaList(click.ParamType):
    """A list of values that are separated by commas.

    Args:
        kind: click's type of each value.
        example: a right list, for help and error messages.
        empty: whether the list may be empty.
    """

    def __init__(self, kind=click.STRING, example="a,b", empty=False):
        self.name = example
        self._kind, self._example, self._empty = kind, example, empty

    def get_metavar(self, param, ctx):
        return self.name

    def convert(self, value, param, ctx):
        if not isinstance(value, str):
            return list(value)
        try:
            values = [self._kind.convert(part.strip(), param, ctx) for part in value.split(",") if part.strip()]
        except click.BadParameter as error:
            self.fail(f"'{value}': {error.message.rstrip('.')}; write it like {self._example}.", param, ctx)
        if not values and not self._empty:
            self.fail(f"it is empty; write it like {self._example}.", param, ctx)
        return values


class FiniteRange(click.FloatRange):
    """As click's, without `inf`, and without `nan`, which is neither below nor above anything."""

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


class Path(click.Path):
    """A path, which is not opened, but shells complete it. An empty one, such as of a shell variable that is not set,
    would mean the folder that the command runs in."""

    def convert(self, value, param, ctx):
        if value == "":
            self.fail("it is empty; give a path.", param, ctx)
        try:
            require_path("path", value)
        except UserError as error:
            self.fail(str(error), param, ctx)
        return super().convert(value, param, ctx)


FILE, FOLDER = Path(), Path(file_okay=False)


def combined(*decorators):
    """Return one decorator that applies several, so that the first of them comes first in the help."""

    def decorate(function):
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def file(name, help, **attributes):
    """Return an option whose value is a path of a file."""
    return click.option(name, type=FILE, metavar="FILE", help=help, **attributes)


def folder(name, help, **attributes):
    """Return an option whose value is a path of a folder."""
    return click.option(name, type=FOLDER, metavar="FOLDER", help=help, **attributes)


def whole(name, default, help, least=1, most=None, **attributes):
    """Return an option whose value is a whole number; without a default where that is None."""
    return click.option(name, type=click.IntRange(least, most), help=help, **_default(default), **attributes)


def real(name, default, help, least=0, most=None, **attributes):
    """Return an option whose value is a number; without a default where that is None."""
    return click.option(name, type=FiniteRange(least, most), help=help, **_default(default), **attributes)


def _default(value):
    return {} if value is None else {"default": value}  # click takes a None for a value that was given


def switch(name, help):
    """Return an option that is off, and on where it is given."""
    return click.option(name, is_flag=True, help=help)


def tiles():
    """Return --tiles: pictures are not resized to the network's input."""
    return switch("--tiles", "Go over each picture in overlapping tiles of the input size, in place of resizing it.")


def choice(name, kind, default, what):
    """Return an option whose values are the words of a `keras_liteseg.choices.Choice`.

    Args:
        name: such as --quantization.
        kind: the subclass of `Choice`.
        default: its member that is the default.
        what: what is chosen, for the help text, which also tells what each word means.
    """
    return click.option(
        name,
        type=Word(kind.words()),
        default=default.value,
        callback=lambda ctx, param, value: kind(value),
        help=f"{what}. {kind.help()}",
    )


def size(name="--input_size", help="Size that images are resized to; the file's own by default.", **attributes):
    """Return an option whose value is (height, width)."""
    return click.option(name, type=Size(), help=help, **attributes)


def model(kinds="A .tflite file, a .keras file, or a registered name such as ndnet45."):
    """Return --model, --checkpoint, --averaged and --input_size: the network that a command works on."""
    return combined(
        click.option("--model", type=FILE, metavar="MODEL", required=True, help=kinds),
        file("--checkpoint", "Weights for a registered name: an official file, or ours such as camvid."),
        averaged("--checkpoint"),
        size(),
    )


def averaged(of):
    """Return --averaged, which goes with the option `of` that names a weight file."""
    return switch("--averaged", f"Take the averaged weights (EMA) of {of} where it holds them beside the others.")


def data(required=True, split="val", splits="Split of the data set.", name=None, many=False):
    """Return --data, --data_dir, --split and --option: a data set, or a split of it.

    Args:
        required: whether --data must be given.
        split: default of --split.
        splits: help of --split.
        name: help of --data; the names of the data sets are added.
        many: whether --split takes several splits.
    """
    from keras_liteseg.datasets import list_datasets

    return combined(
        click.option(
            "--data", metavar="NAME", required=required, help=f"{name or 'Data set'}: {', '.join(list_datasets())}."
        ),
        folder("--data_dir", "Folder of the data set; street_scenes needs none."),
        click.option("--split", type=CommaList(example="train,val") if many else None, default=split, help=splits),
        data_options(),
    )


def data_options():
    """Return --option, the options of a data set."""
    return click.option(
        "--option",
        "data_options",
        metavar="KEY=VALUE",
        multiple=True,
        callback=lambda ctx, param, value: _parsed(value),
        help="An option of the data set, see docs/datasets.md; may be repeated.",
    )


def _parsed(texts):
    from keras_liteseg.datasets import parse_options, require_options

    options = parse_options(texts)
    require_options(options)
    if "split" in options:
        raise UserError("--option has 'split', which is no option of a data set; give it as --split.")
    return options


def config(kind="Config file", required=True, name="--config", **attributes):
    """Return an option that names a config."""
    return click.option(
        name,
        metavar="CONFIG",
        required=required,
        help=f"{kind}: a file, or the name of one that comes with the package, see liteseg configs.",
        shell_complete=_config_names,
        **attributes,
    )


def _config_names(ctx, param, incomplete):
    from keras_liteseg.training.config_files import list_configs

    return [name for name in list_configs() if name.startswith(incomplete)]


def training_data():
    """Return --data and --data_dir in place of those of a config."""
    return combined(
        click.option("--data", metavar="NAME", help="Data set, see docs/datasets.md; the config's by default."),
        folder("--data_dir", "Folder of the data set; street_scenes needs none."),
    )


def override(name="--override", help="Replace a key of the config; may be repeated."):
    """Return an option that replaces keys of a config."""
    return click.option(name, metavar="KEY=VALUE", multiple=True, help=help)


def models(what):
    """--model of a command that takes several `.tflite` files, as `models`; `what` they are, for the help."""
    kind = CommaList(FILE, "a.tflite,b.tflite")
    return click.option("--model", "models", type=kind, required=True, help=what)


def target(many=False):
    """Return --target: where files are timed."""
    if not many:
        return click.option("--target", default="host:cpu", help="Where to measure, see edge/README.md.")
    return click.option(
        "--target",
        type=CommaList(example="host:cpu,host:gpu"),
        default="host:cpu",
        help="Where to measure, separated by commas; see edge/README.md.",
    )


def precision(help):
    """Return --precision: the number types of files that are exported to be timed."""
    from edge.family import PRECISIONS

    return click.option("--precision", type=Word(PRECISIONS), default="int8", help=help)


def threads(help="Number of threads.", default=1):
    """Return --threads, one number."""
    return whole("--threads", default, help, most=MOST_THREADS)


def delegate():
    """Return --delegate and --delegate_option: a library that LiteRT computes with, such as that of an NPU."""
    return combined(
        file("--delegate", "Library of an external delegate of TensorFlow Lite, such as libvx_delegate.so."),
        click.option(
            "--delegate_option",
            "delegate_options",
            metavar="KEY=VALUE",
            multiple=True,
            callback=lambda ctx, param, value: _delegate_options(value),
            help="An option of the delegate; may be repeated.",
        ),
    )


def _delegate_options(texts):
    found = {}
    for text in texts:
        key, mark, value = text.partition("=")
        if not key or not mark:
            raise UserError(f"--delegate_option is '{text}'; write it like KEY=VALUE.")
        if key in found:
            raise UserError(f"--delegate_option gives {key} twice; give it once.")
        found[key] = value
    return found


def devices():
    """Return the options about reaching devices; `device_options` makes an `edge.targets.Options` of their values."""
    return combined(
        file("--ssh_config", "File in place of ~/.ssh/config."),
        folder("--wheels", "Folder of wheels of LiteRT for devices without internet."),
        file("--benchmark_model", "LiteRT's program of that name for an Android phone."),
        switch("--clean", "Remove LiteRT from the devices afterwards."),
        file("--chromium", "Chromium or Chrome for browser:wasm and browser:webgpu."),
        folder("--compiled", "Folder for what ethos-u, rknn and micro make of the files: NPU programs, C++ sources."),
        whole("--npu_sram", None, "KiB of SRAM that an Ethos-U may use; 2048 for U55 by default, 384 for U65 and U85."),
        file("--rknn_python", "The Python of an environment with rknn-toolkit2, for rknn:rk3588 and the like."),
        delegate(),
    )


def device_options(npu_sram, **values):
    """Return the `edge.targets.Options` that the values of `devices` give."""
    from edge.targets import Options

    return Options(npu_sram_kib=npu_sram, **values)
