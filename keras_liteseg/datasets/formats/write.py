"""Writing an export as the data set 'folder': pictures, masks of class numbers, classes.yaml."""

import collections
import dataclasses
import io
import os
import pathlib
import random
import shutil
import tempfile

import numpy as np
import yaml
from PIL import Image

from keras_liteseg.datasets.base import IGNORE_LABEL
from keras_liteseg.datasets.formats.base import BACKGROUND, IGNORED, UNLABELED, is_background, read_lines
from keras_liteseg.datasets.image_files import decode, format_of
from keras_liteseg.datasets.in_parallel import in_parallel
from keras_liteseg.datasets.intact import ORIENTATION, SWAPPED, intact_size
from keras_liteseg.datasets.masks import count_values
from keras_liteseg.datasets.pictures import IMAGE_SUFFIXES, Problem, bits, unreadable
from keras_liteseg.datasets.tiff import is_tiff
from keras_liteseg.errors import UserError, suggestion
from keras_liteseg.files import made_folder, partial_suffix, require_folder, umask
from keras_liteseg.image_format import RGB

SPLITS = ("train", "val", "test")
_LISTED = 20
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        names: the classes, in the order of their numbers.
        pixels: {split: int64 (256,) of pixels per number}.
        pictures: {split: int64 (256,) of pictures that have a number}.
        counts: {split: number of pictures}.
        unlabeled: share of all pixels on which nobody had drawn; None where every pixel had a label.
        notes: sentences about what was understood.
        shown: {split: indices of pictures that together have many classes}.
    """

    names: tuple
    pixels: dict
    pictures: dict
    counts: dict
    unlabeled: float | None
    notes: list
    shown: dict


def write_folder(export, output_dir, unlabeled=BACKGROUND, ignored=(), splits=None, link=False):
    """Write a `base.Export` as a data set of the kind 'folder', all of it or nothing.

    Args:
        export: what was read.
        output_dir: folder that does not exist yet, or is empty.
        unlabeled: what pixels are on which nobody has drawn: the name of a class, 'background', which becomes class 0
            where no class is called so, or 'ignore'.
        ignored: names of classes whose pixels are ignored.
        splits: {split: list of `Sample`}, from `by_share` or `by_lists`.
        link: whether pictures become hard links where the disk allows it, which take no space, and not copies.

    Returns:
        `Written`.

    Raises:
        UserError: the folder is not empty, a name is unknown, or files are missing, broken or of the wrong size; then
            the message lists the first 20.
    """
    output_dir = pathlib.Path(output_dir)
    require_new(output_dir)
    if not export.samples:
        raise UserError("The export has no pictures.")
    classes, table, notes = _settle(export, unlabeled, ignored)
    tasks = [
        (split, name, sample)
        for split, samples in splits.items()
        for name, sample in zip(_file_names(samples), samples)
    ]
    where = {"prefix": ".partial-", "suffix": partial_suffix(output_dir), "dir": output_dir.parent}
    try:
        with (
            made_folder(output_dir.parent),
            tempfile.TemporaryDirectory(**where, ignore_cleanup_errors=True) as partial,
        ):
            found = _fill(pathlib.Path(partial), classes, splits, tasks, table, link, notes)
            os.chmod(partial, 0o777 & ~umask())
            if output_dir.exists():
                output_dir.rmdir()
            os.replace(partial, output_dir)
    except OSError as error:
        raise UserError(
            f"Cannot write {output_dir}: {error.strerror or error}. Free some space or choose a folder that you may "
            "write to."
        ) from error
    return _summary(classes, tasks, found, notes, export.drawn)


def require_new(output_dir):
    """Find out before long work that `write_folder` cannot write a folder after it.

    Raises:
        UserError: it is there and not empty, or cannot be made.
    """
    output_dir = pathlib.Path(output_dir)
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise UserError(f"{output_dir} is there already; give a new folder, or empty it.")
    require_folder(output_dir)


def _fill(folder, classes, splits, tasks, table, link, notes):
    """Write a data set into an empty folder, and return what `_write_all` does."""
    for split in splits:
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True)
    found = _write_all(folder, tasks, table, link)
    image_format = _common_format(tasks, found)
    content = {"classes": classes, "ignore_label": IGNORE_LABEL}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    if not image_format.is_rgb:
        text += f"{image_format.declaration()}\n"
        notes.append(
            f"The pictures are {image_format}, as 'image' in classes.yaml says. liteseg statistics measures what a "
            "network has to know of them, and prints the line to write there."
        )
    (folder / "classes.yaml").write_text(text)
    return found


def _settle(export, unlabeled, ignored):
    """Return (classes, uint8 table from class numbers of the reader, `UNLABELED` and `IGNORED` to ours, notes)."""
    names = [entry["name"] for entry in export.classes]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"The export has {names.count(name)} classes that are called '{name}'; rename them in the tool."
            )
    for name in ignored:
        if name not in names:
            raise UserError(f"There is no class '{name}' to ignore; {suggestion(name, names)}")
    notes, classes = list(export.notes), [entry for entry in export.classes if entry["name"] not in ignored]
    number = IGNORE_LABEL
    if export.drawn and unlabeled != "ignore":
        kept = [entry["name"] for entry in classes]
        same = [name for name in kept if name == unlabeled or (unlabeled == BACKGROUND and is_background(name))]
        if not same and unlabeled != BACKGROUND:
            raise UserError(f"There is no class '{unlabeled}' for unlabelled pixels; {suggestion(unlabeled, kept)}")
        if not same:
            same, classes = [BACKGROUND], [{"name": BACKGROUND, "color": [0, 0, 0]}, *classes]
        number = [entry["name"] for entry in classes].index(same[0])
    if len(classes) > IGNORE_LABEL:
        raise UserError(
            f"The export has {len(classes)} classes, and masks of 8 bits can number {IGNORE_LABEL}; choose some with "
            "--classes NAME,NAME or a file of names, and the others count as not drawn (--unlabeled), or leave some "
            "out with --ignore."
        )
    if len(classes) < 2:
        raise UserError(
            f"The export has {len(classes)} class{'es' * (not classes)} and all other pixels are ignored, so that "
            "there is nothing to tell apart; let unlabelled pixels be the background."
        )
    ours = {entry["name"]: place for place, entry in enumerate(classes)}
    # The negative ones count from the end.
    table = np.full(len(names) - min(UNLABELED, IGNORED), IGNORE_LABEL, np.uint8)
    table[: len(names)] = [ours.get(name, IGNORE_LABEL) for name in names]
    table[UNLABELED] = number
    if ignored:
        notes.append(f"Ignored, as you say: {', '.join(ignored)}.")
    return classes, table, notes


def _file_names(samples):
    """Return a file name without suffix for each sample: the last part of its name where that will do."""
    for names in ([pathlib.PurePosixPath(s.name).name for s in samples], [s.name.replace("/", "_") for s in samples]):
        if len({name.lower() for name in names}) == len(names):
            return names
    twice = next(name for name, count in collections.Counter(names).items() if count > 1)
    raise UserError(f"Two pictures of one split are called '{twice}'; rename one of them.")


def _write_all(folder, tasks, table, link):
    """Write every sample and return a list of (split, int64 counts (256,), unlabelled pixels, `ImageFormat`).

    Raises:
        UserError: there are problems.
    """

    def write(task):
        try:
            return task[0], *_write_sample(folder, *task, table, link)
        except Problem as problem:
            return problem

    found = list(in_parallel(write, tasks, "import"))
    problems = [result for result in found if isinstance(result, Problem)]
    if problems:
        more = f"\n  and {len(problems) - _LISTED} more." if len(problems) > _LISTED else ""
        listed = "\n  ".join(map(str, problems[:_LISTED]))
        raise UserError(f"Nothing was written, because of {len(problems)} of {len(tasks)} samples:\n  {listed}{more}")
    return found


def _write_sample(folder, split, name, sample, table, link):
    image = sample.image() if callable(sample.image) else sample.image
    suffix, size, turn, image_format = _look_at(image)
    labels = np.asarray(sample.labels(size))
    if labels.shape != size and turn in _TURNS and labels.shape == (size[::-1] if turn >= 5 else size):
        labels = np.asarray(Image.fromarray(labels.astype(np.int32)).transpose(_TURNS[turn]))
    if labels.shape != size:
        (rows, columns), (height, width) = labels.shape, size
        path = image if isinstance(image, pathlib.Path) else sample.name
        raise Problem(path, f"is {height}x{width} and its labels are {rows}x{columns}", "make both the same size")
    unlabeled = int(np.count_nonzero(labels == UNLABELED))
    mask = table[labels]
    Image.fromarray(mask).save(folder / "masks" / split / f"{name}.png", compress_level=4)
    _place(image, folder / "images" / split / f"{name}{suffix}", link)
    return count_values(mask), unlabeled, image_format


def _common_format(tasks, found):
    """Return the `ImageFormat` of all pictures.

    Raises:
        UserError: they have several.
    """
    first = {}
    for (_, name, _), (*_, image_format) in zip(tasks, found, strict=True):
        first.setdefault(image_format, name)
    if len(first) > 1:
        (one, name), (other, its_name) = list(first.items())[:2]
        raise UserError(
            f"Nothing was written: the picture {name} is {one}, and {its_name} is {other}; a data set has pictures of "
            "one kind, so convert these or leave them out."
        )
    return next(iter(first))


def _look_at(image):
    """Return (suffix of the file to write, (height, width) as seen, EXIF orientation, `ImageFormat`) of a picture.

    Raises:
        Problem: it is missing or unreadable.
    """
    path = image if isinstance(image, pathlib.Path) else "A picture"
    try:
        with io.BytesIO(image) if isinstance(image, bytes) else open(image, "rb") as file:
            tiff = is_tiff(file.read(4))
        if tiff:
            array = decode(_bytes(image), path)
            own = path != "A picture" and image.suffix.lower() in (".tif", ".tiff")
            return image.suffix if own else ".tif", array.shape[:2], 1, format_of(array, path)
        with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as file:
            plain = file.mode in ("L", "RGB") and bits(file) == 8
            turn, (width, height) = file.getexif().get(ORIENTATION, 1), file.size
            kind = {"JPEG": ".jpg", "BMP": ".bmp", "WEBP": ".webp"}.get(file.format, ".png")
        whole = plain and isinstance(image, pathlib.Path) and intact_size(image)
        image_format = RGB if whole else format_of(decode(_bytes(image), path), path)
    except Problem:
        raise
    except FileNotFoundError:
        raise Problem(image, "does not exist", "add it, or say where the pictures are (--images)") from None
    except Exception as error:  # Pillow has no common error
        raise unreadable(path, error) from error
    suffix = image.suffix if isinstance(image, pathlib.Path) and image.suffix.lower() in IMAGE_SUFFIXES else kind
    return suffix, (width, height) if turn in SWAPPED else (height, width), turn, image_format


def _bytes(image):
    return image if isinstance(image, bytes) else image.read_bytes()


def _place(image, path, link):
    if isinstance(image, pathlib.Path):
        if link:
            try:
                os.link(image, path)
                return
            except OSError:  # another disk, or one without links
                pass
        shutil.copyfile(image, path)
        return
    if is_tiff(image):
        path.write_bytes(image)
        return
    with Image.open(io.BytesIO(image)) as file:
        if file.format in ("JPEG", "PNG", "BMP", "WEBP"):
            path.write_bytes(image)
        else:
            file.save(path)


def _summary(classes, tasks, found, notes, drawn):
    pixels, pictures, counts, shown = {}, {}, collections.Counter(), {}
    for split in dict.fromkeys(split for split, _, _ in tasks):
        # As Folder numbers them: by name.
        order = sorted((name, counted) for (place, name, _), (_, counted, *_) in zip(tasks, found) if place == split)
        per_picture = np.array([counted for _, counted in order])
        pixels[split], pictures[split] = per_picture.sum(axis=0), (per_picture > 0).sum(axis=0)
        counts[split], shown[split] = len(order), _telling(per_picture[:, : len(classes)] > 0)
    total = sum(values.sum() for values in pixels.values())
    share = sum(unlabeled for _, _, unlabeled, _ in found) / total if drawn else None
    return Written(tuple(entry["name"] for entry in classes), pixels, pictures, dict(counts), share, notes, shown)


def _telling(has, most=4):
    """Return indices of rows of bool (pictures, classes), each the one that adds most columns to those before it."""
    chosen, seen = [], np.zeros(has.shape[1], bool)
    while len(chosen) < min(most, len(has)):
        added = (has & ~seen).sum(axis=1)
        added[chosen] = -1
        chosen.append(int(added.argmax()))
        seen |= has[chosen[-1]]
    return chosen


def by_share(samples, val_share=0.2, test_share=0.0, seed=0):
    """Return ({split: samples}, note): the splits of the export, and where it has none for validation, drawn ones.

    Raises:
        UserError: the shares leave nothing to train on.
    """
    splits = {split: [sample for sample in samples if sample.split == split] for split in SPLITS}
    splits["train"] += [sample for sample in samples if sample.split is None]
    named = [split for split in SPLITS if any(sample.split == split for sample in samples)]
    if splits["val"] or not splits["train"]:
        note = f"The splits are those of the export: {', '.join(named)}."
        loose = sum(sample.split is None for sample in samples)
        note += f" {loose} pictures that are in no split are in train." if loose else ""
        return {split: found for split, found in splits.items() if found}, note
    drawn = sorted(splits["train"], key=lambda sample: sample.name)
    random.Random(seed).shuffle(drawn)
    counts = {"val": max(1, round(val_share * len(drawn))) if val_share else 0}
    counts["test"] = max(1, round(test_share * len(drawn))) if test_share and not splits["test"] else 0
    if sum(counts.values()) >= len(drawn):
        raise UserError(
            f"Of {len(drawn)} pictures, {sum(counts.values())} would not be for training; give smaller shares."
        )
    for split, count in counts.items():
        splits[split] += drawn[:count]
        drawn = drawn[count:]
    splits["train"] = drawn
    note = f"The export has no split for validation: {counts['val']} of {len(samples)} pictures were drawn for it, by "
    note += f"seed {seed}. Frames of one video should not be in two splits; lists (--lists) can keep them together."
    return {split: sorted(found, key=lambda sample: sample.name) for split, found in splits.items() if found}, note


def by_lists(samples, folder):
    """Return ({split: samples}, note) by the files train.txt, val.txt and test.txt of a folder, one name a line.

    Raises:
        UserError: there is no list, or a listed picture is not in the export or is in two lists.
    """
    folder, splits, taken = pathlib.Path(folder), {}, {}
    by_name = {sample.name: sample for sample in samples}
    for sample in samples:
        by_name.setdefault(pathlib.PurePosixPath(sample.name).name, sample)
    for split in SPLITS:
        path = folder / f"{split}.txt"
        for line in read_lines(path) if path.is_file() else ():
            name = line.strip()
            if not name:
                continue
            bare = name.removesuffix(pathlib.PurePosixPath(name).suffix)
            found = next(
                (by_name[key] for key in (name, bare, pathlib.PurePosixPath(bare).name) if key in by_name), None
            )
            if found is None:
                raise UserError(f"{path} names '{name}', which the export does not have.")
            if taken.setdefault(found.name, split) != split:
                raise UserError(f"'{name}' is in {taken[found.name]}.txt and in {path.name}; remove one line.")
            splits.setdefault(split, []).append(found)
    if not splits:
        raise UserError(f"{folder} has none of train.txt, val.txt and test.txt; write names of pictures, one a line.")
    left = len(samples) - len(taken)
    return splits, f"The splits are those of the lists in {folder}." + (f" Left out {left} others." if left else "")
