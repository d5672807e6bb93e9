"""Small data sets made of CamVid, and the table of what published weights bring them."""

import json

import numpy as np
import pytest

from benchmarks.small_sets import CLASSES, epoch_minutes, epochs_until, write_set
from benchmarks.tables.results import Results
from benchmarks.tables.small_sets import small_sets_table
from keras_liteseg.datasets import load_dataset


def test_a_set_has_as_many_frames_as_asked_with_merged_classes(shared, tmp_path):
    camvid, written = tmp_path / "camvid", tmp_path / "written"
    camvid.mkdir()
    for split, count in {"train": 7, "val": 6, "test": 2}.items():
        frames = load_dataset("camvid", shared / "data" / "camvid", split)
        lines = [" ".join(str(path.resolve()) for path in frames.files(index)) for index in range(count)]
        (camvid / f"{split}.txt").write_text("\n".join(lines))
    write_set(camvid, written, 3)
    train, val, test = (load_dataset("folder", written, split) for split in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (3, 2, 2)
    assert list(train.classes.names) == list(CLASSES)
    # The first frame that is taken is the first of all.
    original = load_dataset("camvid", camvid, "train")
    np.testing.assert_array_equal(train.image(0), original.image(0))
    names, mask, merged = original.classes.names, original.mask(0), train.mask(0)
    for number, parts in enumerate(CLASSES.values()):
        np.testing.assert_array_equal(merged == number, np.isin(mask, [names.index(part) for part in parts]))
    np.testing.assert_array_equal(merged == 255, mask == 255)


def test_epochs_are_counted_until_the_level_is_reached():
    training = {"curve": {"val_miou": [0.2, 0.5, 0.4, 0.7]}}
    assert [epochs_until(training, miou) for miou in (0.1, 0.5, 0.6, 0.8)] == [1, 2, 4, None]


def test_an_epoch_takes_what_it_took_without_other_work(tmp_path):
    for name, seconds in {"a": [60, 30, 30], "b": [90, 900, 60]}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.json").write_text(json.dumps({"epoch_seconds": seconds}))
    assert epoch_minutes([tmp_path / "a", tmp_path / "b"]) == 0.5


@pytest.mark.parametrize(("reached", "told"), [(1.25, "1.2 minutes"), (None, "never")])
def test_table_compares_both_starts(reached, told):
    common = {"frames": 50, "minutes": 4.0, "minutes_to_scratch": 3.0}
    rows = [
        {**common, "start": "published weights", "test_miou": 0.688, "minutes_to_scratch": reached},
        {**common, "start": "scratch", "test_miou": 0.4717},
    ]
    table = small_sets_table(Results(documents={"small_sets": {"rows": rows}})).splitlines()
    assert table[2] == f"| 50 | 47.2 | 68.8 | +21.6 | 4.0 | {told} |"
    assert "not measured" in small_sets_table(Results())
