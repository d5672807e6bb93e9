"""All commands together: their help, what they import, their other names, completion in shells."""

import ast
import importlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import click
import pytest
from PIL import Image

import keras_liteseg
from keras_liteseg.commands import SUMMARIES, Commands, liteseg, main

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = {
    "demo.py": "demo",
    "evaluate.py": "evaluate",
    "expand.py": "expand",
    "export_tflite.py": "export",
    "predict.py": "predict",
    "train.py": "train",
}
HEAVY = ("tensorflow", "keras", "tf_keras", "jax", "torch", "absl")


def run_python(*arguments, cwd=ROOT, **environment):
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=cwd, env=variables, capture_output=True, text=True
    )


def command(name):
    return liteseg.get_command(click.Context(liteseg), name)


def test_every_module_is_a_command():
    folder = ROOT / "keras_liteseg" / "commands"
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "data_options", "options", "running"}
    assert modules == {name.replace("-", "_") for name in SUMMARIES}


@pytest.mark.parametrize("name", SUMMARIES)
def test_help_of_every_command(name, capsys):
    """One after the other in one process, so that no two can be in each other's way."""
    assert main([name, "--help"]) == 0
    printed, errors = capsys.readouterr()
    assert errors == "" and printed.startswith(f"Usage: liteseg {name} ")
    assert f"\n    liteseg {name}" in printed, "the help has no example"
    assert " ".join(SUMMARIES[name].split()) in " ".join(printed.split())
    lines = importlib.import_module(f"keras_liteseg.commands.{name.replace('-', '_')}").__doc__.splitlines()
    assert lines[0] == SUMMARIES[name]


@pytest.mark.parametrize("name", SUMMARIES)
def test_no_number_of_a_command_is_without_end(name, capsys):
    options = [option for option in command(name).params if isinstance(option.type, click.types.FloatParamType)]
    for option in options:
        for word in ("nan", "inf"):
            assert main([name, option.opts[0], word]) == 2
            said = capsys.readouterr().err
            assert "is no finite number" in said or "not in the range" in said, said


