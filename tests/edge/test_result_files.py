import concurrent.futures

from edge.result_files import check, read, write

ROW = {"model": "a.tflite", "target": "host:cpu", "threads": 1, "status": "ok"}


def test_a_history_in_capitals_is_one(tmp_path):
    for _ in range(2):
        check(tmp_path / "HISTORY.JSONL")
        write(tmp_path / "HISTORY.JSONL", [], [ROW])
    assert len(read(tmp_path / "HISTORY.JSONL")) == 2


def test_rows_that_are_added_at_once_are_all_there(tmp_path):
    path = tmp_path / "new" / "history.jsonl"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write(path, [], [{**ROW, "model": str(number)}]), range(80)))
    assert sorted(int(row["model"]) for row in read(path)) == list(range(80))


def test_a_history_that_was_edited_is_continued(tmp_path):
    """Some editors take the last line break away."""
    path = tmp_path / "history.jsonl"
    write(path, [], [ROW])
    path.write_text(path.read_text().rstrip("\n"))
    check(path)
    write(path, [], [ROW, ROW])
    assert [row["model"] for row in read(path)] == ["a.tflite"] * 3
