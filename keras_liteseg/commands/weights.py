"""List the published weights.

  liteseg weights
  liteseg weights ndnet45
  liteseg weights ndnet45 --download

With the name of a network, it prints all that is known of its weights: what they have learned from, their accuracy, the
terms of the data, SHA-256 and file. Use them by name: liteseg export --model NETWORK --checkpoint NAME, or
--init_from NAME to train on.
"""

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command
from keras_liteseg.errors import UserError, nearest


@command("weights", __doc__)
@click.argument("network", required=False)
@options.switch("--download", "Download what is not here yet, and compare every file with its SHA-256.")
def main(network, download):
    from keras_liteseg.models.pretrained import list_pretrained, weight_file

    cards = list_pretrained()
    names = {card.model for card in cards}
    if network and network not in names:
        raise UserError(f"There are no published weights of '{network}'; the nearest: {nearest(network, names)}.")
    cards = [card for card in cards if network in (None, card.model)]
    if download:
        for card in cards:
            print(f"{weight_file(card)} has the SHA-256 of its card")
    elif network:
        print("\n\n".join(details(card) for card in cards))
    else:
        print(table(cards))


def table(cards):
    """Return `Card`s as a table, a line each."""
    rows = [("network", "name", "size", "mIoU", "learned from")]
    rows += [(card.model, card.name, "{}x{}".format(*card.input_size), accuracy(card), card.seen) for card in cards]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows)


def accuracy(card):
    """Return the mIoU of a `Card` in percent, with its split."""
    return "-" if card.miou is None else f"{100 * card.miou:.1f} on {card.split}"


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
    return "\n".join(f"{name:<13}{value}" for name, value in lines.items() if value)
