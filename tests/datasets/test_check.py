import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import ClassList, SegmentationDataset, load_dataset
from keras_liteseg.datasets.check import check_dataset, examine, require_valid
from keras_liteseg.datasets.folder import Folder
from keras_liteseg.errors import UserError


@pytest.fixture
def root(tmp_path):
    (tmp_path / "classes.yaml").write_text("classes: [road, car]")
    for split in ("train", "val"):
        for stem in "abc":
            add(tmp_path, split, stem)
    return tmp_path


def add(root, split, stem, labels=((0, 0, 1, 255),)):
    image, mask = root / "images" / split / f"{stem}.png", root / "masks" / split / f"{stem}.png"
    for path in (image, mask):
        path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 1)).save(image)
    Image.fromarray(np.array(labels, np.uint8)).save(mask)
    return image, mask


def test_a_good_data_set_has_no_problems(root):
    dataset = Folder(root)
    assert check_dataset(dataset) == []
    require_valid(dataset)


def test_every_bad_file_is_named_in_order(root):
    image, mask = root / "images/train", root / "masks/train"
    add(root, "train", "d", [[0, 9, 9, 1]])
    add(root, "train", "e", [[0, 0, 0]])
    (mask / "a.png").unlink()
    (image / "b.png").unlink()
    (image / "c.png").write_bytes(b"no image")
    (mask / "c.png").write_bytes(b"no image")
    problems = check_dataset(Folder(root))
    assert [problem.path for problem in problems] == [
        mask / "a.png",
        image / "b.png",
        image / "c.png",
        mask / "c.png",
        mask / "d.png",
        mask / "e.png",
    ]
    assert str(problems[0]) == f"{mask / 'a.png'} does not exist; add it or remove {image / 'a.png'}."
    assert problems[2].what.startswith("cannot be read as an image")
    assert problems[4].what == "holds label values outside 0-1, 255: 9 (2 pixels)"
    assert str(problems[5]) == f"{mask / 'e.png'} is 1x3 but its image is 1x4; make both the same size."


def test_require_valid_lists_twenty_and_counts_all(root):
    for number in range(25):
        add(root, "train", f"z{number:02}", [[7]])
    with pytest.raises(UserError) as caught:
        require_valid(Folder(root))
    message = str(caught.value)
    assert message.startswith("The data set folder has 25 problems in its split 'train':")
    assert message.count(".png holds") == 20
    assert "z19.png" in message and "z20.png" not in message
    assert message.endswith("and 5 more.")


class InMemory(SegmentationDataset):
    name, split, classes = "in_memory", "train", ClassList(("road",), ((0, 0, 0),))

    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def sample_id(self, index):
        return f"sample{index}"

    def image(self, index):
        return np.zeros((2, 2, 3), np.uint8)

    def mask(self, index):
        return np.zeros((2, 3), np.uint8)


def test_data_sets_without_files_are_checked_too():
    (problem,) = check_dataset(InMemory(1))
    assert str(problem) == "sample0 is 2x3 but its image is 2x2; make both the same size."


def test_an_empty_data_set_is_a_problem():
    (problem,) = check_dataset(InMemory(0))
    assert str(problem) == "in_memory has no samples in its split 'train'; add files to it."
    with pytest.raises(UserError, match="has 1 problem in its split"):
        require_valid(InMemory(0))


def command(root, splits):
    arguments = ["-m", "keras_liteseg", "check", "--data", "folder", "--data_dir", str(root), "--split", splits]
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_the_command_prints_class_shares(root):
    done = command(root, "train,val")
    assert done.returncode == 0, done.stderr
    assert "folder train: 3 samples, no problems." in done.stdout
    assert [line.split() for line in done.stdout.splitlines() if "road" in line] == [["road", "66.67%"]] * 2
    assert "(ignored: 25.00% of all pixels)" in done.stdout


def test_the_command_names_problems_and_exits_1(root):
    _, mask = add(root, "val", "d", [[0, 0, 0, 5]])
    done = command(root, "train,val")
    assert done.returncode == 1
    assert "folder train: 3 samples, no problems." in done.stdout
    assert f"{mask} holds label values outside 0-1, 255: 5 (1 pixels)" in done.stdout
    assert "folder val: 1 problem." in done.stdout
    assert "Traceback" not in done.stderr


def test_real_frames(shared):
    assert check_dataset(load_dataset("cityscapes", shared / "data/cityscapes", "val")) == []
    assert check_dataset(load_dataset("camvid", shared / "data/camvid", "val")) == []


def thin(value):
    """Vessels that no square fits into."""
    return [[0, value, 0, value]]


