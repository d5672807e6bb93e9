"""Export a network to a TFLite file and measure on that file what the conversion cost.

  python export_tflite.py --model runs/camvid/best.keras --quantization int8 --data camvid --data_dir DIR \\
      --output a.tflite
  python export_tflite.py --model ndnet45 --checkpoint ndnet45_cityscapes.pth --input_size 1024x2048 \\
      --quantization int8 --data cityscapes --data_dir DIR --output b.tflite
  python export_tflite.py --model ndnet45 --input_size 512x1024 --quantization float16 --output latency_only.tflite
  python export_tflite.py --model runs/camvid/best.keras --format onnx --data camvid --data_dir DIR --output a.onnx

int8 uses the scales of a quantization-aware training where the model has had one, else it is calibrated on the training
split of --data, or on the built-in street scenes. With --data, the written file runs in LiteRT over the validation
split and must keep the mIoU of the Keras model to --max_drop points; otherwise the command fails and no file is left.
A registered name without --checkpoint is exported with seeded random weights, for latency work.
"""

from absl import flags

from keras_liteseg import cli
from keras_liteseg.conversion.options import ExportOptions, Format, InputType, Upsampling
from keras_liteseg.datasets import list_datasets
from keras_liteseg.metadata import OutputType, Quantization
from keras_liteseg.quantization.options import CalibrationMethod, CalibrationOptions

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "Registered name, such as ndnet45, or a .keras file.")
flags.DEFINE_string("checkpoint", None, "Weights for a registered name: an official file, or ours such as camvid.")
flags.DEFINE_string("input_size", None, "HEIGHTxWIDTH of the network's input; a .keras file's own size by default.")
cli.define_choice("format", Format, Format.TFLITE, "Kind of file")
cli.define_choice("quantization", Quantization, Quantization.NONE, "Number types of the file")
cli.define_choice("output_type", OutputType, OutputType.LOGITS, "What the file gives")
cli.define_choice("upsampling", Upsampling, Upsampling.FULL, "Size of the output")
cli.define_choice("input_type", InputType, InputType.AUTO, "Number type of the input")
flags.DEFINE_integer("batch_size", 1, "Images per inference.", lower_bound=1)
flags.DEFINE_string(
    "data",
    None,
    f"Data set for calibration (train split) and the accuracy gate (--split): {', '.join(list_datasets())}.",
)
flags.DEFINE_string("data_dir", None, "Folder of the data set.")
flags.DEFINE_string("split", "val", "Split on which the file is measured.")
flags.DEFINE_integer("calibration_images", 32, "Number of training images that set the int8 scales.", lower_bound=1)
cli.define_choice("calibration_method", CalibrationMethod, CalibrationMethod.MSE, "Range of an activation")
flags.DEFINE_bool("cross_layer_equalization", True, "Equalize channel ranges before calibration.")
flags.DEFINE_bool("bias_correction", True, "Let biases make up for the error of rounded kernels.")
flags.DEFINE_integer(
    "float_layers", 0, "Layers of an int8 file that stay in float: those that cost most, measured first.", lower_bound=0
)
flags.DEFINE_float("max_drop", 1.0, "Largest acceptable loss in points of mIoU against the Keras model.", lower_bound=0)
flags.DEFINE_string("reference", None, "Keras model to compare with instead of --model: the float one, after QAT.")
flags.DEFINE_integer("time_limit", 1800, "Seconds that the conversion may take.", lower_bound=1)
flags.DEFINE_string("output", None, "The .tflite or .onnx file to write.")


def main():
    from keras_liteseg.datasets import load_dataset

    cli.require_tensorflow("Export to TFLite")
    from keras_liteseg.conversion.export import export

    size = cli.parse_size(FLAGS.input_size) if FLAGS.input_size else None
    options = ExportOptions(
        format=FLAGS.format,
        quantization=FLAGS.quantization,
        output_type=FLAGS.output_type,
        upsampling=FLAGS.upsampling,
        input_type=FLAGS.input_type,
        batch_size=FLAGS.batch_size,
        float_layers=FLAGS.float_layers,
        max_drop=FLAGS.max_drop,
        time_limit=FLAGS.time_limit,
    )
    training = validation = None
    if FLAGS.data:
        training = load_dataset(FLAGS.data, FLAGS.data_dir, "train")
        validation = load_dataset(FLAGS.data, FLAGS.data_dir, FLAGS.split)
    calibration = CalibrationOptions(
        dataset=training,
        images=FLAGS.calibration_images,
        method=FLAGS.calibration_method,
        cross_layer_equalization=FLAGS.cross_layer_equalization,
        bias_correction=FLAGS.bias_correction,
    )
    export(
        FLAGS.model,
        FLAGS.output,
        options,
        calibration,
        checkpoint=FLAGS.checkpoint,
        input_size=size,
        validation=validation,
        reference=FLAGS.reference,
    )


if __name__ == "__main__":
    renamed = {"repair": "--[no]cross_layer_equalization and --[no]bias_correction"}
    cli.run(main, required=["model", "output"], renamed=renamed)
