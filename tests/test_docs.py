"""The pages: what leads to them, and the notebook, which is run."""

import pathlib
import re
import shlex

import click
import nbclient
import nbformat
import pytest
import yaml

import keras_liteseg
from keras_liteseg.commands import liteseg
from keras_liteseg.training.config_files import find_config

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"


def pages(entries):
    """Return the pages below entries of the navigation in mkdocs.yml, in their order."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for below in entry.values():
                yield from pages(below)


def test_navigation_has_the_order_of_the_list_of_pages():
    navigation = list(pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    links = re.findall(r"\]\(([^)#]+)", (ROOT / "docs" / "README.md").read_text())
    listed = [(ROOT / "docs" / link).resolve().relative_to(ROOT).as_posix() for link in links]
    assert len(listed) > 15
    assert set(listed) <= set(navigation)
    assert listed == sorted(listed, key=navigation.index)


def test_reference_has_every_public_name():
    named = re.findall(r"^::: keras_liteseg\.(\w+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert sorted(named) == keras_liteseg.__all__


def documented_commands():
    """Yield (file, arguments) of each `liteseg` command that a page or the head of a config shows."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), NOTEBOOK, *ROOT.glob("*/README.md")]
    for path in sorted([*pages, *ROOT.glob("configs/**/*.yaml")]):
        text = path.read_text()
        if path == NOTEBOOK:
            text = "\n".join(cell.source for cell in nbformat.reads(text, as_version=4).cells)
        text = re.sub(r"\\\n#? +", "", text)
        for line in re.findall(
            r"^(?:#|\d+\.)? *(?:\w+=\w+ )?(?:\.venv/bin/)?liteseg (\S.*?)(?: > .*| +#.*| && .*)?$", text, re.M
        ):
            if "`" not in line and " ..." not in line:
                yield path.relative_to(ROOT).as_posix(), shlex.split(line.replace("[more.jsonl ...]", "more.jsonl"))


def test_commands_are_shown_as_they_are():
    found = 0
    for path, (name, *arguments) in documented_commands():
        command = liteseg.get_command(click.Context(liteseg), name)
        assert command, f"{path}: liteseg {name}"
        try:
            context = command.make_context(name, arguments)
        except click.UsageError as error:
            pytest.fail(f"{path}: liteseg {shlex.join([name, *arguments])}: {error.format_message()}")
        config = context.params.get("config")
        if config and not config.endswith(".yaml"):
            find_config(config)
        found += 1
    assert found > 100


OTHER_FLAGS = {"--help", "--fp16", "--networks", "--no_deps", "--show_cpu_operations"}
"""Those of every command, and of other programs that the pages name."""


def test_flags_in_sentences_and_tables_are_flags():
    commands = [liteseg.get_command(click.Context(liteseg), name) for name in liteseg.list_commands(None)]
    known = {flag for command in commands for option in command.params for flag in option.opts + option.secondary_opts}
    for path in [ROOT / "README.md", *ROOT.glob("docs/*.md")]:
        words = re.findall(r"(?<![\w-])--([a-z][\w-]*)", path.read_text())
        named = {"--" + word.replace("-", "_") for word in words}  # either is understood
        assert named <= known | OTHER_FLAGS, path


def outputs(notebook, kind):
    """Return {name of the cell: all that it gave of a kind, such as "text/plain"}; that is what is printed, too."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text", "")})
            if kind in data and output.get("name") != "stderr":  # where TensorFlow tells of itself
                found[cell.id] = found.get(cell.id, "") + data[kind]
    return found


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """(The notebook after a fresh run, the folder that it ran in)."""
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        place = {"metadata": {"path": str(folder)}}
        nbclient.NotebookClient(notebook, timeout=600, startup_timeout=300, resources=place).execute()
    return notebook, folder / "quickstart"


@pytest.mark.slow
def test_notebook_runs(executed):
    notebook, folder = executed
    keras_miou, file_miou = map(float, re.findall(r"0\.\d+", outputs(notebook, "text/plain")["export"])[1:3])
    assert min(keras_miou, file_miou) > 0.25 and abs(keras_miou - file_miou) <= 0.01
    labels = keras_liteseg.load_predictor(folder / "mine.tflite").labels
    scenes = keras_liteseg.load_dataset("folder", folder / "data", split="val")
    assert labels(scenes.image(0)).shape == scenes.mask(0).shape == (192, 256)
    measured = outputs(notebook, "text/plain")["measure"]
    assert re.findall(r"^mine.tflite +(\d) +measured +\d+\.\d\d ", measured, re.MULTILINE) == ["1", "2"]


def test_notebook_is_kept_with_the_outputs_of_a_whole_run():
    kept = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert set(outputs(kept, "image/jpeg")) == {"predict", "look"}
    text = "".join(outputs(kept, "text/plain").values())
    assert "/home/" not in text and str(ROOT) not in text
    assert NOTEBOOK.stat().st_size < 300_000


@pytest.mark.slow
def test_notebook_is_kept_with_the_outputs_of_this_version(executed):
    kept = nbformat.read(NOTEBOOK, as_version=4)
    for kind in ("image/jpeg", "text/plain"):
        assert set(outputs(kept, kind)) == set(outputs(executed[0], kind))
    # What a training gives differs a little from processor to processor; this does not.
    for cell in ("data", "predict"):
        assert outputs(kept, "text/plain")[cell] == outputs(executed[0], "text/plain")[cell]
