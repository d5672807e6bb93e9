"""Networks that we trained and publish in `pretrained/`: weights with a card that says where they come from.

A card is `MODEL-NAME.json`. Its weights are the file `MODEL-NAME.safetensors` beside it, or what its `url` names, which
is downloaded once. Cards of one's own lie in the folders that `$KERAS_LITESEG_PRETRAINED` names, parted by ':' as in
`$PATH`; they come before ours of the same name.
"""

import dataclasses
import json
import os
import pathlib
import re
from typing import TYPE_CHECKING, Any

from keras_liteseg.errors import UserError
from keras_liteseg.files import AnyPath, suffix_of
from keras_liteseg.metadata import Metadata
from keras_liteseg.models.download import cache_folder, download, sha256_of

if TYPE_CHECKING:
    import keras

# In the repository a link to its `pretrained/`; in an installed package the files themselves.
FOLDER = (pathlib.Path(__file__).parents[1] / "pretrained").resolve()
FOLDERS_VARIABLE = "KERAS_LITESEG_PRETRAINED"


@dataclasses.dataclass(frozen=True)
class Card:
    """What belongs to published weights.

    Attributes:
        model: name of the network.
        name: what `create_model(model, weights=)` calls the weights, mostly the data set.
        metadata: `Metadata` of the network: classes, colours, normalization, data set.
        input_size: (height, width) that the network was chosen at.
        bytes, sha256: of the weight file.
        accuracy: {split: fields of an `Evaluation`}, measured with exactly these weights.
        training, config: name of the training, None where an older card has none, and its config, {key: value}.
        trained_on: {data set: splits} that the weights have learned from, wherever they started.
        starts_from: weights that the training started from, or None for random ones.
        taught_by: the training of the network that taught it, or None. Its published name may be another's by now.
        data_licence: what is known of the terms of that data.
        int8: of the int8 file by post-training quantization, with `miou` on `split`, and `latency_ms`, {threads:
            median of the run alone} on `device`; None where not measured.
        url: where the weight file can be downloaded, or None.
        path: the weight file: beside its card, or where the download will be.
    """

    model: str
    name: str
    metadata: Metadata
    input_size: tuple[int, int]
    bytes: int
    sha256: str
    accuracy: dict[str, dict[str, Any]]
    training: str | None
    config: dict[str, Any]
    trained_on: dict[str, list[str]]
    starts_from: str | None
    taught_by: str | None
    data_licence: str
    int8: dict[str, Any] | None
    url: str | None
    path: pathlib.Path

    @property
    def seen(self) -> str:
        """What the weights have learned from, in words such as 'camvid train and val'."""
        words = [f"{data} {' and '.join(splits)}" for data, splits in self.trained_on.items()]
        words += [f"starting from the weights {self.starts_from}"] if self.starts_from else []
        backbone = None if self.starts_from else self.config.get("backbone_weights")  # a start takes its place
        words += [f"backbone from {backbone}"] if backbone else []
        words += [f"taught by {self.taught_by}"] if self.taught_by else []
        return ", ".join(words)

    @property
    def split(self) -> str | None:
        """The split that `miou` is of: 'test' where that was measured."""
        return "test" if "test" in self.accuracy else next(iter(self.accuracy), None)

    @property
    def miou(self) -> float | None:
        """Mean IoU of the float network, from 0 to 1."""
        return None if self.split is None else self.accuracy[self.split]["miou"]

    @property
    def where(self) -> str:
        """'local' beside its card, 'cached' after a download, or 'remote' before."""
        return "remote" if not self.path.is_file() else "cached" if self.path.parent == cache_folder() else "local"


def list_pretrained() -> list[Card]:
    """Return the cards of all published weights, sorted by network and name.

        >>> from keras_liteseg.models import list_pretrained
        >>> [(card.name, card.input_size) for card in list_pretrained() if card.model == "ndnet45"]
        [('camvid', (360, 480)), ('camvid_720x960', (720, 960))]

    Raises:
        UserError: a card cannot be read, or `$KERAS_LITESEG_PRETRAINED` names what is no folder.
    """
    return [_read(path) for _, path in sorted(_paths().items())]


def is_pretrained(model: str, name: str) -> bool:
    """Return whether a network has published weights of that name, such as 'camvid'."""
    return (model, name) in _paths()


def read_card(model: str, name: str) -> Card:
    """Return the `Card` of published weights of `model`, which `name` says as 'camvid' or 'ndnet45/camvid'.

    Raises:
        UserError: there are none of that name, they are another network's, or their card cannot be read.
    """
    card = find_own_card(model, name)
    if card is None:
        paths = _paths()
        known = sorted(data for other, data in paths if other == model)
        others = sorted({other for other, data in paths if data == str(name)})
        there = (
            f"there are {', '.join(known)}" if known else f"'{name}' is there for {', '.join(others) or 'no network'}"
        )
        raise UserError(f"There are no published weights '{name}' of '{model}'; {there}.")
    return card


def find_card(model: str, name: AnyPath) -> Card | None:
    """Return the `Card` of published weights that `name` says, 'camvid' of `model` or 'lps_net_s/camvid' of any
    network, or None where there are none.

    Raises:
        UserError: their card cannot be read.
    """
    other, _, published = str(name).rpartition("/")
    path = _paths().get((other or model, published))
    return None if path is None else _read(path)


