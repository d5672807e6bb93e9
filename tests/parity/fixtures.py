"""Reading the parity fixtures: numbers computed from the reference implementations with deterministic weights.

A fixture is NAME.json (weights, input, arrays with their tolerances) and NAME.npz (the arrays, thinned out by strides).
"""

import dataclasses
import hashlib
import json
import pathlib

import numpy as np

from tests.parity.weights import synthetic_image, synthetic_tensor

FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Fixture:
    """`text` is the JSON, `arrays` the arrays by name."""

    text: dict
    arrays: dict

    def state_dict(self):
        """Return the weights in the reference's names and layout, checked against the fixture's digest."""
        weights = self.text["weights"]
        state = {}
        for name, shape in self.text["state_dict"]:
            factor = weights["running_var_scale"] if name.endswith("running_var") else 1
            state[name] = (synthetic_tensor(name, shape) * factor).astype("<f4")
        digest = hashlib.sha256(b"".join(value.tobytes() for value in state.values())).hexdigest()
        assert digest == weights["sha256"], "the weights are not those that the fixture was made with"
        return state

    def input(self):
        """Return the normalised image, float32 (1, height, width, 3), checked against the fixture's own."""
        given = self.text["input"]
        image = synthetic_image(given["height"], given["width"], given["seed"])
        norm = given["normalisation"]
        value = ((image - np.float32(norm["mean"])) / np.float32(norm["std"]))[None]
        np.testing.assert_allclose(value, self.arrays["input"], rtol=0, atol=1e-6)
        return self.arrays["input"]

    def differences(self, outputs):
        """Return {array: (largest difference, tolerance)} for a dict of full arrays, which may hold no other names."""
        found = {}
        for entry in self.text["arrays"]:
            if entry["role"] == "input" or entry["array"] not in outputs:
                continue
            rows, columns, channels = entry["stride_hwc"]
            value = np.asarray(outputs[entry["array"]])
            assert list(value.shape) == entry["full_shape"], entry["array"]
            thinned = value[:, ::rows, ::columns, ::channels].astype(np.float64)
            found[entry["array"]] = (np.abs(thinned - self.arrays[entry["array"]]).max(), entry["atol"])
        assert set(found) == set(outputs)
        return found


def load_fixture(name, folder=FOLDER):
    """Return the `Fixture` NAME in `folder`."""
    with np.load(folder / f"{name}.npz") as file:
        return Fixture(json.loads((folder / f"{name}.json").read_text()), dict(file))
