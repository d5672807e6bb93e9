"""Each reader on a tiny export as its tool writes it: classes, pixels, splits, what it leaves out and refuses."""

import base64
import io
import json
import pathlib
import zlib

import numpy as np
import pytest
import yaml
from PIL import Image

from keras_liteseg.datasets import load_dataset
from keras_liteseg.datasets.formats import FORMATS, read_export, recognise
from keras_liteseg.datasets.formats.base import IGNORED, UNLABELED, Source, named, read_class_list, read_values
from keras_liteseg.datasets.formats.write import write_folder
from keras_liteseg.datasets.pictures import Problem
from keras_liteseg.errors import UserError

SIZE = (40, 50)
SQUARE = [[10, 10], [20, 10], [20, 20], [10, 20]]
INNER = [[12, 12], [16, 12], [16, 16], [12, 16]]


@pytest.fixture
def export(tmp_path):
    """Function that writes {path: picture, text or JSON} into a folder and returns that folder."""

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, Image.Image):
                content.save(path)
            else:
                path.write_text(json.dumps(content))
        return tmp_path

    return write


def picture(size=SIZE):
    return Image.new("RGB", size[::-1], (10, 20, 30))


def mask(values, mode=None, palette=None):
    values = np.asarray(values)
    if values.ndim == 1:
        values = np.tile(values, (SIZE[0], 1))[:, np.arange(SIZE[1]) % len(values)]
    image = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.uint8))
    if palette:
        image.putpalette(palette + [0] * (768 - len(palette)))
    return image


def png(values, bits):
    """Return a grey PNG of 1, 2 or 4 bits, which Pillow does not write."""
    values = np.asarray(values, np.uint8)
    packed = [np.packbits(np.unpackbits(row[:, None], axis=1)[:, -bits:].ravel()).tobytes() for row in values]

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = values.shape[1].to_bytes(4, "big") + values.shape[0].to_bytes(4, "big") + bytes([bits, 0, 0, 0, 0])
    body = zlib.compress(b"".join(b"\0" + row for row in packed))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def encoded(data):
    return base64.b64encode(data).decode()


def labels(root, name=None, index=0, **options):
    """Return (names of the classes, label map of a sample, its split) of an export."""
    found, read = read_export(root, **options)
    assert name is None or found == name
    sample = read.samples[index]
    return [entry["name"] for entry in read.classes], sample.labels(SIZE), sample.split


def coco(annotations, categories=((3, "car"), (18, "dog"), (90, "cup")), **image):
    images = [{"id": 7, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1], **image}]
    return {
        "images": images,
        "categories": [{"id": identity, "name": name} for identity, name in categories],
        "annotations": [{"id": n, "image_id": 7, **entry} for n, entry in enumerate(annotations)],
    }


def outline(corners):
    return [sum(corners, [])]


def test_coco_gaps_overlaps_holes_and_crowds(export):
    ring = {"size": SIZE, "counts": [40 * 30, 400, 400]}  # columns 30 to 39
    content = coco(
        [
            {"category_id": 90, "segmentation": outline(SQUARE), "iscrowd": 0},
            {"category_id": 3, "segmentation": outline(INNER), "iscrowd": 0},
            {"category_id": 18, "segmentation": ring, "iscrowd": 1},
            {"category_id": 18, "segmentation": [], "bbox": [0, 0, 5, 5]},
        ]
    )
    root = export({"annotations/instances_train2017.json": content, "images/a.jpg": picture()})
    names, drawn, split = labels(root, "coco")
    assert (names, split) == (["car", "dog", "cup"], "train")
    expected = np.full(SIZE, UNLABELED)
    expected[10:20, 10:20] = 2
    expected[12:16, 12:16] = 0
    expected[:, 30:40] = 1
    np.testing.assert_array_equal(drawn, expected)
    assert any("Left out 1 annotations without an outline" in note for note in read_export(root)[1].notes)


def test_coco_annotations_of_pictures_that_are_not_listed(export):
    entries = [{"category_id": 3, "segmentation": outline(SQUARE)} for _ in range(2)]
    content = coco(entries)
    content["annotations"][1]["image_id"] = 99
    root = export({"a.json": content, "a.jpg": picture()})
    assert "Left out 1 annotations of pictures that the file does not list." in read_export(root)[1].notes


def test_coco_id_zero_is_a_class(export):
    content = coco([{"category_id": 0, "segmentation": outline(SQUARE)}], categories=((0, "car"), (1, "dog")))
    names, drawn, split = labels(export({"instances_default.json": content, "a.jpg": picture()}))
    assert names == ["car", "dog"] and (drawn == 0).sum() == 100 and split is None


def test_roboflow_coco_group_is_no_class(export):
    content = coco([{"category_id": 1, "segmentation": outline(SQUARE)}], categories=((0, "things"), (1, "car")))
    names, drawn, split = labels(export({"valid/_annotations.coco.json": content, "valid/a.jpg": picture()}))
    assert names == ["car"] and (drawn == 0).sum() == 100 and split == "val"


def test_coco_pictures_of_one_name_are_told_apart_by_split(export):
    files = {}
    for split, corners in (("train", SQUARE), ("val", INNER)):
        files[f"annotations/instances_{split}.json"] = coco([{"category_id": 3, "segmentation": outline(corners)}])
        files[f"{split}/a.jpg"] = picture()
    root = export(files)
    samples = read_export(root)[1].samples
    assert [(sample.split, sample.image.parent.name) for sample in samples] == [("train", "train"), ("val", "val")]
    (root / "other").mkdir()
    picture().save(root / "a.jpg")
    for split in ("train", "val"):
        (root / split / "a.jpg").rename(root / "other" / "a.jpg")
    with pytest.raises(Problem, match="both fit the name 'a.jpg'"):
        read_export(root)


def lvis(count, drawn):
    """As LVIS writes it: no file name, no crowds, and the categories that were looked for on a picture."""
    categories = [{"id": n + 1, "name": f"thing_{n}", "synset": "x.n.01", "frequency": "r"} for n in range(count)]
    image = {"id": 7, "coco_url": "http://images.cocodataset.org/val2017/a.jpg", "height": SIZE[0], "width": SIZE[1]}
    image |= {"neg_category_ids": [3], "not_exhaustive_category_ids": []}
    annotations = [
        {
            "id": n,
            "image_id": 7,
            "category_id": identity,
            "segmentation": outline(corners),
            "area": 1.0,
            "bbox": [0] * 4,
        }
        for n, (identity, corners) in enumerate(drawn)
    ]
    return {"info": {}, "licenses": [], "images": [image], "annotations": annotations, "categories": categories}


