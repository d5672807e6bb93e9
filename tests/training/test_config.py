import dataclasses
import pathlib

import numpy as np
import pytest
import yaml

from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.errors import UserError
from keras_liteseg.quantization.config import QuantizationConfig
from keras_liteseg.training.build import schedule
from keras_liteseg.training.config import OLD_KEYS, TrainingConfig, config_to_yaml, load_config


@pytest.fixture
def written(tmp_path):
    """A function that writes a config file and returns its path."""

    def write(text):
        path = tmp_path / "config.yaml"
        path.write_text(text)
        return path

    return write


def test_values_and_defaults(written):
    config = load_config(written("crop_size: [64, 128]\nepochs: 3\nlearning_rate: 1e-3\nflip: 1\nsteps_per_epoch: 7\n"))
    assert config.crop_size == (64, 128)
    assert (config.epochs, config.learning_rate, config.flip, config.steps_per_epoch) == (3, 1e-3, 1.0, 7)
    assert config.momentum == TrainingConfig().momentum
    assert load_config(written("")) == TrainingConfig()


def test_a_config_is_the_augmentation(written):
    config = load_config(written("scales: [0.5, 1]\nrotation: 5\ncutmix: 0.7\npad_value: 127\n"))
    assert isinstance(config, Augmentation)
    assert (config.scales, config.rotation, config.cutmix, config.pad_value) == ((0.5, 1), 5, 0.7, 127)
    with pytest.raises(UserError, match="rotation is 200.0; it must be from 0 to 180"):
        load_config(written("rotation: 200\n"))


@pytest.mark.parametrize("kind", [TrainingConfig, QuantizationConfig])
def test_no_two_parts_of_a_config_declare_the_same_key(kind):
    keys = [field.name for part in kind.__bases__ for field in dataclasses.fields(part)]
    assert len(keys) == len(set(keys)) > 20


def test_overrides_replace_the_file(written):
    path = written("epochs: 3\n")
    overrides = ["epochs=20", "crop_size=[32, 64]", "data_options={train: {length: 8}}", "steps_per_epoch=null"]
    config = load_config(path, overrides)
    assert (config.epochs, config.crop_size, config.steps_per_epoch) == (20, (32, 64), None)
    assert config.data_options == {"train": {"length": 8}}


def test_an_empty_text_switches_off(written):
    assert load_config(written("class_weights: inverse_log\n"), ["class_weights="]).class_weights == ""


