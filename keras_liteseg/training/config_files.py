"""The configs that come with the package, by name: files of `configs/` without folder and ending."""

import pathlib
import re

from keras_liteseg.choices import require_path
from keras_liteseg.errors import UserError, suggestion
from keras_liteseg.files import AnyPath
from keras_liteseg.yaml_text import parse_yaml

BASE_KEY = "base"  # of the config that another one builds on
CONFIG_FILE = "config.yaml"  # a training writes it beside its .keras files
# In the repository a link to its `configs/`; in an installed package the files themselves.
FOLDER = (pathlib.Path(__file__).parents[1] / "configs").resolve()


def list_configs() -> list[str]:
    """Return the sorted names of the configs that come with the package."""
    return sorted(_paths())


def find_config(config: AnyPath) -> pathlib.Path:
    """Return the path of a config file, or of the config of that name.

    Raises:
        UserError: it is neither; the message shows the nearest names.
    """
    require_path("config", config)
    path = pathlib.Path(config)
    if path.is_file():
        return path
    paths = _paths()
    if str(config) in paths:
        return paths[str(config)]
    if path.suffix or len(path.parts) > 1:  # meant as a path
        other = f", but there is a config '{path.stem}'" if path.stem in paths else ""
        raise UserError(f"Cannot read the config {path}: there is no such file{other}; liteseg configs lists all.")
    raise UserError(f"There is no config '{config}'; {suggestion(str(config), paths)} liteseg configs lists all.")


def read_config(path: AnyPath) -> dict:
    """Return {key: value} of the config that a training wrote.

    Raises:
        UserError: it cannot be read.
    """
    try:
        config = parse_yaml(pathlib.Path(path).read_text()) or {}
        if not isinstance(config, dict):
            raise ValueError("it holds no 'key: value' lines")
        return config
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read the config {path}: {error}. A training writes {CONFIG_FILE}.") from error


def settings(name: str) -> dict:
    """Return {key: value} that the config of a name and its bases say; not the defaults."""
    paths = _paths()
    values = parse_yaml(paths[name].read_text())
    base = values.pop(BASE_KEY, None)
    return settings(pathlib.PurePath(base).stem) | values if base else values


def outcome(name: str) -> str:
    """Return what the config of a name has reached, such as '67.3 on val (best epoch, chosen there), 57.5 on test', or
    what others published of it."""
    comment = " ".join(" ".join(re.findall(r"^#(.*)$", _paths()[name].read_text(), re.MULTILINE)).split())
    found = re.search(r"(Measured|Published): mIoU (.*?)(?:;|\. | \((?!best))", comment)
    assert found, f"the config {name} opens without what it reaches"
    return found[2] + (", published" if found[1] == "Published" else "")


def _paths() -> dict[str, pathlib.Path]:
    return {path.stem: path for path in FOLDER.rglob("*.yaml")}
