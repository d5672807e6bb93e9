import dataclasses

import pytest
import yaml

from keras_liteseg.datasets.augment import Augmentation
from keras_liteseg.errors import UserError
from keras_liteseg.training.config import QuantizationConfig, TrainingConfig, load_config
from keras_liteseg.training.trainer import augmentation, schedule


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


def test_every_option_of_the_augmentation_is_a_key(written):
    config = load_config(written("scales: [0.5, 1]\nrotation: 5\ncolor_probability: 0.3\ncutmix: 0.7\nfill: 127\n"))
    made = augmentation(config)
    assert (made.scales, made.rotation, made.color_probability, made.cutmix, made.fill) == ((0.5, 1), 5, 0.3, 0.7, 127)
    keys = {field.name for field in dataclasses.fields(TrainingConfig)}
    assert {field.name for field in dataclasses.fields(made)} - {"crop"} <= keys
    defaults = Augmentation(crop=TrainingConfig().crop_size)
    assert augmentation(TrainingConfig()) == defaults and augmentation(QuantizationConfig()) == defaults


def test_overrides_replace_the_file(written):
    path = written("epochs: 3\n")
    overrides = ["epochs=20", "crop_size=[32, 64]", "data_options={train: {length: 8}}", "steps_per_epoch=null"]
    config = load_config(path, overrides)
    assert (config.epochs, config.crop_size, config.steps_per_epoch) == (20, (32, 64), None)
    assert config.data_options == {"train": {"length": 8}}


def test_an_empty_text_switches_off(written):
    assert load_config(written("class_weights: inverse_log\n"), ["class_weights="]).class_weights == ""


def test_written_config_reads_back(written):
    config = TrainingConfig(schedule="step", step_epochs=(1, 2), step_rates=(0.1, 0.2), crop_size=(64, 128))
    values = {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(config).items()}
    assert load_config(written(yaml.safe_dump(values))) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat: 0.1", "no config key 'learning_rat'. The nearest: learning_rate"),
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
        ("crop_size: [64]", "crop_size is [64]; wanted [height, width] in pixels"),
        ("eval_size: [64, 12.5]", "eval_size is [64, 12.5]; wanted [height, width] in pixels"),
        ("model: 45", "model is 45; wanted text"),
        ("data_options: 3", "data_options is 3; wanted a table"),
        ("data_options: {trian: {length: 8}}", "data_options has 'trian: {'length': 8}'; wanted tables"),
        ("data_options: {train: 8}", "data_options has 'train: 8'; wanted tables"),
        ("schedule: linear", "schedule is 'linear'; a config knows poly, cosine, step"),
        ("schedule: step\nstep_epochs: [1, 2]\nstep_rates: [0.1]", "step_epochs has 2 entries and step_rates 1"),
        ("- a\n- b", "holds no 'key: value' lines"),
        ("a: [", "is not YAML"),
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
