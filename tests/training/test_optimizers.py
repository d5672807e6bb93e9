import keras
import numpy as np
import pytest

from keras_liteseg.training.optimizers import SGD, PolySchedule, StepSchedule


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
    optimizer = SGD(rate, momentum, kernel_decay=decay)
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
    SGD(0.1, kernel_decay=0.5).apply([keras.ops.zeros(v.shape) for v in ours.values()], list(ours.values()))
    np.testing.assert_allclose(ours["kernel"].numpy(), 0.95 * before["kernel"], rtol=1e-6)
    np.testing.assert_array_equal(ours["bias"].numpy(), before["bias"])
    np.testing.assert_array_equal(ours["gamma"].numpy(), before["gamma"])


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
    schedule = StepSchedule([35, 60], [0.1, 0.01, 0.001], warmup_steps)
    assert float(schedule(step)) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize("schedule", [PolySchedule(0.2, 100, 0.5, 3), StepSchedule([35, 60], [0.1, 0.01, 0.001], 2)])
def test_optimizer_survives_its_config(schedule):
    optimizer = SGD(schedule, momentum=0.8, kernel_decay=0.3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert type(again) is SGD
    assert (again.momentum, again.kernel_decay) == (0.8, 0.3)
    assert again.get_config() == optimizer.get_config()
