"""The expansion itself, without a way to time or train a network: both are functions that it is given.

Deviations from the authors' program
- It divides the gain in mIoU by latency minus the parent's *mIoU*, a slip that makes the choice depend on the unit of
  latency. Here the parent's latency is subtracted; `criterion="reference"` gives theirs.
- Its mIoU is a random number where a training belongs, and its test for duplicates misses some.
- Where timing noise makes a grown network no slower than its parent, it fails or divides by zero; see `slope`.
"""

import dataclasses
import math

from keras_liteseg.errors import UserError
from keras_liteseg.networks.lps_net import NETWORKS, family_name

CRITERIA = ("latency", "reference")

OPERATORS = (
    ("depth", (0, 1, 1, 1, 1)),
    ("depth", (0, 0, 1, 1, 1)),
    ("depth", (0, 0, 0, 1, 1)),
    ("width", (4, 8, 16, 32, 32)),
    ("width", (0, 8, 16, 32, 32)),
    ("width", (0, 0, 16, 32, 32)),
    ("width", (0, 0, 0, 32, 32)),
    ("resolution", (1 / 8, 0, 0)),
    ("resolution", (0, 1 / 8, 0)),
    ("resolution", (0, 0, 1 / 8)),
)
"""(dimension, what is added to it): the growths, in the authors' order. The first stage is never deepened."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A network of the family.

    Attributes:
        depth: numbers of blocks of the five stages.
        width: numbers of channels of the five stages.
        resolution: three factors of the image's size, one for each path in the order in which they were begun; 0 where
            there is no path.
    """

    depth: tuple
    width: tuple
    resolution: tuple

    def grown(self, operator, times=1):
        """Return the architecture with one of `OPERATORS` applied a number of times."""
        dimension, step = operator
        values = tuple(value + times * more for value, more in zip(getattr(self, dimension), step, strict=True))
        return dataclasses.replace(self, **{dimension: values})

    @property
    def key(self):
        """What two architectures share if they are the same network, which does not care for the order of its paths."""
        return self.depth, self.width, tuple(sorted(self.resolution, reverse=True))

    @property
    def name(self):
        """The name for `keras_liteseg.create_model`, such as 'lps_net_d1-3-3-10-10_w8-24-48-96-96_r6-2'."""
        return family_name(self.depth, self.width, self.resolution)


START = Architecture(*NETWORKS["lps_net_tiny"][:2], (1 / 2, 0, 0))
"""lps_net_tiny, where the authors begin."""


@dataclasses.dataclass(frozen=True)
class Node:
    """An `Architecture` with its latency in ms and its mIoU from 0 to 1."""

    architecture: Architecture
    latency: float
    miou: float


@dataclasses.dataclass(frozen=True)
class Round:
    """One step of the expansion.

    Attributes:
        base: the `Node` that was grown.
        target: latency in ms that the candidates were to come near.
        candidates: tuple of `Node`s.
        chosen: the `Node` that the next round begins with, or None where the expansion ended.
    """

    base: Node
    target: float
    candidates: tuple
    chosen: Node | None


def candidates(base, measure, budget=math.inf, max_resolution=math.inf):
    """Return the networks of one round, all of about the same latency.

    The target is the largest latency of the networks with one growth each. Each operator is then repeated until it
    passes the target, and of its last two networks the one nearer to the target is a candidate.

    Args:
        base: the `Architecture` to grow.
        measure: function from a list of different `Architecture`s to the list of their latencies in ms. All that can be
            timed together are asked for together; `base` comes first each time, as a common measure.
        budget: largest latency in ms. Where the target would pass it, it is the target, so that the last round of a
            search comes as near to it as the growths allow. The authors have no budget.
        max_resolution: largest factor of a path; growths that pass it are left out. The authors have no limit.

    Returns:
        (target, candidates): the target latency in ms, and a list of (`Architecture`, latency in ms) in the order of
        the operators, without duplicates and without `base`.
    """
    operators = [operator for operator in OPERATORS if _legal(base.grown(operator), operator, max_resolution)]
    latencies = _measured(measure, base, [base.grown(operator) for operator in operators])
    target = min(budget, max(latencies[base.grown(operator).key] for operator in operators))
    ladders = {operator: [base] for operator in operators}
    while True:
        growing = {}
        for operator, ladder in ladders.items():
            following = base.grown(operator, len(ladder))
            if latencies[ladder[-1].key] < target and _legal(following, operator, max_resolution):
                growing[operator] = following
        if not growing:
            break
        unknown = {network.key: network for network in growing.values() if network.key not in latencies}
        if unknown:
            latencies |= _measured(measure, base, unknown.values())
        for operator, network in growing.items():
            ladders[operator].append(network)
    found = {}
    for ladder in ladders.values():
        nearest = _nearest(ladder, latencies, target, budget)
        if nearest.key != base.key:
            found.setdefault(nearest.key, (nearest, latencies[nearest.key]))
    return target, list(found.values())