@pytest.mark.parametrize("training", [True, None])
def test_a_class_without_a_pixel_in_the_training_split_is_a_problem(root, training):
    for stem in "abc":
        add(root, "train", stem, thin(255))
    (problem,) = examine(Folder(root), training)[0]
    assert str(problem).startswith(
        "folder has no pixel of 'car' in the masks of its split 'train', so that it teaches nothing about that; 50% of "
        "its pixels are ignored; correct which values of the masks are which class"
    )
    assert str(problem).endswith("say so with the option absent_classes=[car].")
    with pytest.raises(UserError, match="no pixel of 'car'"):
        require_valid(Folder(root))
    assert check_dataset(load_dataset("folder", root, absent_classes=["car"])) == []
    (root / "classes.yaml").write_text("values: {0: road, 255: car}")
    assert check_dataset(Folder(root)) == []


def test_a_split_that_measures_nothing_is_a_problem(root):
    for stem in "abc":
        add(root, "val", stem, thin(255))
    (problem,) = check_dataset(Folder(root, "val"))
    assert "has no class but 'road' in the masks of its split 'val', so that it measures nothing" in str(problem)
    (root / "classes.yaml").write_text("classes: [road, car, sky]")
    add(root, "val", "a", thin(1))
    assert check_dataset(Folder(root, "val")) == []
    assert [str(problem)[:28] for problem in examine(Folder(root, "val"), True)[0]] == ["folder has no pixel of 'sky'"]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_labels_is_a_problem(root, split):
    (root / "classes.yaml").write_text("classes: [road, car]\nignore_label: 255")
    for stem in "abc":
        add(root, split, stem, [[255] * 4])
    (problem,) = check_dataset(Folder(root, split))
    assert f"has no labelled pixel in the masks of its split '{split}'; 100% of its pixels are ignored" in str(problem)


def test_absent_classes_must_be_classes(root):
    for names, message in (("car", "absent_classes is 'car'"), (["caar"], "names 'caar', which is no .*mean car")):
        with pytest.raises(UserError, match=message):
            load_dataset("folder", root, absent_classes=names)


def test_pictures_that_nobody_would_read_are_counted_and_named(root):
    for name in ("images/train/day/x.gif", "images/train/day/y.gif", "images/train/z.ppm", "masks/train/c.jpg"):
        (root / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 1)).save(root / name)
    (root / "images/train/.hidden.gif").write_bytes(b"")
    (root / "images/train/notes.txt").write_bytes(b"")
    for dataset in (Folder(root), load_dataset("folder", root, label_map={"road": "road"})):
        assert [str(problem) for problem in check_dataset(dataset)] == [
            f"{root}/images/train/day has 2 pictures (.gif) that would not be read, such as x.gif; save them as .png, "
            ".jpg, .jpeg, .bmp, .webp, .tif, .tiff.",
            f"{root}/images/train has 1 picture (.ppm) that would not be read, such as z.ppm; save them as .png, .jpg, "
            ".jpeg, .bmp, .webp, .tif, .tiff.",
            f"{root}/masks/train has 1 picture (.jpg) that would not be read, such as c.jpg; move them away; masks of "
            "the same names are read, and JPEG makes classes that nobody drew.",
        ]
    shutil.rmtree(root / "images/val")
    (root / "images/train").rename(root / "images/val")
    for path in (root / "images/val").glob("*.png"):
        path.unlink()
    with pytest.raises(UserError, match=r"No image matches .*val/day has 2 pictures \(.gif\) that would not be read"):
        Folder(root, "val")


