"""What the keys of a config do to a training."""

import dataclasses

import keras
import numpy as np
import pytest

import keras_liteseg
from keras_liteseg.errors import UserError
from keras_liteseg.models import create_model, pretrained
from keras_liteseg.networks import registry
from keras_liteseg.networks.layers import batch_norm
from keras_liteseg.tools.publish import publish
from keras_liteseg.training import trainer
from keras_liteseg.training.batch_norm_statistics import measure_statistics
from keras_liteseg.training.build import build
from keras_liteseg.training.callbacks import averaged_weights
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.run_folder import BEST_FILE, read_log
from keras_liteseg.training.trainer import train
from tests.training.noise import Noise


@pytest.fixture
def config(tiny_network):
    return TrainingConfig(
        model=tiny_network, crop_size=(16, 24), eval_size=(16, 24), batch_size=2, epochs=2, steps_per_epoch=4, flip=0.0
    )


def built(config, **changes):
    keras.utils.set_random_seed(0)
    return build(dataclasses.replace(config, **changes), Noise(), 4)[0]


def batch():
    data = Noise(4)
    images = ((data.images / 255 - 0.5) / 0.5).astype(np.float32)
    return images, (data.masks.astype(np.int32),) * 2


def loss_of(config, **changes):
    model = built(config, **changes)
    return float(model.evaluate(*batch(), verbose=0, return_dict=True)["loss"])


def test_aux_weights(config):
    main, one, two = (loss_of(config, aux_weights=weights) for weights in ((0.0,), (1.0,), (2.0,)))
    assert main < one < two and two - one == pytest.approx(one - main, rel=1e-4)
    with pytest.raises(UserError, match="aux_weights has 3 numbers and 'tiny' 1 auxiliary heads"):
        built(config, aux_weights=(1.0, 0.4, 0.4))


@pytest.mark.parametrize("kind", ["median_frequency", "inverse_log"])
def test_class_weights_come_from_the_training_images(config, kind):
    data = Noise()
    counts = np.bincount(data.masks[data.masks != 255], minlength=3)
    weights = built(config, class_weights=kind).loss[0].get_config()["class_weights"]
    assert np.argsort(weights).tolist() == np.argsort(-counts).tolist()
    assert loss_of(config, class_weights=kind) != pytest.approx(loss_of(config), rel=1e-3)


def test_class_weights_by_hand(config):
    def weights(given):
        return built(config, class_weights=given).loss[0].get_config()["class_weights"]

    assert weights([1, 2, 5]) == weights((1, 2, 5)) == [1, 2, 5]
    assert weights({"c": 5, "a": 0}) == [0, 1, 5]
    assert weights("") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((1, 2), r"class_weights has 2 numbers and the data 3 classes \(a, b, c\); give one number per class, in this"),
        ({"a": 1, "C": 2}, r"class_weights names 'C', which is not among the 3 classes .*; did you mean"),
        ({"a": 0, "b": 0, "c": 0}, "so that no pixel would count; give a class a weight above 0"),
    ],
)
def test_class_weights_that_do_not_fit_the_data(config, tmp_path, given, message):
    with pytest.raises(UserError, match=message):
        train(dataclasses.replace(config, class_weights=given), Noise(), Noise(3), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "ohem", "ohem_min_kept": 10, "ohem_threshold": 0.4},
        {"loss": "focal"},
        {"loss": "focal", "focal_gamma": 0.5},
        {"class_weights": (1, 2, 5)},
        {"class_weights": {"c": 5}},
        {"dice_weight": 1.0},
        {"lovasz_weight": 1.0},
        {"boundary_weight": 1.0},
        {"label_smoothing": 0.5},
    ],
    ids=str,
)
def test_loss_keys_reach_the_loss(config, changes):
    assert loss_of(config, **changes) != pytest.approx(loss_of(config), rel=1e-3)


class Watched(Noise):
    """Noise of which one picture in ten has the class c; it remembers what was read once it is trained on."""

    def __init__(self):
        super().__init__(10)
        self.masks = np.minimum(self.masks, 1)
        self.masks[3] = 2
        self.read = []

    def image(self, index):
        self.read.append(index)
        return super().image(index)


def test_pictures_of_rare_classes_come_more_often(config, monkeypatch):
    monkeypatch.setattr(trainer, "CachedDataset", lambda dataset: dataset)
    shares = {}
    for threshold in (0.0, 0.9):
        data = Watched()
        changed = dataclasses.replace(config, oversample_threshold=threshold)
        batches = iter(trainer._batches(changed, data, Noise(3), first_step=0, heads=1)[1])
        for _ in range(120):
            next(batches)
        shares[threshold] = np.mean(np.array(data.read[:240]) == 3)
    assert shares[0.0] == pytest.approx(1 / 10, abs=0.01)
    assert shares[0.9] == pytest.approx(3 / 12, abs=0.02)  # sqrt(0.9 / 0.1) = 3, beside nine of 1


