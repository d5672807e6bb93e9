"""The share of labels that an int8 file has in common with the float network, and what of that is undecided."""

import numpy as np
import pytest

from benchmarks.agreement import compare, labels_and_lead, published
from benchmarks.tables.accuracy import agreement_table
from benchmarks.tables.cards import cards
from benchmarks.tables.results import Results

# Probabilities of four pixels in a row, of which the network is sure of the first and of the last.
PROBABILITIES = np.float32([[0.9, 0.05, 0.05], [0.48, 0.5, 0.02], [0.32, 0.28, 0.4], [0.1, 0.2, 0.7]])


class Fixed:
    """A predictor with the same scores for every image, and labels of its own."""

    def __init__(self, labels=None):
        self._labels = np.uint8([labels])

    def logits(self, image):
        return np.log(PROBABILITIES)[None] + 5

    def labels(self, image):
        return self._labels


IMAGES = [np.zeros((1, 4, 3), np.uint8)] * 2


def test_lead_is_that_of_the_best_class():
    labels, lead = labels_and_lead(Fixed([]), IMAGES[0])
    assert labels.tolist() == [[0, 1, 2, 2]]
    assert lead[0] == pytest.approx([0.85, 0.02, 0.08, 0.5], abs=1e-6)


@pytest.mark.parametrize(
    ("labels", "equal", "equal_decided"),
    [([0, 1, 2, 2], 1, 1), ([0, 0, 0, 2], 0.5, 1), ([1, 1, 2, 2], 0.75, 0.5)],
)
def test_undecided_labels_count_apart(labels, equal, equal_decided):
    found = compare(Fixed([]), Fixed(labels), IMAGES)
    assert found == {"equal": equal, "decided": 0.5, "equal_decided": equal_decided}


def test_table_has_both_data_sets():
    training = "ndnet45_camvid_scratch"
    row = {"network": "ndnet45", "checkpoint": "camvid", "training": training, "input_size": [360, 480]}
    row |= {"kind": "int8", "equal": 0.98, "decided": 0.9, "equal_decided": 0.999}
    accuracy = {
        (training, kind, "test", "360x480"): {"miou": miou, "agreement": 0.985}
        for kind, miou in (("float", 0.51), ("int8", 0.512))
    }
    table = agreement_table(Results(accuracy=accuracy, documents={"agreement": {"rows": [row]}}))
    assert "| post-training | 51.00 | 51.20 | 98.50 % | 98.00 % | 90.00 % | 99.90 % |" in table
    unmeasured = agreement_table(Results(documents={"agreement": {"rows": [row]}}))
    assert "| 360x480 | post-training |  |  |  | 98.00 % |" in unmeasured


def test_rows_of_published_networks_stay_in_their_order():
    first, second = [card["training"] for card in cards().values()][:2]
    rows = [{"training": training, "kind": "int8", "equal": 0.98} for training in (second, "of before", first)]
    new = [{"training": first, "kind": kind, "equal": 0.99} for kind in ("int8_qat", "int8")]
    assert published(rows, new) == [new[1], new[0], rows[0]]
