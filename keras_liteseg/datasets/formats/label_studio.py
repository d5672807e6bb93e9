"""Label Studio's JSON: brushes, polygons, rectangles and ellipses.

Coordinates are percent. A brush is drawn where its alpha is 128 or more. Regions are drawn in their order, later ones
on top, polygons by the rule of pycocotools, to which Label Studio's COCO export hands them. Ellipses, which that export
leaves out, are filled where the centre of a pixel is inside.
"""

import collections
import functools
import pathlib

import numpy as np

from keras_liteseg.datasets.formats import shapes
from keras_liteseg.datasets.formats.base import UNLABELED, Export, Sample, named, read_json, split_of
from keras_liteseg.datasets.pictures import IMAGE_SUFFIXES, Problem

TITLE = "Label Studio JSON (brush, polygon, rectangle, ellipse)"
_SHAPES = ("brush", "polygon", "rectangle", "ellipse")
_NO_PICTURE = tuple(".mp4 .avi .mov .mkv .webm .wav .mp3 .csv .tsv .txt .pdf".split())


def recognised(source):
    return bool(_files(source))


def _files(source):
    found = {}
    for path in source.files("*.json"):
        with path.open("rb") as file:
            if not file.read(20).lstrip().startswith(b"["):
                continue
        content = read_json(path)
        if content and isinstance(content[0], dict) and "data" in content[0] and "annotations" in content[0]:
            found[path] = content
    return found


def read(source):
    tasks = [(path, task) for path, content in _files(source).items() for task in content]
    names, left_out, notes, kept = set(), collections.Counter(), [], []
    for path, task in tasks:
        done = [entry for entry in task["annotations"] if not entry.get("was_cancelled")]
        if not done:
            left_out["pictures that nobody has annotated"] += 1
            continue
        if len(done) > 1:
            left_out["further annotations of pictures that have several; the first counts"] += len(done) - 1
        if _picture_name(task).lower().endswith(_NO_PICTURE):
            left_out["tasks without a picture (video, sound, time series or text)"] += 1
            continue
        with_label = {region.get("id") for region in done[0]["result"] if region["type"].endswith("labels")}
        regions = []
        for region in done[0]["result"]:
            kind, value = region["type"], region.get("value") or {}
            # With <Labels>, a region is there twice: with its name as 'labels', and without as 'polygon'.
            if kind.removesuffix("labels") in _SHAPES and kind not in _SHAPES or kind == "labels" and _has_area(value):
                labels = value.get(kind) or []
                if len(labels) != 1:
                    raise Problem(
                        path, f"has a region with the labels {labels} (task {task.get('id')})", "give it one label"
                    )
                names.add(labels[0])
                regions.append((labels[0], region))
            elif kind in _SHAPES:
                left_out["regions without a label"] += region.get("id") not in with_label
            elif value:
                left_out[f"results of the kind {kind}"] += 1
        kept.append((path, task, regions))
    classes = source.classes or named(sorted(names))
    if not source.classes:
        notes.append("The classes are the labels that occur, by the alphabet; --classes sets another order.")
    numbers = {entry["name"]: number for number, entry in enumerate(classes)}
    samples = []
    for path, task, regions in kept:
        for label, _ in regions:
            if label not in numbers:
                raise Problem(path, f"has a region of '{label}', which the list of classes lacks", "add it to the list")
        picture = _picture(source, task)
        draw = functools.partial(_draw, path, task, [(numbers[label], region) for label, region in regions])
        samples.append(
            Sample(str(source.relative(picture).with_suffix("")), picture, split_of(*picture.parts[-3:-1]), draw)
        )
    notes += [f"Left out {count} {what}." for what, count in left_out.items() if count]
    return Export(classes, samples, notes, drawn=True)


def _has_area(value):
    return bool({"rle", "points", "radiusX"} & value.keys()) or {"width", "height"} <= value.keys()


def _picture(source, task):
    """Return the path of a task's picture, whose name may begin with a hash that Label Studio has put there."""
    name = _picture_name(task)
    found = source.find(name)
    bare = name.partition("-")[2]
    return source.find(bare) if bare and not found.is_file() else found


def _picture_name(task):
    """Return the file name of what a task shows: a picture if it has one."""
    texts = [text for text in task["data"].values() if isinstance(text, str)]
    name = next(
        (text for text in texts if text.lower().split("?")[0].endswith(IMAGE_SUFFIXES)), texts[0] if texts else ""
    )
    return pathlib.PurePosixPath(name.split("?")[-1].removeprefix("d=")).name


def _draw(path, task, regions, size):
    sizes = {(region["original_height"], region["original_width"]) for _, region in regions} or {size}
    if len(sizes) > 1:
        raise Problem(path, f"has regions of several sizes on task {task.get('id')}", "annotate the picture again")
    (size,) = sizes
    labels = np.full(size, UNLABELED, np.int16)
    for number, region in regions:
        if region.get("image_rotation"):
            raise Problem(
                path, f"has a picture that was turned in Label Studio (task {task.get('id')})", "turn the file instead"
            )
        with shapes.drawing(path, f"a region on task {task.get('id')}"):
            labels[_mask(region, size)] = number
    return labels


def _mask(region, size):
    value = region["value"]
    percent = np.array(size[::-1], np.float64) / 100
    if "rle" in value:
        return brush(value["rle"]).reshape(*size, 4)[..., 3] >= 128
    if "points" in value:
        return shapes.coco_polygon(np.array(value["points"]) * percent, size)
    left, top = np.array((value["x"], value["y"])) * percent
    if "radiusX" in value:
        radii = np.array((value["radiusX"], value["radiusY"])) * percent
        return shapes.ellipse((left, top), radii, value.get("rotation") or 0, size)
    width, height = np.array((value["width"], value["height"])) * percent
    corners = shapes.box(left, top, left + width, top + height)
    return shapes.coco_polygon(shapes.rotated(corners, (left, top), value.get("rotation") or 0), size)


def brush(data):
    """Return the bytes of Label Studio's run lengths (of the library @thi.ng/rle-pack), flat uint8.

    A head of 32 bits for the number of values, 5 for the bits of one, four times 4 for the bits of lengths; then
    runs: a bit that says whether one value is repeated, 2 bits that choose the bits of the length, the length, the
    values.
    """
    bits = "".join(f"{byte:08b}" for byte in data)
    place = 0

    def take(count):
        nonlocal place
        place += count
        return int(bits[place - count : place], 2)

    total, word = take(32), take(5) + 1
    lengths = [take(4) + 1 for _ in range(4)]
    values = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        repeated = take(1)
        end = done + 1 + take(lengths[take(2)])
        if repeated:
            values[done:end] = take(word)
        else:
            values[done:end] = [take(word) for _ in range(end - done)]
        done = end
    return values
