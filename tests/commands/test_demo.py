import os
import shlex

import pytest

from keras_liteseg.commands import main
from keras_liteseg.commands.demo import REPORT_FILE, next_steps
from keras_liteseg.training.config_files import FOLDER

DEMO = FOLDER / "demo.yaml"


@pytest.fixture
def finished(tmp_path):
    """The folder of a demo that came to its end."""
    (tmp_path / "float").mkdir()
    (tmp_path / REPORT_FILE).write_text("report")
    return tmp_path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no such file"),
        ("config: [demo]\n", "config"),
        (f"base: {DEMO}\ndata_options: {{val: {{split: nope}}}}\n", "'nope'"),
    ],
)
def test_a_config_that_is_refused_removes_no_training(finished, tmp_path, capsys, content, told):
    config = tmp_path / "a.yaml"
    if content:
        config.write_text(content)
    assert main(["demo", "--output_dir", str(finished), "--config", str(config)]) == 1
    assert told in capsys.readouterr().err
    assert sorted(os.listdir(finished)) == sorted(["float", REPORT_FILE] + ["a.yaml"] * bool(content))


def test_next_steps_name_the_files_of_this_run(tmp_path):
    output = tmp_path / "my demo"
    steps = next_steps(output)
    assert not any("demo_output" in step for step in steps.values())
    assert str(output / "int8_qat.tflite") in shlex.split(steps["Look at predictions"])
