"""What cannot be written is told before anything is read: in each of these commands, nothing that it reads is there."""

import click
import pytest

from keras_liteseg.commands import SUMMARIES, liteseg, main
from keras_liteseg.errors import UserError
from keras_liteseg.tools.publish import publish

OUTPUTS = {"output", "output_dir", "report_dir"}
COMMANDS = {
    "benchmark": ["--model", "no.tflite", "--output", "OUT.json"],
    "demo": ["--config", "no.yaml", "--output_dir", "OUT"],
    "evaluate": ["--model", "no.tflite", "--data", "folder", "--data_dir", "no", "--report_dir", "OUT"],
    "expand": ["--budget_ms", 1, "--config", "no.yaml", "--candidate_epochs", 1, "--output_dir", "OUT"],
    "export": ["--model", "no.keras", "--output", "OUT.tflite"],
    "import": ["no", "--output_dir", "OUT"],
    "predict": ["--model", "no.tflite", "--input", "no", "--output_dir", "OUT"],
    "preview": ["--config", "no.yaml", "--output", "OUT.png"],
    "profile": ["--network", "no", "--output_dir", "OUT"],
    "records": ["--data", "folder", "--data_dir", "no", "--output_dir", "OUT"],
    "report": ["no.json", "--output", "OUT.html"],
    "summary": ["--models", "no", "--output", "OUT.json"],
    "train": ["--config", "no.yaml", "--output_dir", "OUT"],
}


def test_these_are_all_commands_with_an_output():
    context = click.Context(liteseg)
    made = {name: liteseg.get_command(context, name) for name in SUMMARIES}
    assert {name for name, each in made.items() if OUTPUTS & {option.name for option in each.params}} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_output_that_cannot_be_written(name, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    arguments = [str(each).replace("OUT", str(tmp_path / "file" / "new" / "a")) for each in COMMANDS[name]]
    assert main([name, *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: Cannot write ") and "Not a directory" in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_preview_of_a_kind_that_is_no_picture(tmp_path, capsys):
    assert main(["preview", "--config", "no.yaml", "--output", str(tmp_path / "a.gif")]) == 1
    assert "the suffix of a picture must be .png, .jpg or .jpeg" in capsys.readouterr().err


def test_import_into_a_folder_that_is_there(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("of another")
    assert main(["import", "no", "--output_dir", str(tmp_path)]) == 1
    assert f"{tmp_path} is there already; give a new folder, or empty it." in capsys.readouterr().err


def test_publish_into_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="Cannot write into .*file/new: Not a directory"):
        publish(tmp_path / "no.keras", tmp_path / "no.yaml", [], tmp_path / "file" / "new")
