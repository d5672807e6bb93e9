"""The names that files give to weights, brought to those of our layers."""

import re

import numpy as np

from keras_liteseg.errors import UserError
from keras_liteseg.networks.lps_net import PATH_NAMES

# Bookkeeping that inference and training here do without: of PyTorch's batch normalization, of averaged models, and of
# programs that count operations.
_BOOKKEEPING = ("num_batches_tracked", "n_averaged", "steps", "total_ops", "total_params")
# What data-parallel training and `torch.compile` put into names, in either order.
_WRAPPERS = ("module", "_orig_mod")
# What training programs, such as those with Lightning, call the network that they train.
_OWNERS = ("model", "net", "network", "student")
_MAX_NESTING = 4

_PADDLE_TENSORS = {"_mean": "running_mean", "_variance": "running_var"}
_PADDLE_LPS_NET = re.compile(r"nets\.(\d)\.(\d+\.\d+)\._(conv|batch_norm)\.")

# torchvision's MobileNetV2 nests convolution, normalization and activation one level deeper: the place of a layer in a
# block there and here. The first block has no expansion.
_TORCHVISION = {"0.0": "0", "0.1": "1", "1.0": "3", "1.1": "4", "2": "6", "3": "7"}
_TORCHVISION_FIRST = {"0.0": "0", "0.1": "1", "1": "3", "2": "4"}
_TORCHVISION_ENTRY = re.compile(r"features\.(\d+)\.conv\.(\d(?:\.\d)?)\.(\w+)$")

# timm's counts stages and the blocks in each, and names the layers of a block.
_TIMM = {"conv_pw": "0", "bn1": "1", "conv_dw": "3", "bn2": "4", "conv_pwl": "6", "bn3": "7"}
_TIMM_FIRST = {"conv_dw": "0", "bn1": "1", "conv_pw": "3", "bn2": "4"}
_TIMM_ENDS = {"conv_stem": "0.0", "bn1": "0.1", "conv_head": "18.0", "bn2": "18.1"}
_TIMM_BLOCKS = (1, 2, 3, 4, 3, 3, 1)
_TIMM_ENTRY = re.compile(r"(?:blocks\.([0-6])\.([0-3])\.)?(\w+)\.(\w+)$")


def canonical_entries(state, source="the state dict"):
    """Return {entry: (name in `state`, array)}, with the entry named as in `assign.wanted_entries`.

    Raises:
        UserError: two names stand for the same entry.
    """
    entries = {}
    for name, value in state.items():
        if name.rpartition(".")[2] in _BOOKKEEPING:
            continue
        module, _, tensor = _torch_name(name, state).rpartition(".")
        entry = f"{module.replace('.', '_')}.{_PADDLE_TENSORS.get(tensor, tensor)}"
        if entry in entries:
            raise UserError(f"{source} holds both {entries[entry][0]} and {name}, which name the same weights.")
        entries[entry] = name, np.asarray(value)
    return entries


def unwrapped(name):
    """Return a name without what data-parallel training and `torch.compile` put into it."""
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def of_the_network(state, wanted, prefix=""):
    """Return the entries of `state` that belong to the network, without the name that a training program gives it.

    A program that keeps the network as its `model` saves 'model.conv1.weight' and, beside it, entries of its own, such
    as 'criterion.weight', which are left out. The names stay where more of them fit as they are.

    Args:
        state: {name: array}.
        wanted: entries of the model, named as in `assign.wanted_entries`.
        prefix: what the names of a backbone's layers begin with, which names in the file may lack.
    """

    def fitting(names):
        entries = [unwrapped(name).rpartition(".") for name in plain_names(dict.fromkeys(names))]
        entries = [f"{module.replace('.', '_')}.{tensor}" for module, _, tensor in entries]
        return sum(entry in wanted or prefix + entry in wanted for entry in entries)

    found = state
    for _ in range(_MAX_NESTING):
        names = {name: unwrapped(name).partition(".") for name in found}
        inner = [
            {rest: found[name] for name, (first, _, rest) in names.items() if first == owner and rest}
            for owner in _OWNERS
        ]
        best = max(inner, key=lambda entries: (fitting(entries), len(entries)))
        fits = fitting(found)
        # Nothing fits yet where one name lies within another.
        if fitting(best) <= fits and (fits or not _nested(best)):
            break
        found = best
    return found if fitting(found) else state


def _nested(state):
    return any(unwrapped(name).partition(".")[0] in _OWNERS for name in state)


def plain_names(state):
    """Return `state` with the names that torchvision and timm give to MobileNetV2 brought to those of ericsun99's."""
    if any(name.endswith("features.1.conv.0.0.weight") for name in state):
        return {_from_torchvision(name): value for name, value in state.items()}
    stems = [name for name in state if name.endswith("conv_stem.weight")]
    if stems and any(name.endswith("blocks.0.0.conv_dw.weight") for name in state):
        start = len(stems[0]) - len("conv_stem.weight")
        return {name[:start] + _from_timm(name[start:]): value for name, value in state.items()}
    return state


def _from_torchvision(name):
    found = _TORCHVISION_ENTRY.search(name)
    if not found:
        return name
    block, place, tensor = found.groups()
    places = _TORCHVISION_FIRST if block == "1" else _TORCHVISION
    return f"{name[: found.start()]}features.{block}.conv.{places.get(place, place)}.{tensor}"


def _from_timm(name):
    found = _TIMM_ENTRY.fullmatch(name)
    if not found:
        return name
    stage, block, layer, tensor = found.groups()
    if stage is None:
        return f"features.{_TIMM_ENDS[layer]}.{tensor}" if layer in _TIMM_ENDS else name
    places = _TIMM_FIRST if stage == "0" else _TIMM
    index = 1 + sum(_TIMM_BLOCKS[: int(stage)]) + int(block)
    return f"features.{index}.conv.{places[layer]}.{tensor}" if layer in places else name


def _torch_name(name, state):
    """Return a name with Paddle's LPS-Net modules renamed as PyTorch's, and `unwrapped`."""
    found = _PADDLE_LPS_NET.match(name)
    if found:
        path, block, part = found.groups()
        paths = PATH_NAMES[len({other.split(".")[1] for other in state if _PADDLE_LPS_NET.match(other)})]
        name = f"{paths[int(path)]}.stages.{block}.{'0' if part == 'conv' else '1'}.{name[found.end() :]}"
    return unwrapped(name)
