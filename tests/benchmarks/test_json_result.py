"""A result to which several processes add rows at once, which loses none of them."""

import json
import threading

from benchmarks import json_result


def name(row):
    return row["name"]


def test_rows_take_the_place_of_those_of_the_same_key(tmp_path):
    output = tmp_path / "a.json"
    assert json_result.read(output) == {}
    json_result.add(output, {"kind": "speed"}, [{"name": "a", "ms": 1}, {"name": "b", "ms": 2}], name)
    json_result.add(output, {"kind": "speed"}, [{"name": "c", "ms": 3}, {"name": "a", "ms": 4}], name)
    content = json_result.read(output)
    assert content["kind"] == "speed" and content["versions"]
    assert content["rows"] == [{"name": "a", "ms": 4}, {"name": "b", "ms": 2}, {"name": "c", "ms": 3}]


def test_rows_that_are_added_at_once_are_all_there(tmp_path):
    output = tmp_path / "a.json"

    def add(first):
        for number in range(first, first + 20):
            json_result.add(output, {"kind": "speed"}, [{"name": number}], name, "files")

    threads = [threading.Thread(target=add, args=(first,), daemon=True) for first in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(row["name"] for row in json.loads(output.read_text())["files"]) == list(range(60))
