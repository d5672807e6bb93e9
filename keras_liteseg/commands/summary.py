"""Tell size and cost of the networks.

  liteseg summary --input_size 512x1024 --models 'ndnet*'

MACs are the multiply-accumulates of all convolutions for one image; FLOPs are twice that.
"""

import dataclasses

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras


@command("summary", __doc__)
@click.option("--models", default="*", metavar="PATTERN", help="Names, with shell wildcards.")
@options.size(help="Size that the multiply-accumulates (MACs) are for.", default="512x1024")
@options.whole("--num_classes", 19, "Number of classes.", least=2, most=255)
@options.file("--output", "Also write the numbers to this JSON file.")
def main(models, input_size, num_classes, output):
    from keras_liteseg.files import require_result, write_json

    if output:
        require_result(output)
    start_keras()
    from keras_liteseg.models.summary import ROW, line, summaries
    from keras_liteseg.provenance import provenance

    networks = {}
    print(ROW.format("network", "parameters", "+ aux heads", "MACs", "output stride"))
    for name, summary in summaries(models, input_size, num_classes):
        print(line(name, summary), flush=True)
        networks[name] = summary and dataclasses.asdict(summary)
    if output:
        found = {"kind": "networks", "input_size": input_size, "num_classes": num_classes, "networks": networks}
        write_json(output, found | provenance())
