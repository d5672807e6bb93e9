"""List the published weights.

  liteseg weights

Use them by name: liteseg export --model NETWORK --checkpoint NAME, or --init_from NAME to train on.
"""

from keras_liteseg.commands.running import command, start_keras

ROW = "{:<44} {:<20} {:>10} {:>8}"


@command("weights", __doc__)
def main():
    start_keras()
    from keras_liteseg.models.pretrained import list_pretrained, read_card

    print(ROW.format("network", "name", "size", "classes"))
    for model, data in list_pretrained():
        card = read_card(model, data)
        print(ROW.format(model, data, "{}x{}".format(*card.input_size), len(card.metadata.classes)))