def test_more_classes_than_masks_can_number(export, tmp_path_factory):
    content = lvis(1203, [(1203, SQUARE), (256, INNER), (300, [[30, 10], [40, 10], [40, 20], [30, 20]])])
    root = export({"lvis_v1_val.json": content, "val2017/a.jpg": picture()})
    names, drawn, split = labels(root, "coco")
    assert (len(names), split) == (1203, "val") and (drawn == 1202).sum() == 84 and (drawn == 255).sum() == 16
    output = tmp_path_factory.mktemp("out")
    _, read = read_export(root)
    assert any(note.startswith("LVIS draws a class on the pictures") for note in read.notes)
    with pytest.raises(
        UserError, match="has 1204 classes, and masks of 8 bits can number 255; choose some with --classes"
    ):
        write_folder(read, output, splits={"val": read.samples})
    _, read = read_export(root, classes=named(["background", "thing_255", "thing_1202"]))
    assert "Chosen: 2 of 1203 classes; pixels of the others count as not drawn." in read.notes
    write_folder(read, output, splits={"val": read.samples})
    written = load_dataset("folder", output, "val")
    assert written.classes.names == ("background", "thing_255", "thing_1202")
    expected = np.zeros(SIZE)
    expected[10:20, 10:20], expected[12:16, 12:16] = 2, 1  # and nothing where thing_299 is
    np.testing.assert_array_equal(written.mask(0), expected)
    with pytest.raises(UserError, match="no class 'thing_1203'; did you mean thing_203"):
        read_export(root, classes=named(["thing_1203"]))


def test_16_bit_masks_of_more_classes_than_masks_can_number(export, tmp_path_factory):
    root = export({"images/a.jpg": picture(), "masks/a.png": mask([0, 255, 299, 7], "I;16")})
    many = [f"c{number}" for number in range(300)]
    assert labels(root, classes=named(many))[1][0, :4].tolist() == [0, 255, 299, 7]
    _, read = read_export(root, classes=named(many))
    output = tmp_path_factory.mktemp("out")
    with pytest.raises(UserError, match="has 300 classes"):
        write_folder(read, output, splits={"train": read.samples})
    write_folder(read, output, ignored=many[8:298], splits={"train": read.samples})
    written = load_dataset("folder", output, "train")
    assert written.classes.names == (*many[:8], *many[298:])
    assert written.mask(0)[0, :4].tolist() == [0, 255, 9, 7]
    (root / "list.yaml").write_text("classes: [road, car]\nvalues: {255: road, 299: car}\nignore_label: [0, 7]\n")
    classes = read_class_list(root / "list.yaml")
    values = read_values(root / "list.yaml", classes)
    assert labels(root, classes=classes, values=values)[1][0, :4].tolist() == [IGNORED, 0, 1, IGNORED]


def test_a_list_of_classes_may_hold_null_where_it_may_leave_out(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("classes: [{name: road, color: null}, car]\nvalues: {7: road, 9: car}\nignore_label: null\n")
    classes = read_class_list(path)
    assert classes == named(["road", "car"])
    assert read_values(path, classes) == {255: IGNORED, 7: 0, 9: 1}
    path.write_text("classes: [road, car]\nvalues: null\nimage: null\n")
    assert read_class_list(path) == classes and read_values(path, classes) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: null", "has neither 'classes' nor 'names'"),
        ("classes: [road, null]", "a class has the name None, where a text was wanted"),
        ("classes: [{color: [1, 2, 3]}]", "a class has the name None"),
        ("names: {0: null}", "a class has the name None"),
        ("names: {null: road}", "has neither 'classes' nor 'names'"),
        (
            "classes: [{name: road, color: 5}]",
            r"the class 'road' has the color 5, where \[red, green, blue\] was wanted",
        ),
        ("classes: [{name: road, color: [1, 2, null]}]", r"the color \[1, 2, None\], where whole numbers were wanted"),
    ],
)
def test_a_list_of_classes_that_is_wrong_is_told_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "list.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=f"The list of classes .*list.yaml cannot be read .*{message}"):
        read_class_list(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "values: {null: road}",
            "gives the value None to 'road'; wanted a whole number from 0 to 65535 and one of its",
        ),
        ("values: {0: null}", "gives the value 0 to 'None'"),
        ("values: {1000000000: road}", "gives the value 1000000000 to 'road'"),
        (
            "values: {0: road}\nignore_label: [7, null]",
            "has the ignore_label None; wanted a whole number from 0 to 65535",
        ),
        ("values: {0: road}\nignore_label: void", "has the ignore_label 'void'"),
        ("values: {0: road}\nignore_label: -1", "has the ignore_label -1"),
        ("values: {0: road}\nignore_label: {7: void}", r"has the ignore_label \{7: 'void'\}"),
    ],
)
def test_values_that_no_mask_can_have_are_told_in_one_sentence(tmp_path, text, message):
    path = tmp_path / "list.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_values(path, named(["road", "car"]))


def test_coco_refusals(export):
    root = export({"a.json": coco([{"category_id": 3, "segmentation": [], "bbox": [1, 1, 2, 2]}]), "a.jpg": picture()})
    with pytest.raises(UserError, match="boxes only"):
        read_export(root)
    export({"a.json": coco([{"category_id": 4, "segmentation": outline(SQUARE)}])})
    with pytest.raises(Problem, match="category 4, which it does not list"):
        read_export(root)
    export({"a.json": coco([{"category_id": 3, "segmentation": {"size": [4, 4], "counts": [16]}}])})
    with pytest.raises(Problem, match="annotation 0, which cannot be drawn"):
        labels(root)


def test_coco_panoptic(export):
    identities = np.zeros((*SIZE, 3), np.uint8)
    identities[:, 10:20] = (1, 2, 0)
    identities[:, 20:] = (0, 0, 1)
    segments = [{"id": 513, "category_id": 200}, {"id": 65536, "category_id": 4}]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": segments}],
        "categories": [{"id": 200, "name": "sky", "color": [1, 2, 3]}, {"id": 4, "name": "car"}],
    }
    root = export(
        {
            "annotations/panoptic_val2017.json": content,
            "annotations/panoptic_val2017/a.png": Image.fromarray(identities),
            "val2017/a.jpg": picture(),
        }
    )
    names, drawn, split = labels(root, "coco_panoptic")
    assert (names, split) == (["car", "sky"], "val")
    assert drawn[0, [0, 10, 20]].tolist() == [IGNORED, 1, 0]
    segments.pop()
    export({"annotations/panoptic_val2017.json": content})
    with pytest.raises(Problem, match="segment 65536, which its JSON file does not list"):
        labels(root)


