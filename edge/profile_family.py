"""Latency of LPS-Nets over a grid of width and resolution on a target, to pick a network by table.

Each network of the grid has the depth of --network, its widths times a factor, and paths that see the image at the
given eighths of its size: 6-2 are two paths, at 3/4 and 1/4.
"""

from keras_liteseg.choices import require_one_of, require_whole
from keras_liteseg.errors import UserError

GRID_FILE = "family.json"
LARGEST_WIDTH = 16


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


def table(cells, kind="measured"):
    """Return the latencies of a grid as a text table, a line for each width and a column for each resolution; `kind` as
    in `edge.family.FamilyLatency.measured_on`."""
    resolutions = list(dict.fromkeys(cell["resolution"] for cell in cells))
    lines = [
        f"ms, {'end to end' if kind == 'measured' else kind}  resolution in eighths of the image",
        "width  " + "".join(f"{text:>10}" for text in resolutions),
    ]
    for width in dict.fromkeys(cell["width"] for cell in cells):
        times = [cell["latency_ms"] for cell in cells if cell["width"] == width]
        lines.append(f"{width:<7g}" + "".join(f"{time:>10.2f}" for time in times))
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit("error: This command is called `liteseg profile` now.")
