"""The commands that list networks and published weights."""

import json
import pathlib
import re
import shutil

import pytest

from keras_liteseg import list_models
from keras_liteseg.commands import main
from keras_liteseg.models.pretrained import FOLDER, list_pretrained


@pytest.fixture
def show(capsys):
    """Function that runs a command in this process and returns (exit status, stdout, stderr)."""

    def show(*arguments):
        status = main(list(arguments))
        return status, *capsys.readouterr()

    return show


def test_models(show):
    status, text, _ = show("models")
    head, *rows = text.splitlines()
    assert status == 0 and [row.split()[0] for row in rows] == list_models()
    assert [row.split() for row in rows if row.startswith("ndnet45 ")] == [
        ["ndnet45", "8", "(+1)", "16", "camvid,", "camvid_720x960"]
    ]
    assert [row.split()[0] for row in show("models", "pp_*")[1].splitlines()[1:]] == ["pp_liteseg_b", "pp_liteseg_t"]
    status, _, error = show("models", "resnet")
    assert status == 1 and error.startswith("error: No network is named 'resnet'; did you mean ")


def test_weights(show):
    status, text, _ = show("weights")
    table, notes = text.split("\n\n")
    head, *rows = table.splitlines()
    assert status == 0
    assert [row.split()[:2] for row in rows] == [[card.model, card.name] for card in list_pretrained()]
    assert re.split("  +", head) == ["network", "name", "input", "file", "mIoU", "int8", "int8 latency", "learned from"]
    (row,) = (re.split("  +", row) for row in rows if row.startswith("ndnet45  ") and "360x480" in row)
    card = json.loads((FOLDER / "ndnet45-camvid.json").read_text())
    one, two = card["int8"]["latency_ms"].values()
    assert row == [
        "ndnet45",
        "camvid",
        "360x480",
        f"{card['bytes'] / 1e6:.1f} MB",
        f"{100 * card['accuracy']['test']['miou']:.1f} on test",
        f"{100 * card['int8']['miou']:.1f}",
        f"{one:.1f} / {two:.1f} ms",
        f"camvid train and val, starting from the weights {card['starts_from']}, taught by {card['taught_by']}",
    ]
    assert f", at the input size, on {card['int8']['device']}.\n" in notes
    # The terms that many share are there once.
    assert " ".join(notes.split()).count(card["data_licence"]) == 1


def test_weights_without_measurements_and_terms(show, tmp_path, monkeypatch):
    content = json.loads((FOLDER / "ndnet45-camvid.json").read_text())
    for key in ("int8", "data_licence"):
        del content[key]
    (tmp_path / "ndnet45-mine.json").write_text(json.dumps(content))
    shutil.copy(FOLDER / "ndnet45-camvid.safetensors", tmp_path / "ndnet45-mine.safetensors")
    monkeypatch.setenv("KERAS_LITESEG_PRETRAINED", str(tmp_path))
    text = show("weights", "ndnet45")[1]
    assert "ndnet45-mine.safetensors" in text
    text = show("weights")[1]
    (row,) = (re.split("  +", row) for row in text.splitlines() if " mine " in row)
    assert row[5:7] == ["-", "-"]
    assert "ndnet45 mine: nothing is known of the terms of its data." in text


def test_weights_of_a_network(show):
    status, text, _ = show("weights", "ndnet45")
    first, second = (dict(line.split(maxsplit=1) for line in part.splitlines()) for part in text.split("\n\n"))
    card = json.loads((FOLDER / "ndnet45-camvid.json").read_text())
    assert status == 0 and (first["name"], second["name"]) == ("camvid", "camvid_720x960")
    assert first["sha256"] == card["sha256"] and first["data"] == card["data_licence"]
    assert first["mIoU"].endswith(f"{100 * card['accuracy']['test']['miou']:.2f} on test")
    assert show("weights", "ndnet45/camvid_720x960") == (0, text.split("\n\n")[1], "")
    status, _, error = show("weights", "ndnet54")
    assert status == 1 and error.startswith("error: There are no published weights of 'ndnet54'; did you mean ndnet45")


def test_weights_are_compared_with_their_cards(show, tmp_path, monkeypatch):
    assert show("weights", "ndnet45", "--download")[1].count("has the SHA-256 of its card\n") == 2
    for suffix in (".json", ".safetensors"):
        shutil.copy((FOLDER / "lps_net_s-camvid").with_suffix(suffix), tmp_path)
    path = pathlib.Path(tmp_path / "lps_net_s-camvid.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    monkeypatch.setenv("KERAS_LITESEG_PRETRAINED", str(tmp_path))
    status, text, error = show("weights", "lps_net_s", "--download")
    assert (status, text) == (1, "") and "the file is damaged or was changed" in error
