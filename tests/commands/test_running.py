import os
import pathlib
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from keras_liteseg.commands.options import choice, parse_size
from keras_liteseg.commands.running import command, help_text
from keras_liteseg.conversion.options import Npu
from keras_liteseg.errors import UserError, nearest, suggestion

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}

SCRIPT = """
import sys
import tempfile
import time

import click

from keras_liteseg.commands.running import command, run
from keras_liteseg.errors import UserError


@command("script", "Something happens.")
@click.option("--what", required=True, help="What happens.")
@click.option("--flip/--no_flip", default=True)
def main(what, flip):
    print("started")
    match what:
        case "mistake":
            raise UserError("The size is 3; give 4.")
        case "ctrl-c":
            raise KeyboardInterrupt
        case "ctrl-c in a destructor":

            class Interrupted:
                def __del__(self):
                    raise KeyboardInterrupt

            Interrupted()
            time.sleep(60)
        case "bug":
            raise ValueError("a bug")
        case "bad data":
            return 1
        case "a part is missing":
            raise ModuleNotFoundError("No module named 'onnx'", name="onnx.helper")
        case "a file of ours is missing":
            raise ModuleNotFoundError("No module named 'keras_liteseg.x'", name="keras_liteseg.x")
        case "wait":
            with tempfile.TemporaryDirectory() as folder:
                print(folder, flush=True)
                time.sleep(60)
        case "much":
            print("line\\n" * 100_000)


sys.exit(run(main, name="script"))
"""


@pytest.fixture
def run(tmp_path):
    """A function that runs the script with arguments; returns (exit status, stdout, stderr)."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)

    def run(*arguments):
        command = [sys.executable, path, *arguments]
        done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture
def waiting(tmp_path):
    """A function that starts a command, which waits, and returns its process and the temporary folder that it made."""
    path, processes = tmp_path / "script.py", []
    path.write_text(SCRIPT)

    def usual():  # also where the tests run in the background or under nohup, which ignore one or the other
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def start(prepare=usual):
        command = [sys.executable, str(path), "--what", "wait"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, preexec_fn=prepare, **pipes)
        processes.append(process)
        assert process.stdout.readline() == "started\n"
        return process, pathlib.Path(process.stdout.readline().strip())

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_success(run):
    assert run("--what=fine") == (0, "started\n", "")


def test_mistake_of_the_user_is_one_sentence(run):
    assert run("--what=mistake") == (1, "started\n", "error: The size is 3; give 4.\n")


def test_interrupt(run):
    assert run("--what=ctrl-c") == (130, "started\n", "interrupted\n")


def test_interrupt_that_python_would_drop(run):
    assert run("--what=ctrl-c in a destructor") == (130, "started\n", "interrupted\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signals_that_end_a_command_let_it_clean_up(waiting, number, status):
    process, folder = waiting()
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (status, "interrupted\n")
    assert not folder.exists()


def test_signal_that_is_ignored_as_under_nohup_stays_so(waiting):
    process, folder = waiting(lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.terminate()
    assert process.wait(30) == 143 and not folder.exists()


def test_bug_keeps_its_traceback(run):
    status, _, stderr = run("--what=bug")
    assert status not in (0, 130)
    assert "Traceback" in stderr and "ValueError: a bug" in stderr


def test_argument_too_many(run):
    status, stdout, stderr = run("--what=fine", "surplus")
    assert (status, stdout) == (2, "")
    assert stderr == "error: Got unexpected extra argument (surplus). See script --help.\n"


@pytest.mark.parametrize(("arguments", "named"), [((), "--what"), (("--wat=fine", "--what=fine"), "wat")])
def test_missing_and_unknown_flags(run, arguments, named):
    status, stdout, stderr = run(*arguments)
    assert status == 2 and stdout.count("started") == 0
    assert stderr.startswith("error: ") and named in stderr and stderr.count("\n") == 1


def test_status_that_a_command_returns(run):
    assert run("--what=bad data") == (1, "started\n", "")


def test_missing_part_is_told_with_the_line_that_installs_it(run):
    hint = "error: This needs ONNX; install it with: pip install 'keras-liteseg[onnx]'\n"
    assert run("--what=a part is missing") == (1, "started\n", hint)


def test_missing_module_that_is_no_part_is_a_bug(run):
    status, _, stderr = run("--what=a file of ours is missing")
    assert status == 1 and "Traceback" in stderr


def test_reader_that_leaves_early_is_no_bug(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    line = f"{sys.executable} {path} --what much | head -n 1"
    done = subprocess.run(line, shell=True, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("started\n", "")


@pytest.mark.parametrize("arguments", [["--no_flip"], ["--no-flip"], ["--flip"]])
def test_names_may_be_written_with_dashes(run, arguments):
    assert run("--what=fine", *arguments) == (0, "started\n", "")


def test_switch_of_an_earlier_version_is_refused_with_the_new_one(run):
    assert run("--what=fine", "--noflip") == (1, "", "error: The flag --noflip is no more; use --no_flip.\n")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(run, flag):
    status, stdout, stderr = run(flag)
    assert (status, stderr) == (0, "") and "Usage: script [OPTIONS]" in stdout and "What happens.  [required]" in stdout


def test_help_keeps_the_lines_of_examples():
    text = help_text("Title of a\ncommand.\n\n  script --what fine\n  script --what bug\n")
    assert text == "Title of a\ncommand.\n\n\b\n  script --what fine\n  script --what bug"


@pytest.mark.parametrize("word", ["ethos-u", "ethos_u"])
def test_words_are_shown_and_wanted_as_they_are(word):
    script = command("script", "Makes a file.")(choice("--npu", Npu, Npu.NONE, "NPU")(lambda npu: click.echo(npu)))
    assert "[none|ethos-u]" in CliRunner().invoke(script, ["--help"]).output
    result = CliRunner().invoke(script, ["--npu", word])
    assert ("'none', 'ethos-u'" in result.output) == (word == "ethos_u")


@pytest.mark.parametrize(("text", "size"), [("512x1024", (512, 1024)), ("64X32", (64, 32)), (" 8 x 16 ", (8, 16))])
def test_parse_size(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "512", "512x", "x512", "512x1024x3", "0x8", "-8x8", "8.5x8", "axb", "512*1024"])
def test_parse_size_refuses(text):
    with pytest.raises(UserError, match="HEIGHTxWIDTH"):
        parse_size(text)


def test_nearest():
    known = ["learning_rate", "momentum", "epochs"]
    assert nearest("learnin_rate", known).split(", ")[0] == "learning_rate"
    assert nearest("zzz", known) == "" and nearest("EPOCHS", known) == "epochs"
    assert suggestion("epoch", known) == "did you mean epochs?"
    assert suggestion("zzz", known) == "there are epochs, learning_rate, momentum."


LOGGING_SCRIPT = """
import logging
import sys