@pytest.mark.parametrize("name", SUMMARIES)
def test_examples_in_the_help_have_options_that_exist(name):
    module = importlib.import_module(f"keras_liteseg.commands.{name.replace('-', '_')}")
    known = {option for parameter in command(name).params for option in parameter.opts + parameter.secondary_opts}
    text = module.__doc__.replace("\\\n", " ")
    examples = [line for line in text.splitlines() if line.startswith(f"  liteseg {name}")]
    assert examples
    assert {option for line in examples for option in re.findall(r" (--\w+)", line)} <= known


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_option_has_a_help_text_with_a_full_stop(name):
    for parameter in command(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help and parameter.help.endswith("."), parameter.name
            assert all("-" not in option.lstrip("-") for option in parameter.opts + parameter.secondary_opts)


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_option_that_is_required_is_missed(name):
    context = click.Context(command(name))
    for parameter in command(name).params:
        if parameter.required:
            assert parameter.value_is_missing(parameter.get_default(context, call=False)), parameter.name


@pytest.mark.parametrize("name", SUMMARIES)
@pytest.mark.parametrize(("path", "said"), [("", "it is empty"), (300 * "a", "which no file can be called")])
def test_no_path_may_be_empty_or_too_long(name, path, said, capsys):
    """Empty where a shell variable is not set: the command would write into the folder that it runs in. A name that is
    too long would be found out when a result is written, after all the work."""
    for parameter in command(name).params:
        if isinstance(parameter.type, click.Path):
            given = [path] if isinstance(parameter, click.Argument) else [parameter.opts[0], path]
            assert main([name, *given]) == 2
            assert f"{said}; give a path." in capsys.readouterr().err


@pytest.mark.parametrize("name", SUMMARIES)
def test_unknown_option_is_wrong_usage(name, capsys):
    assert main([name, "--no_such_option"]) == 2
    printed, errors = capsys.readouterr()
    assert printed == "" and errors.count("\n") == 1
    assert errors.startswith("error: No such option") and errors.endswith(f" See liteseg {name} --help.\n")


def test_unknown_command_is_told_with_the_nearest(capsys):
    assert main(["predikt"]) == 2
    assert capsys.readouterr().err == (
        "error: There is no command 'predikt'; did you mean predict, preview, report? See liteseg --help.\n"
    )


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    assert "Run and measure:" in capsys.readouterr().err


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"liteseg {keras_liteseg.__version__}\n"


def test_commands_are_found_by_either_spelling():
    assert isinstance(liteseg, Commands) and command("demo_page") is command("demo-page")


def test_module_is_the_command(tmp_path):
    done = run_python("-m", "keras_liteseg", "check", "--data", "camvid", "--data-dir", tmp_path, cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error: The list ")


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_of_a_checkout_is_the_command(script, tmp_path):
    done = run_python(ROOT / script, "--help", cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: liteseg {SCRIPTS[script]} [OPTIONS]"), done.stderr
    done = run_python(ROOT / script, "--no_such_option", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("error: No such option")
    options = {option for parameter in command(SCRIPTS[script]).params for option in parameter.opts}
    assert (
        set(re.findall(r" (--\w+)", ast.get_docstring(ast.parse((ROOT / script).read_text())))) - {"--help"} <= options
    )


def test_page_of_the_docs_has_every_command():
    page = (ROOT / "docs" / "commands.md").read_text()
    assert re.findall(r"^\| `liteseg ([\w-]+)` \| (.*) \|$", page, re.MULTILINE) == list(SUMMARIES.items())
    assert 'eval "$(_LITESEG_COMPLETE=bash_source liteseg)"' in page  # which a test below runs


# What is imported.


def imported(*arguments, **environment):
    """Return which of `HEAVY` a command has imported."""
    code = (
        "import sys; from keras_liteseg.commands import main; status = main(sys.argv[1:]); assert not status, status; "
    )
    code += f"print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    done = run_python("-c", code, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


def test_help_and_lists_import_nothing_heavy():
    assert imported("--help") == imported("train", "--help") == imported("export", "--help") == "[]"
    assert imported("configs") == "[]"


def test_reading_a_tflite_file_imports_neither_tensorflow_nor_keras(int8_file, scenes, tmp_path):
    Image.fromarray(scenes.image(0)).save(tmp_path / "a.png")
    predict = ("predict", "--model", int8_file, "--input", tmp_path / "a.png", "--output_dir", tmp_path / "out")
    assert imported(*predict) == "[]"
    assert (tmp_path / "out" / "a_labels.png").exists()
    data = ("--data", "street_scenes", "--option", "length=2", "--option", "size=[64,128]")
    assert imported("evaluate", "--model", int8_file, *data) == "[]"
    assert imported("inspect", int8_file) == "[]"
    benchmark = ("benchmark", "--model", int8_file, "--runs", 2, "--threads", 1, "--output", tmp_path / "a.json")
    assert imported(*benchmark) == "[]"
    assert imported("report", tmp_path / "a.json", "--output", tmp_path / "a.html") == "[]"


@pytest.fixture
def without_training(tmp_path):
    """A folder that, on PYTHONPATH, makes imports of TensorFlow and Keras fail, as where they are not installed."""
    folder = tmp_path / "without"
    folder.mkdir()
    names = ("tensorflow", "keras", "tf_keras", "tensorflow_model_optimization")
    lines = ["import sys", *(f"sys.modules['{name}'] = None" for name in names)]
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--config", "demo", "--output_dir", "out"],
        ["export", "--model", "ndnet45", "--output", "a.tflite"],
        ["predict", "--model", "ndnet45", "--input", "a.png", "--output_dir", "out"],
        ["models"],
        ["summary"],
    ],
)
def test_command_whose_part_is_missing_says_how_to_install_it(without_training, tmp_path, arguments):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    path = os.pathsep.join([str(without_training), str(ROOT)])
    done = run_python("-m", "keras_liteseg", *arguments, cwd=tmp_path, PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (1, "")
    hint = "error: This needs TensorFlow; install it with: pip install 'keras-liteseg[train]'"
    assert done.stderr.startswith(hint) and done.stderr.count("\n") == 1
    # Another backend may be chosen, but needs Keras too.
    done = run_python("-m", "keras_liteseg", "models", cwd=tmp_path, PYTHONPATH=path, KERAS_BACKEND="jax")
    assert done.stderr == "error: This needs Keras; install it with: pip install 'keras-liteseg[train]'\n"


# Completion.


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A folder with the program `liteseg`, as pip installs it."""
    folder = tmp_path_factory.mktemp("bin")
    file = folder / "liteseg"
    file.write_text(f"#!{sys.executable}\nimport sys\nfrom keras_liteseg.commands import main\nsys.exit(main())\n")
    file.chmod(0o755)
    return folder


def test_completion_in_bash(program, tmp_path):
    """The line of the docs in a real bash, and what a tab then asks of the program."""
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    (tmp_path / "street.tflite").write_bytes(b"")

    def complete(words, number):
        script = 'eval "$(_LITESEG_COMPLETE=bash_source liteseg)"\n'
        script += f"COMP_WORDS=({words}); COMP_CWORD={number}; _liteseg_completion liteseg\n"
        script += 'echo "${COMPREPLY[@]}"'
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{program}{os.pathsep}{os.environ['PATH']}"}
        command = ["bash", "--norc", "-c", script]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout.split()

    assert complete("liteseg pr", 1) == ["preview", "predict", "profile"]
    assert complete("liteseg export --quant", 2) == ["--quantization"]
    assert "int16x8" in complete("liteseg export --quantization int", 3)
    assert complete("liteseg train --config demo", 3) == ["demo", "demo_qat"]
    assert complete("liteseg configs pp_liteseg_t_camvid_s", 2) == [
        "pp_liteseg_t_camvid_scratch", "pp_liteseg_t_camvid_scratch_qat",
    ]  # fmt: skip


def test_results_name_the_installed_program(program, int8_file, tmp_path):
    arguments = ["--model", int8_file, "--data", "street_scenes", "--option", "length=1", "--option", "size=[64,128]"]
    command = [program / "liteseg", "evaluate", *arguments, "--output", tmp_path / "a.json"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "a.json").read_text())["command"].startswith(f"liteseg evaluate --model {int8_file} ")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_in_other_shells(program, shell):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ask = {**environment, "_LITESEG_COMPLETE": f"{shell}_source"}
    script = subprocess.run([program / "liteseg"], env=ask, capture_output=True, text=True, check=True).stdout
    assert "_LITESEG_COMPLETE" in script and "liteseg" in script
    words = {"COMP_WORDS": "liteseg ben", "COMP_CWORD": "1" if shell == "zsh" else "ben"}
    ask = {**environment, "_LITESEG_COMPLETE": f"{shell}_complete", **words}
    answer = subprocess.run([program / "liteseg"], env=ask, capture_output=True, text=True, check=True).stdout
    assert "benchmark" in answer and SUMMARIES["benchmark"] in answer