def test_optimizer_keys_reach_the_optimizer(config):
    found = built(
        config, clip_norm=0.5, gradient_accumulation_steps=3, ema_momentum=0.9, nesterov=True, weight_decay_on="all"
    ).optimizer
    assert (found.global_clipnorm, found.gradient_accumulation_steps, found.ema_momentum) == (0.5, 3, 0.9)
    assert found.use_ema and found.nesterov and found.groups["decay_all"]
    plain = built(config).optimizer
    assert not plain.use_ema and plain.global_clipnorm is None and plain.gradient_accumulation_steps is None


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": "adamw", "learning_rate": 0.01},
        {"ema_momentum": 0.5},
        {"gradient_accumulation_steps": 2},
        {"precision": "mixed_float16", "clip_norm": 1.0},
    ],
    ids=str,
)
def test_backbone_that_learns_at_a_rate_of_0_stays(config, changes):
    images, masks = batch()
    moved = {}
    for factor in (0.0, 0.5, 1.0):
        model = built(config, backbone_learning_rate=factor, weight_decay=0.1, **changes)
        before = {layer.name: layer.get_weights()[0] for layer in model.layers if layer.weights}
        model.fit(images, masks, batch_size=2, epochs=2, verbose=0)
        moved[factor] = {
            name: np.abs(model.get_layer(name).get_weights()[0] - old).max() for name, old in before.items()
        }
    assert {name.startswith("features_") for name in before} == {True, False}
    for name in before:
        if name.startswith("features_"):
            assert 0 == moved[0.0][name] < moved[0.5][name] < moved[1.0][name], name
        else:
            assert moved[0.0][name] > 0, name


def test_network_without_a_backbone_has_no_rate_for_it(config):
    with pytest.raises(UserError, match="backbone_learning_rate is 0.1, and 'lps_net_tiny' has no backbone"):
        built(config, model="lps_net_tiny", backbone_learning_rate=0.1)


def test_accumulated_batches_are_one_large_batch(config):
    """Without batch normalization in training mode: its statistics are those of the small batches."""
    weights = []
    images, (masks, _) = batch()
    for accumulate, size in ((1, 4), (2, 2)):
        model = built(config, gradient_accumulation_steps=accumulate, momentum=0.0, weight_decay=0.0, schedule="step")
        for layer in model.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        model.compile(optimizer=model.optimizer, loss=model.loss, jit_compile=False)
        masks = np.clip(masks, 0, 2)  # no pixel ignored, so that both batches count alike
        model.fit(images, (masks, masks), batch_size=size, epochs=1, shuffle=False, verbose=0)
        weights.append(model.get_layer("seg_score").kernel.numpy())
    np.testing.assert_allclose(weights[1], weights[0], rtol=1e-4, atol=1e-6)


def test_validation_and_saved_network_have_the_average(config, tmp_path):
    best = train(dataclasses.replace(config, ema_momentum=0.9, epochs=1), Noise(), Noise(3), tmp_path / "ema")
    plain = train(dataclasses.replace(config, epochs=1), Noise(), Noise(3), tmp_path / "plain")
    ours, theirs = (keras_liteseg.load_model(path)[0].get_layer("seg_score").kernel for path in (best, plain))
    assert np.abs(ours - theirs).max() > 1e-4
    logs = [read_log(tmp_path / name)[0] for name in ("ema", "plain")]
    assert logs[0]["loss"] == pytest.approx(logs[1]["loss"], rel=1e-4)  # training itself has the plain weights
    assert logs[0]["val_loss"] != pytest.approx(logs[1]["val_loss"], rel=1e-3)


def test_trained_weights_come_back_after_validation(config):
    model = built(config, ema_momentum=0.9)
    images, masks = batch()
    model.fit(images, masks, batch_size=2, verbose=0, epochs=1)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    model.fit(images, masks, batch_size=2, verbose=0, epochs=1)
    kernel = model.get_layer("seg_score").kernel
    kernel.assign(kernel + 1.0)
    trained = kernel.numpy()
    norm = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    mean = norm.moving_mean.numpy()
    with averaged_weights(model, lambda: norm.moving_mean.assign(mean + 1.0)):
        assert np.abs(kernel.numpy() - trained).max() > 0.5
        assert norm.moving_mean.numpy() == pytest.approx(mean + 1.0)
    np.testing.assert_array_equal(kernel.numpy(), trained)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), mean)


