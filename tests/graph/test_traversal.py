import keras
import pytest
from keras import layers, ops

from keras_liteseg.graph import Graph, before_last_resize, first_input, input_tensors, layers_of
from keras_liteseg.networks.layers import BilinearResize
from tests.tiny import tiny


@pytest.fixture(scope="module")
def model():
    """Two outputs: a sum that reads one tensor twice, and the mean of it that a bare operation makes."""
    images = keras.Input((8, 12, 3), name="images")
    x = layers.Conv2D(4, 3, padding="same", name="first")(images)
    x = layers.ReLU(name="relu")(x)
    y = layers.Conv2D(4, 1, name="second")(x)
    y = layers.Add(name="add")([y, y])
    resized = BilinearResize(name="resize")(y, like=images)
    return keras.Model(images, [resized, ops.mean(x, axis=3)])


@pytest.fixture(scope="module")
def graph(model):
    return Graph(model)


def test_input_tensors(model):
    assert input_tensors(model.get_layer("images")) == []
    assert input_tensors(model.get_layer("first")) == [model.input]
    assert input_tensors(model.get_layer("resize")) == [model.get_layer("add").output, model.input]
    assert first_input(model.get_layer("resize")) is model.get_layer("add").output


def test_layers_of(model):
    assert [layer.name for layer in layers_of(model, layers.Conv2D)] == ["first", "second"]
    assert [layer.name for layer in layers_of(model, (layers.Add, layers.ReLU))] == ["relu", "add"]


def test_producer(model, graph):
    for layer in model.layers:
        assert graph.producer(layer.output) is layer
    mean = graph.producer(model.outputs[1])
    assert not isinstance(mean, layers.Layer) and input_tensors(mean) == [model.get_layer("relu").output]
    assert graph.producer(keras.Input((8, 12, 3))) is None


def test_readers(model, graph):
    names = {layer.name: [reader.name for reader in graph.readers(layer.output)] for layer in model.layers}
    mean = graph.producer(model.outputs[1]).name
    assert sorted(names.pop("relu")) == sorted(["second", mean])
    assert names == {
        "images": ["first", "resize"],
        "first": ["relu"],
        "second": ["add", "add"],
        "add": ["resize"],
        "resize": [],
    }


def test_only_reader(model, graph):
    found = {layer.name: graph.only_reader(layer) for layer in model.layers}
    assert {name: reader.name for name, reader in found.items() if reader} == {"first": "relu", "add": "resize"}


def test_an_output_has_no_only_reader(model):
    both = keras.Model(model.input, [model.get_layer("first").output, model.get_layer("relu").output])
    assert Graph(both).only_reader(both.get_layer("first")) is None


def test_readers_outside_of_the_model_do_not_count(model):
    part = keras.Model(model.input, model.get_layer("second").output)
    assert Graph(part).only_reader(part.get_layer("relu")).name == "second"


def test_leads_only_to(model, graph):
    first, relu, add, resize = map(model.get_layer, ("first", "relu", "add", "resize"))
    assert graph.leads_only_to(first, relu) and graph.leads_only_to(add, resize) and graph.leads_only_to(add, add)
    assert not graph.leads_only_to(first, add) and not graph.leads_only_to(add, relu)


def test_layers_before(model, graph):
    names = {layer.name for layer in graph.layers_before([model.get_layer("second").output])}
    assert names == {"images", "first", "relu", "second"}
    names = {layer.name for layer in graph.layers_before(model.outputs[:1], stop=layers.Conv2D)}
    assert names == {"images", "second", "add", "resize"}


def test_before_last_resize():
    model = tiny()
    scores, last = before_last_resize(model)
    assert scores is model.get_layer("seg_score").output and last is model.get_layer("logits")
    model = keras.Model(model.input, scores)
    assert before_last_resize(model) == (model.output, None)