@pytest.mark.parametrize("weights", ["inverse_log", (1, 2.5, 5), {"car": 2, "fuß": 0.5}])
def test_written_config_reads_back(written, weights):
    steps = dict(schedule="step", step_epochs=(1, 2), step_rates=(0.1, 0.2))
    config = TrainingConfig(crop_size=(64, 128), class_weights=weights, **steps)
    text = config_to_yaml(config)
    assert load_config(written(text)) == config
    assert list(yaml.safe_load(text)) == [field.name for field in dataclasses.fields(config)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat: 0.1", "no config key 'learning_rat'; did you mean learning_rate"),
        ("batch_size: 1000000000", "batch_size is 1000000000; it must be 4096 or less"),
        ("epochs: 1000000000000", "epochs is 1000000000000; it must be 2147483647 or less"),
        ("epochs: many", "epochs is 'many'; wanted a whole number"),
        ("epochs: 2.5", "epochs is 2.5; wanted a whole number"),
        ("epochs: true", "epochs is True; wanted a whole number"),
        ("epochs: 0", "epochs is 0; it must be 1 or more"),
        ("epochs:", "epochs is None; wanted a whole number"),
        ("steps_per_epoch: 1.5", "steps_per_epoch is 1.5; wanted a whole number"),
        ("steps_per_epoch: true", "steps_per_epoch is True; wanted a whole number"),
        ("optimizer:", "optimizer is ''; a config knows sgd, adamw"),
        ("steps_per_epoch: 0", "steps_per_epoch is 0; it must be 1 or more"),
        ("batch_size: -1", "batch_size is -1; it must be 1 or more"),
        ("learning_rate: fast", "learning_rate is 'fast'; wanted a number"),
        ("learning_rate: .nan", "learning_rate is nan; wanted a number"),
        ("crop_size: 64", "crop_size is 64; wanted a list of numbers"),
        ("scales: [0.75, big]", "scales is [0.75, 'big']; wanted a list of numbers"),
        ("crop_size: [64]", "crop_size is (64,); it must be (height, width) in pixels"),
        ("eval_size: [64, 12.5]", "eval_size is (64, 12.5); it must be (height, width) in pixels"),
        ("model: 45", "model is 45; wanted text"),
        ("data_options: 3", "data_options is 3; wanted a table"),
        ("data_options: {trian: {length: 8}}", "data_options has 'trian: {'length': 8}'; wanted tables"),
        ("data_options: {train: 8}", "data_options has 'train: 8'; wanted tables"),
        (
            "class_weights: inverse_logs",
            "class_weights is 'inverse_logs'; a config knows median_frequency, inverse_log,",
        ),
        ("class_weights: 3", "class_weights is 3; wanted a word, one number per class or a table of numbers"),
        ("class_weights: [1, 2, .nan]", "class_weights is [1, 2, nan]; every weight must be a number, 0 or more"),
        ("class_weights: [1, -2]", "class_weights is [1, -2]; every weight must be a number, 0 or more"),
        ("class_weights: [0, 0]", "class_weights is [0, 0], so that no pixel would count"),
        ("class_weights: []", "class_weights is [], which has no weight; leave it out"),
        ("class_weights: {car: many}", "class_weights is {'car': 'many'}; every weight must be a number"),
        ("loss: focus", "loss is 'focus'; a config knows cross_entropy, ohem, focal"),
        ("focal_gamma: -1", "focal_gamma is -1.0; it must be 0 or more"),
        ("data_options: {train: {name: x}}", "data_options.train has 'name', which is no option of a data set; give"),
        (
            "data_options: {val: {data_dir: x}}",
            "data_options.val has 'data_dir', which is no option of a data set; give",
        ),
        ("data_options: {val: {1: x}}", "data_options.val has '1'; wanted names of options of the data set"),
        (
            "schedule: step\nstep_epochs: [2, 1]\nstep_rates: [1, 2]",
            "step_epochs is [2, 1]; give each boundary once, in",
        ),
        ("keep_epoch: first", "keep_epoch is 'first'; a config knows best, last"),
        ("ema_momentum: 1", "ema_momentum is 1.0; it must be 0 or more and below 1"),
        ("base: 3", "base is 3; wanted the path of another config"),
        ("base: none.yaml", "none.yaml, the base of config.yaml: No such file"),
        ("base: config.yaml", "config.yaml is its own base, by base: in config.yaml"),
        ("schedule: linear", "schedule is 'linear'; a config knows poly, cosine, step"),
        ("schedule: step\nstep_epochs: [1, 2]\nstep_rates: [0.1]", "step_epochs has 2 entries and step_rates 1"),
        ("- a\n- b", "holds no 'key: value' lines"),
        ("a: [", "is not YAML"),
        ("epochs: 3\nbatch_size: 2\nepochs: 30", "is not YAML: the key 'epochs' is there twice"),
        ("backbone_weights: 2026-02-30", "is not YAML: day is out of range for month"),
    ],
)
def test_wrong_config_is_refused(written, text, message):
    with pytest.raises(UserError) as error:
        load_config(written(text))
    assert message in str(error.value)


def test_keys_belong_to_a_kind_of_training(written):
    path = written("label_weight: 0.5")
    assert load_config(path, kind=QuantizationConfig).label_weight == 0.5
    with pytest.raises(UserError, match="no config key 'label_weight'"):
        load_config(path)


def test_override_without_a_value_is_refused(written):
    with pytest.raises(UserError, match="The override 'epochs' has no '='"):
        load_config(written(""), ["epochs"])


def test_override_that_is_no_yaml_is_refused(written):
    with pytest.raises(UserError, match=r"The override 'crop_size=\[1,' is not YAML"):
        load_config(written(""), ["crop_size=[1,"])


