"""Size and cost of every network, against the numbers measured on the reference implementations."""

import json
import pathlib
import subprocess
import sys

import pytest

from keras_liteseg import create_model, list_models
from keras_liteseg.errors import UserError
from keras_liteseg.graph import at_size
from keras_liteseg.models.summary import Summary, count_macs, line, summaries, summarize
from tests.networks.test_registry import NAMES

ROOT = pathlib.Path(__file__).resolve().parents[2]

# At 512x1024 with 19 classes: trainable parameters without and with auxiliary heads, MACs (exact, or in 1e9 rounded to
# four places where the reference was measured so), output stride.
EXPECTED = {
    "liteseg_mobilenetv2": (3_101_707, 3_101_707, 4_305_379_328, 32),
    "liteseg_shufflenet": (1_971_451, 1_971_451, 2_245_017_600, 32),
    "liteseg_darknet19": (20_545_459, 20_545_459, 57_129_664_512, 16),
    "pp_liteseg_t": (8_028_320, 8_141_600, 11.4211, 32),
    "pp_liteseg_b": (12_234_752, 12_366_464, 19.2275, 32),
    "lps_net_tiny": (16_183, 16_183, 0.0156, 16),
    "lps_net_s": (3_375_363, 3_375_363, 2.6053, 16),
    "lps_net_m": (3_375_363, 3_375_363, 4.4294, 16),
    "lps_net_l": (9_159_235, 9_159_235, 10.9519, 16),
    "ndnet29": (706_499, 735_510, 2_859_204_608, 16),
    "ndnet29_fcn8": (545_218, 629_544, 779_083_776, 32),
    "ndnet29_fcn32": (521_411, 550_422, 680_050_688, 32),
    "ndnet29w": (4_697_099, 4_769_950, 18_673_696_768, 16),
    "ndnet29w_fcn8": (3_443_178, 3_659_024, 4_522_418_176, 32),
    "ndnet29w_fcn32": (3_384_331, 3_457_182, 4_279_861_248, 32),
    "ndnet45": (482_379, 502_622, 1_684_144_128, 16),
    "ndnet45_fcn8": (416_746, 474_768, 564_240_384, 32),
    "ndnet45_fcn32": (399_947, 420_190, 493_912_064, 32),
    "ndnet61": (353_939, 369_798, 1_169_752_064, 16),
    "ndnet61_fcn8": (320_770, 365_640, 456_990_720, 32),
    "ndnet61_fcn32": (307_475, 323_334, 401_014_784, 32),
}

# MACs at other sizes. NDNet's fcn32 at 360x640 is left out: its logits would have another size than the input.
OTHER_MACS = {
    "liteseg_mobilenetv2": {(360, 640): 1_937_598_720, (1024, 2048): 17_221_148_672},
    "liteseg_shufflenet": {(360, 640): 1_013_296_896, (1024, 2048): 8_979_628_032},
    "liteseg_darknet19": {(360, 640): 25_347_612_672, (1024, 2048): 222_557_208_576},
    "pp_liteseg_t": {(768, 1536): 25.6941, (1024, 2048): 45.6763, (720, 960): 15.1350},
    "pp_liteseg_b": {(768, 1536): 43.2585, (1024, 2048): 76.9018, (720, 960): 25.4588},
    "lps_net_tiny": {(768, 1536): 0.0352, (1024, 2048): 0.0626, (720, 960): 0.0208},
    "lps_net_s": {(768, 1536): 5.8620, (1024, 2048): 10.4213, (720, 960): 3.4743},
    "lps_net_m": {(768, 1536): 9.9661, (1024, 2048): 17.7175, (720, 960): 5.8585},
    "lps_net_l": {(768, 1536): 24.6418, (1024, 2048): 43.8077, (720, 960): 14.4902},
    "ndnet29": {(360, 640): 1_265_846_400, (1024, 2048): 11_436_818_432},
    "ndnet29_fcn8": {(360, 640): 351_026_960, (1024, 2048): 3_116_335_104},
    "ndnet29_fcn32": {(1024, 2048): 2_720_202_752},
    "ndnet29w": {(360, 640): 8_270_086_400, (1024, 2048): 74_694_787_072},
    "ndnet29w_fcn8": {(360, 640): 2_043_170_960, (1024, 2048): 18_089_672_704},
    "ndnet29w_fcn32": {(1024, 2048): 17_119_444_992},
    "ndnet45": {(360, 640): 747_306_240, (1024, 2048): 6_736_576_512},
    "ndnet45_fcn8": {(360, 640): 254_478_480, (1024, 2048): 2_256_961_536},
    "ndnet45_fcn32": {(1024, 2048): 1_975_648_256},
    "ndnet61": {(360, 640): 519_511_680, (1024, 2048): 4_679_008_256},
    "ndnet61_fcn8": {(360, 640): 205_786_640, (1024, 2048): 1_827_962_880},
    "ndnet61_fcn32": {(1024, 2048): 1_604_059_136},
}


