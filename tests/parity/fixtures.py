"""Reading the parity fixtures: numbers computed from the reference implementations with deterministic weights.

A fixture is NAME.json (weights, inputs, arrays with their tolerances) and NAME.npz (the arrays, thinned out by
strides). The JSON describes the arrays in one of two forms: `arrays`, a list with one absolute tolerance per array, or
`outputs`, a table with one tolerance relative to the largest magnitude of each array.
"""

import dataclasses
import hashlib
import json
import pathlib

import numpy as np

from tests.parity.weights import synthetic_image, synthetic_tensor

FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Expected:
    """One array of a fixture: `values` is the reference's array of `full_shape`, thinned by `strides` (rows, columns,
    channels); the largest absolute difference allowed is `tolerance`."""

    values: np.ndarray
    full_shape: tuple
    strides: tuple
    tolerance: float


@dataclasses.dataclass(frozen=True)
class Fixture:
    """`text` is the JSON, `arrays` the arrays by their key in the NPZ."""

    text: dict
    arrays: dict

    def state_dict(self):
        """Return the weights in the reference's names and layout, checked against the fixture's digest."""
        weights = self.text["weights"]
        state = {}
        for name, shape in self.text["state_dict"]:
            factor = weights["running_var_scale"] if name.endswith(("running_var", "_variance")) else 1
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

    def inputs(self):
        """Return the feature maps that a block is called with, {name: float32 (1, height, width, channels)}."""
        return {name: self.arrays[entry["key"]] for name, entry in self.text["inputs"].items()}

    def expected(self):
        """Return {array: `Expected`} for all arrays that the reference computed."""
        if "outputs" not in self.text:
            return {
                entry["array"]: Expected(
                    self.arrays[entry["array"]], tuple(entry["full_shape"]), entry["stride_hwc"], entry["atol"]
                )
                for entry in self.text["arrays"]
                if "atol" in entry
            }
        relative = self.text["tolerance"]["max_abs_error_over_max_abs"]
        return {
            name: Expected(
                self.arrays[entry["key"]],
                tuple(entry["full_shape"]),
                (entry["row_stride"], entry["column_stride"], entry["channel_stride"]),
                relative * entry["max_abs"],
            )
            for name, entry in self.text["outputs"].items()
        }

    def differences(self, outputs):
        """Return {array: (largest difference, tolerance)} for a dict of full arrays, which may hold no other names."""
        found = {}
        for name, expected in self.expected().items():
            if name not in outputs:
                continue
            value = np.asarray(outputs[name])
            assert value.shape == expected.full_shape, name
            rows, columns, channels = expected.strides
            thinned = value[:, ::rows, ::columns, ::channels].astype(np.float64)
            found[name] = (np.abs(thinned - expected.values).max(), expected.tolerance)
        assert set(found) == set(outputs)
        return found


def load_fixture(name, folder=FOLDER):
    """Return the `Fixture` NAME in `folder`."""
    with np.load(folder / f"{name}.npz") as file:
        return Fixture(json.loads((folder / f"{name}.json").read_text()), dict(file))
