"""Train a network from a config, or fine-tune a trained one with quantization in the loop.

  liteseg train --config demo --output_dir runs/street
  liteseg train --config folder --data_dir DIR --init_from camvid --output_dir runs/mine
  liteseg train --config ndnet45_camvid_finetuned --data_dir DIR --output_dir runs/camvid \\
      --init_from ndnet45_cityscapes.pth
  liteseg train --config ndnet45_camvid_finetuned_qat --data_dir DIR --output_dir runs/qat \\
      --quantization_aware --init_from runs/camvid/best.keras

The output folder gets best.keras (best validation mIoU), the state to resume from, log.csv and TensorBoard logs.
"""

import os

from keras_liteseg.backend import require_tensorflow
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras
from keras_liteseg.errors import UserError
from keras_liteseg.files import require_folder


@command("train", __doc__, renamed={"preview": "liteseg preview --output"})
@options.config()
@options.training_data()
@options.folder("--output_dir", "Folder for checkpoints and logs.", required=True)
@options.override()
@options.switch("--resume", "Go on with the training in --output_dir after an interruption.")
@options.file("--init_from", "What to start from: an official file, a .keras file, or ours such as camvid.")
@options.averaged("--init_from, or else of the key backbone_weights,")
@options.switch("--quantization_aware", "Fine-tune the network of --init_from with simulated int8 arithmetic.")
def main(config, data, data_dir, output_dir, override, resume, init_from, averaged, quantization_aware):
    if "TF_CONFIG" not in os.environ:  # of several hosts, only the chief writes
        require_folder(output_dir)
    config, train_data, val_data = read_training(config, data, data_dir, override, quantization_aware)
    if quantization_aware and not init_from:
        raise UserError("--quantization_aware fine-tunes a trained network; name it with --init_from.")
    if quantization_aware:
        require_tensorflow("Quantization-aware training")
    start_keras()
    if quantization_aware:
        from keras_liteseg.quantization.quantization_aware_training import train_quantization_aware as train
    else:
        from keras_liteseg.training.trainer import train

    train(config, train_data, val_data, output_dir, init_from, resume, averaged)


def read_training(config, data, data_dir, override, quantization_aware):
    """Return (config, training data, validation data) of the options; every file of --data_dir is checked."""
    from keras_liteseg.quantization.config import QuantizationConfig
    from keras_liteseg.training.config import TrainingConfig, load_config

    overrides = [*override, *([f"data={data}"] if data else [])]
    kind, other = TrainingConfig, QuantizationConfig
    if quantization_aware:
        kind, other = other, kind
    try:
        config = load_config(config, overrides, kind)
    except UserError as error:
        if not _loads(config, overrides, other):
            raise
        cure = "leave out --quantization_aware" if quantization_aware else "give --quantization_aware"
        raise UserError(f"{error} This config is one of the other kind of training; {cure}.") from None
    return config, *load_splits(config, data_dir, renamed=bool(data))


def _loads(config, overrides, kind):
    from keras_liteseg.training.config import load_config

    try:
        return bool(load_config(config, overrides, kind))
    except UserError:
        return False


def load_splits(config, data_dir, renamed=False):
    """Return (training data, validation data) of a config, which agree in their classes; every file is checked.

    Args:
        config: a `TrainingConfig` or a `QuantizationConfig`.
        data_dir: folder of its data set; None for one that needs none, and no check.
        renamed: whether the data set is another one than the config was written for.

    Raises:
        UserError: they cannot be read, do not agree, or have problems.
    """
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.datasets.check import require_valid
    from keras_liteseg.datasets.remap import require_agreement

    splits = []
    for split in ("train", "val"):
        options = config.data_options.get(split, {})
        try:
            splits.append(load_dataset(config.data, data_dir, **{"split": split, **options}))
        except UserError as error:
            if not (renamed and options):
                raise
            raise UserError(
                f"{error} If the data_options of the config are meant for another data set, leave them out: "
                "--override 'data_options={}'."
            ) from None
    train_data, val_data = splits
    require_agreement(train_data, val_data)
    if data_dir:
        require_valid(train_data, training=True)
        require_valid(val_data, training=False)
    return train_data, val_data
