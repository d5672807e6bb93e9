"""Count how often each class of a data set occurs, and derive class weights.

  liteseg statistics --data camvid --data_dir DIR

It prints a row per class: its share of the labelled pixels, the images that have it, and the weights of a loss that
follow from it. Where 'image' in classes.yaml says that the images are not 8-bit RGB, it measures their mean, standard
deviation and range too, and prints the line to write there.
"""

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command


@command("statistics", __doc__)
@options.data(split="train", splits="Split to count.")
def main(data, data_dir, split, data_options):
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.datasets.class_statistics import count_classes, measure_images

    dataset = load_dataset(data, data_dir, split, **data_options)
    print(table(dataset, count_classes(dataset)))
    if not dataset.image_format.is_rgb:
        print(image_lines(dataset, measure_images(dataset)))


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


def image_lines(dataset, measured):
    """Return the `ImageStatistics` of a data set as text, with the entry `image` of classes.yaml."""
    image_format = dataset.image_format
    declared = image_format.declaration().removesuffix("}")
    mean, std = (", ".join(f"{value:.4g}" for value in values) for values in (measured.mean, measured.std))
    lines = [
        f"The images are {image_format}, and their values go from {measured.smallest} to {measured.largest}.",
        "Write into classes.yaml, so that networks get mean and standard deviation:",
        f"  {declared}, mean: [{mean}], std: [{std}]}}",
    ]
    if measured.largest - measured.smallest < (image_format.max - image_format.min) / 4:
        lines.append(
            "That is less than a quarter of what min and max say, and int8 files divide that into 256 steps: first "
            "write min and max as what the sensor gives, and measure again."
        )
    return "\n".join(lines)