def _legal(architecture, operator, max_resolution):
    return operator[0] != "resolution" or max(architecture.resolution) <= max_resolution


def _measured(measure, base, networks):
    """Return {key: latency} of different networks and `base`."""
    networks = list({network.key: network for network in (base, *networks)}.values())
    return {network.key: latency for network, latency in zip(networks, measure(networks), strict=True)}


def _nearest(ladder, latencies, target, budget):
    """Return the last of a ladder or the one before it, whichever is nearer to the target; the last on a tie. One over
    the budget is not taken."""
    last = ladder[-1]
    before = ladder[-2] if len(ladder) > 1 else last
    nearer = abs(target - latencies[before.key]) < abs(target - latencies[last.key])
    return before if nearer or latencies[last.key] > budget else last


def slope(node, base, criterion="latency"):
    """Return the gain in mIoU per ms of added latency (paper, section "Progressive expansion").

    Args:
        node, base: `Node`s, the grown network and the one that it grew from.
        criterion: 'latency'; or 'reference' for the slip of the authors' program, which divides by the latency minus
            the mIoU of the base. It is of no use but to repeat what that program does, as the tests here do.

    A network that timing shows no slower than its parent has an infinite slope if it is better, else minus infinity.

    Raises:
        UserError: there is no such criterion.
    """
    if criterion not in CRITERIA:
        raise UserError(f"criterion is '{criterion}'; choose {' or '.join(CRITERIA)}.")
    gain = node.miou - base.miou
    cost = node.latency - (base.latency if criterion == "latency" else base.miou)
    if cost <= 0:
        return math.inf if gain > 0 else -math.inf
    return gain / cost


def choose(nodes, base, criterion="latency"):
    """Return the `Node` with the largest slope, the first on a tie."""
    return max(nodes, key=lambda node: slope(node, base, criterion))


def expand(measure, train, rounds=14, start=START, criterion="latency", budget=math.inf, max_resolution=math.inf):
    """Return an iterator over the `Round`s, after the network to begin with was timed.

    It ends after `rounds`, or when no growth fits into the budget, or when none is better than its base.

    Args:
        measure: see `candidates`.
        train: function from a list of `Architecture`s and that of their base, None for the first, to the list of their
            mIoUs after a training.
        rounds: largest number of rounds; the authors took 14.
        start: the `Architecture` to begin with.
        criterion: see `slope`.
        budget: see `candidates`.
        max_resolution: see `candidates`.

    Raises:
        UserError: the first network is over the budget, or an argument makes no sense.
    """
    (latency,) = measure([start])
    if latency > budget:
        raise UserError(
            f"{start.name}, the network to begin with, takes {latency:.2f} ms, more than the budget of "
            f"{budget:g} ms; give at least that."
        )
    return _rounds(start, latency, measure, train, rounds, criterion, budget, max_resolution)


def _rounds(start, latency, measure, train, rounds, criterion, budget, max_resolution):
    base = Node(start, latency, *train([start], None))
    for _ in range(rounds):
        target, found = candidates(base.architecture, measure, budget, max_resolution)
        mious = train([architecture for architecture, _ in found], base.architecture)
        nodes = [Node(architecture, latency, miou) for (architecture, latency), miou in zip(found, mious, strict=True)]
        best = choose(nodes, base, criterion) if nodes else None
        chosen = best if best and best.miou > base.miou else None
        yield Round(base, target, tuple(nodes), chosen)
        if chosen is None:
            return
        base = chosen
