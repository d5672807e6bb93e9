"""What this project takes from inside Keras is there, does what is said of it, and is taken in one file alone."""

import ast
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_liteseg.graph import keras_private

ROOT = pathlib.Path(__file__).resolve().parents[2]
# This file is the other one, because it looks behind the functions.
ALLOWED = {ROOT / "keras_liteseg/graph/keras_private.py", ROOT / "tests/graph/test_keras_private.py"}


def model_of(kind=keras.Model):
    images = keras.Input((4, 6, 3), name="images")
    return kind(images, keras.layers.Conv2D(2, 1, name="scores")(images), name="small")


def test_producer_of():
    images = keras.Input((4, 6, 3), name="images")
    layer = keras.layers.Conv2D(2, 1)
    first, second = layer(images), layer(images)
    assert keras_private.producer_of(first) is keras_private.producer_of(second) is layer
    total = keras.ops.add(first, second)
    assert keras.tree.flatten(keras_private.producer_of(total).input) == [first, second]
    source = keras_private.producer_of(images)
    assert isinstance(source, keras.layers.InputLayer) and source.name == "images"


@pytest.mark.parametrize("clipping", [{}, {"clipnorm": 1.0}, {"global_clipnorm": 1.0}, {"clipvalue": 1.0}])
def test_replace_gradient_clipping(clipping):
    """The replacement gets the gradients of all variables and what clips them, and its result is applied."""
    optimizer = keras.optimizers.SGD(1.0, **clipping)
    variables = [keras.Variable(np.zeros(2, np.float32)), keras.Variable(np.zeros(1, np.float32))]
    seen = []

    def doubled(gradients, clip):
        seen.append([np.array(gradient) for gradient in gradients])
        return [2 * gradient for gradient in clip(gradients)]

    keras_private.replace_gradient_clipping(optimizer, doubled)
    gradients = [np.array([3.0, 4.0], np.float32), np.array([12.0], np.float32)]
    optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], variables)
    assert len(seen) == 1
    for found, expected in zip(seen[0], gradients, strict=True):
        np.testing.assert_array_equal(found, expected)
    clipped = {
        "": gradients,
        "clipnorm": [gradient / np.linalg.norm(gradient) for gradient in gradients],
        "global_clipnorm": [gradient / 13 for gradient in gradients],
        "clipvalue": [np.minimum(gradient, 1) for gradient in gradients],
    }
    for variable, expected in zip(variables, clipped["".join(clipping)], strict=True):
        np.testing.assert_allclose(variable.numpy(), -2 * expected, rtol=1e-6)


@pytest.mark.parametrize(("built", "traces"), [(True, 1), (False, 2)])
def test_build_losses_spares_a_trace(built, traces):
    """Where a model has several outputs; once Keras does this by itself, the second case fails."""
    seen = []

    class Model(keras.Model):
        def train_step(self, data):
            seen.append(data)
            return super().train_step(data)

    images = keras.Input((4,), name="images")
    model = Model(images, [keras.layers.Dense(2, name=name)(images) for name in ("scores", "others")])
    model.compile("sgd", loss=["mse", "mse"])
    model.optimizer.build(model.trainable_variables)
    if built:
        keras_private.build_losses(model)
    data = np.zeros((2, 4), np.float32), (np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32))
    logs = model.fit(*data, verbose=0).history
    assert len(seen) == traces
    assert set(logs) == {"loss", "scores_loss", "others_loss"}


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_built_from_own_batch(method):
    """Keras builds loss and metrics from one batch of the data, as it is, before the first step."""
    built = []

    class Watched(keras.Model):
        def _maybe_symbolic_build(self, iterator=None, data_batch=None):
            assert iterator is None
            super()._maybe_symbolic_build(data_batch=data_batch)
            built.append((data_batch, [metric.name for metric in self.metrics]))

    class Model(keras_private.BuiltFromOwnBatch, Watched):
        pass

    images, masks = np.ones((6, 4, 6, 3), np.float32), np.zeros((6, 4, 6), np.int32)
    data = tf.data.Dataset.from_tensor_slices((images, masks)).batch(2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = model_of(Model)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    getattr(model, method)(strategy.experimental_distribute_dataset(data), verbose=0)
    ((batch, metrics),) = built
    assert [tuple(part.shape) for part in batch] == [(2, 4, 6, 3), (2, 4, 6)]
    assert metrics == ["loss", "compile_metrics"]


def private_names():
    """Return the private attributes of what Keras gives us to work with."""
    model = model_of()
    model.compile("sgd", "mse", metrics=["accuracy"])
    layer = model.get_layer("scores")
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 3)
    things = [
        *(layer, model, layer.output, layer.kernel, model.optimizer, schedule),
        *(keras.metrics.Mean(), keras.losses.MeanSquaredError(), keras.initializers.Zeros()),
    ]
    names = {name for thing in things for name in [*dir(thing), *vars(thing)]}
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


def private_uses(source, names):
    """Yield (line, text) where Python source reads one of `names` from anything but `self`, overrides one, or imports
    Keras's inside. Of `self`, most are attributes of classes that have nothing to do with Keras."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in names and ast.unparse(node.value) != "self":
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.ClassDef) and node.bases:
            methods = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name in names]
            yield from ((method.lineno, f"def {method.name}") for method in methods)
        if isinstance(node, ast.Import | ast.ImportFrom) and "keras.src" in ast.unparse(node):
            yield node.lineno, ast.unparse(node)


def test_no_other_file_uses_private_attributes_of_keras():
    names = private_names()
    folders = ("keras_liteseg", "edge", "benchmarks", "tests")
    paths = [*ROOT.glob("*.py"), *(path for folder in folders for path in (ROOT / folder).rglob("*.py"))]
    assert len(paths) > 200
    uses = {path.relative_to(ROOT): list(private_uses(path.read_text(), names)) for path in set(paths) - ALLOWED}
    assert {path: found for path, found in uses.items() if found} == {}


def test_private_uses_are_found():
    source = "class A(B):\n    def _clip_gradients(self): super()._clip_gradients(x._keras_history)\n"
    source += "import keras.src.ops\n"
    found = sorted(text for _, text in private_uses(source, private_names()))
    assert found == ["def _clip_gradients", "import keras.src.ops", "super()._clip_gradients", "x._keras_history"]