from keras_liteseg.commands.running import command, run, start_keras
from keras_liteseg.logs import quiet_log


@command("script", "Something is logged.", renamed={"repair": "--[no]bias_correction"})
def main():
    if TENSORFLOW:
        start_keras()
    for name in ("keras_liteseg.conversion.export", "edge.benchmark", __name__, "someone.else"):
        logger = logging.getLogger(name)
        logger.debug("%s at level debug", name)
        logger.info("%s at level info", name)
        print("printed")
    with quiet_log():
        logging.getLogger("keras_liteseg.x").info("not to be seen")
        logging.getLogger("keras_liteseg.x").warning("a warning")


sys.exit(run(main))
"""


@pytest.mark.parametrize("tensorflow", [False, True])
def test_log_comes_in_order_once_and_as_plain_lines(tmp_path, tensorflow):
    path = tmp_path / "script.py"
    path.write_text(LOGGING_SCRIPT.replace("TENSORFLOW", str(tensorflow)))
    done = subprocess.run([sys.executable, path], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    shown = ["keras_liteseg.conversion.export", "edge.benchmark", "__main__"]
    lines = [line for name in shown for line in (f"{name} at level info", "printed")]
    assert done.stdout.splitlines() == [*lines, "printed", "a warning"]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("flag", ["--repair", "--norepair", "--repair=false", "-norepair"])
def test_flag_of_an_earlier_version_is_refused_with_the_new_one(tmp_path, flag):
    path = tmp_path / "script.py"
    path.write_text(LOGGING_SCRIPT.replace("TENSORFLOW", "False"))
    command = [sys.executable, path, flag]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    name = flag.lstrip("-").partition("=")[0]
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: The flag --{name} is no more; use --[no]bias_correction.\n"


@pytest.mark.parametrize(
    "module, command", [("edge.benchmark", "benchmark"), ("keras_liteseg.tflite.inspect", "inspect")]
)
def test_a_module_that_was_a_command_names_the_present_one(module, command):
    done = subprocess.run([sys.executable, "-m", module], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == (
        f"error: This command is called `liteseg {command}` now."
    )
