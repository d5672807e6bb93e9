"""Command line flags that several commands of `edge` have, and what they give."""

from absl import flags

from edge.targets import Options


def define_device_flags():
    """Define the flags about reaching devices."""
    flags.DEFINE_string("ssh_config", None, "file in place of ~/.ssh/config")
    flags.DEFINE_string("wheels", None, "folder of wheels of LiteRT for devices without internet")
    flags.DEFINE_string("benchmark_model", None, "LiteRT's program of that name for an Android phone")
    flags.DEFINE_bool("clean", False, "remove LiteRT from the devices afterwards")
    flags.DEFINE_string("chromium", None, "Chromium or Chrome for browser:wasm and browser:webgpu")


def device_options():
    """Return the `Options` that the flags of `define_device_flags` give."""
    values = flags.FLAGS
    return Options(values.ssh_config, values.wheels, values.clean, values.benchmark_model, values.chromium)
