"""List the published weights.

  liteseg weights
  liteseg weights ndnet45
  liteseg weights ndnet45/camvid --download

With the name of a network, or of weights of it, it prints all that is known of them: what they have learned from, their
accuracy, the terms of the data, SHA-256 and file. Use them by name: liteseg export --model NETWORK --checkpoint NAME,
or --init_from NAME to train on.
"""

import textwrap

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command
from keras_liteseg.errors import UserError, suggestion


@command("weights", __doc__)
@click.argument("network", required=False)
@options.switch("--download", "Download what is not here yet, and compare every file with its SHA-256.")
def main(network, download):
    from keras_liteseg.models.pretrained import list_pretrained, weight_file

    cards = list_pretrained()
    names = [name for card in cards for name in (card.model, f"{card.model}/{card.name}")]
    if network and network not in names:
        raise UserError(f"There are no published weights of '{network}'; {suggestion(network, names)}")
    cards = [card for card in cards if network in (None, card.model, f"{card.model}/{card.name}")]
    if download:
        for card in cards:
            print(f"{weight_file(card)} has the SHA-256 of its card")
    elif network:
        print("\n\n".join(details(card) for card in cards))
    else:
        print(table(cards))


def table(cards):
    """Return `Card`s as a table, a line each, and below it where the times and the data come from."""
    head = ("network", "name", "input", "file", "mIoU", "int8", "int8 latency", "learned from")
    rows = [
        (
            card.model,
            card.name,
            "{}x{}".format(*card.input_size),
            f"{card.bytes / 1e6:.1f} MB",
            accuracy(card),
            int8_accuracy(card),
            latency(card),
            card.seen,
        )
        for card in cards
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    return "\n".join([line.rstrip() for line in lines] + ["", *notes(cards)])


def notes(cards):
    """Return the devices that the latencies of `Card`s are of, and the terms of their data, a paragraph each."""
    devices = sorted({card.int8["device"] for card in cards if latency(card) != "-"})
    lines = [f"Latency: median of one run with 1 / 2 threads, at the input size, on {', '.join(devices)}."] * bool(
        devices
    )
    told = ""
    for licence in sorted({card.data_licence for card in cards}, key=len):
        names = ", ".join(f"{card.model} {card.name}" for card in cards if card.data_licence == licence)
        common = licence.startswith(told) if told else False
        words = (
            licence.removeprefix(told).strip() if common else licence or "nothing is known of the terms of its data."
        )
        lines.append(textwrap.fill(f"{names}{', besides' if common else ''}: {words}", 120))
        told = told or licence
    return lines


def accuracy(card):
    """Return the mIoU of a `Card` in percent, with its split."""
    return "-" if card.miou is None else f"{100 * card.miou:.1f} on {card.split}"


def int8_accuracy(card):
    """Return the mIoU of the int8 file of a `Card` in percent, with its split where that is another one."""
    if not card.int8 or "miou" not in card.int8:
        return "-"
    split = card.int8["split"]
    return f"{100 * card.int8['miou']:.1f}" + (f" on {split}" if split != card.split else "")


def latency(card):
    """Return the milliseconds of the int8 file of a `Card`, '18.2 / 9.9 ms' for 1 and 2 threads."""
    times = (card.int8 or {}).get("latency_ms")
    return " / ".join(f"{times[threads]:.1f}" for threads in sorted(times)) + " ms" if times else "-"


def details(card):
    """Return all of a `Card` as text."""
    lines = {
        "network": card.model,
        "name": card.name,
        "input size": "{}x{}".format(*card.input_size),
        "classes": ", ".join(card.metadata.classes.names),
        "learned from": card.seen,
        "mIoU": ", ".join(f"{100 * found['miou']:.2f} on {split}" for split, found in card.accuracy.items()),
        "data": card.data_licence,
        "file": f"{card.path} ({card.where}, {card.bytes:,} bytes)",
        "url": card.url,
        "sha256": card.sha256,
    }
    if card.int8:
        lines["int8 file"] = f"mIoU {100 * card.int8['miou']:.2f} on {card.int8['split']}"
        if latency(card) != "-":
            lines["int8 file"] += f", {latency(card)} with 1 / 2 threads of {card.int8['device']}"
    return "\n".join(f"{name:<13}{value}" for name, value in lines.items() if value)
