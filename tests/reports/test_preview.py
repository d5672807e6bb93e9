import numpy as np
import pytest
from PIL import Image

from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.drawing.overlay import overlay
from keras_liteseg.errors import UserError
from keras_liteseg.reports.preview import contact_sheet, write_preview
from keras_liteseg.training.pipeline import training_pipeline

AUGMENTATION = Augmentation(crop_size=(48, 64), scale_range=(0.5, 2), brightness=0.4, hue=0.1)
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)


def test_it_shows_what_the_training_gets(scenes):
    sheet = contact_sheet(scenes, AUGMENTATION, count=3, seed=5)
    assert sheet.dtype == np.uint8 and sheet.ndim == 3
    batches = training_pipeline(scenes, AUGMENTATION, 2, MEAN, STD, seed=5)
    inputs, masks = (np.concatenate(parts) for parts in zip(*batches.take(2).as_numpy_iterator(), strict=True))
    for number, (row, column) in enumerate(((0, 0), (0, 2), (1, 0))):
        image = np.rint((inputs[number] * STD + MEAN) * 255).astype(np.uint8)
        for tile, wanted in enumerate((image, overlay(image, masks[number], scenes.classes))):
            top, left = 8 + row * 56, 8 + (column + tile) * 72
            np.testing.assert_array_equal(sheet[top : top + 48, left : left + 64], wanted)


def test_the_legend_has_every_class(scenes):
    legend = contact_sheet(scenes, AUGMENTATION, count=1)[64:]
    shown = {tuple(color) for color in legend.reshape(-1, 3).tolist()}
    assert {tuple(color) for color in scenes.classes.colors} <= shown


def test_wide_crops_are_shrunk(scenes):
    sheet = contact_sheet(scenes, Augmentation(crop_size=(512, 1024)), count=1)
    assert sheet.shape[1] == 8 + 2 * (512 + 8) and 256 + 16 < sheet.shape[0] < 400


def test_it_is_written_as_a_picture(scenes, tmp_path):
    write_preview(tmp_path / "new/sheet.png", scenes, AUGMENTATION, count=2, seed=1)
    with Image.open(tmp_path / "new/sheet.png") as image:
        np.testing.assert_array_equal(np.asarray(image), contact_sheet(scenes, AUGMENTATION, count=2, seed=1))
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_what_cannot_be_shown_is_explained(scenes, tmp_path):
    with pytest.raises(UserError, match="preview of 0 samples is empty"):
        contact_sheet(scenes, AUGMENTATION, count=0)
    with pytest.raises(UserError, match=r"\.png, \.jpg or \.jpeg"):
        write_preview(tmp_path / "sheet.gif", scenes, AUGMENTATION, count=1)
