"""Turn what an annotation tool has exported into a data set to train on.

  liteseg import EXPORT --output_dir DIR
  liteseg import EXPORT --output_dir DIR --classes road,car --unlabeled ignore
  liteseg import EXPORT --output_dir DIR --format voc --images PICTURES --val_share 0.1 --seed 3

It recognises the format, draws the labels as the tool draws them, and writes the data set 'folder', with a picture of
what was understood. It prints the classes with their shares, what unlabelled pixels became, and what was left
out. Formats:

FORMATS

Then: liteseg check --data folder --data_dir DIR
"""

import pathlib

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command
from keras_liteseg.errors import UserError


def _help():
    from keras_liteseg.datasets.formats import FORMATS, reader

    return __doc__.replace("FORMATS", "\n".join(f"  {name:<15}{reader(name).TITLE}" for name in FORMATS), 1)


@command("import", _help())
@click.argument("export", type=options.FOLDER, metavar="EXPORT")
@options.folder("--output_dir", "Folder to write; it must not exist yet, or be empty.", required=True)
@click.option("--format", metavar="FORMAT", help="One of the formats above; recognised by default.")
@options.folder("--images", "Folder of the pictures, where the export does not hold them.")
@click.option(
    "--classes",
    metavar="NAMES|FILE",
    help="Classes in the order of their numbers, where the export does not name them, else those to keep: names with "
    "commas between, a classes.yaml, or a file of names.",
)
@click.option(
    "--unlabeled", default="background", help="What pixels are on which nobody drew: background, ignore, or a class."
)
@click.option("--ignore", type=options.CommaList(example="void,other"), default=[], help="Classes to ignore.")
@options.real(
    "--val_share", 0.2, "Share of the pictures for validation, where the export has no split for it.", most=0.9
)
@options.real("--test_share", 0, "Share of the pictures for a test, where the export has no splits.", most=0.9)
@click.option("--seed", type=int, default=0, help="Seed of the draw of these.")
@options.folder("--lists", "Folder with train.txt, val.txt and test.txt, names of pictures, in place of the shares.")
@options.switch("--link", "Make hard links of the pictures, which take no space; changes to them change both.")
def main(export, output_dir, format, images, classes, unlabeled, ignore, val_share, test_share, seed, lists, link):
    from keras_liteseg.datasets.formats import read_export, reader
    from keras_liteseg.datasets.formats.write import by_lists, by_share, require_new, write_folder
    from keras_liteseg.files import write_text
    from keras_liteseg.reports.preview import write_understood

    require_new(output_dir)
    classes, values = given_classes(classes)
    format, found = read_export(export, format, images, classes, values)
    splits, note = by_lists(found.samples, lists) if lists else by_share(found.samples, val_share, test_share, seed)
    found.notes.append(note)
    written = write_folder(found, output_dir, unlabeled, ignore, splits, link)
    text = report(f"{export} was read as {format}: {reader(format).TITLE}.", written, unlabeled)
    output_dir = pathlib.Path(output_dir)
    write_text(output_dir / "import.txt", text + "\n")
    write_understood(output_dir / "understood.png", output_dir, written.shown)
    print(text)
    print(f"Wrote {output_dir}. Look at {output_dir / 'understood.png'}: are the classes where they should be?")


def given_classes(text):
    """Return (list of classes, {raw value: class number}) of --classes, None for what was not given."""
    from keras_liteseg.datasets.formats.base import named, read_class_list, read_values

    if text is None:
        return None, None
    if pathlib.Path(text).suffix and "," not in text:
        classes = read_class_list(text)
        return classes, read_values(text, classes)
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError(f"--classes is '{text}', which names no class; write it like road,car, or leave it out.")
    return named(names), None


def report(title, written, unlabeled):
    """Return what was understood, as text."""
    from keras_liteseg.datasets import IGNORE_LABEL

    lines = [title, *written.notes]
    became = "are ignored" if unlabeled == "ignore" else f"are '{unlabeled}'"
    if written.unlabeled is not None:
        lines.append(
            f"Pixels on which nobody drew, {written.unlabeled:.1%} of all, {became}; --unlabeled says otherwise."
        )
    splits = list(written.counts)
    lines.append(
        "".join([f"  {'class':<28}", *(f"{f'{split}, {written.counts[split]} pictures':>24}" for split in splits)])
    )
    labelled = {split: max(1, written.pixels[split].sum() - written.pixels[split][IGNORE_LABEL]) for split in splits}
    for number, name in enumerate(written.names):
        cells = (
            f"{written.pixels[split][number] / labelled[split]:>14.2%} in{written.pictures[split][number]:>7}"
            for split in splits
        )
        lines.append("".join([f"  {number:>3} {name:<24}", *cells]))
    shares = (written.pixels[split][IGNORE_LABEL] / written.pixels[split].sum() for split in splits)
    lines.append(
        "".join(
            [f"  {IGNORE_LABEL:>3} {'(ignored, of all pixels)':<24}", *(f"{share:>14.2%}{'':10}" for share in shares)]
        )
    )
    absent = [name for number, name in enumerate(written.names) if not written.pixels.get("train", [1] * 256)[number]]
    if absent:
        lines.append(f"Warning: no picture of train has {', '.join(absent)}; a network cannot learn it.")
        lines[-1] += f" --ignore {','.join(absent)} leaves it out."
    return "\n".join(line.rstrip() for line in lines)
