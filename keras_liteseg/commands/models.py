"""List the networks.

  liteseg models
  liteseg models 'pp_liteseg*'

For each name: what the height and width of its input must be multiples of (+1: or a pixel more), the input size over
that of its smallest feature map, and the names of published weights. liteseg summary builds the networks and tells
their parameters and multiply-accumulates.
"""

import click

from keras_liteseg.commands.running import command, start_keras
from keras_liteseg.errors import UserError, suggestion

ROW = "{:<24} {:>13} {:>13}  {}"


@command("models", __doc__)
@click.argument("pattern", default="*")
def main(pattern):
    start_keras()
    from keras_liteseg.models.pretrained import list_pretrained
    from keras_liteseg.networks import list_models, model_spec

    names = list_models(pattern)
    if not names:
        raise UserError(f"No network is named '{pattern}'; {suggestion(pattern, list_models())}")
    print(ROW.format("network", "multiples of", "output stride", "published weights"))
    cards = list_pretrained()
    for name in names:
        spec = model_spec(name)
        weights = ", ".join(card.name for card in cards if card.model == name)
        multiple = f"{spec.size_multiple}{' (+1)' if spec.plus_one else ''}"
        print(ROW.format(name, multiple, spec.output_stride, weights).rstrip())