def find_own_card(model: str, name: AnyPath) -> Card | None:
    """Return the `Card` that `find_card` does, where only the network's own weights can be meant.

    Raises:
        UserError: they are another network's, or their card cannot be read.
    """
    card = find_card(model, name)
    if card is not None and card.model != model:
        own = ", ".join(sorted(data for other, data in _paths() if other == model))
        raise UserError(
            f"The published weights '{name}' are of '{card.model}', not of '{model}'; take that network, or weights "
            f"of '{model}': there are {own or 'none'}."
        )
    return card


def weight_file(card: Card) -> pathlib.Path:
    """Return the path of the weights of a card, downloaded where they are not there, with the SHA-256 of the card.

    Raises:
        UserError: they cannot be downloaded, are missing or were changed.
    """
    if not card.path.is_file():
        if card.url is None:
            raise UserError(
                f"The weight file {card.path} is missing, and its card names no URL; put it there, or install "
                "keras_liteseg again."
            )
        download(card.url, card.path, card.sha256, card.bytes)
    try:
        found = sha256_of(card.path)
    except OSError as error:
        raise UserError(f"Cannot read {card.path}: {error.strerror}. Check its permissions.") from error
    if found != card.sha256:
        cure = (
            "delete it, and it is downloaded again" if card.url else "install keras_liteseg again, or publish it anew"
        )
        raise UserError(
            f"{card.path} has the SHA-256 {found}, and its card says {card.sha256}: the file is damaged or was "
            f"changed; {cure}."
        )
    return card.path


def load_pretrained(model: "keras.Model", name: str) -> None:
    """Load published weights into a model of `create_model`, in place; into one for images of other channels as
    `keras_liteseg.checkpoints.first_kernel` says.

    Raises:
        UserError: as `read_card` and `weight_file`, or the model has other classes.
    """
    from keras_liteseg.checkpoints.assign import assign_state_dict
    from keras_liteseg.checkpoints.files import read_weights

    path = weight_file(read_card(model.name, name))
    assign_state_dict(model, read_weights(path), str(path), new_images=True)


def splits_of(config: dict[str, Any]) -> list[str]:
    """Return the splits of its data set that the training of a config learns from."""
    split = ((config.get("data_options") or {}).get("train") or {}).get("split", "train")
    return ["train", "val"] if split == "trainval" else [split]


def teacher_of(config: dict[str, Any]) -> str | None:
    """Return what a config calls its teacher, of a `.keras` file the training that wrote it; None without a teacher."""
    teacher = pathlib.PurePath(config.get("teacher") or "")  # runs/NAME/best.keras
    run = teacher.parent.name if suffix_of(teacher) == ".keras" else ""
    return run or str(teacher) if config.get("teacher") else None


def _paths() -> dict[tuple[str, str], pathlib.Path]:
    """Return {(model, name): card file}."""
    found = {}
    for folder in (FOLDER, *reversed(_own_folders())):
        for path in folder.glob("*-*.json"):
            model, _, name = path.stem.rpartition("-")
            found[model, name] = path
    return found


def _own_folders() -> list[pathlib.Path]:
    folders = [pathlib.Path(each) for each in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if each]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{FOLDERS_VARIABLE} names {folder}, which is no folder; correct it, or unset it.")
    return folders


def _read(path: pathlib.Path) -> Card:
    """Return the card in a file. Version 0.1.0 said recipe for config and had no fields about the data."""
    model, _, name = path.stem.rpartition("-")
    weights = path.with_suffix(".safetensors")
    try:
        content = json.loads(path.read_text())
        config = content["config"] if "config" in content or "recipe" not in content else content["recipe"]
        height, width = content["input_size"]
        if not re.fullmatch("[0-9a-f]{64}", content["sha256"]) or not content["bytes"] > 0:
            raise ValueError("sha256 must be 64 hexadecimal digits and bytes a number")
        if "url" in content and not weights.is_file():
            weights = cache_folder() / f"{path.stem}-{content['sha256'][:12]}.safetensors"
        card = Card(
            model=model,
            name=name,
            metadata=Metadata.from_json(json.dumps(content["metadata"])),
            input_size=(height, width),
            bytes=content["bytes"],
            sha256=content["sha256"],
            accuracy=content["accuracy"],
            training=content.get("training"),
            config=config,
            trained_on=content.get("trained_on") or {content["metadata"]["data"]: splits_of(config)},
            starts_from=content.get("starts_from"),
            taught_by=content["taught_by"] if "taught_by" in content else teacher_of(config),
            data_licence=content.get("data_licence", ""),
            int8=content.get("int8"),
            url=content.get("url"),
            path=weights,
        )
    except OSError as error:
        raise UserError(f"Cannot read the card {path}: {error.strerror}. Check its permissions.") from error
    except KeyError as error:
        raise UserError(f"The card {path} has no {error}; publish writes cards with all that they need.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"The card {path} is damaged: {error}. Repair it, or move it away.") from error
    if card.metadata.model != model:
        raise UserError(f"The card {path} is of the network '{card.metadata.model}'; its name must begin with that.")
    return card
