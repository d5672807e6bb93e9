import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import IGNORE_LABEL, load_dataset
from keras_liteseg.datasets.camvid import CamVid
from keras_liteseg.datasets.check import check_dataset
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError


@pytest.fixture
def root(tmp_path):
    for name in ("train", "trainannot"):
        (tmp_path / name).mkdir()
    Image.new("RGB", (12, 1)).save(tmp_path / "train/x.png")
    Image.fromarray(np.arange(12, dtype=np.uint8)[None]).save(tmp_path / "trainannot/x.png")
    (tmp_path / "train.txt").write_text("train/x.png trainannot/x.png\n\n")
    return tmp_path


def test_eleven_classes_and_void(root):
    dataset = CamVid(root)
    assert len(dataset) == 1 and dataset.sample_id(0) == "x"
    assert len(dataset.classes) == len(set(dataset.classes.colors)) == 11
    assert dataset.classes.names[3] == "road" and dataset.classes.colors[3] == (128, 64, 128)
    np.testing.assert_array_equal(dataset.mask(0)[0], [*range(11), IGNORE_LABEL])


def test_absolute_paths_of_another_machine_are_found_below_the_root(root):
    (root / "train.txt").write_text("/SegNet/CamVid/train/x.png /SegNet/CamVid/trainannot/x.png\n")
    assert CamVid(root).pairs() == [(root / "train/x.png", root / "trainannot/x.png")]


