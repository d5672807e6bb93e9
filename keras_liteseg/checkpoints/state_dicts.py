"""Which of the state dicts in a weight file is the one to load."""

import dataclasses
import logging
import re

from keras_liteseg.checkpoints.pickles import Dictionary
from keras_liteseg.checkpoints.refusal import Refused, quoted

_log = logging.getLogger(__name__)

# Where training programs put the state dict when they save it beside epoch numbers and optimizers.
_NAMES = (
    *("state_dict", "model_state_dict", "model_state", "model", "module", "network", "net", "weights", "params"),
    "shadow",
)
# Moving averages of the weights (EMA, SWA) lie under names such as 'state_dict_ema', 'model_ema' or 'swa_model', or in
# the state dict itself, each entry with such a word first: 'ema_model.conv1.weight'.
_AVERAGED = re.compile("(^|_)(ema|swa|avg|average|averaged)(_|$)")
_AVERAGED_ENTRY = re.compile(r"(?:module\.)?((?:\w+_)?(?:ema|swa)(?:_\w+)?)\.")
_MAX_NESTING = 4


@dataclasses.dataclass(frozen=True)
class StateDict:
    """A state dict in a file.

    Attributes:
        place: the names that it lies under, such as 'checkpoint.state_dict', '' for the saved object itself.
        averaged: whether it holds moving averages of weights, going by the names.
        entries: {name: array}.
    """

    place: str
    averaged: bool
    entries: dict


def find(saved, tensor):
    """Return the pairs (`StateDict` without entries, entries of a `Dictionary`) of all state dicts in a saved object.

    Args:
        saved: what `pickles.interpret` returns.
        tensor: function that tells of a value whether it is a tensor.
    """
    if not isinstance(saved, Dictionary):
        return []
    found, top, seen = [], [], set()
    queue = [(saved, (), False)]
    for dictionary, place, averaged in queue:  # which grows
        if id(dictionary) in seen or len(place) > _MAX_NESTING:
            continue
        seen.add(id(dictionary))
        named = [(name, value) for name, value in dictionary.items if isinstance(name, str)]
        if any(tensor(value) for _, value in named):
            (found if place else top).append((StateDict(".".join(place), averaged, {}), named))
            if place:
                continue
        for name, value in named:
            mean = averaged or bool(_AVERAGED.search(name.lower()))
            if isinstance(value, Dictionary) and (mean or name in _NAMES):
                queue.append((value, (*place, name), mean))
    # Tensors beside the state dicts are something else, such as the state of a random number generator.
    return found if any(not state.averaged for state, _ in found) else [*top, *found]


def choose(found, averaged=False):
    """Return the entries of the state dict to load: the largest that is no average, or else the largest average.

    Says so in the log where there were averages to choose or where there was nothing else.

    Args:
        found: list of `StateDict`.
        averaged: take the largest average.

    Raises:
        Refused: `averaged`, and there are none.
    """
    raw, averages = [], []
    for state in found:
        if state.averaged:
            averages.append(state)
            continue
        others, apart = _apart(state)
        averages += apart
        if others.entries:
            raw.append(others)
    if averaged and not averages:
        raise Refused("holds no averaged weights (EMA). Load it without asking for them.")
    chosen = max(averages if averaged or not raw else raw, key=lambda state: len(state.entries), default=None)
    if chosen is None:
        return {}
    if chosen.averaged:
        _log.info("Averaged weights were taken: %s", quoted(chosen.place))
    elif averages:
        _log.info(
            "The file also holds averaged weights, %s, which often predict better; they were not taken. "
            "--averaged takes them, in Python averaged=True.",
            quoted(averages[0].place),
        )
    return chosen.entries


def _apart(state):
    """Return (`StateDict` of the entries that are no averages, list of those that are)."""
    others, apart = {}, {}
    for name, value in state.entries.items():
        word = _AVERAGED_ENTRY.match(name)
        if word:
            apart.setdefault(word[1], {})[name[word.end() :]] = value
        else:
            others[name] = value
    averages = [StateDict(f"{state.place}.{word}.*".lstrip("."), True, entries) for word, entries in apart.items()]
    return dataclasses.replace(state, entries=others), averages