def photo(root, orientation, stored, shown=None):
    """Write a JPEG of a size (width, height) with an EXIF orientation, and a mask of another size or the same."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", stored).save(root / "images/train/p.jpg", exif=exif)
    width, height = shown or stored
    Image.fromarray(np.eye(height, width, dtype=np.uint8)).save(root / "masks/train/p.png")


def test_a_mask_drawn_on_the_stored_pixels_of_a_turned_photo_is_explained(root):
    photo(root, 6, stored=(20, 10))
    (problem,) = check_dataset(Folder(root))
    assert problem.path == root / "masks/train/p.png"
    assert problem.what == (
        "is 10x20 but its image is 20x10 as the EXIF orientation 6 of p.jpg turns it: the mask was drawn on the stored "
        "pixels"
    )
    photo(root, 6, stored=(20, 10), shown=(10, 20))
    assert check_dataset(Folder(root)) == []


@pytest.mark.parametrize("orientation, stored, told", [(3, (20, 10), 1), (6, (10, 10), 1), (6, (20, 10), 0)])
def test_a_turn_that_no_size_tells_is_named(root, caplog, orientation, stored, told):
    photo(root, orientation, stored, shown=stored if told else stored[::-1])
    assert check_dataset(Folder(root)) == []
    assert len(caplog.messages) == told
    assert all("change of size: photos 1, such as" in text and "p.jpg" in text for text in caplog.messages)


def test_problems_come_in_the_order_of_the_files_whoever_reads_them_first(root):
    """The first file takes longest, and is read by a thread of its own."""
    Image.fromarray(np.random.default_rng(0).integers(0, 2, (2000, 2000), np.uint8)).save(root / "masks/train/a.png")
    for stem in "bc":
        add(root, "train", stem, [[7]])
    assert [problem.path.stem for problem in check_dataset(Folder(root))] == ["a", "b", "c"]


def test_nothing_more_is_read_after_ctrl_c(monkeypatch):
    read = []

    class Slow(InMemory):
        def mask(self, index):
            read.append(index)
            if index == 3:
                raise KeyboardInterrupt
            time.sleep(0.01)
            return np.zeros((2, 2), np.uint8)

    with pytest.raises(KeyboardInterrupt):
        check_dataset(Slow(5000))
    # The others go on only until it is noticed, which a busy machine delays; all would take 25 seconds on two cores.
    assert len(read) < 500


@pytest.mark.parametrize("kind, damage", [("png", 0.5), ("png", 0.99), ("jpg", 0.5), ("jpg", 0.9), ("bmp", 0.5)])
def test_a_picture_that_ends_too_early_is_found(root, kind, damage):
    path = root / f"images/train/d.{kind}"
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    Image.fromarray(np.eye(64, dtype=np.uint8)).save(root / "masks/train/d.png")
    assert check_dataset(Folder(root)) == []
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * damage)])
    (problem,) = check_dataset(Folder(root))
    assert problem.path == path and problem.what.startswith("cannot be read as an image")


def test_a_picture_with_one_wrong_byte_is_found(root):
    path = root / "images/train/a.png"
    content = bytearray(path.read_bytes())
    content[len(content) - 20] ^= 1  # within the pixels: 16 bytes before the last chunk
    path.write_bytes(content)
    (problem,) = check_dataset(Folder(root))
    assert problem.path == path and problem.what.startswith("cannot be read as an image")


@pytest.mark.parametrize("command", ["check", "train"])
def test_commands_refuse_an_object_in_255(root, liteseg, tmp_path, command):
    for split in ("train", "val"):
        add(root, split, "b", [[0, 0, 0, 0], [0, 255, 255, 255], [0, 255, 255, 255], [0, 255, 255, 255]])
    more = ["--config", "demo", "--override", "data_options={}", "--output_dir", tmp_path / "run"]
    done = liteseg(command, "--data", "folder", "--data_dir", root, *(more if command == "train" else []))
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "b.png has whole areas of the value 255" in said, said
    assert "'values: {0: road, 255: car}'" in said and "Traceback" not in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "mode, declared, kind",
    [
        ("RGBA", "", "uint8 of 4 channels"),
        ("LA", "", "uint8 of 2 channels"),
        ("RGB", "image: {channels: 4}", "uint8 of 3 channels"),
        ("RGB", "image: {channels: 3, dtype: uint16}", "uint8 of 3 channels"),
        ("L", "image: {channels: 1, max: 100}", "values from 200 to 200"),
    ],
)
def test_whole_pictures_of_another_kind_are_named_as_training_would(root, mode, declared, kind):
    with (root / "classes.yaml").open("a") as file:
        file.write(f"\n{declared}\n")
    image, _ = add(root, "val", "d")
    for path in image.parent.iterdir():
        path.unlink()
    for stem in "abcd":
        Image.new(mode, (4, 1), (200, 200, 200, 100)[: len(mode)] if len(mode) > 1 else 200).save(image.with_stem(stem))
    problems = check_dataset(Folder(root, "val"))
    assert [problem.path for problem in problems] == [image.with_stem(stem) for stem in "abcd"]
    assert kind in problems[0].what


def test_a_picture_that_is_no_picture_is_named_by_its_path_alone(root):
    image = root / "images/val/a.png"
    image.write_bytes(b"")
    (problem,) = check_dataset(Folder(root, "val"))
    assert (
        str(problem)
        == f"{image} cannot be read as an image (its content is of no known format); restore or remove the file."
    )


def test_a_link_to_nothing_is_not_told_to_be_there(root):
    image = root / "images/val/a.png"
    image.unlink()
    image.symlink_to(root / "gone.png")
    (problem,) = check_dataset(Folder(root, "val"))
    assert (
        str(problem) == f"{image} does not exist; it is a link to a file that is not there: correct or remove the link."
    )
