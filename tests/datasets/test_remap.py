import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets import IGNORE_LABEL, ClassList, load_dataset, parse_options
from keras_liteseg.datasets.check import check_dataset
from keras_liteseg.datasets.remap import map_to, require_agreement
from keras_liteseg.datasets.samples import CachedDataset
from keras_liteseg.errors import UserError

CLASSES = "classes: [{name: road, color: [1, 1, 1]}, {name: lane, color: [2, 2, 2]}, {name: car, color: [3, 3, 3]}]"


@pytest.fixture
def root(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind / "train").mkdir(parents=True)
    (tmp_path / "classes.yaml").write_text(CLASSES)
    Image.new("RGB", (4, 1), (9, 8, 7)).save(tmp_path / "images/train/a.png")
    Image.fromarray(np.array([[0, 1, 2, 255]], np.uint8)).save(tmp_path / "masks/train/a.png")
    return tmp_path


@pytest.mark.parametrize(
    "label_map, names, colors, mask",
    [
        ({"vehicle": "car", "ground": ["lane", "road"]}, ("vehicle", "ground"), ((3,) * 3, (2,) * 3), [1, 1, 0]),
        ({"road": ["road"]}, ("road",), ((1,) * 3,), [0, IGNORE_LABEL, IGNORE_LABEL]),
        ({"all": ["road", "lane", "car"]}, ("all",), ((1,) * 3,), [0, 0, 0]),
    ],
)
def test_classes_are_merged_renamed_reordered_and_left_out(root, label_map, names, colors, mask):
    dataset = load_dataset("folder", root, label_map=label_map)
    assert (dataset.name, dataset.split, len(dataset), dataset.sample_id(0)) == ("folder", "train", 1, "a")
    assert (dataset.classes.names, dataset.classes.colors) == (names, colors)
    assert dataset.mask(0).dtype == np.uint8
    np.testing.assert_array_equal(dataset.mask(0), [[*mask, IGNORE_LABEL]])
    np.testing.assert_array_equal(dataset.image(0), load_dataset("folder", root).image(0))


def test_it_serves_every_data_set():
    plain, ground = (
        load_dataset("street_scenes", split="val", length=1, size=(64, 128), label_map=label_map)
        for label_map in (None, {"ground": ["road", "pavement"]})
    )
    names = plain.classes.names
    on_ground = np.isin(plain.mask(0), [names.index("road"), names.index("pavement")])
    assert on_ground.any()
    np.testing.assert_array_equal(ground.mask(0) == 0, on_ground)
    assert (ground.mask(0)[~on_ground] == IGNORE_LABEL).all()


def test_the_check_names_the_files_of_a_remapped_data_set(root):
    Image.new("L", (3, 1)).save(root / "masks/train/a.png")
    (problem,) = check_dataset(load_dataset("folder", root, label_map={"road": "road"}))
    assert problem.path == root / "masks/train/a.png"


@pytest.mark.parametrize(
    "label_map, message",
    [
        ({}, r"label_map is \{\}; write for example"),
        (["road"], "label_map is .*; write for example"),
        ({"ground": ["raod"]}, "'ground' the class 'raod', which folder does not have; did you mean road"),
        ({"ground": [["road"]]}, "which folder does not have"),
        ({"ground": []}, r"has 'ground: \[\]'; wanted a new class with a list of old classes"),
        ({"ground": {"road": 1}}, "wanted a new class with a list"),
        ({"ground": None}, "wanted a new class with a list"),
        ({True: ["road"]}, "has 'True: .*wanted a new class"),
        ({"ground": ["road"], "way": ["lane", "road"]}, "gives the class 'road' to 'ground' and 'way'; name it once"),
        ({"ground": ["road", "road"]}, "gives the class 'road' to 'ground' and 'ground'"),
    ],
)
def test_a_wrong_map_is_explained(root, label_map, message):
    with pytest.raises(UserError, match=message):
        load_dataset("folder", root, label_map=label_map)


def classes(*names):
    return ClassList(names, ((0, 0, 0),) * len(names))


@pytest.mark.parametrize(
    "wanted, label_map",
    [
        (("car", "road", "lane"), "{car: car, road: road, lane: lane}"),
        (("car", "road"), "{car: car, road: road}"),
        (("street", "lane", "vehicle"), "{street: road, lane: lane, vehicle: car}"),
        (("a", "b"), None),
        (("road", "lane", "car", "sky"), None),
    ],
)
def test_a_map_to_other_classes_is_found_where_there_is_one(root, wanted, label_map):
    dataset = load_dataset("folder", root)
    assert map_to(dataset, classes(*wanted)) == label_map
    if label_map:
        (option,) = parse_options([f"label_map={label_map}"]).values()
        assert load_dataset("folder", root, label_map=option).classes.names == wanted


def test_a_map_to_other_classes_begins_with_the_files_own(root):
    dataset = load_dataset("folder", root, label_map={"ground": ["road", "lane"], "vehicle": "car"})
    assert map_to(dataset, classes("vehicle", "ground")) == "{vehicle: car, ground: [road, lane]}"


MAP = {"ground": ["road", "lane"], "car": "car"}


@pytest.mark.parametrize(
    "train, val, message",
    [
        (MAP, None, "training data has 2 classes .*validation data 3 .*; class 0 is 'ground' in the first and 'road'"),
        (MAP, {"car": "car", "ground": ["road", "lane"]}, "; the same classes in another order: class 0 is 'ground'"),
        (
            MAP,
            {"ground": ["road"], "car": ["car"]},
            "; class 'ground' is made of road, lane in the first and of road in",
        ),
    ],
)
def test_data_sets_that_do_not_agree_are_refused(root, train, val, message):
    first, second = (load_dataset("folder", root, label_map=label_map) for label_map in (train, val))
    for data in ((first, second), (CachedDataset(first), second)):
        with pytest.raises(UserError, match=message):
            require_agreement(*data)
    require_agreement(first, CachedDataset(first))


def test_the_same_map_in_other_words_agrees(root):
    other = {"ground": ["lane", "road"], "car": ["car"]}
    require_agreement(*(load_dataset("folder", root, label_map=label_map) for label_map in (MAP, other)))
    plain = {"road": "road", "lane": "lane", "car": "car"}
    require_agreement(*(load_dataset("folder", root, label_map=label_map) for label_map in (None, plain)))
