"""Measure the latency of LPS-Nets over a grid of width and resolution on a target.

  liteseg profile --network lps_net_s --widths 0.5,0.75,1 --resolutions 4,6,6-2,8-2 \\
      --input_size 512x1024 --target host:cpu --threads 1 --output_dir runs/family

The table is to pick a network from. Each network of the grid has the depth of --network, its widths times a factor, and
paths that see the image at the given eighths of its size: 6-2 are two paths, at 3/4 and 1/4. Files with random weights
are exported and timed in turns; training changes no latency. A repeated command measures what is missing alone.
"""

import pathlib
import re

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras
from keras_liteseg.errors import UserError


@command("profile", __doc__)
@click.option("--network", default="lps_net_s", help="Network whose depth and widths the grid starts from.")
@click.option(
    "--widths",
    type=options.CommaList(example="0.5,0.75,1"),
    default="0.5,0.75,1",
    help="Factors of its widths, separated by commas.",
)
@click.option(
    "--resolutions",
    type=options.CommaList(example="4,6-2"),
    default="4,6,6-2,8-2",
    help="Paths in eighths of the image, separated by commas.",
)
@options.size(help="Size of the image.", default="512x1024")
@options.precision("Of the files.")
@options.target()
@options.threads()
@options.whole("--runs", 50, "Timed runs of each file.")
@options.folder("--output_dir", "Folder for the files, their latencies and family.json.", required=True)
@options.devices()
def main(network, widths, resolutions, input_size, precision, target, threads, runs, output_dir, **devices):
    from edge import targets
    from edge.profile_family import GRID_FILE, grid, table
    from keras_liteseg.files import require_writable, write_json
    from keras_liteseg.provenance import provenance_of_host

    widths = [_width(text) for text in dict.fromkeys(widths)]
    resolutions = [_resolution(text) for text in dict.fromkeys(resolutions)]
    device_options = options.device_options(**devices)
    targets.check(target, device_options)
    output = pathlib.Path(output_dir) / GRID_FILE
    require_writable(output)
    start_keras()
    from edge.family import FamilyLatency
    from keras_liteseg.models.summary import summarize

    cells = grid(network, widths, resolutions)
    sizes = {cell["name"]: summarize(cell["name"], input_size) for cell in cells}  # tells early what cannot be built
    latency = FamilyLatency(
        pathlib.Path(output_dir) / "files",
        input_size,
        precision=precision,
        target=target,
        threads=threads,
        runs=runs,
        options=device_options,
    )
    times = dict(zip(sizes, latency(list(sizes)), strict=True))
    for cell in cells:
        size = sizes[cell["name"]]
        cell |= {"latency_ms": times[cell["name"]], "parameters": size.parameters, "macs": size.macs}
    settings = {
        "network": network,
        "input_size": "{}x{}".format(*input_size),
        "precision": precision,
        "target": target,
        "threads": threads,
    }
    print(table(cells, latency.measured_on["kind"]))
    write_json(output, {**settings, **latency.measured_on, "networks": cells} | provenance_of_host())
    print(f"Wrote {output}")


def _width(text):
    from edge.profile_family import LARGEST_WIDTH

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
