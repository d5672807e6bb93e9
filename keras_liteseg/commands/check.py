"""Check every file of a data set before hours of training depend on it.

  liteseg check --data cityscapes --data_dir DIR --split train,val
  liteseg check --data cityscapes --data_dir DIR --option annotations=coarse

It prints one line per bad file and ends with exit status 1, or prints how the pixels are spread over the classes. A
training split without a single pixel of one of the classes is refused too, unless --option absent_classes=[NAME] says
that it is meant so.
"""

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command


@command("check", __doc__)
@options.data(split="train,val", splits="Splits to check, separated by commas.", many=True)
def main(data, data_dir, split, data_options):
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.datasets.check import counted, examine

    failed = False
    for each in split:
        dataset = load_dataset(data, data_dir, each, **data_options)
        problems, counts = examine(dataset)
        failed |= bool(problems)
        if problems:
            print(*problems, f"{dataset.name} {each}: {counted(problems)}.", sep="\n")
        else:
            print(shares(dataset, counts))
    return int(failed)


def shares(dataset, counts):
    """Return the share of each class in int64 pixel counts (256,) per train id, as text."""
    from keras_liteseg.datasets import IGNORE_LABEL

    labelled = counts.sum() - counts[IGNORE_LABEL]
    lines = [f"{dataset.name} {dataset.split}: {len(dataset)} samples, no problems."]
    for train_id, name in enumerate(dataset.classes.names):
        share = f"{counts[train_id] / max(labelled, 1):.2%}" if counts[train_id] else "absent"
        lines.append(f"  {name:<20}{share:>8}")
    lines.append(f"  (ignored: {counts[IGNORE_LABEL] / counts.sum():.2%} of all pixels)")
    return "\n".join(lines)
