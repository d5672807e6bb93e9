"""The table of NPUs: which files are predicted, and what is said of them."""

import pytest

from benchmarks import npu
from benchmarks.tables.npu import before_table, fits_table, key, sizes_table
from benchmarks.tables.results import Results


def test_sizes_are_shares_that_every_network_takes():
    assert [npu.size_at((360, 480), share) for share in (1, 2 / 3, 1 / 2, 1 / 3)] == [
        (360, 480),
        (256, 320),
        (192, 256),
        (128, 160),
    ]
    files = npu.files("ndnet45", "camvid", (360, 480))
    assert len({key({**file, "target": ""}) for file in files}) == len(files) == 7
    assert {file["npu"] for file in files if file["input_size"] != [360, 480]} == {"ethos-u"}


def test_pictures_are_spread_evenly(scenes):
    some = npu._some(scenes, 2)
    assert len(some) == 2 and some.classes == scenes.classes
    assert [some.sample_id(index) for index in range(2)] != [scenes.sample_id(index) for index in range(2)]
    assert len(npu._some(scenes, 1000)) == len(scenes)


def row(size, time, sram, form="ethos-u", left=(), target="ethos-u:u55-256"):
    return {
        "network": "a",
        "checkpoint": "camvid",
        "input_size": list(size),
        "npu": form,
        "upsampling": "none",
        "target": target,
        "time_ms": time,
        "memory_kib": {"sram": sram, "sram_limit": 2048},
        "delegation": {"other_ops": [{"op": op, "count": 2} for op in left]},
        "miou": 0.5,
        "equal_to_plain": 0.99,
    }


@pytest.fixture
def results():
    rows = [row((96, 96), 50, 100), row((64, 64), 20, 3000), row((48, 48), 15, 1000), row((32, 32), 5, 500)]
    rows.append(row((96, 96), 20, 100, "none", ["MEAN"]))
    for target in ("ethos-u:u65-512", "ethos-u:u85-512"):
        rows += [row((96, 96), 1, 1, target=target), row((96, 96), 2, 1, "none", target=target)]
    return Results(documents={"npu": {"rows": rows}})


def test_largest_size_that_is_fast_enough_and_fits(results):
    assert "| `a` | `camvid` | **48x48**: 15.0 ms, mIoU 50.0 | **96x96**: 1.0 ms, mIoU 50.0 |" in fits_table(results)
    verdicts = [line.split("|")[5].split(": ")[1].strip() for line in sizes_table(results).splitlines()[2:]]
    assert verdicts == ["no", "does not fit", "**yes**", "**yes**"]


def test_ops_on_the_cpu_are_told_beside_the_time(results):
    assert "| 99.00 % | 20.0 ms and 2 MEAN on the CPU → 50.0 ms | 2.0 ms → 1.0 ms |" in before_table(results)
