"""Fixtures for the report: what it shows of made up results, and a real result."""

import hashlib
import json
import shutil
import subprocess
import sys

import pytest

from keras_liteseg.commands import main
from tests.edge.report.results import ODD_NAME, ROOT, Page, write


@pytest.fixture
def show(tmp_path, capsys):
    """Function that reports on made up rows, or files, and returns (page, text on the terminal)."""

    def show(*files, baseline=None):
        files = [write(tmp_path / "result.json", file) if isinstance(file, list) else file for file in files]
        more = [] if baseline is None else ["--baseline", str(baseline)]
        assert main(["report", *map(str, files), "--output", str(tmp_path / "report.html"), *more]) == 0
        return Page(tmp_path / "report.html"), capsys.readouterr().out

    return show


@pytest.fixture(scope="session")
def real(int8_file, tmp_path_factory):
    """Result file of a file with a card and an odd name, and of one without a card, with profiles."""
    folder = tmp_path_factory.mktemp("real")
    named, plain = folder / f"{ODD_NAME}.tflite", folder / "plain.tflite"
    for file in (named, plain):
        shutil.copy(int8_file, file)
    accuracy = {"file": {"miou": 0.4321}, "data": "street_scenes", "split": "val", "images": 4}
    card = {"sha256": hashlib.sha256(named.read_bytes()).hexdigest(), "accuracy": accuracy}
    named.with_suffix(".json").write_text(json.dumps(card))
    output = folder / "result.json"
    command = [sys.executable, "-m", "keras_liteseg", "benchmark", "--model", f"{named},{plain}", "--threads", "1,2"]
    command += ["--runs", "8", "--warmup", "1", "--profile", "--output", str(output)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return output
