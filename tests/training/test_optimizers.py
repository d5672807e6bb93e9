import keras
import numpy as np
import pytest

from keras_liteseg.training.optimizers import SGD, AdamW, CosineSchedule, PolySchedule, StepSchedule


def variables():
    rng = np.random.default_rng(0)
    shapes = {"kernel": (3, 3, 2, 4), "bias": (4,), "gamma": (4,)}
    return {name: keras.Variable(rng.normal(size=shape), dtype="float32") for name, shape in shapes.items()}


def test_steps_equal_pytorch_sgd():
    """buffer = momentum * buffer + gradient + decay * weight; weight -= rate * buffer; decay on kernels alone."""
    rate, momentum, decay = 0.1, 0.9, 0.05
    ours = variables()
    weights = {name: variable.numpy().astype(np.float64) for name, variable in ours.items()}
    buffers = {name: np.zeros_like(weight) for name, weight in weights.items()}
    optimizer = SGD(rate, momentum, decay=decay)
    rng = np.random.default_rng(1)
    for _ in range(5):
        gradients = {name: rng.normal(size=weight.shape) for name, weight in weights.items()}
        optimizer.apply([keras.ops.convert_to_tensor(g, "float32") for g in gradients.values()], list(ours.values()))
        for name, gradient in gradients.items():
            if name == "kernel":
                gradient = gradient + decay * weights[name]
            buffers[name] = momentum * buffers[name] + gradient
            weights[name] -= rate * buffers[name]
    for name, weight in weights.items():
        np.testing.assert_allclose(ours[name].numpy(), weight, atol=1e-5, err_msg=name)


def test_only_kernels_decay():
    ours = variables()
    before = {name: variable.numpy() for name, variable in ours.items()}
    SGD(0.1, decay=0.5).apply([keras.ops.zeros(v.shape) for v in ours.values()], list(ours.values()))
    np.testing.assert_allclose(ours["kernel"].numpy(), 0.95 * before["kernel"], rtol=1e-6)
    np.testing.assert_array_equal(ours["bias"].numpy(), before["bias"])
    np.testing.assert_array_equal(ours["gamma"].numpy(), before["gamma"])


@pytest.mark.parametrize("decay_all", [False, True])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_what_decays(kind, decay_all):
    ours = variables()
    before = {name: variable.numpy() for name, variable in ours.items()}
    optimizer = {"sgd": SGD, "adamw": AdamW}[kind](0.1, decay=0.5, decay_all=decay_all)
    optimizer.apply([keras.ops.zeros(v.shape) for v in ours.values()], list(ours.values()))
    for name in ours:
        factor = 0.95 if decay_all or name == "kernel" else 1.0
        np.testing.assert_allclose(ours[name].numpy(), factor * before[name], rtol=1e-6)


MAKE = {
    "sgd": lambda rate, **groups: SGD(rate, momentum=0.9, nesterov=True, decay=0.05, **groups),
    "adamw": lambda rate, **groups: AdamW(rate, decay=0.05, **groups),
    "keras_adamw": lambda rate: keras.optimizers.AdamW(rate, weight_decay=0.05),
}


@pytest.mark.parametrize(("kind", "reference"), [("sgd", "sgd"), ("adamw", "adamw"), ("adamw", "keras_adamw")])
def test_slow_variables_learn_as_with_an_optimizer_of_their_own(kind, reference):
    """Adam hides the size of a gradient, so that a factor on the gradient in place of the rate would do nothing."""
    rng, paths = np.random.default_rng(0), ("backbone_conv/kernel", "head/kernel")
    values = {path: rng.normal(size=(3, 3, 2, 4)) for path in paths}

    def made():
        found = {}
        for path, value in values.items():
            layer, name = path.split("/")
            with keras.name_scope(layer):
                found[path] = keras.Variable(value, dtype="float32", name=name)
        return found

    together, apart = made(), made()
    one = MAKE[kind](0.1, slow="backbone_", slow_factor=0.25)
    own = {path: MAKE[reference](0.1 * (0.25 if path.startswith("backbone_") else 1)) for path in paths}
    for _ in range(4):
        gradients = {path: keras.ops.convert_to_tensor(rng.normal(size=(3, 3, 2, 4)), "float32") for path in paths}
        one.apply(list(gradients.values()), list(together.values()))
        for path, gradient in gradients.items():
            own[path].apply([gradient], [apart[path]])
    for path in paths:
        found, expected = (keras.ops.convert_to_numpy(each[path]) for each in (together, apart))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        assert np.abs(found - values[path]).max() > 0.01