def panoptic(categories, category):
    return {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [
            {"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 0x1E140A, "category_id": category}]}
        ],
        "categories": [{"id": identity, "name": name} for identity, name in categories.items()],
    }


def panoptic_export(export, train, val):
    """Write two splits, each (its categories, the category of all pixels of its picture)."""
    files = {}
    for split, (categories, category) in {"train": train, "val": val}.items():
        files[f"annotations/panoptic_{split}.json"] = panoptic(categories, category)
        files[f"annotations/panoptic_{split}/a.png"] = Image.new("RGB", SIZE[::-1], (10, 20, 30))
        files[f"{split}/a.jpg"] = picture()
    return export(files)


def test_coco_panoptic_numbers_the_categories_of_all_files_together(export):
    root = panoptic_export(export, ({4: "car", 9: "sky"}, 9), ({2: "bird", 4: "car"}, 2))
    for index, name in enumerate(("sky", "bird")):
        names, drawn, _ = labels(root, index=index)
        assert [names[number] for number in np.unique(drawn)] == [name]


def test_coco_panoptic_categories_that_contradict_or_lack_are_refused(export):
    root = panoptic_export(export, ({4: "car"}, 4), ({4: "bird"}, 4))
    with pytest.raises(Problem, match="calls category 4 'bird', another file 'car'"):
        read_export(root)
    panoptic_export(export, ({4: "car"}, 4), ({4: "car"}, 5))
    with pytest.raises(Problem, match="has a segment of category 5, which it does not list"):
        read_export(root)


def voc(masks, lists=None, **files):
    return (
        {f"SegmentationClass/{name}.png": image for name, image in masks.items()}
        | {f"JPEGImages/{name}.jpg": picture() for name in masks}
        | {f"ImageSets/Segmentation/{name}.txt": text for name, text in (lists or {}).items()}
        | files
    )


def test_voc_numbers_with_borders(export):
    palette = [0, 0, 0, 128, 0, 0, 0, 128, 0]
    root = export(voc({"a": mask([0, 1, 2, 255], palette=palette)}, {"train": "a\n", "trainval": "a\n"}))
    with pytest.raises(UserError, match="does not tell the names of its classes"):
        read_export(root)
    names, drawn, split = labels(root, "voc", classes=named(["background", "cat", "dog"]))
    assert split == "train" and names[0] == "background" and drawn[0, :4].tolist() == [0, 1, 2, IGNORED]
    names, drawn, _ = labels(root, classes=named(["cat", "dog"]))  # without it, all would be one off
    assert names == ["background", "cat", "dog"] and drawn[0, 1] == 1
    with pytest.raises(Problem, match="no class: 2"):
        labels(root, classes=named(["background", "cat"]))


def test_labelme2voc_tells_its_classes(export):
    files = voc({"a": mask([0, 1, 255])}) | {"class_names.txt": "_background_\ncat\n"}
    names, drawn, _ = labels(export(files), "voc")
    assert names == ["_background_", "cat"] and drawn[0, :3].tolist() == [0, 1, IGNORED]


def test_cvat_masks_are_in_the_colors_of_labelmap_and_missing_ones_are_empty(export):
    rgb = np.zeros((*SIZE, 3), np.uint8)
    rgb[:, 10:] = (61, 61, 245)
    files = voc({"a": Image.fromarray(rgb)}, {"default": "a\nb\n"})
    files["labelmap.txt"] = "# label:color_rgb:parts:actions\nCar:61,61,245::\nbackground:0,0,0::\n"
    root = export(files | {"JPEGImages/b.jpg": picture()})
    names, drawn, split = labels(root, "voc")
    assert (names, split) == (["Car", "background"], None) and drawn[0, [0, 10]].tolist() == [1, 0]
    assert (labels(root, index=1)[1] == UNLABELED).all()
    assert "1 listed pictures have no mask: nothing is labelled in them." in read_export(root)[1].notes
    with pytest.raises(UserError, match="labelmap.txt; leave out --classes"):
        read_export(root, classes=named("ab"))
    export({"labelmap.txt": "# label:color_rgb:parts:actions\nCar:61,61,0::\nbackground:0,0,0::\n"})
    with pytest.raises(Problem, match=r"colours that are of no class: \(61, 61, 245\) on 1600 pixels"):
        labels(root)


def test_cvat_xml_order_masks_and_ellipses(export):
    text = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels>
<label><name>road</name><color>#0a0b0c</color></label><label><name>car</name><color>#ff0000</color></label>
<label><name>wheel</name><type>points</type><parent>car</parent></label>
</labels></task></meta>
<image id="0" name="a.jpg" width="50" height="40" subset="Validation">
<polygon label="car" points="12,12;16,12;16,16;12,16" z_order="1"></polygon>
<polygon label="road" points="10,10;20,10;20,20;10,20" z_order="0"></polygon>
<box label="car" xtl="30" ytl="0" xbr="34" ybr="5" z_order="0"></box>
<ellipse label="road" cx="40" cy="30" rx="4" ry="3" z_order="0"></ellipse>
<mask label="car" rle="1, 2, 3" left="0" top="38" width="3" height="2" z_order="0"></mask>
<polyline label="car" points="0,0;1,1" z_order="0"></polyline>
</image></annotations>"""
    root = export({"annotations.xml": text, "images/a.jpg": picture()})
    names, drawn, split = labels(root, "cvat_xml")
    assert (names, split) == (["road", "car"], "val")
    assert (drawn[10:20, 10:20] == 0).sum() == 84 and (drawn[12:16, 12:16] == 1).all()
    assert (drawn[0:5, 30:34] == 1).all() and (drawn == 1).sum() == 16 + 20 + 2
    assert (drawn[25:, 30:] == 0).sum() == 49
    assert drawn[38, :3].tolist() == [UNLABELED, 1, 1]
    assert "Left out 1 shapes of the kind polyline." in read_export(root)[1].notes
    export({"annotations.xml": text.replace("<image ", "<track id='0'></track><image ")})
    with pytest.raises(UserError, match="'CVAT for video'"):
        read_export(root)


@pytest.mark.parametrize("kind", ["task", "project", "job"])
def test_cvat_xml_of_a_project_or_a_job(export, kind):
    text = f"""<annotations><meta><{kind}><labels><label><name>car</name></label></labels></{kind}></meta>
<image id="0" name="a.jpg" width="50" height="40"><box label="car" xtl="0" ytl="0" xbr="4" ybr="5"/></image>
</annotations>"""
    names, drawn, _ = labels(export({"annotations.xml": text, "a.jpg": picture()}), "cvat_xml")
    assert names == ["car"] and (drawn == 0).sum() == 20


def test_labelme_order_mask_and_ignored(export):
    file = io.BytesIO()
    Image.fromarray(np.ones((11, 21), np.uint8)).save(file, "PNG")
    shapes = [
        {"label": "cat", "points": SQUARE, "shape_type": "polygon"},
        {"label": "__ignore__", "points": INNER, "shape_type": "polygon"},
        {"label": "ant", "points": [[15, 25], [35, 35]], "shape_type": "mask", "mask": encoded(file.getvalue())},
        {"label": "ant", "points": [[1, 1], [2, 2]], "shape_type": "points"},
    ]
    content = {"shapes": shapes, "imagePath": "a.jpg", "imageHeight": SIZE[0], "imageWidth": SIZE[1], "imageData": None}
    root = export({"train/a.json": content, "train/a.jpg": picture()})
    names, drawn, split = labels(root, "labelme")
    assert (names, split) == (["ant", "cat"], "train")
    assert (drawn == 0).sum() == 21 * 11 and (drawn[25:36, 15:36] == 0).all()
    assert (drawn == IGNORED).sum() == 25 and (drawn == 1).sum() == 121 - 25
    assert labels(export({"labels.txt": "__ignore__\n_background_\ncat\nant\n"}))[0] == ["_background_", "cat", "ant"]


def test_labelme_picture_inside_of_the_file(export):
    file = io.BytesIO()
    picture().save(file, "PNG")
    content = {"shapes": [], "imagePath": "gone.jpg", "imageData": encoded(file.getvalue())}
    assert read_export(export({"a.json": content}), "labelme")[1].samples[0].image == file.getvalue()


def test_ultralytics_polygons_smaller_on_top(export):
    config = {"path": "../datasets/mine", "train": "images/train", "names": {0: "cat", 1: "dog"}}

    def line(number, corners):
        return " ".join([str(number), *(f"{x / SIZE[1]:.6f} {y / SIZE[0]:.6f}" for x, y in corners)])

    files = {"labels/train/a.txt": f"{line(1, INNER)}\n{line(0, SQUARE)}\n", "images/train/a.jpg": picture()}
    root = export(files | {"data.yaml": yaml.safe_dump(config), "images/train/empty.jpg": picture()})
    names, drawn, split = labels(root, "ultralytics")
    assert (names, split) == (["cat", "dog"], "train")
    assert (drawn == 0).sum() == 121 - 25 and (drawn[12:17, 12:17] == 1).all()
    assert (labels(root, index=1)[1] == UNLABELED).all()
    export({"labels/train/a.txt": "0 0.5 0.5 0.1 0.1\n"})
    with pytest.raises(UserError, match="boxes only"):
        read_export(root)
    export({"labels/train/a.txt": "5 0.1 0.1 0.2 0.1 0.2 0.2\n"})
    with pytest.raises(Problem, match="class 5 of 2 from 0"):
        read_export(root)


def test_ultralytics_masks(export):
    config = yaml.safe_dump({"train": "images/train", "masks_dir": "masks", "names": ["cat", "dog"]})
    root = export({"data.yaml": config, "images/train/a.jpg": picture(), "masks/train/a.png": mask([0, 1, 255])})
    assert labels(root, "ultralytics")[1][0, :3].tolist() == [0, 1, IGNORED]
    assert not read_export(root)[1].drawn


def test_mapillary(export):
    entries = [
        {"name": f"x--{name}", "readable": name, "evaluate": name != "Unlabeled", "color": [number, 9, 9]}
        for number, name in enumerate(("Sky", "Unlabeled", "Road"))
    ]
    palette = sum((entry["color"] for entry in entries), [])
    root = export(
        {
            "config_v1.2.json": {"labels": entries},
            "training/images/a.jpg": picture(),
            "training/v1.2/labels/a.png": mask([0, 1, 2], palette=palette),
            "training/v1.2/instances/a.png": mask([0, 256, 512], "I;16"),
        }
    )
    names, drawn, split = labels(root, "mapillary")
    assert (names, split) == (["Sky", "Road"], "train") and drawn[0, :3].tolist() == [0, IGNORED, 1]


def test_sceneparse_counts_from_one(export):
    root = export(
        {
            "objectInfo150.txt": "Idx\tRatio\tName\n1\t0\twall\n2\t0\tsky, heaven\n",
            "images/validation/a.jpg": picture(),
            "annotations/validation/a.png": mask([0, 1, 2]),
        }
    )
    names, drawn, split = labels(root, "sceneparse")
    assert (names, split) == (["wall", "sky"], "val") and drawn[0, :3].tolist() == [IGNORED, 0, 1]


WINDOWS = {
    "voc": voc({"a": mask([0, 1, 255])}, {"train": "a\n"}) | {"class_names.txt": "_background_\ncat\n"},
    "ultralytics": {
        "data.yaml": "train: images/list.txt\nnames: [cat, dog]\n",
        "images/list.txt": "images/a.jpg\n",
        "images/a.jpg": picture(),
        "labels/a.txt": "1 0.1 0.1 0.5 0.1 0.5 0.5\n",
    },
    "sceneparse": {
        "objectInfo150.txt": "Idx\tRatio\tName\n1\t0\twall\n2\t0\tsky, heaven\n",
        "images/training/a.jpg": picture(),
        "annotations/training/a.png": mask([0, 1, 2]),
    },
    "ade20k": {
        "images/training/a.jpg": picture(),
        "images/training/a_seg.png": mask([[0] * 50] * 40),
        "images/training/a_atr.txt": '001 # 0 # 0 # wall # wall # ""\n',
    },
}


@pytest.mark.parametrize("name", WINDOWS)
def test_files_that_windows_wrote(export, name):
    """They begin with a mark, and their lines end with two characters."""
    plain = labels(export(WINDOWS[name]), name)
    marked = {
        path: ("\ufeff" + content).replace("\n", "\r\n").encode()
        for path, content in WINDOWS[name].items()
        if isinstance(content, str)
    }
    found = labels(export(marked), name)
    assert found[0] == plain[0] and found[2] == plain[2] == "train"
    np.testing.assert_array_equal(found[1], plain[1])


def test_labels_that_are_no_utf_8(export):
    root = export(WINDOWS["ultralytics"] | {"labels/a.txt": b"0 0.1 \xff"})
    with pytest.raises(Problem, match="labels/a.txt is not in UTF-8"):
        read_export(root)


def ade20k_mask(cells):
    """A mask of columns (class, blue), by the formula of the data set's own loader, read backwards."""
    columns = [(number // 256 * 10, number % 256, blue) for number, blue in cells]
    return Image.fromarray(np.array([columns] * SIZE[0], np.uint8)[:, np.arange(SIZE[1]) % len(cells)])


def test_ade20k_of_2021(export):
    def thing(number, name, level=0):
        return {"id": 0, "name": name, "name_ndx": number, "parts": {"part_level": level}, "occluded": "no"}

    folder = "images/ADE/training/urban/street"
    objects = [thing(2978, "wall"), thing(773, "door"), thing(772, "knob", 1), thing(255, "chair, seat")]
    root = export(
        {
            f"{folder}/a.jpg": picture(),
            f"{folder}/a_seg.png": ade20k_mask([(0, 0), (2978, 40), (773, 80), (255, 120)]),
            f"{folder}/a_parts_1.png": ade20k_mask([(772, 5)]),
            f"{folder}/a/instance_000_a.png": mask([255]),
            f"{folder}/a.json": {"annotation": {"filename": "a.jpg", "scene": "CAFE", "object": objects}},
        }
    )
    path = root / folder / "a.json"
    path.write_bytes(path.read_bytes().replace(b"CAFE", b"CAF\xc9"))  # as some files of the set are
    names, drawn, split = labels(root, "ade20k")
    assert (names, split) == (["chair, seat", "door", "wall"], "train")
    assert drawn[0, :4].tolist() == [UNLABELED, 2, 1, 0]
    _, read = read_export(root)
    assert [sample.name for sample in read.samples] == [f"{folder}/a"]
    assert "Left out 2 masks of parts and of single objects." in read.notes
    names, drawn, _ = labels(root, classes=named(["wall", "chair"]))
    assert names == ["wall", "chair"] and drawn[0, :4].tolist() == [UNLABELED, 0, UNLABELED, 1]
    objects.pop()
    export({f"{folder}/a.json": {"annotation": {"object": objects}}})
    with pytest.raises(Problem, match="holds class 255, which the file beside it does not name"):
        labels(root)


def test_ade20k_of_2016(export):
    text = '001 # 0 # 0 # wall # wall # ""\n002 # 0 # 1 # door # door # "open"\n001 # 1 # 0 # knob # knob # ""\n'
    root = export(
        {
            "images/validation/a.jpg": picture(),
            "images/validation/a_seg.png": ade20k_mask([(0, 0), (774, 200), (2978, 100)]),
            "images/validation/a_atr.txt": text,
        }
    )
    names, drawn, split = labels(root, "ade20k")
    assert (names, split) == (["door", "wall"], "val") and drawn[0, :3].tolist() == [UNLABELED, 0, 1]
    export({"images/validation/a_atr.txt": text + "what\n"})
    with pytest.raises(Problem, match="has the line 'what'"):
        labels(root)


def test_kitti_step_and_semantics(export):
    rgb = np.zeros((*SIZE, 3), np.uint8)
    rgb[:, 1:] = (13, 0, 4)
    rgb[:, 2:] = (255, 0, 0)
    files = {}
    for split, sequence in (("train", "0000"), ("val", "0001")):
        files[f"training/image_02/{sequence}/000000.png"] = picture()
        files[f"panoptic_maps/{split}/{sequence}/000000.png"] = Image.fromarray(rgb)
    root = export(files)
    names, drawn, split = labels(root, "kitti", index=1)
    assert (names[0], split) == ("road", "val") and drawn[0, :3].tolist() == [0, 13, IGNORED]
    assert [sample.name for sample in read_export(root)[1].samples] == ["0000_000000", "0001_000000"]


def test_kitti_refuses_unknown_numbers(export):
    root = export({"training/image_2/a.png": picture(), "training/semantic/a.png": mask([7, 200])})
    with pytest.raises(Problem, match="holds values that are no class: 200"):
        labels(root, "kitti")


@pytest.mark.parametrize("name", ["a.png", "A.PNG"])
def test_kitti_semantics_has_label_ids(export, name):
    root = export({f"training/image_2/{name}": picture(), f"training/semantic/{name}": mask([7, 26, 0])})
    assert labels(root, "kitti")[1][0, :3].tolist() == [0, 13, IGNORED]


def test_roboflow_masks(export):
    files = {"valid/a.jpg": picture(), "valid/a_mask.png": mask([0, 1, 2])}
    root = export(files | {"valid/_classes.csv": "Pixel Value, Class\n0, background\n1, cat\n2, dog\n"})
    names, drawn, split = labels(root, "roboflow")
    assert (names, split) == (["background", "cat", "dog"], "val") and drawn[0, :3].tolist() == [0, 1, 2]
    export({"valid/_classes.csv": "filename, cat, dog\na.jpg, 0, 1\n"})
    with pytest.raises(UserError, match="multi-label classification"):
        read_export(root)
    for value in ("-1", "65536", "999999999999"):
        export({"valid/_classes.csv": f"Pixel Value, Class\n0, background\n{value}, cat\n"})
        with pytest.raises(UserError, match=f"{value} is no value of a mask"):
            read_export(root)


def region(kind, value, **more):
    """A result of Label Studio."""
    size = {"original_height": SIZE[0], "original_width": SIZE[1], "image_rotation": 0}
    return {"type": kind, **size, **more, "value": value}


def test_label_studio(export):
    corners = [[x / SIZE[1] * 100, y / SIZE[0] * 100] for x, y in SQUARE]
    result = [
        region("polygonlabels", {"points": corners, "polygonlabels": ["dog"]}),
        region("rectanglelabels", {"x": 50, "y": 50, "width": 10, "height": 5, "rectanglelabels": ["cat"]}),
        region("keypointlabels", {"keypointlabels": ["cat"]}),
    ]
    done = {"was_cancelled": False, "result": result}
    task = {"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-a.jpg"}, "annotations": [done]}
    root = export({"project.json": [task, {**task, "id": 2, "annotations": []}], "a.jpg": picture()})
    names, drawn, _ = labels(root, "label_studio")
    assert names == ["cat", "dog"] and (drawn == 1).sum() == 100 and (drawn == 0).sum() == 10
    found = read_export(root)[1]
    assert found.samples[0].image == root / "a.jpg" and len(found.samples) == 1
    assert "Left out 1 results of the kind keypointlabels." in found.notes
    result[0]["image_rotation"] = 90
    export({"project.json": [task]})
    with pytest.raises(Problem, match="turned in Label Studio"):
        labels(root)


def test_label_studio_brush_counts_from_half_its_strength(export):
    expected = json.loads((pathlib.Path(__file__).parent / "expected.json").read_text())["label-studio-sdk 2.1.2"]
    alpha = np.array(expected["alpha"])
    assert ((alpha > 0) & (alpha < 128)).any()  # a soft edge
    brush = region("brushlabels", {"format": "rle", "rle": expected["rle"], "brushlabels": ["cup"]})
    brush |= dict(zip(("original_height", "original_width"), expected["size"]))
    task = {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": [brush]}]}
    drawn = labels(export({"project.json": [task], "a.jpg": picture(expected["size"])}), "label_studio")[1]
    np.testing.assert_array_equal(drawn == 0, alpha >= 128)


@pytest.mark.parametrize(
    ("rotation", "inside", "outside"),
    [(0, (20, 33), (28, 25)), (90, (28, 25), (20, 33)), (45, (26, 31), (26, 19)), (315, (26, 19), (26, 31))],
)
def test_label_studio_ellipses(export, rotation, inside, outside):
    """Radii of 10 and 5 pixels round (25, 20), clockwise; percent of the width and of the height."""
    value = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 12.5, "rotation": rotation, "ellipselabels": ["cup"]}
    task = {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": [region("ellipselabels", value)]}]}
    drawn = labels(export({"project.json": [task], "a.jpg": picture()}), "label_studio")[1] == 0
    assert abs(drawn.sum() - np.pi * 50) < 5
    assert drawn[inside] and not drawn[outside]


def test_label_studio_names_apart_from_shapes_and_tasks_without_pictures(export):
    """As <Labels> beside <Ellipse> and <Rectangle> writes them: a region twice, and without its name but once."""
    square = {"x": 20, "y": 25, "width": 20, "height": 25}
    circle = {"x": 60, "y": 50, "radiusX": 10, "radiusY": 12.5}
    result = [
        region("rectangle", square, id="a"),
        region("labels", {**square, "labels": ["dog"]}, id="a"),
        region("ellipse", circle, id="b"),
        region("labels", {**circle, "labels": ["cup"]}, id="b"),
        region("ellipse", circle, id="c"),
        region("labels", {"start": 0, "end": 3, "labels": ["dog"]}, id="d"),
    ]
    task = {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": result}]}
    video = {
        "id": 2,
        "data": {"video": "/data/b.mp4"},
        "annotations": [{"result": [region("videorectangle", {"x": 1})]}],
    }
    root = export({"project.json": [task, video], "a.jpg": picture()})
    names, drawn, _ = labels(root, "label_studio")
    assert names == ["cup", "dog"] and (drawn == 1).sum() == 100 and abs((drawn == 0).sum() - np.pi * 25) < 5
    _, read = read_export(root)
    assert len(read.samples) == 1
    assert "Left out 1 regions without a label." in read.notes
    assert "Left out 1 results of the kind labels." in read.notes
    assert "Left out 1 tasks without a picture (video, sound, time series or text)." in read.notes


def test_supervisely(export):
    file = io.BytesIO()
    bitmap = Image.fromarray(np.array([[0, 1, 1], [0, 0, 1]], np.uint8))
    bitmap.putpalette([0, 0, 0, 255, 255, 255])
    bitmap.save(file, "PNG")
    hole = [[13, 13], [16, 13], [16, 16], [13, 16]]
    objects = [
        {"classTitle": "cat", "geometryType": "polygon", "points": {"exterior": SQUARE, "interior": [hole]}},
        {
            "classTitle": "dog",
            "geometryType": "bitmap",
            "bitmap": {"data": encoded(zlib.compress(file.getvalue())), "origin": [40, 30]},
        },
        {"classTitle": "dog", "geometryType": "point", "points": {"exterior": [[1, 1]]}},
    ]
    root = export(
        {
            "meta.json": {"classes": [{"title": "cat", "color": "#010203"}, {"title": "dog"}]},
            "train/img/a.jpg": picture(),
            "train/ann/a.jpg.json": {"size": {"height": SIZE[0], "width": SIZE[1]}, "objects": objects},
        }
    )
    names, drawn, split = labels(root, "supervisely")
    assert (names, split) == (["cat", "dog"], "train") and (drawn == 0).sum() == 105
    assert drawn[30, 40:43].tolist() == [UNLABELED, 1, 1] and (drawn == 1).sum() == 3


def labelme_export(**shape):
    shapes = [{"label": "cat", "points": SQUARE} | shape]
    return {"a.json": {"shapes": shapes, "imagePath": "a.jpg"}, "a.jpg": picture()}


def supervisely_export(**thing):
    size = {"height": SIZE[0], "width": SIZE[1]}
    return {
        "meta.json": {"classes": [{"title": "cat"}]},
        "train/img/a.jpg": picture(),
        "train/ann/a.jpg.json": {"size": size, "objects": [{"classTitle": "cat"} | thing]},
    }


def cvat_export(mark):
    labels = "<meta><task><labels><label><name>cat</name></label></labels></task></meta>"
    image = f'<image name="a.jpg" height="{SIZE[0]}" width="{SIZE[1]}">{mark}</image>'
    return {"annotations.xml": f"<annotations>{labels}{image}</annotations>", "a.jpg": picture()}


def label_studio_export(**value):
    region = {"type": "brushlabels", "original_height": SIZE[0], "original_width": SIZE[1]}
    region["value"] = {"brushlabels": ["cat"]} | value
    task = {"id": 1, "data": {"image": "a.jpg"}, "annotations": [{"result": [region]}]}
    return {"a.json": [task], "a.jpg": picture()}


BROKEN = {
    "run lengths that end within a number": {
        "a.json": coco([{"category_id": 3, "segmentation": {"size": SIZE, "counts": "o"}}]),
        "a.jpg": picture(),
    },
    "a negative run": {
        "a.json": coco([{"category_id": 3, "segmentation": {"size": SIZE, "counts": [2010, -10]}}]),
        "a.jpg": picture(),
    },
    "a mask without a corner": labelme_export(shape_type="mask", points=[], mask=encoded(b"x")),
    "a mask that is no picture": labelme_export(shape_type="mask", mask=encoded(b"no picture")),
    "a circle without a point": labelme_export(shape_type="circle", points=[]),
    "a bitmap that is not packed": supervisely_export(
        geometryType="bitmap", bitmap={"data": encoded(b"x"), "origin": [1, 2]}
    ),
    "a bitmap of half a corner": supervisely_export(
        geometryType="bitmap", bitmap={"data": encoded(zlib.compress(png(np.ones((2, 8)), 1))), "origin": [1]}
    ),
    "a polygon without corners": supervisely_export(geometryType="polygon", points={"exterior": []}),
    "an outline of single numbers": supervisely_export(geometryType="polygon", points={"exterior": [1, 2, 3]}),
    "corners of one number": cvat_export('<polygon label="cat" points="1;2;3"/>'),
    "a polygon that has no points": cvat_export('<polygon label="cat"/>'),
    "a box without a side": cvat_export('<box label="cat" xtl="1" ytl="1" xbr="5"/>'),
    "an ellipse that reaches to infinity": cvat_export('<ellipse label="cat" cx="5" cy="5" rx="inf" ry="1"/>'),
    "a brush that is cut off": label_studio_export(rle=[0, 0]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_shape_that_cannot_be_drawn_is_named(export, name):
    with pytest.raises(Problem, match="cannot be drawn"):
        labels(export(BROKEN[name]))


INCOMPLETE = {
    "coco": {"a.json": coco([{}]), "a.jpg": picture()},
    "coco_panoptic": {"panoptic_val.json": {"segments_info": []}},
    "cvat_xml": {"annotations.xml": "<annotations><meta><labels><label/></labels></meta><image/></annotations>"},
    "labelme": {"a.json": {"shapes": [{}], "imagePath": "a.jpg"}, "a.jpg": picture()},
    "mapillary": {"config_v1.2.json": {"labels": [{}]}},
    "sceneparse": {"objectInfo150.txt": "Idx\tName\none\twall\n"},
    "label_studio": {"a.json": [{"data": {}, "annotations": [{}]}]},
    "supervisely": {"meta.json": {"classes": [{}]}},
    "roboflow": {"train/_classes.csv": "Pixel Value, Class\none, cat\n"},
}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_an_export_that_lacks_something_is_told(export, name):
    with pytest.raises(UserError, match="is no complete export") as raised:
        read_export(export(INCOMPLETE[name]), name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("picture_at", "mask_at"),
    [
        ("images/train/a.jpg", "masks/train/a.png"),
        ("train/images/a.jpg", "train/labels/a.png"),
        ("img_dir/train/a.jpg", "ann_dir/train/a.png"),
        ("images/train/a.jpg", "labels/train/a_label.png"),
        ("train/a.jpg", "train/a_mask.png"),
        ("train/a.png", "train/a-seg.png"),
        ("train/a.jpg", "trainannot/a.png"),
    ],
)
def test_layouts_of_masks(export, picture_at, mask_at):
    root = export({picture_at: picture(), mask_at: mask([0, 1, 2, 255])})
    names, drawn, split = labels(root, "masks", classes=named("abc"))
    assert split == "train" and drawn[0, :4].tolist() == [0, 1, 2, IGNORED]
    sample = read_export(root, classes=named("abc"))[1].samples[0]
    assert sample.image == root / picture_at
    with pytest.raises(UserError, match=r"values 0, 1, 2, 255, and nothing says what they are"):
        read_export(root)


def test_parquet(export, tmp_path_factory):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install -r requirements-parquet.txt")
    import pyarrow

    def stored(image, kind):
        file = io.BytesIO()
        image.save(file, kind)
        return {"bytes": file.getvalue(), "path": None}

    # As `datasets` stores int64.
    masks = [Image.fromarray(np.asarray(mask(values)).astype(np.int32)) for values in ([0, 1, 255], [1, 0], [1, 1])]
    table = pyarrow.table(
        {"image": [stored(picture(), "JPEG")] * 3, "label": [stored(label, "TIFF") for label in masks]}
    )
    root = export({"id2label.json": {"0": "wall", "1": "sky"}, "data/README.txt": ""})
    path = root / "data" / "validation-00000-of-00001.parquet"
    parquet.write_table(table, path, row_group_size=2)
    names, drawn, split = labels(root, "parquet")
    assert (names, split) == (["wall", "sky"], "val") and drawn[0, :3].tolist() == [0, 1, IGNORED]
    samples = read_export(root)[1].samples
    assert [sample.name[-6:] for sample in samples] == ["000000", "000001", "000002"]
    for index in (2, 0, 1):  # of either row group, in any order
        assert samples[index].labels(SIZE)[0, :2].tolist() == [[0, 1], [1, 0], [1, 1]][index]
        assert samples[index].image() == table["image"][index].as_py()["bytes"]
    output = tmp_path_factory.mktemp("out")
    write_folder(read_export(root)[1], output, splits={"val": samples})
    assert load_dataset("folder", output, "val").mask(2).all()
    (root / "id2label.json").unlink()
    with pytest.raises(UserError, match="names the classes; give them with --classes"):
        read_export(root)


def test_parquet_keeps_no_pictures_in_memory(export, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install -r requirements-parquet.txt")
    import pyarrow

    cell = {"bytes": b"never decoded here", "path": None}
    root = export({"id2label.json": {"0": "wall"}, "data/README.txt": ""})
    parquet.write_table(pyarrow.table({"image": [cell] * 2, "label": [cell] * 2}), root / "data" / "train.parquet")
    read = []
    original = parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        parquet.ParquetFile, "read_row_group", lambda *args, **options: read.append(1) or original(*args, **options)
    )
    samples = read_export(root)[1].samples
    assert len(samples) == 2 and not read
    assert [sample.image() for sample in samples] == [cell["bytes"]] * 2 and len(read) == 1


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_png_of_few_bits(export, bits):
    values = np.arange(40 * 50).reshape(SIZE) % 2**bits
    root = export({"images/a.jpg": picture(), "masks/a.png": png(values, bits)})
    np.testing.assert_array_equal(labels(root, classes=named("abcdefghijklmnop"[: max(2, 2**bits)]))[1], values)


def test_png_of_16_bits_and_values_by_name(export):
    root = export({"images/a.jpg": picture(), "masks/a.png": mask([300, 1000, 65535], "I;16")})
    values = {300: 0, 1000: 1, 65535: IGNORED}
    assert labels(root, classes=named("ab"), values=values)[1][0, :3].tolist() == [0, 1, IGNORED]


@pytest.mark.parametrize("image", [mask([0, 255]), mask([0, 255]).convert("1"), png(np.tile([0, 3], (40, 25)), 2)])
def test_two_values_are_background_and_object(export, image):
    root = export({"images/a.jpg": picture(), "masks/a.png": image})
    names, drawn, _ = labels(root, "masks")
    assert names == ["background", "foreground"] and drawn[0, :2].tolist() == [0, 1]
    assert labels(root, classes=named(["background", "polyp"]))[0] == ["background", "polyp"]


def test_masks_that_a_png_optimiser_renumbered(export):
    """Grey 0, 2, 1 became a palette that is sorted by how often each occurs."""
    image = mask([0, 1, 2], palette=[0, 0, 0, 2, 2, 2, 1, 1, 1])
    root = export({"images/a.jpg": picture(), "masks/a.png": image})
    assert labels(root, classes=named("abc"))[1][0, :3].tolist() == [0, 2, 1]
    classes = [{"name": name, "color": color} for name, color in zip("ab", ([9, 0, 0], [0, 9, 0]))]
    export({"masks/a.png": mask([0, 1], palette=[0, 9, 0, 9, 0, 0])})
    assert labels(root, classes=classes)[1][0, :2].tolist() == [1, 0]
    export({"masks/a.png": mask([0, 1], palette=[9, 0, 0, 0, 9, 0])})
    assert labels(root, classes=classes)[1][0, :2].tolist() == [0, 1]


@pytest.mark.parametrize("folder", ["SegmentationClass", "masks"])
def test_palettes_that_differ_are_refused(export, folder):
    """As Supervisely's masks, which number the objects of each picture, and VOC's after a PNG optimiser."""
    files = {f"images/{name}.jpg": picture() for name in "ab"}
    files[f"{folder}/a.png"] = mask([0, 1], palette=[0, 0, 0, 200, 30, 30])
    root = export(files | {f"{folder}/b.png": mask([0, 1], palette=[0, 0, 0, 30, 200, 30])})
    with pytest.raises(Problem, match=r"number 1 in the colour \(30, 200, 30\), and a.png in \(200, 30, 30\)"):
        read_export(root, classes=named(["background", "cat"]))
    export({f"{folder}/b.png": mask([0, 1], palette=[0, 0, 0, 200, 30, 30])})
    assert labels(root, classes=named(["background", "cat"]), index=1)[1][0, :2].tolist() == [0, 1]


def test_a_broken_file_beside_the_labels_hides_no_format(export):
    root = export({"notes.json": b"[{\xc9", "images/a.jpg": picture(), "masks/a.png": mask([0, 1])})
    assert read_export(root, classes=named("ab"))[0] == "masks"
    (root / "masks" / "a.png").unlink()
    with pytest.raises(Problem, match="notes.json cannot be read as JSON"):
        read_export(root)


def test_colors_of_classes(export):
    rgb = np.zeros((*SIZE, 3), np.uint8)
    rgb[:, 1:] = (128, 64, 128)
    root = export({"images/a.jpg": picture(), "masks/a.png": Image.fromarray(rgb)})
    with pytest.raises(UserError, match="hold colours"):
        read_export(root)
    text = "classes: [{name: car, color: [0, 0, 142]}, {name: road, color: [128, 64, 128]}]"
    assert labels(export({"classes.yaml": text}), "masks")[1][0, :2].tolist() == [UNLABELED, 1]
    assert read_export(root)[1].drawn
    (root / "classes.yaml").unlink()
    assert labels(export({"label_colors.txt": "128 64 128 road\n0 0 0 void\n"}))[1][0, :2].tolist() == [1, 0]


def test_masks_through_jpeg_are_refused(export):
    root = export({"images/a.jpg": picture(), "masks/a.jpg": mask([0, 1])})
    with pytest.raises(Problem, match="stored as JPEG"):
        labels(root, classes=named("ab"))


def test_masks_without_a_picture_are_named(export):
    root = export({"images/a.jpg": picture(), "masks/a.png": mask([0, 1]), "masks/b.png": mask([0, 1])})
    with pytest.raises(Problem, match="b.png and 0 more masks have no picture"):
        read_export(root, classes=named("ab"))


def test_what_is_nothing_or_needs_unpacking_is_refused(tmp_path):
    with pytest.raises(UserError, match="looks like no format"):
        read_export(tmp_path)
    with pytest.raises(UserError, match="There is no folder .*archive must be unpacked"):
        read_export(tmp_path / "a.zip")
    with pytest.raises(UserError, match="is not COCO JSON"):
        read_export(tmp_path, "coco")
    with pytest.raises(UserError, match="did you mean coco"):
        read_export(tmp_path, "cocco")
    assert recognise(Source(tmp_path)) == [] and len(set(FORMATS)) == len(FORMATS)


def test_a_folder_that_is_an_export_is_told_by_every_data_set(export):
    root = export({"annotations/instances_train.json": coco([]), "images/a.jpg": picture()})
    for name in ("folder", "cityscapes", "camvid", "records"):
        with pytest.raises(UserError, match="looks like COCO JSON .*; turn it into a data set: liteseg import"):
            load_dataset(name, root)
    with pytest.raises(UserError) as error:
        load_dataset("folder", export({"annotations/instances_train.json": "[]"}))
    assert str(error.value).endswith("for example with 'classes: [road, car]'.")


def turned(orientation):
    """A photo with a white square on rows 10 to 19 and columns 30 to 39, stored turned, with EXIF that says so."""
    seen = np.zeros((*SIZE, 3), np.uint8)
    seen[10:20, 30:40] = 255
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.rot90(seen, {3: 2, 6: 1, 8: 3}[orientation])).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


CORNERS = [[30, 10], [40, 10], [40, 20], [30, 20]]
SEEN = {"imageHeight": SIZE[0], "imageWidth": SIZE[1]}
PERCENT = {"x": 60, "y": 25, "width": 20, "height": 25, "rectanglelabels": ["box"]}
TURNED = {
    "coco": {"instances_default.json": coco([{"category_id": 1, "segmentation": outline(CORNERS)}], ((1, "box"),))},
    "cvat_xml": {
        "annotations.xml": "<annotations><meta><task><labels><label><name>box</name></label></labels></task></meta>"
        '<image id="0" name="a.jpg" width="50" height="40"><box label="box" xtl="30" ytl="10" xbr="40" ybr="20"/>'
        "</image></annotations>"
    },
    "labelme": {
        "a.json": {"shapes": [{"label": "box", "points": [[30, 10], [39, 19]], "shape_type": "rectangle"}], **SEEN}
        | {"imagePath": "a.jpg", "imageData": None}
    },
    "label_studio": {
        "project.json": [
            {"data": {"image": "a.jpg"}, "annotations": [{"result": [region("rectanglelabels", PERCENT)]}]}
        ]
    },
    "supervisely": {
        "meta.json": {"classes": [{"title": "box"}]},
        "set/ann/a.jpg.json": {
            "size": {"height": SIZE[0], "width": SIZE[1]},
            "objects": [
                {"classTitle": "box", "geometryType": "rectangle", "points": {"exterior": [[30, 10], [39, 19]]}}
            ],
        },
    },
    "ultralytics": {
        "data.yaml": "train: images\nnames: [box]\n",
        "labels/a.txt": "0 "
        + " ".join(f"{x / SIZE[1]} {y / SIZE[0]}" for x, y in [[30, 10], [39, 10], [39, 19], [30, 19]]),
    },
    "masks": {
        "classes.yaml": "classes: [background, box]\n",
        "masks/a.png": mask(np.pad(np.ones((10, 10)), [[10, 20], [30, 10]])),
    },
}


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("name", TURNED)
def test_labels_lie_on_what_people_see_of_a_turned_photo(export, tmp_path_factory, name, orientation):
    photo = {"supervisely": "set/img/a.jpg", "ultralytics": "images/a.jpg", "masks": "images/a.jpg"}.get(name, "a.jpg")
    root = export(TURNED[name] | {photo: turned(orientation)})
    found, read = read_export(root)
    output = tmp_path_factory.mktemp("out")
    write_folder(read, output, splits={"train": read.samples})
    written = load_dataset("folder", output, "train")
    white = written.image(0)[..., 0] > 127
    assert found == name and written.mask(0).shape == SIZE
    np.testing.assert_array_equal(written.mask(0) == written.classes.names.index("box"), white)


def test_where_the_pictures_are_known_the_folder_of_masks_has_any_name(export, tmp_path):
    export(
        {"photos/a.jpg": picture(), "photos/b.jpg": picture(), "drawn/a.png": mask([0, 1]), "drawn/b.png": mask([1])}
    )
    name, read = read_export(tmp_path / "drawn", images=tmp_path / "photos", classes=named("ab"))
    assert name == "masks" and [(each.name, each.image.name) for each in read.samples] == [
        ("a", "a.jpg"),
        ("b", "b.jpg"),
    ]


def test_two_pictures_for_one_mask_are_refused(export, tmp_path):
    export({"images/a.jpg": picture(), "images/a.png": picture(), "masks/a.png": mask([0, 1])})
    with pytest.raises(Problem, match=r"a\.jpg and .*a\.png have the same name, and a mask belongs to one; rename or"):
        read_export(tmp_path, "masks", classes=named("ab"))


def test_masks_of_several_pages_are_refused(export, tmp_path):
    export({"images/a.jpg": picture(), "masks/.keep": ""})
    mask([0, 1]).save(tmp_path / "masks/a.tif", save_all=True, append_images=[mask([1, 1])])
    with pytest.raises(Problem, match=r"a\.tif holds 2 pictures where a mask is one; save each as a file of its own"):
        labels(tmp_path, "masks", classes=named("ab"))


def test_a_format_that_does_not_fit_is_told_with_what_would(export, tmp_path):
    export({"images/a.jpg": picture(), "masks/a.png": mask([0, 1])})
    with pytest.raises(UserError, match="is not COCO.*; take --format masks"):
        read_export(tmp_path, "coco", classes=named("ab"))
    with pytest.raises(
        UserError, match="is not masks.*; check the folder, and say where its pictures are with --images"
    ):
        read_export(tmp_path / "masks", "masks", classes=named("ab"))
