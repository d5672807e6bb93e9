"""List the configs that come with the package, or print one.

  liteseg configs
  liteseg configs ndnet45_camvid_finetuned > mine.yaml

A name stands for its file wherever a command takes --config. The mIoU is what the file's first lines say was measured,
or published by others.
"""

import click

from keras_liteseg.commands.running import command
from keras_liteseg.errors import UserError


def _names(ctx, param, incomplete):
    from keras_liteseg.training.config_files import list_configs

    return [name for name in list_configs() if name.startswith(incomplete)]


@command("configs", __doc__)
@click.argument("name", required=False, shell_complete=_names)
def main(name):
    from keras_liteseg.training.config_files import find_config, list_configs, outcome, settings

    if name:
        path = find_config(name)
        try:
            print(path.read_text(), end="")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"Cannot read the config {path}: {error}.") from error
        return
    found = {each: settings(each) for each in list_configs()}
    rows = [(each, values["model"], values["data"], outcome(each)) for each, values in found.items()]
    rows.insert(0, ("config", "network", "data", "mIoU in percent"))
    widths = [max(map(len, column)) for column in zip(*rows)][:-1]
    for *cells, last in rows:
        print(*(f"{cell:<{width}}" for cell, width in zip(cells, widths)), last, sep="  ")
