import io

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import load_dataset
from keras_liteseg.datasets.check import check_dataset
from keras_liteseg.datasets.jpeg_traces import was_jpeg


def regions(seed, classes=19, size=(240, 320)):
    """Return a mask of straight-sided regions, the neighbours of any class."""
    rng = np.random.default_rng(seed)
    points, labels = rng.random((60, 2)) * size, rng.integers(0, classes, 60)
    rows, columns = np.mgrid[: size[0], : size[1]]
    nearest = ((rows[..., None] - points[:, 0]) ** 2 + (columns[..., None] - points[:, 1]) ** 2).argmin(-1)
    return labels[nearest].astype(np.uint8)


def through_jpeg(mask, quality, colored=False):
    buffer = io.BytesIO()
    Image.fromarray(mask).convert("RGB" if colored else "L").save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("L"))


@pytest.mark.parametrize("quality", [75, 85, 90, 95])
@pytest.mark.parametrize("colored", [False, True])
def test_masks_after_jpeg_are_found(shared, quality, colored):
    """Pillow writes colours as 4:2:0."""
    masks = [np.asarray(Image.open(path)) for path in sorted((shared / "data/camvid/valannot").glob("*.png"))[:5]]
    masks += [np.asarray(Image.open(path)) for path in (shared / "data/cityscapes/gtFine/val").rglob("*labelIds.png")]
    masks += [regions(0), regions(1, classes=150)]
    assert all(was_jpeg(through_jpeg(mask, quality, colored)) for mask in masks)


def drawn():
    """Yield (name, mask) of what is hard to tell from JPEG."""
    rng = np.random.default_rng(0)
    lines = np.zeros((240, 320), np.uint8)
    for number in range(200):
        ends = rng.integers(0, (320, 240), (2, 2))
        cv2.line(lines, *(tuple(map(int, end)) for end in ends), number % 19, 1)
    yield "thin lines", lines
    yield "150 classes", regions(2, classes=150)
    for classes in (4, 19, 255):
        yield f"noise of {classes}", rng.integers(0, classes, (128, 128)).astype(np.uint8)
        for factor in (2, 4, 8):
            small = rng.integers(0, classes, (32, 32)).astype(np.uint8)
            yield f"{classes} enlarged {factor}", np.kron(small, np.ones((factor, factor), np.uint8))
    columns = np.arange(320, dtype=np.uint8) * np.ones((240, 1), np.uint8)
    for step in (1, 2, 3, 4):
        yield f"stripes of {step}", columns // step % 20
    yield "steps on a slope", (columns + np.arange(240, dtype=np.uint8)[:, None]) // 5
    yield "smaller than a block", rng.integers(0, 9, (5, 7)).astype(np.uint8)


@pytest.mark.parametrize("name, mask", list(drawn()))
def test_drawn_masks_are_left_in_peace(name, mask):
    assert not was_jpeg(mask)


def test_real_masks_are_left_in_peace(shared):
    paths = sorted((shared / "data/camvid").glob("*annot/*.png"))[::7]
    paths += (shared / "data/cityscapes/gtFine").rglob("*labelIds.png")
    assert len(paths) > 100
    assert [path for path in paths if was_jpeg(np.asarray(Image.open(path)))] == []
    scenes = load_dataset("street_scenes", split="val", length=4, size=(256, 512))
    assert not any(was_jpeg(scenes.mask(index)) for index in range(4))


@pytest.mark.parametrize("name", ["folder", "bdd100k", "cityscapes", "camvid"])
def test_every_data_set_refuses_them(tmp_path, name):
    """A class number for every value, so that the values alone tell nothing."""
    drawn = np.clip(through_jpeg(regions(3, classes=11), 90), 0, 10)
    places = {
        "folder": ("images/val/a.png", "masks/val/a.png"),
        "bdd100k": ("images/10k/val/a.png", "labels/sem_seg/masks/val/a.png"),
        "cityscapes": ("leftImg8bit/val/a/a_leftImg8bit.png", "gtFine/val/a/a_gtFine_labelIds.png"),
        "camvid": ("val/a.png", "valannot/a.png"),
    }[name]
    (tmp_path / "classes.yaml").write_text(f"classes: [{', '.join(f'c{number}' for number in range(11))}]")
    (tmp_path / "val.txt").write_text(" ".join(places))
    for place, picture in zip(places, (Image.new("RGB", drawn.shape[::-1]), Image.fromarray(drawn)), strict=True):
        (tmp_path / place).parent.mkdir(parents=True)
        picture.save(tmp_path / place)
    (problem,) = check_dataset(load_dataset(name, tmp_path, "val"))
    assert problem.path == tmp_path / places[1]
    assert problem.what == "went through JPEG, which made classes along the borders that nobody drew"


def test_an_import_refuses_them(tmp_path, liteseg):
    for kind in ("images", "masks"):
        (tmp_path / "export" / kind).mkdir(parents=True)
    for seed in range(3):
        mask = np.clip(through_jpeg(regions(seed, classes=11), 90), 0, 10)
        Image.fromarray(mask).save(tmp_path / f"export/masks/{seed}.png")
        Image.new("RGB", mask.shape[::-1]).save(tmp_path / f"export/images/{seed}.jpg")
    classes = ",".join(f"c{number}" for number in range(11))
    done = liteseg("import", tmp_path / "export", "--output_dir", tmp_path / "data", "--classes", classes)
    assert done.returncode == 1 and "is a mask that went through JPEG" in done.stdout + done.stderr
    assert not (tmp_path / "data").exists()
