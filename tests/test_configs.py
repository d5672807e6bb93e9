"""Every recipe in configs/ loads and says how it is run."""

import pathlib

import pytest

from keras_liteseg.training.recipe import QuantizationRecipe, Recipe, load_recipe

CONFIGS = sorted((pathlib.Path(__file__).resolve().parents[1] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_recipe_loads_and_opens_with_its_command(path):
    quantization = path.stem.endswith("_qat")
    load_recipe(path, kind=QuantizationRecipe if quantization else Recipe)
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    command = f"python train.py {'--quantization_aware ' * quantization}--config configs/{path.name}"
    assert any(command in line for line in head)
    assert any("Measured" in line for line in head)
