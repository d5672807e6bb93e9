"""Environments with the oldest packages that load our files, one each in a folder:

    python -m tests.tflite.old_runtimes .old-runtimes

What cannot be made here, for want of a Python or of the package, is named and left out. `run` is what runs in them.
"""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".old-runtimes"

# (package, version, versions of Python that it is there for)
PACKAGES = (
    ("tflite-runtime", "2.7.0", ("3.7", "3.8", "3.9")),
    ("tflite-runtime", "2.11.0", ("3.7", "3.8", "3.9")),
    ("tflite-runtime", "2.14.0", ("3.9", "3.10", "3.11")),
    ("ai-edge-litert", "1.0.0", ("3.9", "3.10", "3.11")),
    ("tflite-micro", "0.dev20231010131554", ("3.10", "3.11")),
    ("mediapipe", "0.10.5", ("3.9", "3.10", "3.11")),
)

# For Python 3.7 and newer, with NumPy alone beside the package.
RUNNER = """
import sys
import numpy as np
package, file, source, target = sys.argv[1:]
values = np.load(source)
if package == "mediapipe":
    import mediapipe
    from mediapipe.tasks import python as tasks
    options = tasks.vision.ImageSegmenterOptions(
        base_options=tasks.BaseOptions(model_asset_path=file), output_category_mask=True)
    with tasks.vision.ImageSegmenter.create_from_options(options) as segmenter:
        found = segmenter.segment(mediapipe.Image(mediapipe.ImageFormat.SRGB, values)).category_mask.numpy_view()
    np.save(target, found)
    sys.exit()
if package == "tflite-micro":
    from tflite_micro.python.tflite_micro import runtime
    interpreter = runtime.Interpreter.from_file(file, arena_size=8 << 20)
    interpreter.set_input(values, 0)
    interpreter.invoke()
    found = np.array(interpreter.get_output(0))
else:
    if package == "tflite-runtime":
        from tflite_runtime.interpreter import Interpreter
    else:
        from ai_edge_litert.interpreter import Interpreter
    interpreter = Interpreter(file)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
np.save(target, found)
"""


def python_of(package, version, folder=FOLDER):
    """Return the path of the Python of an environment, which may not be there."""
    return folder / f"{package}-{version}" / "bin" / "python"


def run(package, version, file, values, scratch):
    """Run a file on one input in the environment of a package.

    Returns:
        (its output or None, the last line that it wrote where it failed or crashed, else "").
    """
    import numpy as np

    source, target = scratch / "values.npy", scratch / "found.npy"
    np.save(source, values)
    target.unlink(missing_ok=True)
    command = [python_of(package, version), "-c", RUNNER, package, file, source, target]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return None, (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return np.load(target), ""


def _interpreter(versions):
    for version in reversed(versions):
        candidates = [
            shutil.which(f"python{version}"),
            *pathlib.Path.home().glob(f".pyenv/versions/{version}.*/bin/python"),
        ]
        for path in filter(None, candidates):
            if not subprocess.run([path, "-c", ""], capture_output=True).returncode:
                return path
    return None


def main(folder):
    for package, version, versions in PACKAGES:
        environment = python_of(package, version, pathlib.Path(folder)).parents[1]
        python = _interpreter(versions)
        if python is None:
            print(f"{package} {version} left out: no Python {' or '.join(versions)} is here")
        elif not (environment / "installed").exists():
            subprocess.run([python, "-m", "venv", "--clear", environment], check=True)
            install = [
                environment / "bin/python",
                "-m",
                "pip",
                "install",
                "--quiet",
                f"{package}=={version}",
                "numpy<2",
            ]
            if subprocess.run(install).returncode:
                shutil.rmtree(environment)
                print(f"{package} {version} left out: it cannot be installed")
            else:
                (environment / "installed").touch()


if __name__ == "__main__":
    main(sys.argv[1])
