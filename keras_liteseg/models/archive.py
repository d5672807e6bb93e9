"""Model files: a Keras archive that also says which network it is, on which classes, and how its input is prepared."""

import os
import zipfile

import keras

import keras_liteseg.networks  # noqa: F401  Keras reads the files of layers that it knows: those of our networks
from keras_liteseg import __version__
from keras_liteseg.errors import UserError, reason
from keras_liteseg.files import AnyPath, atomic_path, plain_path
from keras_liteseg.graph import listed, not_finite
from keras_liteseg.metadata import Metadata, require_known_version
from keras_liteseg.networks.registry import require_channels_last

_MEMBER = "keras_liteseg.json"
_VERSION = "keras_liteseg_version.txt"  # apart, because versions before it know no other entry in the metadata


def save_model(model: keras.Model, path: AnyPath, metadata: Metadata) -> None:
    """Write `model` with its `Metadata` to `path`, a `.keras` file that `keras.saving.load_model` reads too, after
    `import keras_liteseg.networks`, which has the layers of ours.

        >>> from keras_liteseg import Metadata, create_model, load_dataset, load_model, model_spec, save_model
        >>> spec, scenes = model_spec("lps_net_tiny"), load_dataset("street_scenes", length=4)
        >>> model = create_model("lps_net_tiny", (64, 128, 3), num_classes=len(scenes.classes))
        >>> save_model(model, "tiny.keras", Metadata("lps_net_tiny", "", scenes.classes, spec.mean, spec.std))
        >>> load_model("tiny.keras")[1].classes == scenes.classes
        True

    Raises:
        UserError: the file cannot be written, its name does not end in .keras, `model` is no Keras model, `metadata` is
            no `Metadata`, or weights are NaN or infinite.
    """
    if not isinstance(model, keras.Model):
        raise UserError(f"The model is {model!r}; give a Keras model, such as create_model makes.")
    if not str(path).endswith(".keras"):
        raise UserError(f"The model file {path} must end in .keras, which Keras goes by.")
    if not isinstance(metadata, Metadata):
        raise UserError(f"metadata is {metadata!r}; give a keras_liteseg.Metadata.")
    broken = not_finite(model.weights)
    if broken:
        raise UserError(f"{path} was not written: the model holds NaN or infinity in {listed(broken)}. Train it anew.")
    with atomic_path(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_MEMBER, metadata.to_json())
            archive.writestr(_VERSION, __version__)


def load_model(path: AnyPath) -> tuple[keras.Model, Metadata]:
    """Return (model, metadata) of a file that `save_model` wrote.

        >>> from keras_liteseg import load_model
        >>> load_model("missing.keras")
        Traceback (most recent call last):
        keras_liteseg.errors.UserError: There is no model file missing.keras. Check the path.

    Raises:
        UserError: there is no such file, it is damaged, was not written by this library or by a newer version of it,
            weights in it are NaN or infinite, or Keras is set to channels first.
    """
    metadata = read_metadata(path)
    require_channels_last()
    try:
        with plain_path(path) as plain:
            model = keras.saving.load_model(plain, compile=False)
    except Exception as error:  # Keras raises errors of many types for a damaged archive.
        with zipfile.ZipFile(path) as archive:
            require_known_version(_version(archive), path)
        raise UserError(f"{path} is damaged ({reason(error)}); save or copy it again.") from error
    broken = not_finite(model.weights)
    if broken:
        raise UserError(
            f"{path} holds NaN or infinity in {listed(broken)}, as a training that diverged leaves it; take weights "
            "from before that."
        )
    return model, metadata


def read_metadata(path: AnyPath) -> Metadata:
    """Return the `Metadata` of a `.keras` file.

    Raises:
        UserError: as `load_model`.
    """
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise UserError(f"The model file is {path!r}; give its path.")
    try:
        with zipfile.ZipFile(path) as archive:
            return Metadata.of_file(archive.read(_MEMBER), path, _version(archive))
    except FileNotFoundError as error:
        raise UserError(f"There is no model file {path}. Check the path.") from error
    except KeyError as error:
        raise UserError(
            f"{path} does not say which network it holds; it was saved neither by liteseg train nor by "
            "keras_liteseg.save_model."
        ) from error
    except (zipfile.BadZipFile, ValueError, OSError, TypeError) as error:
        raise UserError(f"{path} is no Keras model file or is damaged; save or copy it again.") from error


def _version(archive: zipfile.ZipFile) -> str:
    """Return the version of this library that wrote a `.keras` file, or '' where it did not say so yet."""
    return archive.read(_VERSION).decode() if _VERSION in archive.namelist() else ""
