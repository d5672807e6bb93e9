"""Train a network from a config, or fine-tune a trained one with quantization in the loop.

  python train.py --config configs/demo.yaml --output_dir runs/street
  python train.py --config configs/ours/ndnet45_camvid_finetuned.yaml --data_dir DIR --output_dir runs/camvid \\
      --init_from ndnet45_cityscapes.pth
  python train.py --config configs/ours/ndnet45_camvid_finetuned_qat.yaml --data_dir DIR --output_dir runs/qat \\
      --quantization_aware --init_from runs/camvid/best.keras
  python train.py --config configs/demo.yaml --preview preview.png

The output folder gets best.keras (best validation mIoU), the state to resume from, log.csv and TensorBoard logs.
"""

from absl import flags

from keras_liteseg import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("config", None, "Config file, see configs/.")
flags.DEFINE_string("data", None, "Data set, see docs/datasets.md; the config's by default.")
flags.DEFINE_string("data_dir", None, "Folder of the data set; street_scenes needs none.")
flags.DEFINE_string("output_dir", None, "Folder for checkpoints and logs.")
flags.DEFINE_multi_string("override", [], "key=value that replaces a key of the config; may be repeated.")
flags.DEFINE_bool("resume", False, "Go on with the training in --output_dir after an interruption.")
flags.DEFINE_string("init_from", None, "What to start from: an official file, a .keras file, or ours such as camvid.")
flags.DEFINE_string("preview", None, "Write a picture of augmented training images and masks, and do not train.")
flags.DEFINE_bool("quantization_aware", False, "Fine-tune the network of --init_from with simulated int8 arithmetic.")


def main():
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.datasets.check import require_valid
    from keras_liteseg.errors import UserError
    from keras_liteseg.quantization.config import QuantizationConfig
    from keras_liteseg.training.config import TrainingConfig, load_config

    overrides = [*FLAGS.override, *([f"data={FLAGS.data}"] if FLAGS.data else [])]
    config = load_config(FLAGS.config, overrides, QuantizationConfig if FLAGS.quantization_aware else TrainingConfig)
    data = {}
    for split in ("train", "val"):
        options = {"split": split, **config.data_options.get(split, {})}
        data[split] = load_dataset(config.data, FLAGS.data_dir, **options)
        if FLAGS.data_dir:
            require_valid(data[split])

    if FLAGS.preview:
        from keras_liteseg.reports.preview import write_preview

        write_preview(FLAGS.preview, data["train"], config, seed=config.seed)
        print(f"Wrote {FLAGS.preview}: training images as the network will see them")
        return
    if not FLAGS.output_dir:
        raise UserError("--output_dir is missing; name the folder for checkpoints and logs.")
    arguments = (config, data["train"], data["val"], FLAGS.output_dir, FLAGS.init_from, FLAGS.resume)
    if not FLAGS.quantization_aware:
        from keras_liteseg.training.trainer import train

        train(*arguments)
        return
    if not FLAGS.init_from:
        raise UserError("--quantization_aware fine-tunes a trained network; name it with --init_from.")
    cli.require_tensorflow("Quantization-aware training")
    from keras_liteseg.quantization.quantization_aware_training import train_quantization_aware

    train_quantization_aware(*arguments)


if __name__ == "__main__":
    cli.run(main, required=["config"])
