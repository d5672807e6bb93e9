"""Which state dict of a file is loaded."""

import logging
import pickle

import numpy as np
import pytest
import safetensors.numpy

from keras_liteseg.checkpoints.files import read_weights
from keras_liteseg.checkpoints.pickles import Dictionary
from keras_liteseg.checkpoints.state_dicts import find
from keras_liteseg.errors import UserError
from tests.checkpoints.pickle_code import Raw, encoded, pickled, tensor

ARRAY = np.ones(3, "float32")


def torch_file(saved):
    return encoded(with_tensors(saved, tensor("1", ARRAY)), {"1": ARRAY})


def paddle_file(saved):
    return pickled(with_tensors(saved, Raw(pickle.dumps(ARRAY, 3)[2:-1])))


def with_tensors(saved, value):
    return {
        name: with_tensors(inner, value) if isinstance(inner, dict) else value if inner == "tensor" else inner
        for name, inner in saved.items()
    }


@pytest.fixture(params=[torch_file, paddle_file])
def names_in(request, written):
    """A function that returns the names of what is read from a file with a saved object, "tensor" for each tensor."""
    return lambda saved, **options: list(read_weights(written(request.param(saved)), **options))


RAW, MEAN = {"a": "tensor", "b": "tensor"}, {"x": "tensor", "y": "tensor"}


@pytest.mark.parametrize(
    "saved",
    [
        RAW,
        {"model": {"name": "tiny"}, "state_dict": RAW},
        {"net": {}, "network": {"depth": 5}, "weights": {}, "model_state_dict": RAW},
        {"state_dict": {}, "model": RAW},
        {"model": {"mean": "tensor", "width": 4}, "state_dict": RAW},
        {"model": {"state_dict": RAW, "name": "tiny"}},
        {"checkpoint": {"q": "tensor"}, "optimizer": {"state": {"z": "tensor"}}, "module": RAW},
        {"epoch": 3, "rng_state": "tensor", "state_dict": RAW},
    ],
    ids=str,
)
def test_settings_and_empty_dictionaries_are_not_taken_for_weights(names_in, saved):
    assert names_in(saved) == ["a", "b"]


PLACES = [
    ({"state_dict": RAW, "state_dict_ema": MEAN}, "state_dict_ema"),
    ({"state_dict_ema": MEAN, "state_dict": RAW}, "state_dict_ema"),
    ({"model": RAW, "model_ema": {"decay": 0.999, "module": MEAN}}, "model_ema.module"),
    ({"model": RAW, "ema": {"shadow": MEAN}}, "ema.shadow"),
    ({"params": RAW, "params_ema": MEAN}, "params_ema"),
    ({**RAW, "swa_model": MEAN}, "swa_model"),
    ({"state_dict": {**RAW, "ema_model.x": "tensor", "ema_model.y": "tensor"}}, "state_dict.ema_model.*"),
    ({**RAW, "module.model_ema.x": "tensor", "module.model_ema.y": "tensor"}, "model_ema.*"),
]


@pytest.mark.parametrize(("saved", "place"), PLACES, ids=str)
def test_averages_are_taken_when_asked_for_and_named_when_not(names_in, caplog, saved, place):
    caplog.set_level(logging.INFO, "keras_liteseg")
    assert names_in(saved) == ["a", "b"]
    assert f"also holds averaged weights, '{place}'" in caplog.text and "were not taken" in caplog.text
    caplog.clear()
    assert names_in(saved, averaged=True) == ["x", "y"]
    assert f"Averaged weights were taken: '{place}'" in caplog.text


@pytest.mark.parametrize(
    "saved", [{"epoch": 3, "state_dict_ema": MEAN}, {"ema_model.x": "tensor", "ema_model.y": "tensor"}]
)
@pytest.mark.parametrize("averaged", [False, True])
def test_averages_alone_are_taken(names_in, caplog, saved, averaged):
    caplog.set_level(logging.INFO, "keras_liteseg")
    assert names_in(saved, averaged=averaged) == ["x", "y"]
    assert "Averaged weights were taken" in caplog.text


def test_averages_that_are_not_there_are_refused(names_in, written):
    with pytest.raises(UserError, match=r"holds no averaged weights \(EMA\)"):
        names_in({"state_dict": RAW}, averaged=True)
    with pytest.raises(UserError, match=r"holds no averaged weights \(EMA\)"):
        read_weights(written(safetensors.numpy.save({"a": ARRAY})), averaged=True)


def test_pooling_is_no_average(names_in, caplog):
    caplog.set_level(logging.INFO, "keras_liteseg")
    assert names_in({"global_avg_pool.1.weight": "tensor"}) == ["global_avg_pool.1.weight"]
    assert not caplog.text


def test_safetensors_with_averages(written):
    path = written(safetensors.numpy.save({"a": ARRAY, "ema.a": 2 * ARRAY}))
    assert read_weights(path)["a"][0] == 1
    assert read_weights(path, averaged=True)["a"][0] == 2


def test_dictionaries_within_themselves_and_deep_ones_do_no_harm(written):
    loop = Dictionary([])
    loop.items += [("state_dict", loop), ("model", Dictionary([("net", loop), ("a", 1)]))]
    ((state, entries),) = find(loop, lambda value: isinstance(value, int))
    assert state.place == "model" and ("a", 1) in entries

    deep = Raw(b"}" + b"X\x05\x00\x00\x00model}" * 100_000 + b"s" * 100_000)
    assert list(read_weights(written(paddle_file({"a": "tensor", "model": deep})))) == ["a"]
