import pathlib

import pytest

from keras_liteseg.commands import main
from keras_liteseg.errors import UserError
from keras_liteseg.training.config import load_config
from keras_liteseg.training.config_files import find_config, list_configs, outcome, settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = list_configs()


def test_every_file_of_the_repository_has_a_name():
    assert sorted(path.stem for path in (ROOT / "configs").rglob("*.yaml")) == NAMES and len(NAMES) > 40


@pytest.mark.parametrize("name", NAMES)
def test_facts_of_every_config(name):
    text, values = find_config(name).read_text(), settings(name)
    assert values["model"] and values["data"] in ("camvid", "cityscapes", "folder", "street_scenes")
    said = outcome(name)
    number, published = said.split()[0], said.endswith(", published")
    assert 40 < float(number) < 80 and f"{'Published' if published else 'Measured'}: mIoU {number} " in text


def test_name_stands_for_the_file_with_its_base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no file of the repository is near
    file = ROOT / "configs" / "papers" / "pp_liteseg_b_camvid.yaml"
    assert "base:" in file.read_text()
    assert load_config("pp_liteseg_b_camvid", ["epochs=3"]) == load_config(file, ["epochs=3"])


def test_file_goes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_text("model: lps_net_tiny")
    assert load_config("demo").model == "lps_net_tiny"


def test_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="There is no config 'ndnet45_camvit_finetuned'; did you mean ndnet45_camvid_f"):
        load_config("ndnet45_camvit_finetuned")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"Cannot read the config .*mine\.yaml: there is no such file; liteseg configs"):
        load_config(tmp_path / "mine.yaml")
    with pytest.raises(UserError, match=r"there is no such file, but there is a config 'demo'; liteseg configs"):
        load_config("configs/ours/demo.yaml")


def test_command(capsys):
    assert main(["configs"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["config", "network", "data"] and [row.split()[0] for row in rows] == NAMES
    row = next(row for row in rows if row.startswith("ndnet45_camvid_finetuned "))
    assert row.split(maxsplit=3)[1:] == ["ndnet45", "camvid", "67.3 on val (best epoch, chosen there), 57.5 on test"]
    assert main(["configs", "demo"]) == 0
    assert capsys.readouterr().out == (ROOT / "configs" / "demo.yaml").read_text()
    assert main(["configs", "demmo"]) == 1
    assert capsys.readouterr().err.startswith("error: There is no config 'demmo'; did you mean demo, demo_qat, folder?")


def test_command_with_a_file_that_is_no_text(tmp_path, capsys):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe")
    assert main(["configs", str(tmp_path / "a.yaml")]) == 1
    assert capsys.readouterr().err.startswith(f"error: Cannot read the config {tmp_path}/a.yaml: 'utf-8'")
