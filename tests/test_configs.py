"""Every config in configs/ builds all that a training needs, and opens with how it is run and what to expect of it."""

import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest
import yaml
from PIL import Image

from keras_liteseg.datasets import load_dataset
from keras_liteseg.models.pretrained import find_card
from keras_liteseg.networks import model_spec
from keras_liteseg.networks.registry import check_input_shape
from keras_liteseg.quantization.config import QuantizationConfig
from keras_liteseg.training.build import build, schedule
from keras_liteseg.training.config import TrainingConfig, load_config

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
every_config = pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)


def load(path):
    return load_config(path, kind=QuantizationConfig if path.stem.endswith("_qat") else TrainingConfig)


def opening(path):
    """Return the comment that a file begins with, as one line."""
    lines = path.read_text().splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return " ".join(" ".join(line.lstrip("#") for line in lines[:end]).split())


@pytest.fixture(scope="module")
def data_dirs(tmp_path_factory):
    """Folders of Cityscapes, CamVid and pictures of one's own, one small frame per split; street scenes need none."""
    cityscapes, camvid, folder = (tmp_path_factory.mktemp(name) for name in ("cityscapes", "camvid", "folder"))
    for split, kinds in {"train": ["Fine", "Coarse"], "val": ["Fine"], "train_extra": ["Coarse"]}.items():
        draw(cityscapes / f"leftImg8bit/{split}/city/city_0_0_leftImg8bit.png", (8, 16, 3))
        for kind in kinds:
            draw(cityscapes / f"gt{kind}/{split}/city/city_0_0_gt{kind}_labelIds.png", (8, 16))
    for split in ("train", "val"):
        draw(camvid / split / "0.png", (8, 16, 3))
        draw(camvid / f"{split}annot" / "0.png", (8, 16))
        (camvid / f"{split}.txt").write_text(f"{split}/0.png {split}annot/0.png\n")
        draw(folder / "images" / split / "0.png", (8, 16, 3))
        draw(folder / "masks" / split / "0.png", (8, 16))
    (folder / "classes.yaml").write_text("classes: [road, car]\n")
    return {"cityscapes": cityscapes, "camvid": camvid, "folder": folder, "street_scenes": None}


def draw(path, shape):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(shape, np.uint8)).save(path)


@every_config
def test_the_config_opens_with_its_command(path):
    mode = "--quantization_aware " * path.stem.endswith("_qat")
    assert f"liteseg train {mode}--config {path.stem} " in opening(path)


@every_config
def test_the_config_says_what_to_expect(path):
    """Either what we measured, or what others published, with its source and the number of steps, never both."""
    published = re.search(r"Published: mIoU \d\d\.\d+ on (val|test)\b.*?\(.+?\)", opening(path))
    measured = re.search(r"Measured: mIoU \d\d\.\d.*?; \d+ (seconds|minutes|hours) on ", opening(path))
    assert bool(published) != bool(measured)
    assert ("Not run here" in opening(path)) == bool(published) == (path.parent.name == "papers")
    if published:
        config = load(path)
        assert f" {config.epochs * config.steps_per_epoch:,} steps" in opening(path)


@every_config
def test_the_config_says_how_to_make_its_teacher(path):
    config = load(path)
    if not isinstance(config, TrainingConfig) or not config.teacher:
        return
    published = find_card(config.model, config.teacher)
    if published:
        name = json.loads(published.path.with_suffix(".json").read_text())["training"]
    else:
        name = pathlib.PurePath(config.teacher).parent.name
    (made_by,) = (other for other in CONFIGS if other.stem == name)
    if published:
        said = f"The teacher comes with the package; {made_by.relative_to(ROOT)} trained it."
    else:
        said = f"The teacher, {config.teacher}, is what the command in {made_by.relative_to(ROOT)} makes."
        assert f"--output_dir {pathlib.PurePath(config.teacher).parent}" in opening(made_by)
    assert said in opening(path)


def test_no_two_configs_have_the_same_name():
    """Results and pages go by names without the folder."""
    names = [path.name for path in CONFIGS]
    assert len(set(names)) == len(names)


@every_config
def test_a_config_with_a_base_repeats_none_of_its_values(path):
    values = yaml.safe_load(path.read_text())
    base = values.pop("base", None)
    if base:
        known = dataclasses.asdict(load(path.parent / base))
        own = dataclasses.asdict(load(path))
        assert [key for key in values if own[key] == known[key]] == []


@every_config
def test_the_config_builds_network_loss_and_optimizer(path, data_dirs):
    config = load(path)
    model_spec(config.model)  # one of the registry, or an LPS-Net by its widths
    check_input_shape(config.model, (*config.crop_size, 3), aux_heads=True)
    check_input_shape(config.model, (*config.eval_size, 3))
    train_data, val_data = (
        load_dataset(config.data, data_dirs[config.data], **{"split": split, **config.data_options.get(split, {})})
        for split in ("train", "val")
    )
    assert train_data.classes == val_data.classes
    if isinstance(config, TrainingConfig):
        # A teacher is the result of another training, so its file is not here.
        model, inference = build(dataclasses.replace(config, teacher=""), train_data, config.steps_per_epoch or 1)
        assert inference.output.shape[-1] == len(train_data.classes)
        assert np.isfinite(float(model.optimizer.learning_rate))


@pytest.mark.parametrize(
    ("name", "rates"),
    [
        ("pp_liteseg_t_cityscapes", {0: 1e-5, 500: 0.002505, 1000: 0.005, 80_000: 0.0026945955}),
        ("pp_liteseg_b_camvid", {0: 1e-5, 100: 0.005005, 200: 0.01, 5000: 0.0054571958}),
        ("lps_net_m_cityscapes", {0: 0.01, 100_000: 0.01 * 0.5**0.9}),
        ("ndnet45_cityscapes", {0: 0.1, 34_999: 0.1, 35_000: 0.01, 60_000: 0.001, 80_000: 0.0005, 99_999: 0.0005}),
        ("liteseg_mobilenetv2_cityscapes_fine", {0: 0.05, 148_750: 0.05 * 0.5**0.9}),
    ],
)
def test_published_learning_rates(name, rates):
    config = next(load(path) for path in CONFIGS if path.stem == name)
    followed = schedule(config, config.steps_per_epoch)
    assert {step: float(followed(step)) for step in rates} == pytest.approx(rates, rel=1e-5)


def test_settings_that_two_published_configs_share_are_the_same():
    """Networks of one paper were trained alike, apart from what their files say."""
    for pattern, differ in {
        "pp_liteseg_?_camvid": {"model"},
        "pp_liteseg_?_cityscapes*": {"model", "eval_size", "scales"},
        "lps_net_?_cityscapes": {"model"},
        "liteseg_*_fine": {"model", "learning_rate"},
        "liteseg_*_coarse": {"model", "learning_rate"},
    }.items():
        configs = [dataclasses.asdict(load(path)) for path in CONFIGS if path.match(f"{pattern}.yaml")]
        assert len(configs) > 1
        for config in configs[1:]:
            assert {key for key, value in config.items() if value != configs[0][key]} <= differ
