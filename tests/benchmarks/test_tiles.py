"""The comparison of tiles with whole frames, on small ones."""

from benchmarks import tiles
from benchmarks.tables.accuracy import large_pictures_table, tiles_table
from benchmarks.tables.results import Results
from keras_liteseg.models.network import load_network


def test_pixels_near_seams():
    near = tiles.near_seams((1024, 2048), (512, 1024), 1 / 4)
    # Tiles begin at 0, 384 and 512 from above, and at 0, 768 and 1024 from the left.
    assert near[:, 0].nonzero()[0].tolist() == [*range(416, 480), *range(672, 736)]
    assert near[0].nonzero()[0].tolist() == [*range(864, 928), *range(1376, 1440)]
    assert not near[:200, :800].any()


def test_ways_to_the_labels_of_a_frame(scenes, network_file, monkeypatch):
    monkeypatch.setattr(tiles, "FRAME", (64, 128))
    monkeypatch.setattr(tiles, "TILE", (32, 64))
    monkeypatch.setattr(tiles, "SEAM", 4)
    rows = list(tiles.compare(*load_network(network_file, input_size=(32, 64)), scenes))
    assert [row["way"] for row in rows] == ["whole", "resized", 0, 1 / 8, 1 / 4, 1 / 2]
    assert rows[0]["equal"] == 1 and all(0 < row["equal"] < 1 for row in rows[1:])
    for row in rows[2:]:
        assert min(row["equal_at_seams"], row["equal_elsewhere"]) <= row["equal"]
        assert row["equal"] <= max(row["equal_at_seams"], row["equal_elsewhere"])
    assert all(0 <= row["miou_present"] < 0.3 for row in rows)  # the weights are random
    table = tiles_table(Results(documents={"tiles": {"labels": rows}})).splitlines()
    assert len(table) == 8 and table[2].startswith("| `ndnet45`, 9 classes | whole | 100.0 |  |  | ")
    assert "tiles, 1/8 in common" in table[5]


def test_memory_of_a_drawn_square(tiled_file, tmp_path):
    found = tiles.memory(tiled_file, 100, tmp_path)
    assert found["length"] == 100 and found["peak_memory_mb"] > 50
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == ["100.png", "100_labels.png"]
    assert "| 100x100 | 0 MB |" in large_pictures_table(Results(documents={"tiles": {"memory": [found]}}))