@pytest.mark.parametrize(
    ("warmup_steps", "step", "rate"),
    [
        (0, 0, 0.2),
        (0, 50, 0.2 * 0.5**0.9),
        (0, 99, 0.2 * 0.01**0.9),
        (0, 100, 0),
        (0, 1000, 0),
        (10, 0, 0.2 * 0.1),
        (10, 4, 0.2 * 0.5 * 0.96**0.9),
        (10, 9, 0.2 * 0.91**0.9),
        (10, 10, 0.2 * 0.9**0.9),
    ],
)
def test_poly_schedule(warmup_steps, step, rate):
    schedule = PolySchedule(0.2, total_steps=100, power=0.9, warmup_steps=warmup_steps)
    assert float(schedule(step)) == pytest.approx(rate, rel=1e-4)


@pytest.mark.parametrize(
    ("warmup_steps", "step", "rate"),
    [
        (0, 0, 0.1),
        (0, 34, 0.1),
        (0, 35, 0.01),
        (0, 59, 0.01),
        (0, 60, 0.001),
        (0, 9999, 0.001),
        (4, 0, 0.025),
        (4, 3, 0.1),
        (4, 40, 0.01),
    ],
)
def test_step_schedule(warmup_steps, step, rate):
    schedule = StepSchedule([35, 60], [0.1, 0.01, 0.001], warmup_steps=warmup_steps)
    assert float(schedule(step)) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.2), (25, 0.2 * (1 + 0.5**0.5) / 2), (50, 0.1), (100, 0.0), (1000, 0.0)]
)
def test_cosine_schedule(step, rate):
    assert float(CosineSchedule(0.2, total_steps=100)(step)) == pytest.approx(rate, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("peak", "total", "warmup_steps", "rates"),
    [
        (
            0.005,
            160_000,
            1000,
            {0: 1e-5, 500: 0.002505, 999: 0.00499501, 1000: 0.005, 1001: 0.004999971698, 80_000: 0.0026945955},
        ),
        (0.01, 10_000, 200, {0: 1e-5, 100: 0.005005, 199: 0.00995005, 200: 0.01, 201: 0.00999908, 5000: 0.0054571958}),
    ],
)
def test_schedule_equals_paddleseg(peak, total, warmup_steps, rates):
    """Rates that the reference implementation of PP-LiteSeg was seen to use."""
    schedule = PolySchedule(peak, total, warmup_steps=warmup_steps, warmup_rate=1e-5)
    for step, rate in rates.items():
        assert float(schedule(step)) == pytest.approx(rate, rel=1e-5), step
    assert float(schedule(total - 1)) > 0


@pytest.mark.parametrize(
    "schedule",
    [
        PolySchedule(0.2, 100, 0.5, warmup_steps=3),
        CosineSchedule(0.2, 100, warmup_steps=3, warmup_rate=0.01),
        StepSchedule([35, 60], [0.1, 0.01, 0.001], warmup_steps=2),
    ],
)
def test_optimizer_survives_its_config(schedule):
    optimizer = SGD(schedule, momentum=0.8, decay=0.3, decay_all=True, slow="backbone_", slow_factor=0.1)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(again) is SGD
    assert again.momentum == 0.8
    assert again.groups == {"decay": 0.3, "decay_all": True, "slow": "backbone_", "slow_factor": 0.1}
    assert again.get_config() == optimizer.get_config()
    for step in (1, 50):
        again.iterations.assign(step)
        assert float(again.learning_rate) == float(schedule(step))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_of_sgd_equal_those_of_keras(nesterov, compiled):
    """TensorFlow takes them in one operation for each variable."""
    schedule = PolySchedule(0.1, total_steps=10)
    optimizers = [kind(schedule, momentum=0.9, nesterov=nesterov) for kind in (SGD, keras.optimizers.SGD)]
    weights, steps = [variables(), variables()], [optimizer.apply for optimizer in optimizers]
    for optimizer, values in zip(optimizers, weights):
        optimizer.build(list(values.values()))
    if compiled and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        steps = [tf.function(optimizer.apply) for optimizer in optimizers]
    rng = np.random.default_rng(0)
    for _ in range(4):
        gradients = [rng.normal(size=variable.shape).astype(np.float32) for variable in weights[0].values()]
        for step in steps:
            step([keras.ops.convert_to_tensor(gradient) for gradient in gradients])
    for found, expected in zip(*(values.values() for values in weights), strict=True):
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-6, atol=1e-7)
