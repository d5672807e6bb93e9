"""The files of a search."""

import json
import logging
import xml.etree.ElementTree

import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.expansion import OPERATORS, START, Node, Round, expand
from keras_liteseg.expansion.record import CONFIG_FILE, PICTURE_FILE, PUBLISHED, SEARCH_FILE, Record
from keras_liteseg.training.config import TrainingConfig, load_config
from tests.expansion.test_algorithm import measure, miou

CONFIG = TrainingConfig(model="lps_net_s", data="camvid", crop_size=(256, 352), epochs=75, class_weights="inverse_log")
DECISIONS = {"budget_ms": 3.0, "config": {"crop_size": (256, 352)}}


@pytest.fixture
def rounds():
    return list(expand(measure, lambda networks, base: list(map(miou, networks)), budget=3.0))


BOARD = {"device": {"cpu": "Raspberry Pi 5", "cores": 4}, "stand_in": None}
EMULATED = {"device": {"cpu": "Neoverse-N1", "cores": 2}, "stand_in": "emulator"}


def as_in_the_rounds(rounds, published=6.9, **others):
    """A final timing that finds what the rounds found, but for `others`."""
    nodes = [rounds[0].base, *(found.chosen for found in rounds if found.chosen)]
    known = {node.architecture.name: node.latency for node in nodes} | others
    return lambda names: {name: known.get(name, published) for name in names}


def finished(folder, rounds, measured_on=BOARD, final=None):
    record = Record(folder, CONFIG, DECISIONS)
    record.published([6.9, 9.0, 14.9], measured_on)
    for found in rounds:
        record.add(found)
    record.finish(final or as_in_the_rounds(rounds))
    return record


def test_path_as_data(tmp_path, rounds, caplog):
    caplog.set_level(logging.INFO)
    record = finished(tmp_path / "new", rounds)
    assert record.winner == rounds[-1].base
    content = json.loads((tmp_path / "new" / SEARCH_FILE).read_text())
    assert len(content["rounds"]) == len(rounds) > 2
    for ours, found in zip(content["rounds"], rounds, strict=True):
        assert ours["base"]["latency_ms"] == found.base.latency and ours["target_ms"] == found.target
        assert [node["miou"] for node in ours["candidates"]] == [node.miou for node in found.candidates]
        assert ours["chosen"] == (found.chosen and found.chosen.architecture.name)
    assert set(content["published_ms"]) == set(PUBLISHED) and content["measured_on"] == BOARD
    assert "No growth fits into the budget." in caplog.text


def test_a_slope_without_end_is_no_number_of_json(tmp_path):
    def no_constant(word):
        raise AssertionError(word)

    base = Node(START, 1.0, 0.2)
    better = Node(START.grown(OPERATORS[0]), 0.9, 0.3)
    finished(tmp_path, [Round(base, 2.0, (better,), better)])
    content = json.loads((tmp_path / SEARCH_FILE).read_text(), parse_constant=no_constant)
    assert content["rounds"][0]["candidates"][0]["slope"] is None


def test_the_network_found_is_within_the_budget_in_the_final_timing(tmp_path, rounds, caplog):
    caplog.set_level(logging.INFO)
    *_, before, last = [found.chosen for found in rounds if found.chosen]
    over = {last.architecture.name: 3.01, before.architecture.name: 2.99}
    record = finished(tmp_path, rounds, final=as_in_the_rounds(rounds, **over))
    assert record.winner.architecture == before.architecture and record.winner.latency == 2.99
    assert load_config(tmp_path / CONFIG_FILE).model == before.architecture.name
    content = json.loads((tmp_path / SEARCH_FILE).read_text())
    assert set(content["final_ms"]) == {node.architecture.name for node in record.path} | set(PUBLISHED)
    said = f"{last.architecture.name}: 3.01 ms timed with the others, {last.latency:.2f} in its round"
    assert said in caplog.text

    # Of a search that has ended nothing is timed again.
    again = Record(tmp_path, CONFIG, DECISIONS, resume=True)
    again.published([6.9, 9.0, 14.9], BOARD)
    for found in rounds:
        again.add(found)
    again.finish(None)
    assert again.winner == record.winner


def test_path_as_picture(tmp_path, rounds):
    finished(tmp_path, rounds)
    assert "Raspberry Pi 5" in (tmp_path / PICTURE_FILE).read_text()
    picture = xml.etree.ElementTree.parse(tmp_path / PICTURE_FILE).getroot()
    space = "{http://www.w3.org/2000/svg}"
    dots = [circle.get("class") for circle in picture.iter(f"{space}circle")]
    chosen = sum(found.chosen is not None for found in rounds)
    assert dots.count("chosen") == chosen + 1
    assert dots.count("candidate") == sum(len(found.candidates) for found in rounds) - chosen
    texts = [text.text for text in picture.iter(f"{space}text")]
    assert set(PUBLISHED) <= set(texts) and "budget" in texts
    for circle in picture.iter(f"{space}circle"):
        assert 0 < float(circle.get("cx")) < 900 and 0 < float(circle.get("cy")) < 560


def test_picture_of_an_emulator_says_so(tmp_path, rounds):
    finished(tmp_path, rounds, EMULATED)
    picture = (tmp_path / PICTURE_FILE).read_text()
    assert "emulator, no device" in picture and "Neoverse" not in picture


def test_config_trains_the_winner(tmp_path, rounds):
    record = finished(tmp_path, rounds)
    config = load_config(tmp_path / CONFIG_FILE)
    assert config.model == record.winner.architecture.name
    assert config == TrainingConfig(**{**vars(CONFIG), "model": config.model})


def test_folder_of_another_search(tmp_path):
    with pytest.raises(UserError, match="no search.json in .* leave out --resume"):
        Record(tmp_path, CONFIG, DECISIONS, resume=True)
    Record(tmp_path, CONFIG, DECISIONS)
    assert list(tmp_path.iterdir()) == []  # nothing was timed yet, so that there is nothing to go on with
    Record(tmp_path, CONFIG, DECISIONS).published([6.9, 9.0, 14.9], BOARD)
    with pytest.raises(UserError, match="already holds a search; give --resume"):
        Record(tmp_path, CONFIG, DECISIONS)
    Record(tmp_path, CONFIG, DECISIONS, resume=True)
    with pytest.raises(UserError, match="begun with budget_ms 3.0, not 4.0"):
        Record(tmp_path, CONFIG, {**DECISIONS, "budget_ms": 4.0}, resume=True)
    with pytest.raises(UserError, match="begun with config another, not this"):
        Record(tmp_path, CONFIG, {**DECISIONS, "config": {}}, resume=True)
    (tmp_path / SEARCH_FILE).write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        Record(tmp_path, CONFIG, DECISIONS, resume=True)


def test_round_without_a_better_network(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    record = Record(tmp_path, CONFIG, DECISIONS)
    base = Node(START, 1.0, 0.5)
    record.published([6.9, 9.0, 14.9], BOARD)
    record.add(Round(base, 2.0, (Node(START.grown(("depth", (0, 0, 0, 1, 1))), 2.0, 0.4),), None))
    assert "None is better." in caplog.text
    assert record.winner == base
