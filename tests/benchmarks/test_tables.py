"""The tables of the pages are those of results/."""

import json

import pytest

from benchmarks import rows
from benchmarks.tables import ROOT
from benchmarks.tables.cards import cards, with_int8
from benchmarks.tables.experiments import EXPERIMENTS, HEADLINES, config_path, seen_by
from benchmarks.tables.pages import PAGES, with_tables
from benchmarks.tables.results import Results, load_results
from keras_liteseg.errors import UserError

RESULTS = load_results(ROOT / "results")


@pytest.mark.parametrize("page", PAGES)
def test_page_shows_the_committed_results(page):
    text = (ROOT / page).read_text()
    assert with_tables(text, PAGES[page], RESULTS) == text


def test_cards_have_the_int8_files_of_the_results():
    assert len(cards()) >= 6
    for card in cards().values():
        assert with_int8(card, RESULTS) == card, card["training"]
        assert "latency_ms" in card["int8"], card["training"]
        assert with_int8({**card, "int8": None}, RESULTS) == card
        assert "int8" not in with_int8({**card, "training": "another"}, RESULTS)
        variant = RESULTS.accuracy_of(card["training"], "int8")
        assert variant["input_size"] == "x".join(map(str, card["input_size"]))


def test_every_result_says_where_it_comes_from():
    for name, document in RESULTS.documents.items():
        assert {"command", "date", "device", "versions"} <= set(document), name
    runs = rows.read(ROOT / "results" / "latency_runs.csv")
    for row in [*RESULTS.accuracy.values(), *RESULTS.trainings.values(), *runs]:
        assert row["command"].startswith("python ") and row["date"] and row["versions"], row
    for row in [*RESULTS.accuracy.values(), *RESULTS.trainings.values(), *RESULTS.latency]:
        assert row["cpu"] and row["cores"] and row["os"], row
    assert [row["run"] for row in runs] == list(dict.fromkeys(row["run"] for row in RESULTS.latency))


def test_rows_of_the_tables_belong_together():
    assert set(RESULTS.class_iou) == set(RESULTS.accuracy)
    for key, row in RESULTS.accuracy.items():
        counted = [iou for iou in RESULTS.class_iou[key].values() if iou is not None]
        assert sum(counted) / len(counted) == pytest.approx(row["miou"], abs=1e-5), key
    curves = rows.read(ROOT / "results" / "training_curves.csv")
    for name, training in RESULTS.trainings.items():
        curve = [row for row in curves if row["training"] == name]
        epochs = [row["epoch"] for row in curve]
        # The log of one training lacks an epoch.
        missing = {118} if name == "ndnet45_camvid_scratch" else set()
        assert epochs == [epoch for epoch in range(training["epochs"]) if epoch not in missing]
        best = max(curve, key=lambda row: row["val_miou"])
        assert best["val_miou"] == pytest.approx(training["best_val_miou"], abs=1e-5)
        assert best["epoch"] == training["best_epoch"]
    assert {row["training"] for row in curves} == set(RESULTS.trainings)


def test_every_training_is_shown_and_has_its_config():
    assert {training for training, *_ in RESULTS.accuracy} == set(EXPERIMENTS)
    assert set(RESULTS.trainings) == set(EXPERIMENTS) - {"ndnet45_cityscapes"}
    assert set(HEADLINES) <= set(EXPERIMENTS) and len(HEADLINES) == 7
    for name in RESULTS.trainings:
        assert (ROOT / config_path(name)).is_file()


def test_documents_are_what_no_row_can_hold():
    kinds = {json.loads(path.read_text()).get("kind") for path in (ROOT / "results").glob("*.json")}
    assert not kinds & {"accuracy", "training"}


def test_config_that_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match="No config in configs/ is named nobody.yaml"):
        config_path("nobody")


def test_page_without_a_marker_is_refused():
    with pytest.raises(UserError, match="has no line '<!-- table: accuracy -->'"):
        with_tables("# nothing\n", PAGES["README.md"], Results())


@pytest.mark.parametrize("page", PAGES)
def test_missing_results_leave_cells_empty(page):
    tables = PAGES[page]
    text = "".join(f"<!-- table: {name} -->\nold\n<!-- end -->\n" for name in tables)
    made = with_tables(text, tables, Results())
    assert "old" not in made and made.count("<!-- end -->") == len(tables)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("ndnet45_camvid_scratch", "CamVid train"),
        # No. 8 starts from what has learned from train and val, and its teacher began with Cityscapes.
        ("ndnet45_camvid_trainval_distilled_864x1152", "CamVid train and val (teacher: Cityscapes)"),
        ("ndnet45_camvid_finetuned_trainval_864x1152_cutmix", "Cityscapes, CamVid train and val"),
        ("liteseg_mobilenetv2_camvid_imagenet_576x768", "ImageNet, CamVid train"),
    ],
)
def test_what_weights_have_seen_follows_their_starts_and_teachers(name, seen):
    assert seen_by(name, RESULTS.trainings) == seen


def test_every_training_says_what_it_has_seen():
    assert all("CamVid train" in seen_by(name, RESULTS.trainings) for name in RESULTS.trainings)
