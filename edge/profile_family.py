"""Latency of LPS-Nets over a grid of width and resolution on a target, to pick a network by table.

  python -m edge.profile_family --network lps_net_s --widths 0.5,0.75,1 --resolutions 4,6,6-2,8-2 \\
      --input_size 512x1024 --target host:cpu --threads 1 --output_dir runs/family

Each network of the grid has the depth of --network, its widths times a factor, and paths that see the image at the
given eighths of its size: 6-2 are two paths, at 3/4 and 1/4. Files with random weights are exported and timed in turns;
training changes no latency. A repeated command measures what is missing alone.
"""

import pathlib
import re

from absl import flags

from edge import targets
from edge.checks import require_one_of, require_whole
from edge.family import PRECISIONS, FamilyLatency
from edge.flags import define_device_flags, device_options
from keras_liteseg import cli
from keras_liteseg.errors import UserError
from keras_liteseg.files import require_writable, write_json
from keras_liteseg.provenance import provenance_of_host

GRID_FILE = "family.json"
LARGEST_WIDTH = 16


def main():
    values = flags.FLAGS
    widths = [_width(text) for text in dict.fromkeys(values.widths)]
    resolutions = [_resolution(text) for text in dict.fromkeys(values.resolutions)]
    input_size = cli.parse_size(values.input_size)
    targets.check(values.target)
    require_writable(pathlib.Path(values.output_dir) / GRID_FILE)
    cli.start_tensorflow()  # quietly, and not before the arguments are right
    from keras_liteseg.models.summary import summarize

    cells = grid(values.network, widths, resolutions)
    sizes = {cell["name"]: summarize(cell["name"], input_size) for cell in cells}  # tells early what cannot be built
    latency = FamilyLatency(
        pathlib.Path(values.output_dir) / "files",
        input_size,
        precision=values.precision,
        target=values.target,
        threads=values.threads,
        runs=values.runs,
        options=device_options(),
    )
    times = dict(zip(sizes, latency(list(sizes)), strict=True))
    for cell in cells:
        size = sizes[cell["name"]]
        cell |= {"latency_ms": times[cell["name"]], "parameters": size.parameters, "macs": size.macs}
    settings = {name: values[name].value for name in ("network", "input_size", "precision", "target", "threads")}
    print(table(cells))
    output = pathlib.Path(values.output_dir) / GRID_FILE
    write_json(output, {**settings, **latency.measured_on, "networks": cells} | provenance_of_host())
    print(f"Wrote {output}")


def grid(network, widths, resolutions):
    """Return [{"name", "width", "resolution"}, ...] of the networks of a grid, one for each pair.

    Args:
        network: name of the network whose depth and widths the others have; one of `lps_net.NETWORKS`.
        widths: factors of its widths; the products are rounded to multiples of 4, at least 4.
        resolutions: lists of eighths of the image's size, one for each path.

    Raises:
        UserError: an argument makes no sense.
    """
    from keras_liteseg.networks.lps_net import NETWORKS, family_name

    require_one_of("network", network, NETWORKS)
    for factor in widths:
        if not 0 < factor <= LARGEST_WIDTH:
            raise UserError(f"A width is {factor}; give factors above 0 and up to {LARGEST_WIDTH}.")
    for eighths in resolutions:
        if not 1 <= len(eighths) <= 3:
            raise UserError(f"A resolution is {list(eighths)}; give one to three paths, in eighths of the image.")
        for path in eighths:
            require_whole("a path of a resolution", path, 1)
    depth, channels, _ = NETWORKS[network]
    return [
        {
            "name": family_name(
                depth, [max(round(count * factor / 4), 1) * 4 for count in channels], [each / 8 for each in eighths]
            ),
            "width": factor,
            "resolution": "-".join(map(str, eighths)),
        }
        for factor in widths
        for eighths in resolutions
    ]


def table(cells):
    """Return the latencies of a grid as a text table, a line for each width and a column for each resolution."""
    resolutions = list(dict.fromkeys(cell["resolution"] for cell in cells))
    lines = [
        "ms, end to end  resolution in eighths of the image",
        "width  " + "".join(f"{text:>10}" for text in resolutions),
    ]
    for width in dict.fromkeys(cell["width"] for cell in cells):
        times = [cell["latency_ms"] for cell in cells if cell["width"] == width]
        lines.append(f"{width:<7g}" + "".join(f"{time:>10.2f}" for time in times))
    return "\n".join(lines)


def _width(text):
    try:
        factor = float(text)
    except ValueError:
        factor = 0
    if not 0 < factor <= LARGEST_WIDTH:
        raise UserError(
            f"'{text}' in --widths is no factor; give numbers above 0 and up to {LARGEST_WIDTH}, such as 0.5,0.75,1."
        )
    return factor


def _resolution(text):
    if not re.fullmatch(r"[1-9]\d?(-[1-9]\d?){0,2}", text):
        raise UserError(
            f"'{text}' in --resolutions is no list of paths; write one to three paths in eighths of the image, such as "
            "6-2 for 3/4 and 1/4."
        )
    return sorted(map(int, text.split("-")), reverse=True)


def define_flags():
    """Define the flags of this command."""
    flags.DEFINE_string("network", "lps_net_s", "network whose depth and widths the grid starts from")
    flags.DEFINE_list("widths", ["0.5", "0.75", "1"], "factors of its widths, separated by commas")
    flags.DEFINE_list("resolutions", ["4", "6", "6-2", "8-2"], "paths in eighths of the image, separated by commas")
    flags.DEFINE_string("input_size", "512x1024", "HEIGHTxWIDTH of the image")
    flags.DEFINE_enum("precision", "int8", PRECISIONS, "of the files")
    flags.DEFINE_string("target", "host:cpu", "where to measure, see edge/README.md")
    flags.DEFINE_integer("threads", 1, "number of threads", lower_bound=1)
    flags.DEFINE_integer("runs", 50, "timed runs of each file", lower_bound=1)
    flags.DEFINE_string("output_dir", None, "folder for the files, their latencies and family.json")
    define_device_flags()


if __name__ == "__main__":
    define_flags()
    cli.run(main, required=("output_dir",), tensorflow=False)