def test_statistics_are_measured_as_mean_over_batches():
    images = keras.Input((None, None, 3))
    model = keras.Model(images, batch_norm(images, "norm"))
    layer = model.get_layer("norm")
    momentum = layer.momentum
    batches = [np.random.default_rng(k).normal(k, 1 + k, (2, 5, 4, 3)).astype(np.float32) for k in range(4)]
    measure_statistics(model, [(batch, None) for batch in batches], steps=3)
    means, variances = ([f(batch, axis=(0, 1, 2)) for batch in batches[:3]] for f in (np.mean, np.var))
    np.testing.assert_allclose(layer.moving_mean, np.mean(means, 0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, np.mean(variances, 0), rtol=1e-5)
    assert layer.momentum == momentum


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_saves_a_float32_network(config, tmp_path, precision):
    changes = dict(precision=precision, ema_momentum=0.5)
    scaled = isinstance(built(config, **changes).optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16")
    best = train(dataclasses.replace(config, loss="focal", **changes), Noise(), Noise(3), tmp_path / "run")
    model, _ = keras_liteseg.load_model(best)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    assert all(np.isfinite(row["loss"]) for row in read_log(tmp_path / "run"))


def test_model_options_reach_the_network(config):
    model = build(dataclasses.replace(config, model="pp_liteseg_t", model_options={"sppm_channels": 24}), Noise(), 4)[0]
    assert model.get_layer("ppseg_head_cm_conv_out__conv").filters == 24


def test_backbone_weights(config, tmp_path):
    donor = create_model("ndnet61", (32, 32, 3))
    state = {}
    for layer in donor.layers:
        if isinstance(layer, keras.layers.Conv2D):
            state[f"{layer.name}.weight"] = layer.kernel.numpy().transpose(3, 2, 0, 1)
    with pytest.raises(UserError, match="weights.npz does not fit the model 'ndnet61'"):
        np.savez(tmp_path / "weights.npz", **state)
        build(dataclasses.replace(config, model="ndnet61"), Noise(), 4, str(tmp_path / "weights.npz"))


def test_synchronized_batch_normalization(config):
    for flag in (False, True):
        model = built(config, sync_batch_norm=flag)
        norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
        assert norms and all(norm.synchronized == flag for norm in norms)


# Distillation.


@pytest.fixture(scope="module")
def teachers(tmp_path_factory):
    """The folder of the teacher, which is trained once."""
    return tmp_path_factory.mktemp("teacher")


@pytest.fixture
def teacher(config, teachers):
    """A trained network of the same classes."""
    path = teachers / "run" / BEST_FILE
    if not path.exists():
        changes = dict(epochs=3, steps_per_epoch=20, learning_rate=0.1)
        train(dataclasses.replace(config, **changes), Noise(), Noise(3), teachers / "run")
    return path


def test_student_learns_the_logits_of_the_teacher(config, teacher, tmp_path):
    images, _ = batch()
    target = keras.ops.softmax(keras_liteseg.load_model(teacher)[0](images))

    def divergence(**changes):
        changes = dict(steps_per_epoch=20, learning_rate=0.02, seed=3, **changes)
        best = train(dataclasses.replace(config, **changes), Noise(), Noise(3), tmp_path / str(len(changes)))
        found = keras.ops.log_softmax(keras_liteseg.load_model(best)[0](images))
        return float(-keras.ops.mean(keras.ops.sum(target * found, axis=-1)))

    assert divergence(teacher=str(teacher), distillation_weight=5.0) < divergence()


def test_teacher_is_no_part_of_the_checkpoint(config, teacher):
    plain, taught = built(config), built(config, teacher=str(teacher))
    assert [v.path for v in taught.variables] == [v.path for v in plain.variables]


def test_teacher_of_other_classes_is_refused(config, network_file):
    with pytest.raises(
        UserError, match=r"The teacher .* knows 9 classes .*, not the 3 classes \(a, b, c\) of noise; class 0 is"
    ):
        built(config, teacher=str(network_file))


def test_published_weights_teach_by_name(config, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    publish(teacher, teacher.parent / "config.yaml", [Noise(3)], pretrained.FOLDER, data_licence="Noise is free.")
    images, labels = batch()
    from_file, *by_name = (built(config, teacher=name) for name in (str(teacher), "noise", f"{config.model}/noise"))
    logits = from_file(images)[0]
    expected = float(from_file.teacher(images, labels[0], logits))
    for model in by_name:  # whose kernels are in float16
        assert float(model.teacher(images, labels[0], logits)) == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("name", ["noise", "other/noise", "teacher.tflite"])
def test_teacher_that_is_no_network_of_keras_is_refused(config, name):
    with pytest.raises(UserError, match=f"The teacher {name} is neither a .keras file nor the name of published weig"):
        built(config, teacher=name)


def test_training_without_any_update_is_refused(config):
    steps = config.epochs * 4
    built(config, gradient_accumulation_steps=steps)
    with pytest.raises(
        UserError, match=f"_steps is {steps + 1}, and the training has {steps} steps, so that no weight"
    ):
        built(config, gradient_accumulation_steps=steps + 1)


def test_teacher_sees_the_image_as_it_was_trained(config, teacher, monkeypatch):
    """The student's normalization is undone for a teacher with another one."""
    images, labels = batch()
    same = built(config, teacher=str(teacher))
    logits = same(images)[0]
    expected = float(same.teacher(images, labels[0], logits))
    entry = registry._SPECS[config.model]
    monkeypatch.setitem(registry._SPECS, config.model, dataclasses.replace(entry, mean=(0.4,) * 3, std=(0.25,) * 3))
    other = built(config, teacher=str(teacher))
    moved = ((images * 0.5 + 0.5) - 0.4) / 0.25
    assert float(other.teacher(moved, labels[0], logits)) == pytest.approx(expected, rel=1e-4)
