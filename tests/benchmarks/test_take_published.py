"""Published weights are found by the config that trained them, so that nothing is trained anew for a measurement."""

import dataclasses

import pytest

from benchmarks.tables.cards import cards
from benchmarks.tables.experiments import config_path
from benchmarks.take_published import card_of
from keras_liteseg.training.config import load_config

PUBLISHED = {path.stem: card["training"] for path, card in cards().items()}


@pytest.mark.parametrize("weights", PUBLISHED)
def test_config_of_a_training_finds_its_weights(weights):
    config = load_config(config_path(PUBLISHED[weights]))
    assert card_of(config).path.stem == weights
    assert card_of(dataclasses.replace(config, epochs=config.epochs + 1)) is None
