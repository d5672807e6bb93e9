"""Pairs of trainings, on a few small frames."""

import functools

import cv2
import numpy as np
import pytest

from benchmarks import paired
from benchmarks.paired import Variant, rounds, summarize, write_drives
from benchmarks.tables.paired import paired_table
from benchmarks.tables.results import Results
from keras_liteseg.datasets import load_dataset
from keras_liteseg.errors import UserError

FRAMES = {"train": ["0001TP_1", "0001TP_2", "0006R0_1", "0016E5_1"], "val": ["0016E5_2", "0006R0_2"]}


@pytest.fixture
def camvid(tmp_path):
    """A folder of CamVid as of SegNet's tutorial."""
    root, rng = tmp_path / "camvid", np.random.default_rng(0)
    for split, names in FRAMES.items():
        (root / split).mkdir(parents=True)
        for name in names:
            mask = rng.integers(0, 3, (4, 8), np.uint8).repeat(16, 0).repeat(16, 1)
            cv2.imwrite(str(root / split / f"{name}.png"), np.dstack([80 * mask] * 3))
            cv2.imwrite(str(root / split / f"{name}_mask.png"), mask)
        lines = [f"{split}/{name}.png {split}/{name}_mask.png" for name in names]
        (root / f"{split}.txt").write_text("\n".join(lines))
    return root


def test_a_drive_is_held_out_of_train_and_val(camvid, tmp_path):
    assert write_drives(camvid, tmp_path / "drives", "0006R0") == {"train": 4, "val": 2}
    learned, held_out = (load_dataset("camvid", tmp_path / "drives", split) for split in ("train", "val"))
    ids = [[data.sample_id(index) for index in range(len(data))] for data in (learned, held_out)]
    assert ids == [["0001TP_1", "0001TP_2", "0016E5_1", "0016E5_2"], ["0006R0_1", "0006R0_2"]]
    assert held_out.mask(1).shape == (64, 128)


def test_a_drive_that_is_not_there_is_refused(camvid, tmp_path):
    with pytest.raises(UserError, match="is 0007XX; choose one of several drives, here 0001TP, 0006R0, 0016E5"):
        write_drives(camvid, tmp_path / "drives", "0007XX")
    assert not (tmp_path / "drives").exists()


VARIANTS = {
    "plain": Variant("Plain", base=""),
    "branches": Variant("branches", base="plain", branched=True),
    "larger": Variant("measured larger", base="plain", size=(96, 192)),
}


@pytest.mark.slow
def test_every_kind_of_variant_is_trained_and_measured(camvid, tmp_path, monkeypatch):
    short = {"model": "lps_net_tiny", "crop_size": [32, 64], "eval_size": [64, 128], "batch_size": 2}
    monkeypatch.setattr(paired, "SHORT", {**paired.SHORT, **short, "steps_per_epoch": 2})
    monkeypatch.setattr(paired, "VARIANTS", VARIANTS)
    write_drives(camvid, tmp_path / "drives", "0006R0")
    (found,) = rounds(1, tmp_path / "drives", tmp_path / "runs", functools.partial(paired.measure, None))
    assert [len(found[name]) for name in VARIANTS] == [1, 1, 1]
    for name, (each,) in found.items():
        assert 0 <= each["miou"] < 1 and set(each["iou"]) == {"sky", "building", "pole"}
        assert (each["minutes"] is None) == (name == "larger")
    folder = tmp_path / "runs" / "seed_0"
    assert (folder / "branches" / "folded.keras").exists() and not (folder / "larger" / "best.keras").exists()


def fake(calls, fail_at=None):
    def run(drives, folder, name, seed):
        if len(calls) == fail_at:
            raise KeyboardInterrupt
        calls.append((seed, name))
        (folder / name).mkdir(parents=True)
        miou = 0.3 + 0.1 * seed + {"plain": 0, "branches": 0.02 + 0.01 * seed, "larger": -0.01 * seed}[name]
        return {"minutes": None if name == "larger" else 2.0, "miou": miou, "iou": {"road": miou}}

    return run


def test_an_interrupted_measurement_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(paired, "VARIANTS", VARIANTS)
    calls = []
    with pytest.raises(KeyboardInterrupt):
        list(rounds(2, tmp_path / "drives", tmp_path, fake(calls, fail_at=4)))
    (tmp_path / "seed_1" / "branches").mkdir()
    (tmp_path / "seed_1" / "branches" / "rest").touch()
    list(rounds(2, tmp_path / "drives", tmp_path, fake(calls)))
    assert calls == [(seed, name) for seed in (0, 1) for name in VARIANTS]
    assert not (tmp_path / "seed_1" / "branches" / "rest").exists()
    # Of another config nothing is kept.
    monkeypatch.setattr(paired, "SHORT", {**paired.SHORT, "learning_rate": 1e-4})
    list(rounds(1, tmp_path / "drives", tmp_path, fake(calls)))
    assert calls[6:] == [(0, name) for name in VARIANTS]


def test_differences_are_of_the_same_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(paired, "VARIANTS", VARIANTS)
    one, two = [summarize(found) for found in rounds(2, tmp_path / "drives", tmp_path, fake([]))]
    assert one[1]["differences"] == [0.02] and one[1]["std"] is None
    plain, branches, larger = two
    assert plain["miou"] == 0.35 and "differences" not in plain and larger["minutes"] is None
    assert (branches["differences"], branches["difference"]) == ([0.02, 0.03], 0.025)
    assert branches["std"] == pytest.approx(0.0071)
    table = paired_table(Results(documents={"paired": {"rows": two}})).splitlines()
    assert table[2:4] == ["| Plain | 35.0 | | | 2.0 |", "| branches | 37.5 | +2.5 ± 0.7 | +2.0, +3.0 | 2.0 |"]
    assert table[5:] == ["No gain beyond the spread: measured larger -0.5 ± 0.7."]
