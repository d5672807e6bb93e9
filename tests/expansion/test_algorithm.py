"""The expansion against the fixture of the authors' program, and where noise leaves that program without an answer."""

import json
import math
import pathlib

import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.expansion import OPERATORS, START, Architecture, Node, candidates, choose, expand, slope

FIXTURE = json.loads((pathlib.Path(__file__).parents[1] / "parity" / "lps_expansion.json").read_text())


def architecture(entry):
    return Architecture(*(tuple(entry[name]) for name in ("depth", "width", "resolution")))


def latency(network, height=1024, image_width=2048, classes=19):
    """The fixture's formula, see its "latency_proxy"."""
    total = 0
    paths = sorted((factor for factor in network.resolution if factor), reverse=True)
    for factor in paths:
        rows, columns, channels = int(height * factor), int(image_width * factor), 3
        for stage, (depth, width) in enumerate(zip(network.depth, network.width)):
            for block in range(depth):
                if stage < 4 and block == 0:
                    rows, columns = (rows + 1) // 2, (columns + 1) // 2
                total += rows * columns * 9 * channels * width
                channels = width
        if factor == paths[0]:
            head = rows * columns
    total += head * classes * network.width[-1] * len(paths)
    return 1 + (sum(network.depth) * len(paths) + 1) / 16 + total / 2**32


def miou(network):
    """The fixture's formula, see its "miou_proxy"."""
    depth, width = sum(network.depth), sum(network.width)
    resolution = sum(min(value, 1) for value in network.resolution)
    return 0.85 * depth / (depth + 8) * width / (width + 60) * resolution / (resolution + 0.4)


def measure(networks):
    assert len({network.key for network in networks}) == len(networks)
    return [latency(network) for network in networks]


@pytest.mark.parametrize("step", FIXTURE["single_steps"])
def test_candidates_are_those_of_the_reference(step):
    target, found = candidates(architecture(step["base"]), measure)
    assert latency(architecture(step["base"])) == pytest.approx(step["base"]["latency"], rel=1e-9)
    assert target == pytest.approx(step["target_latency"], rel=1e-9)
    assert [network for network, _ in found] == [architecture(entry) for entry in step["candidates"]]
    expected = [entry["latency"] for entry in step["candidates"]]
    assert [latency for _, latency in found] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("criterion", ["latency", "reference"])
def test_search_is_that_of_the_reference(criterion):
    expected = FIXTURE[f"search_{criterion}_slope"]
    rounds = list(
        expand(measure, lambda networks, base: list(map(miou, networks)), len(expected) - 1, criterion=criterion)
    )
    path = [rounds[0].base, *(found.chosen for found in rounds)]
    assert [node.architecture for node in path] == [architecture(entry) for entry in expected]
    for name in ("latency", "miou"):
        assert [getattr(node, name) for node in path] == pytest.approx([entry[name] for entry in expected], rel=1e-9)
    slopes = [slope(found.chosen, found.base, criterion) for found in rounds]
    assert slopes == pytest.approx([entry["slope"] for entry in expected[1:]], rel=1e-9)


def test_the_two_criteria_lead_to_different_networks():
    ends = [FIXTURE[f"search_{criterion}_slope"][-1] for criterion in ("latency", "reference")]
    assert architecture(ends[0]) != architecture(ends[1])


def test_base_comes_first_in_every_measurement():
    asked = []

    def recorded(networks):
        asked.append(networks)
        return measure(networks)

    candidates(START, recorded)
    assert len(asked) > 1 and all(networks[0] == START for networks in asked)
    assert len(asked[0]) == 10  # the second and the third path are the same while there is one


def test_resolution_keeps_its_limit():
    _, found = candidates(START, measure, max_resolution=1)
    largest = [max(network.resolution) for network, _ in found]
    assert max(largest) == 1
    assert len(found) == len(candidates(START, measure)[1])
    at_limit = Architecture((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (1, 1 / 4, 0))
    assert all(max(network.resolution) == 1 for network, _ in candidates(at_limit, measure, max_resolution=1)[1])


def test_base_measured_slower_than_the_target_gives_no_candidate():
    assert candidates(START, lambda networks: [10.0] + [5.0] * (len(networks) - 1)) == (5.0, [])
    (only,) = expand(
        lambda networks: [10.0] + [5.0] * (len(networks) - 1), lambda networks, base: [0.5] * len(networks)
    )
    assert only.chosen is None and only.candidates == ()


def test_slope_of_a_network_that_is_no_slower():
    base = Node(START, 2.0, 0.5)
    assert slope(Node(START, 3.0, 0.6), base) == pytest.approx(0.1)
    assert slope(Node(START, 2.0, 0.6), base) == math.inf
    assert slope(Node(START, 1.9, 0.4), base) == -math.inf
    assert slope(Node(START, 3.0, 0.6), base, "reference") == pytest.approx(0.1 / 2.5)
    with pytest.raises(UserError, match="criterion is 'speed'; choose latency or reference"):
        slope(base, base, "speed")


def test_first_of_equal_slopes_is_chosen():
    base, nodes = Node(START, 1.0, 0.5), [Node(START.grown(operator), 2.0, 0.6) for operator in OPERATORS[:3]]
    assert choose(nodes, base) is nodes[0]


def test_search_ends_when_nothing_is_gained():
    rounds = list(expand(measure, lambda networks, base: [0.5] * len(networks)))
    assert len(rounds) == 1 and rounds[0].chosen is None and len(rounds[0].candidates) == 9


def test_search_ends_at_the_budget_and_trains_nothing_over_it():
    trained = []

    def train(networks, base):
        trained.extend(networks)
        return list(map(miou, networks))

    rounds = list(expand(measure, train, budget=2.0))
    assert max(map(latency, trained)) <= 2.0
    assert rounds[-1].chosen is None and rounds[-1].target == 2.0 and 1 < len(rounds) < 14
    assert latency(rounds[-1].base.architecture) > 1.9
    with pytest.raises(UserError, match="takes 1.39 ms, more than the budget of 1 ms"):
        expand(measure, train, budget=1.0)  # before anything is trained


def test_parent_of_every_training():
    parents = []

    def train(networks, base):
        parents.append(base)
        return list(map(miou, networks))

    first, second = expand(measure, train, rounds=2)
    assert parents == [None, first.base.architecture, second.base.architecture]


def test_name_says_which_network_and_not_in_which_order_its_paths_grew():
    network = Architecture((1, 3, 3, 10, 10), (8, 24, 48, 96, 96), (0.25, 0.75, 0))
    assert network.name == "lps_net_d1-3-3-10-10_w8-24-48-96-96_r6-2"
    assert network.key == Architecture(network.depth, network.width, (0.75, 0, 0.25)).key
