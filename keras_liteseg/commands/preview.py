"""Draw training images and masks as the network will see them.

  liteseg preview --config demo --output preview.png
  liteseg preview --config ndnet45_camvid_finetuned --data_dir DIR --override scale_range=[1,2] --output preview.png

Each is drawn after the scaling, cropping, flipping and colour changes of the config, with the classes over it.
"""

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command
from keras_liteseg.commands.train import read_training


@command("preview", __doc__)
@options.config()
@options.training_data()
@options.override()
@options.switch("--quantization_aware", "The config is one of quantization-aware training.")
@options.file("--output", "The picture to write, .png or .jpg.", required=True)
def main(config, data, data_dir, override, quantization_aware, output):
    from keras_liteseg.drawing.overlay import require_picture
    from keras_liteseg.reports.preview import write_preview

    require_picture(output)
    config, train_data, _ = read_training(config, data, data_dir, override, quantization_aware)
    write_preview(output, train_data, config, seed=config.seed)
    print(f"Wrote {output}: training images as the network will see them")