def test_binary_file_is_refused(tmp_path):
    (tmp_path / "config.yaml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(UserError, match="config.yaml is not YAML"):
        load_config(tmp_path / "config.yaml")


def test_numbers_in_lists_may_have_exponents(written):
    config = load_config(written("schedule: step\nstep_epochs: [1, 2]\nstep_rates: [1e-2, 0.001]\n"))
    assert config.step_rates == (0.01, 0.001)
    assert config.step_epochs == (1, 2)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="Cannot read the config .*none.yaml"):
        load_config(tmp_path / "none.yaml")


def test_schedules_count_in_steps():
    poly = schedule(TrainingConfig(learning_rate=0.5, epochs=10, poly_power=1.0, warmup_epochs=0.5), steps_per_epoch=20)
    assert float(poly(0)) == pytest.approx(0.5 / 10)
    assert float(poly(100)) == pytest.approx(0.25)
    step = TrainingConfig(learning_rate=0.5, schedule="step", step_epochs=(2, 3.5), step_rates=(0.25, 0.125))
    rates = [float(schedule(step, 20)(at)) for at in (39, 40, 69, 70)]
    assert rates == [0.5, 0.25, 0.25, 0.125]


@pytest.mark.parametrize("kind", ["poly", "cosine", "step"])
def test_warm_up_that_leaves_no_step_to_the_schedule_is_refused(kind):
    config = TrainingConfig(schedule=kind, epochs=1, warmup_epochs=0.9, warmup_rate=0.1)
    assert float(schedule(config, steps_per_epoch=10)(9)) > 0
    with pytest.raises(UserError, match="warmup_epochs is 0.9 and epochs 1; with a warmup_rate the schedule begins"):
        schedule(config, steps_per_epoch=2)


# Former names of keys.


@pytest.mark.parametrize(("old", "new"), OLD_KEYS.items())
def test_former_name_of_a_key_is_refused_with_the_new_one(written, old, new):
    assert new in {field.name for field in dataclasses.fields(TrainingConfig)}
    with pytest.raises(UserError, match=f"config.yaml: the config key '{old}' is called '{new}' now; rename it"):
        load_config(written(f"{old}: 1\n"))
    with pytest.raises(UserError, match=f"override: the config key '{old}' is called '{new}' now"):
        load_config(written(""), [f"{old}=1"])


# A file that is based on another.


def test_base_has_what_a_file_leaves_out(written, tmp_path):
    (tmp_path / "a.yaml").write_text("epochs: 7\nbatch_size: 3\ncrop_size: [64, 64]\n")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "b.yaml").write_text("base: ../a.yaml\nbatch_size: 5\nlearning_rate: 0.5\n")
    config = load_config(written("base: inner/b.yaml\nlearning_rate: 0.25\n"), ["crop_size=[32, 32]"])
    assert config == TrainingConfig(epochs=7, batch_size=5, learning_rate=0.25, crop_size=(32, 32))
    assert "base" not in yaml.safe_load(config_to_yaml(config))


def test_bases_that_lead_back_are_refused(written, tmp_path):
    (tmp_path / "a.yaml").write_text("base: config.yaml\n")
    with pytest.raises(UserError, match=r"config.yaml is its own base, by base: in a.yaml; leave that out"):
        load_config(written("base: a.yaml\n"))


def test_wrong_key_is_shown_with_the_file_that_it_is_in(written, tmp_path):
    (tmp_path / "a.yaml").write_text("epoch: 7\n")
    with pytest.raises(UserError, match="a.yaml: there is no config key 'epoch'; did you mean epochs"):
        load_config(written("base: a.yaml\n"))


def test_base_cannot_be_an_override(written):
    with pytest.raises(UserError, match="override: there is no config key 'base'"):
        load_config(written(""), ["base=a.yaml"])


def test_numbers_of_numpy_and_paths_are_written_as_yaml_has_them(written):
    given = {
        "batch_size": np.int64(2),
        "learning_rate": np.float32(0.5),
        "crop_size": tuple(np.array([64, 128])),
        "class_weights": {"road": np.float64(0.25)},
        "data_options": {"train": {"folder": pathlib.Path("a"), "lengths": (1, 2)}},
    }
    read = load_config(written(config_to_yaml(TrainingConfig(**given))))
    assert (read.batch_size, read.learning_rate, read.crop_size) == (2, 0.5, (64, 128))
    assert read.class_weights == {"road": 0.25}
    assert read.data_options == {"train": {"folder": "a", "lengths": [1, 2]}}
