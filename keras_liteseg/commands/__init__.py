"""The command line: one module per command, each loaded when its command runs.

`liteseg --help`, and a command that only reads .tflite files, import neither TensorFlow nor Keras.
"""

import importlib

import click
from click.shell_completion import CompletionItem

import keras_liteseg
from keras_liteseg.commands.running import run
from keras_liteseg.errors import suggestion

# What `liteseg --help` shows: the first line of each module's docstring, without importing it.
COMMANDS = {
    "Train": {
        "train": "Train a network from a config, or fine-tune a trained one with quantization in the loop.",
        "preview": "Draw training images and masks as the network will see them.",
        "expand": "Grow an LPS-Net for a latency budget on a device.",
        "configs": "List the configs that come with the package, or print one.",
        "publish": "Publish a trained network, with a card that holds the accuracy of what was published.",
    },
    "Run and measure": {
        "predict": "Draw a network's predictions over pictures, a video, or what a camera sees.",
        "evaluate": "Measure the accuracy of a network on a data set.",
        "demo": "Run the whole chain on the built-in data.",
    },
    "Files and devices": {
        "export": "Export a network to a TFLite, ONNX or plain Keras file and measure on it what the conversion cost.",
        "inspect": "Tell what is inside a TFLite file.",
        "benchmark": "Measure latency, memory, delegation and correctness of .tflite files on devices.",
        "report": "Show results of liteseg benchmark as a table and as one HTML page.",
        "profile": "Measure the latency of LPS-Nets over a grid of width and resolution on a target.",
        "demo-page": "Serve a page that runs a .tflite file in the browser, live.",
    },
    "Data": {
        "import": "Turn what an annotation tool has exported into a data set to train on.",
        "check": "Check every file of a data set before hours of training depend on it.",
        "statistics": "Count how often each class of a data set occurs, and derive class weights.",
        "records": "Write a data set as sharded TFRecords.",
    },
    "Networks": {
        "models": "List the networks.",
        "weights": "List the published weights.",
        "summary": "Tell size and cost of the networks.",
    },
}
SUMMARIES = {name: text for group in COMMANDS.values() for name, text in group.items()}


class Commands(click.Group):
    """The group of all commands, which imports the module of one when it is asked for."""

    def list_commands(self, ctx):
        return list(SUMMARIES)

    def get_command(self, ctx, cmd_name):
        name = cmd_name.replace("_", "-")
        if name not in SUMMARIES:
            return None
        return importlib.import_module(f"{__name__}.{name.replace('-', '_')}").main

    def resolve_command(self, ctx, args):
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"There is no command '{args[0]}'; {suggestion(args[0], SUMMARIES)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx, formatter):
        for title, commands in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()))

    def shell_complete(self, ctx, incomplete):
        names = [CompletionItem(name, help=text) for name, text in SUMMARIES.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="liteseg COMMAND --help tells more about each, with examples.",
)
@click.version_option(keras_liteseg.__version__, prog_name="liteseg", message="%(prog)s %(version)s")
def liteseg():
    """Real-time semantic segmentation for edge devices."""


def main(arguments=None):
    """Run the command line, by default with the arguments of the process, and return the exit status."""
    return run(liteseg, arguments, "liteseg")
