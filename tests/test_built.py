"""Wheel and sdist: what they hold, and what they take where they are installed."""

import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest
from PIL import Image

from tests.installation import ROOT, build_sdist, build_wheel, export_tree, make_environment


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    export_tree(folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return build_wheel(source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(source, tmp_path_factory):
    return build_sdist(source, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory):
    """The folder of programs of an environment for training, outside of the checkout."""
    return make_environment(wheel, tmp_path_factory.mktemp("environment") / "environment", "train")


def contents(wheel):
    """Return {name: CRC-32} of the files in a wheel, but for the list of them."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist() if not entry.filename.endswith("/RECORD")}


def package_files():
    """Return the tracked files of both packages, and of the folders they link to, by the names in a wheel."""
    command = ["git", "ls-files", "keras_liteseg", "edge", "configs", "pretrained"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    linked = [f"keras_liteseg/{name}" if name.startswith(("configs/", "pretrained/")) else name for name in names]
    return [name for name in linked if (ROOT / name).is_file() and not name.endswith(".md")]


def test_wheel_holds_every_file_of_the_packages(wheel):
    names = package_files()
    assert len(names) > 250
    found = contents(wheel)
    assert [name for name in names if name not in found] == []
    assert [name for name in found if name not in names and ".dist-info/" not in name] == []
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in found)


def test_wheel_is_smaller_than_60_mb(wheel):
    assert wheel.stat().st_size < 60e6


def test_wheel_of_the_sdist_is_the_same(sdist, wheel, tmp_path):
    with tarfile.open(sdist) as archive:
        links = [member.name for member in archive if member.issym() or member.islnk()]
        archive.extractall(tmp_path, filter="data")
    assert links == []  # they would lead out of what is installed
    (unpacked,) = tmp_path.iterdir()
    assert {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml"} <= {path.name for path in unpacked.iterdir()}
    assert not (unpacked / "tests").exists()
    assert contents(build_wheel(unpacked, tmp_path)) == contents(wheel)


@pytest.mark.slow
def test_pip_installs_the_runtime_in_about_300_mb(wheel, tmp_path):
    """As a user does, from the registry, with the versions that are tested."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    one = [python, "-m", "pip", "download", "--quiet", "--no-deps", "click", "--dest", tmp_path / "downloaded"]
    if subprocess.run(one, capture_output=True).returncode:
        pytest.skip("pip reaches no registry")
    before = _disk_use(environment)
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", wheel, "-c", ROOT / "requirements.txt"], check=True, cwd=tmp_path
    )
    taken = _disk_use(environment) - before
    print(f"The runtime takes {taken / 1e6:.0f} MB")
    assert 200e6 < taken < 360e6  # 37 MB of it are the published weights
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout.lower()
    assert "keras-liteseg" in listed and "ai-edge-litert" in listed
    assert not any(name in listed for name in ("tensorflow", "keras ", "tf_keras", "h5py", "torch", "jax"))


def _disk_use(folder):
    """Return the bytes of all files below a folder, without the byte code that Python makes of them."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc")


def test_installed_package_finds_the_published_weights(programs, tmp_path):
    program = "import keras_liteseg as k; print(k.__file__, k.create_model('lps_net_s', weights='camvid').output_shape)"
    done = subprocess.run([programs / "python", "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(programs.parent)) and done.stdout.endswith("(None, 512, 1024, 11)\n")


@pytest.mark.slow
def test_published_weights_are_exported_where_the_wheel_is_installed(programs, scenes, tmp_path):
    def liteseg(*arguments):
        command = [programs / "liteseg", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    model = ("--model", "lps_net_s", "--checkpoint", "camvid", "--input_size", "128x256")
    liteseg("export", *model, "--quantization", "int8", "--calibration_images", 4, "--output", "lps_net_s.tflite")
    Image.fromarray(scenes.image(0)).save(tmp_path / "street.png")
    liteseg("predict", "--model", "lps_net_s.tflite", "--input", "street.png", "--output_dir", "predictions")
    assert pathlib.Path(tmp_path / "predictions" / "street_labels.png").exists()
