"""Run the networks on another Keras backend: `python -m tests.networks.backend_run FOLDER`, with KERAS_BACKEND set.

FOLDER holds NAME-HEIGHTxWIDTH.npz with the input and the weights; the logits go into NAME-HEIGHTxWIDTH.logits.npy.
"""

import pathlib
import sys

sys.modules["tensorflow"] = None  # importing it fails, as where it is not installed

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_liteseg import create_model  # noqa: E402


def main(folder):
    for path in sorted(folder.glob("*.npz")):
        name, _, size = path.stem.rpartition("-")
        with np.load(path) as file:
            images = file["images"]
            weights = [file[f"weight{index}"] for index in range(len(file.files) - 1)]
        model = create_model(name, (*map(int, size.split("x")), 3))
        model.set_weights(weights)
        np.save(folder / f"{path.stem}.logits.npy", model.predict(images, verbose=0))
    train_and_save(folder)
    print(keras.backend.backend())


def train_and_save(folder):
    """One step of `fit` changes the weights of every family, and its file gives the same network again."""
    for name in ("liteseg_shufflenet", "pp_liteseg_t", "lps_net_tiny", "ndnet45_fcn8"):
        model = create_model(name, (64, 96, 3), num_classes=3)
        before = [value.copy() for value in model.get_weights()]
        model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        rng = np.random.default_rng(0)
        images, masks = rng.normal(size=(2, 64, 96, 3)).astype(np.float32), rng.integers(0, 3, (2, 64, 96))
        history = model.fit(images, masks, batch_size=2, verbose=0)
        assert np.isfinite(history.history["loss"][0]), name
        assert any((old != new).any() for old, new in zip(before, model.get_weights())), name
        model.save(folder / "model.keras")
        again = keras.saving.load_model(folder / "model.keras")
        np.testing.assert_array_equal(again.predict(images, verbose=0), model.predict(images, verbose=0))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
