"""Cityscapes: M. Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016.

Fine and coarse annotations with the 19 classes of the official pixel-level benchmark.
"""

import numpy as np

from keras_liteseg.datasets.base import IGNORE_LABEL, ClassList
from keras_liteseg.datasets.classes_file import UNKNOWN
from keras_liteseg.datasets.folder import FileDataset, require_folder, unread
from keras_liteseg.errors import UserError

# Label id, name, colour in the order of the official train ids.
_LABELS = (
    (7, "road", (128, 64, 128)),
    (8, "sidewalk", (244, 35, 232)),
    (11, "building", (70, 70, 70)),
    (12, "wall", (102, 102, 156)),
    (13, "fence", (190, 153, 153)),
    (17, "pole", (153, 153, 153)),
    (19, "traffic light", (250, 170, 30)),
    (20, "traffic sign", (220, 220, 0)),
    (21, "vegetation", (107, 142, 35)),
    (22, "terrain", (152, 251, 152)),
    (23, "sky", (70, 130, 180)),
    (24, "person", (220, 20, 60)),
    (25, "rider", (255, 0, 0)),
    (26, "car", (0, 0, 142)),
    (27, "truck", (0, 0, 70)),
    (28, "bus", (0, 60, 100)),
    (31, "train", (0, 80, 100)),
    (32, "motorcycle", (0, 0, 230)),
    (33, "bicycle", (119, 11, 32)),
)
CLASSES = ClassList(tuple(name for _, name, _ in _LABELS), tuple(color for _, _, color in _LABELS))
_LABEL_IDS = 34
_IMAGE_END = "_leftImg8bit"
_ANNOTATIONS = {"fine": "gtFine", "coarse": "gtCoarse"}
# Of the pictures that belong to each frame, one is read.
_MASK_ENDS = "labelIds labelTrainIds color instanceIds instanceTrainIds".split()


class Cityscapes(FileDataset):
    """The official layout, as it comes out of leftImg8bit_*.zip and gtFine_trainvaltest.zip or gtCoarse.zip.

    `leftImg8bit/SPLIT/CITY/*_leftImg8bit.{png,jpg}` with `gtFine/SPLIT/CITY/*_gtFine_labelIds.png` or
    `gtCoarse/SPLIT/CITY/*_gtCoarse_labelIds.png`. A split without labelIds is read from `*_labelTrainIds.png`.

    The splits are 'train' and 'val'. Fine annotations also have 'test', whose published masks are empty, and coarse
    ones also have 'train_extra'.

    Args:
        annotations: 'fine' or 'coarse'.

    Raises:
        UserError: `annotations` is neither, `data_dir` is not a folder, or the split has no images or no masks.
    """

    def __init__(self, data_dir, split="train", annotations="fine"):
        if annotations not in _ANNOTATIONS:
            raise UserError(f"annotations is '{annotations}'; choose {' or '.join(_ANNOTATIONS)}.")
        root = require_folder(data_dir)
        kind = _ANNOTATIONS[annotations]
        image_root, mask_root = root / "leftImg8bit" / split, root / kind / split
        images = {}
        for suffix in (".jpg", ".png"):  # where both are there, the original PNG is taken
            for path in image_root.glob(f"*/*{_IMAGE_END}{suffix}"):
                images[path.parent.name, path.name.removesuffix(_IMAGE_END + suffix)] = path
        if not images:
            raise UserError(
                f"No image matches {image_root}/*/*{_IMAGE_END}.{{png,jpg}}; give the folder that holds leftImg8bit "
                f"and {kind}, and a split that is there."
            )
        kinds = ((f"_{kind}_labelIds.png", label_id_table()), (f"_{kind}_labelTrainIds.png", train_id_table()))
        for mask_end, table in kinds:  # noqa: B007  both are used after the loop
            masks = {(path.parent.name, path.name.removesuffix(mask_end)) for path in mask_root.glob(f"*/*{mask_end}")}
            if masks:
                break
        else:
            raise UserError(
                f"No mask matches {mask_root}/*/*_{kind}_{{labelIds,labelTrainIds}}.png; put the {annotations} "
                f"annotations there or choose another split."
            )
        pairs = [
            (
                images.get((city, frame), image_root / city / f"{frame}{_IMAGE_END}.png"),
                mask_root / city / f"{frame}{mask_end}",
            )
            for city, frame in sorted(images.keys() | masks)
        ]
        super().__init__("cityscapes", split, CLASSES, pairs, table)
        self._image_root, self._mask_root, self._mask_end = image_root, mask_root, mask_end

    def left_out(self):
        images, masks = zip(*self.pairs(), strict=True)
        images = {path.with_suffix(suffix) for path in images for suffix in (".png", ".jpg")}
        stems = {path.with_name(path.name.removesuffix(self._mask_end)) for path in masks}
        kind = self._mask_end.split("_")[1]
        masks = {path.with_name(f"{path.name}_{kind}_{end}.png") for path in stems for end in _MASK_ENDS}
        return unread(self._image_root, images, (".png", ".jpg")) + unread(self._mask_root, masks, (".png",))

    def sample_id(self, index):
        return super().sample_id(index).removesuffix(_IMAGE_END)


def label_id_table():
    table = np.full(256, UNKNOWN)
    table[:_LABEL_IDS] = IGNORE_LABEL
    table[255] = IGNORE_LABEL  # the official label id -1 (license plate) stored in 8 bits
    for train_id, (label_id, _, _) in enumerate(_LABELS):
        table[label_id] = train_id
    return table


def train_id_table():
    """Return the table (see `FileDataset`) of masks that hold the train ids 0 to 18, and 255 for void."""
    table = np.full(256, UNKNOWN)
    table[: len(CLASSES)] = np.arange(len(CLASSES))
    table[255] = IGNORE_LABEL
    return table
