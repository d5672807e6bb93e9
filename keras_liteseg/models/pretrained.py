"""Networks that we trained and publish in `pretrained/`: weights with a card that says where they come from."""

import dataclasses
import json
import pathlib

import keras

from keras_liteseg.checkpoints.assign import assign_state_dict
from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.errors import UserError
from keras_liteseg.metadata import Metadata

# In the repository a link to its `pretrained/`; in an installed package the files themselves.
FOLDER = (pathlib.Path(__file__).parents[1] / "pretrained").resolve()


@dataclasses.dataclass(frozen=True)
class Card:
    """What belongs to published weights.

    Attributes:
        metadata: `Metadata` of the network: classes, colours, normalization, data set.
        input_size: (height, width) that the network was chosen at.
        path: the weight file.
    """

    metadata: Metadata
    input_size: tuple[int, int]
    path: pathlib.Path


def list_pretrained() -> list[tuple[str, str]]:
    """Return the published networks as a sorted list of (model name, data set)."""
    names = (path.stem.rpartition("-") for path in FOLDER.glob("*.json"))
    return sorted((model, data) for model, _, data in names)


def read_card(model: str, data: str) -> Card:
    """Return the `Card` of published weights.

    Raises:
        UserError: there are none of that name.
    """
    path = FOLDER / f"{model}-{data}.json"
    if not path.is_file():
        known = [name for other, name in list_pretrained() if other == model]
        others = sorted({other for other, name in list_pretrained() if name == data})
        there = f"'{data}' is there for {', '.join(others) or 'no network'}"
        if known:
            there = f"there are {', '.join(known)}"
        raise UserError(f"There are no published weights '{data}' of '{model}'; {there}.")
    card = json.loads(path.read_text())
    metadata = Metadata.from_json(json.dumps(card["metadata"]))
    return Card(metadata, tuple(card["input_size"]), path.with_suffix(".safetensors"))


def load_pretrained(model: keras.Model, data: str) -> None:
    """Load published weights into a model of `create_model`, in place.

    Raises:
        UserError: there are none of that name, or the model has other classes.
    """
    path = read_card(model.name, data).path
    assign_state_dict(model, read_weights(path), str(path))