def rounded(macs, like):
    return macs if isinstance(like, int) else round(macs / 1e9, 4)


@pytest.mark.parametrize("name", NAMES)
def test_size_and_cost_equal_the_reference(name):
    found = summarize(name, (512, 1024))
    parameters, training_parameters, macs, output_stride = EXPECTED[name]
    assert rounded(found.macs, macs) == macs
    assert found == Summary(parameters, training_parameters, found.macs, output_stride)


def test_every_network_has_its_numbers_above():
    assert set(EXPECTED) == set(OTHER_MACS) == set(list_models())


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_cost_at_other_sizes(name):
    model = create_model(name, (64, 64, 3))
    for size, macs in OTHER_MACS[name].items():
        assert rounded(count_macs(at_size(model, size)), macs) == macs, size


def test_number_of_classes_counts():
    assert summarize("pp_liteseg_t", (64, 64), num_classes=11).parameters == 8_028_064


def test_network_that_cannot_take_the_size_says_what_it_needs():
    found = dict(summaries("ndnet61*", (40, 72)))
    assert found["ndnet61_fcn32"] is None and list(found) == ["ndnet61", "ndnet61_fcn32", "ndnet61_fcn8"]
    assert found["ndnet61"] == summarize("ndnet61", (40, 72))
    assert (
        line("ndnet61_fcn32", None).split(maxsplit=1)[1]
        == "needs height and width that are multiples of 32 or one more"
    )


def test_unknown_pattern_is_refused():
    with pytest.raises(UserError, match="No network is named 'resnet.'; the names are .*ndnet45"):
        list(summaries("resnet*", (64, 64)))


def test_committed_numbers():
    found = json.loads((ROOT / "results" / "networks.json").read_text())
    assert (found["input_size"], found["num_classes"]) == ([512, 1024], 19)
    assert set(found["networks"]) == set(EXPECTED)
    for name, (parameters, training_parameters, macs, output_stride) in EXPECTED.items():
        summary = Summary(**found["networks"][name])
        assert rounded(summary.macs, macs) == macs
        assert summary == Summary(parameters, training_parameters, summary.macs, output_stride)


def test_command(tmp_path):
    command = [sys.executable, "-m", "keras_liteseg", "summary"]
    file = tmp_path / "found.json"
    done = subprocess.run([*command, "--models", "lps_net_tiny", "--output", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["lps_net_tiny", "16,183", "0", "0.0156", "G", "16"]
    assert json.loads(file.read_text())["networks"]["lps_net_tiny"]["parameters"] == 16_183
    done = subprocess.run([*command, "--input_size", "512"], capture_output=True, text=True)
    assert done.returncode == 2 and "'512' is not a size; write HEIGHTxWIDTH" in done.stderr.splitlines()[-1]
