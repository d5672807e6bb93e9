import errno
import json
import os
import pathlib
import stat
import threading

import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.files import (
    alone_in,
    atomic_path,
    card_path,
    plain_path,
    read_json,
    require_result,
    require_writable,
    sole_writer,
    write_json,
    write_text,
)


def test_file_appears_with_its_content(tmp_path):
    path = tmp_path / "new" / "folder" / "a.weights.h5"
    with atomic_path(path) as temporary:
        assert temporary.parent == path.parent and temporary.name.endswith("a.weights.h5")
        temporary.write_text("content")
        assert not path.exists()
    assert path.read_text() == "content"
    assert os.listdir(path.parent) == ["a.weights.h5"]


def test_file_is_replaced_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_file_has_the_usual_permissions(tmp_path):
    with atomic_path(tmp_path / "ours") as temporary:
        temporary.write_text("")
    (tmp_path / "usual").write_text("")
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, UserError])
def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_failure_without_an_old_file_leaves_nothing(tmp_path):
    with pytest.raises(ValueError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise ValueError
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full to stand for a full disk")
def test_full_disk(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    refused = pytest.raises(UserError, match="a.txt: No space left on device. Free some space")
    with refused, atomic_path(path), open("/dev/full", "w") as full:
        full.write("content")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def write(path):
    with atomic_path(path) as temporary:
        temporary.write_text("content")


def test_folder_is_for_one_at_a_time(tmp_path):
    folder = tmp_path / "new" / "folder"
    with alone_in(folder):
        with pytest.raises(UserError, match="Another process writes into .*folder at this moment"), alone_in(folder):
            pass
        with alone_in(folder.parent), alone_in(tmp_path / "other"):
            pass
    with pytest.raises(ValueError), alone_in(folder):
        raise ValueError
    with alone_in(folder):
        assert os.listdir(folder) == []


def test_results_are_added_in_a_folder_that_a_training_keeps(tmp_path):
    path = tmp_path / "history.txt"
    path.write_text("")

    def add(times=200):
        for _ in range(times):
            with sole_writer(path):
                text = path.read_text()
                with atomic_path(path) as temporary:
                    temporary.write_text(text + "x")

    threads = [threading.Thread(target=add, daemon=True) for _ in range(3)]
    with alone_in(tmp_path):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert path.read_text() == "x" * 600
    assert os.listdir(tmp_path) == ["history.txt"]


def test_two_writers_on_a_disk_without_locks(tmp_path, monkeypatch):
    def refuse(handle, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with sole_writer(tmp_path / "a.txt"), sole_writer(tmp_path / "a.txt"):
        pass
    assert os.listdir(tmp_path) == []


def test_folder_that_cannot_be_kept(tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused = pytest.raises(UserError, match="Cannot write into .*file: .*folder that you may write to")
    with refused, alone_in(tmp_path / "file"):
        pass


@pytest.mark.parametrize("attempt", [write, require_writable])
def test_folder_that_cannot_be_made(tmp_path, attempt):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="Cannot write .*file/a.txt: .*choose a folder that you may write to"):
        attempt(tmp_path / "file" / "a.txt")


@pytest.mark.parametrize("attempt", [write, require_writable])
@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_may_not_be_written(tmp_path, attempt):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Cannot write .*a.txt: Permission denied"):
        attempt(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["a" * 251 + ".png", "\u56fe" * 83 + ".png", os.fsdecode(b"\xff" * 251 + b".png")])
def test_name_as_long_as_disks_take(tmp_path, name):
    with atomic_path(tmp_path / name) as temporary:
        assert temporary.suffix == ".png"
        temporary.write_text("content")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("attempt", [write, require_writable])
def test_folder_in_place_of_the_file(tmp_path, attempt):
    (tmp_path / "a").mkdir()
    with pytest.raises(UserError, match="Cannot write"):
        attempt(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("folder", ["", "new", "new/one"])
def test_require_writable_leaves_all_as_it_was(tmp_path, folder):
    require_writable(tmp_path / folder / "a.txt")
    require_result(tmp_path / folder / "a.json")
    assert os.listdir(tmp_path) == []
    (tmp_path / "a.txt").write_text("old")
    require_writable(tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.parametrize("writer", [atomic_path, sole_writer, alone_in])
@pytest.mark.parametrize("folder", ["old", "old/new", "new/one"])
def test_what_is_refused_leaves_no_folder(tmp_path, writer, folder):
    (tmp_path / "old").mkdir()
    with pytest.raises(UserError, match="no such class"), writer(tmp_path / folder / "a.txt"):
        raise UserError("no such class")
    assert list(tmp_path.rglob("*")) == [tmp_path / "old"]


def test_folder_with_something_in_it_stays(tmp_path):
    with pytest.raises(UserError, match="no such class"), alone_in(tmp_path / "new" / "one"):
        (tmp_path / "new" / "a.txt").write_text("of another")
        raise UserError("no such class")
    assert list(tmp_path.rglob("*")) == [tmp_path / "new", tmp_path / "new" / "a.txt"]


def test_result_in_place_of_a_network_or_its_card(tmp_path):
    network, card, result = tmp_path / "a.tflite", tmp_path / "a.json", tmp_path / "result.json"
    network.write_bytes(b"\x1c\x00\x00\x00TFL3\xff")
    write_json(card, {"file": "a.tflite", "bytes": 9, "sha256": "0"})
    for known in (network, card):
        with pytest.raises(UserError, match=f"{known} would replace the .*network.*; give another name"):
            require_result(known, tmp_path / "b.tflite", network)
    for content in (None, {"results": []}, []):
        write_json(result, content)
        require_result(result, network, "ndnet45")
    require_result(tmp_path / "new" / "result.json", network)


def test_result_in_place_of_what_is_no_result(tmp_path):
    (tmp_path / "classes.yaml").write_text("classes: [road, car]")
    with pytest.raises(UserError, match="classes.yaml would replace a file that is no JSON; give another name"):
        require_result(tmp_path / "classes.yaml")
    (tmp_path / "empty").touch()
    require_result(tmp_path / "empty")


def test_json(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2.5, "c"]})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"b": [1, 2.5, "c"]}
    assert text.endswith("}\n")


ODD = os.fsdecode(b"a\xff.txt")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("", "Expecting value"),
        ("3", "argument of type"),
        ("[1, 2]", "it has no 'miou'"),
        ('["miou"]', "it holds no keys"),
        ("{}", "it has no 'miou'"),
        (b"\xff", "can't decode"),
    ],
)
def test_json_that_is_damaged_is_told_with_what_to_do(tmp_path, text, reason):
    path = tmp_path / "result.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=rf"result.json is damaged \(.*{reason}.*\); remove it\.$"):
        read_json(path, "remove it", "miou")
    path.write_text('{"miou": 0.5, "seconds": 3}')
    assert read_json(path, "remove it", "miou", "seconds") == {"miou": 0.5, "seconds": 3}


def test_names_that_are_not_utf8_are_written_as_escapes(tmp_path):
    write_text(tmp_path / ODD, f"{ODD} \u00e4\r\n")
    assert (tmp_path / ODD).read_bytes() == b"a\\udcff.txt \xc3\xa4\r\n"
    write_json(tmp_path / "a.json", ODD)
    assert json.loads((tmp_path / "a.json").read_text()) == ODD


@pytest.mark.parametrize("name", ["plain.txt", ODD, "LOUD.TXT"])
def test_plain_path_leads_to_the_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    pathlib.Path(name).write_text("content")
    with plain_path(name) as plain:
        assert plain.encode() and plain.endswith(".txt") and pathlib.Path(plain).read_text() == "content"
    assert os.listdir(tmp_path) == [name] and pathlib.Path(plain).exists() == (name == "plain.txt")


def test_card_lies_beside_a_file_in_capitals():
    assert [card_path(f"A{suffix}").name for suffix in (".TFLITE", ".ONNX")] == ["A.json", "A.onnx.json"]


def test_what_is_no_json_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", object())
    assert (tmp_path / "a.json").read_text() == "1\n"
    assert os.listdir(tmp_path) == ["a.json"]