def test_absolute_paths_that_exist_are_kept(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "x.png"
    (root / "train/x.png").rename(other)
    (root / "train.txt").write_text(f"{other} trainannot/x.png\n")
    assert CamVid(root).pairs() == [(other, root / "trainannot/x.png")]


def test_list_that_windows_wrote(root):
    (root / "train.txt").write_bytes(b"\xef\xbb\xbftrain/x.png trainannot/x.png\r\n")
    assert CamVid(root).pairs() == [(root / "train/x.png", root / "trainannot/x.png")]


def test_an_unknown_label_is_named(root):
    Image.fromarray(np.array([[12]], np.uint8)).save(root / "trainannot/x.png")
    with pytest.raises(Problem, match=r"x\.png holds label values outside 0-11: 12 \(1 pixels\)"):
        CamVid(root).mask(0)


def test_a_listed_file_that_is_missing_shows_at_loading(root):
    (root / "train/x.png").unlink()
    with pytest.raises(Problem, match=r"train/x\.png does not exist; add it or remove .*trainannot/x\.png"):
        CamVid(root).image(0)


def test_a_missing_list_tells_what_is_there(root):
    with pytest.raises(UserError, match=r"val\.txt does not exist; .* found there: train\.txt"):
        CamVid(root, "val")


def test_trainval_is_both_unless_listed(root):
    (root / "val.txt").write_text("val/y.png valannot/y.png\n")
    assert [CamVid(root, "trainval").sample_id(index) for index in range(2)] == ["x", "y"]
    (root / "trainval.txt").write_text("val/y.png valannot/y.png\n")
    assert len(CamVid(root, "trainval")) == 1


@pytest.mark.parametrize("text, message", [("\n", "is empty"), ("a.png b.png\nc.png\n", r"line 2, is 'c\.png'")])
def test_a_wrong_list_is_explained(root, text, message):
    (root / "train.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        CamVid(root)


# The official list of colours, and the class of SegNet's eleven that each belongs to.
COLORS = """
64 128 64 Animal pedestrian | 192 0 128 Archway building | 0 128 192 Bicyclist bicyclist | 0 128 64 Bridge building
128 0 0 Building building | 64 0 128 Car car | 64 0 192 CartLuggagePram pedestrian | 192 128 64 Child pedestrian
192 192 128 Column_Pole pole | 64 64 128 Fence fence | 128 0 192 LaneMkgsDriv road | 192 0 64 LaneMkgsNonDriv road
128 128 64 Misc_Text sign_symbol | 192 0 192 MotorcycleScooter bicyclist | 128 64 64 OtherMoving car
64 192 128 ParkingBlock pavement | 64 64 0 Pedestrian pedestrian | 128 64 128 Road road
128 128 192 RoadShoulder pavement | 0 0 192 Sidewalk pavement | 192 128 128 SignSymbol sign_symbol
128 128 128 Sky sky | 64 128 192 SUVPickupTruck car | 0 0 64 TrafficCone pole | 0 64 64 TrafficLight sign_symbol
192 64 128 Train car | 128 128 0 Tree tree | 192 128 192 Truck_Bus car | 64 0 64 Tunnel building
192 192 0 VegetationMisc tree | 0 0 0 Void void | 64 192 0 Wall building
"""


@pytest.fixture
def original(tmp_path):
    colors = [[0, 0, 0], [128, 64, 128], [192, 0, 64]]
    for frame in ("0001TP_008520", "0001TP_008550", "0006R0_f00930", "0016E5_07920", "0016E5_07959", "0016E5_08159"):
        add_original(tmp_path, frame, colors)
    add_original(tmp_path, "0016E5_08190", colors)
    add_original(tmp_path, "Seq05VD_f00000", colors)
    return tmp_path


def add_original(root, frame, colors):
    image, mask = root / "701_StillsRaw_full" / f"{frame}.png", root / "LabeledApproved_full" / f"{frame}_L.png"
    for path in (image, mask):
        path.parent.mkdir(exist_ok=True)
    Image.new("RGB", (len(colors), 1)).save(image)
    Image.fromarray(np.array([colors], np.uint8)).save(mask)
    return image, mask


def test_the_32_colors_become_eleven_classes(original):
    entries = [entry.split() for entry in COLORS.replace("\n", "|").split("|") if entry.strip()]
    assert len(entries) == 32
    add_original(original, "0001TP_008520", [[int(channel) for channel in entry[:3]] for entry in entries])
    dataset = CamVid(original)
    mask = dataset.mask(0)
    assert mask.dtype == np.uint8 and mask.shape == (1, 32)
    named = [*(name.replace(" ", "_") for name in dataset.classes.names), *["void"] * 245]
    assert [named[train_id] for train_id in mask[0]] == [entry[4] for entry in entries]
    assert set(mask[0]) == {*range(11), IGNORE_LABEL}


def test_the_original_frames_are_split_as_in_segnet(original):
    ids = {}
    for split in ("train", "val", "trainval", "test"):
        dataset = load_dataset("camvid", original, split)
        ids[split] = [dataset.sample_id(index) for index in range(len(dataset))]
    assert ids.pop("trainval") == ids["train"] + ids["val"]
    assert ids == {
        "train": ["0001TP_008520", "0006R0_f00930", "0016E5_07920", "0016E5_08190"],
        "val": ["0016E5_07959", "0016E5_08159"],
        "test": ["0001TP_008550", "Seq05VD_f00000"],
    }


@pytest.mark.parametrize("line", ["0001TP_008550", "0001TP_008550.png", "/SegNet/CamVid/a/0001TP_008550.png b/x.png"])
def test_own_lists_of_original_frames_come_first(original, line):
    (original / "train.txt").write_text(f"\n{line}\n")
    dataset = CamVid(original)
    assert [dataset.sample_id(index) for index in range(len(dataset))] == ["0001TP_008550"]
    np.testing.assert_array_equal(dataset.mask(0), [[IGNORE_LABEL, 3, 3]])


def test_the_original_distribution_explains_what_is_missing(original):
    with pytest.raises(UserError, match="has no frames of the split 'all'; choose train, val, trainval or test"):
        CamVid(original, "all")
    (original / "LabeledApproved_full/0016E5_07959_L.png").unlink()
    with pytest.raises(Problem, match=r"0016E5_07959_L\.png does not exist; add it or remove .*0016E5_07959\.png"):
        CamVid(original, "val").mask(0)
    add_original(original, "frame_12", [[0, 0, 0]])
    with pytest.raises(UserError, match=r"frame_12\.png is none of CamVid's 701 frames by its name"):
        CamVid(original)


def test_the_check_names_unknown_colors(original):
    _, mask = add_original(original, "0016E5_07959", [[128, 64, 128], [127, 64, 128], [127, 64, 128], [255, 255, 255]])
    (problem,) = check_dataset(CamVid(original, "val"))
    assert problem.path == mask
    assert problem.what == (
        "holds colours that are none of CamVid's 32: (127, 64, 128) (2 pixels), (255, 255, 255) (1 pixels)"
    )


def test_the_split_by_name_equals_the_tutorials_lists(shared, tmp_path):
    (tmp_path / "701_StillsRaw_full").mkdir()
    wanted = {}
    for split in ("train", "val", "test"):
        dataset = load_dataset("camvid", shared / "data/camvid", split)
        wanted[split] = sorted(dataset.sample_id(index) for index in range(len(dataset)))
        for frame in wanted[split]:
            (tmp_path / "701_StillsRaw_full" / f"{frame}.png").touch()
    for split, frames in wanted.items():
        dataset = CamVid(tmp_path, split)
        assert [dataset.sample_id(index) for index in range(len(dataset))] == frames


def test_real_frames(shared):
    for split, count in (("train", 367), ("val", 101), ("test", 233)):
        dataset = load_dataset("camvid", shared / "data/camvid", split)
        assert len(dataset) == count
        assert dataset.image(0).shape == (360, 480, 3)
        assert {0, 1, 3, IGNORE_LABEL} <= set(np.unique(dataset.mask(0))) <= {*range(11), IGNORE_LABEL}


def test_pictures_that_no_list_names_are_told(root, caplog):
    assert CamVid(root).notes() == []
    for name in ("y", "z"):
        Image.new("RGB", (12, 1)).save(root / f"train/{name}.png")
    (root / "val.txt").write_text("train/z.png trainannot/z.png\n")
    (note,) = CamVid(root).notes()
    assert note == f"Left out, as no list (train.txt, val.txt) names them: pictures 1, such as {root}/train/y.png."
    assert check_dataset(load_dataset("camvid", root)) == []
    assert caplog.messages == [f"camvid train: {note}"]


def test_frames_that_no_list_names_are_told(original):
    assert CamVid(original).notes() == []
    (original / "train.txt").write_text("0001TP_008550\n")
    (note,) = CamVid(original).notes()
    assert note.startswith("Left out, as no list (train.txt) names them: pictures 7, such as")


def test_frames_of_another_kind_are_named(original):
    assert CamVid(original).left_out() == []
    Image.new("RGB", (2, 1)).save(original / "701_StillsRaw_full/0001TP_008560.jpg")
    (problem,) = CamVid(original).left_out()
    assert "has 1 picture (.jpg) that would not be read, such as 0001TP_008560.jpg" in str(problem)
