"""The comparison of trainings: the same network in PyTorch, and what is made of the times. It is measured by hand on an
idle machine."""

import pytest

from benchmarks.first_step import summarize
from benchmarks.training_speed import COMPILED, OURS, PIPELINE, PYTORCH, QUANTIZED, ratios

NETWORKS = ["ndnet45", "lps_net_s", "liteseg_mobilenetv2", "liteseg_shufflenet", "pp_liteseg_t"]


def test_ratios_are_medians_within_rounds_and_of_the_faster_pytorch():
    seconds = {
        ("a", "float32", OURS): [1.0, 2.0, 4.0],
        ("a", "float32", QUANTIZED): [1.5, 3.0, 5.0],
        ("b", "float32", OURS): [1.0, 1.0, 1.0],
        (PIPELINE, "", OURS): [1.0, 1.0, 1.0],
        ("a", "float32", PYTORCH): [3.0, 3.0, 3.0],
        ("a", "float32", COMPILED): [2.0, 2.0, 2.0],
    }
    assert ratios(seconds) == [
        {
            "network": "a",
            "precision": "float32",
            "best_other": COMPILED,
            "against_pytorch": 1.0,
            "quantization_aware": 1.5,
        },
        {"network": "b", "precision": "float32"},
    ]


def test_first_step_is_compared_within_pairs():
    found = {"a": {"new": [(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)], "old": [(4.0, 3.0), (4.0, 3.0), (3.0, 3.0)]}}
    assert summarize(found) == [
        {
            "network": "a",
            "seconds": {"new": 2.0, "old": 4.0},
            "times_faster_seconds": 2.0,
            "processor_seconds": {"new": 2.0, "old": 3.0},
            "times_faster_processor_seconds": 1.5,
        }
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_twin_is_the_same_network(name):
    pytest.importorskip("torch")
    from benchmarks.pytorch_twin import trained

    step, parameters = trained(name, [], (64, 96), 2)  # compares numbers of parameters, and outputs
    step()
    assert parameters > 100_000
