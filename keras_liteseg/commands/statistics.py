"""Count how often each class of a data set occurs, and derive class weights.

  liteseg statistics --data camvid --data_dir DIR

It prints a row per class: its share of the labelled pixels, the images that have it, and the weights of a loss that
follow from it.
"""

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command


@command("statistics", __doc__)
@options.data(split="train", splits="Split to count.")
def main(data, data_dir, split, data_options):
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.datasets.class_statistics import count_classes

    dataset = load_dataset(data, data_dir, split, **data_options)
    print(table(dataset, count_classes(dataset)))


def table(dataset, counts):
    """Return the `ClassCounts` of a data set as text."""
    from keras_liteseg.datasets.class_statistics import CLASS_WEIGHTS

    lines = [f"{dataset.name} {dataset.split}: {len(dataset)} images"]
    lines.append("  {:<20}{:>8}{:>8}{:>18}{:>13}".format("class", "share", "images", *CLASS_WEIGHTS))
    shares = counts.pixels / counts.pixels.sum()
    weights = [weigh(counts) for weigh in CLASS_WEIGHTS.values()]
    for row in zip(dataset.classes.names, shares, counts.images, *weights, strict=True):
        lines.append("  {:<20}{:>8.2%}{:>8}{:>18.4f}{:>13.4f}".format(*row))
    return "\n".join(lines)
