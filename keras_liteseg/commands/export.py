"""Export a network to a TFLite, ONNX or plain Keras file and measure on it what the conversion cost.

  liteseg export --model runs/camvid/best.keras --quantization int8 --data camvid --data_dir DIR \\
      --output a.tflite
  liteseg export --model ndnet45 --checkpoint ndnet45_cityscapes.pth --input_size 1024x2048 \\
      --quantization int8 --data cityscapes --data_dir DIR --output b.tflite
  liteseg export --model ndnet45 --input_size 512x1024 --quantization float16 --output latency_only.tflite
  liteseg export --model runs/mine/best.keras --quantization int8 --calibration_dir PHOTOS --output c.tflite
  liteseg export --model runs/camvid/best.keras --format onnx --data camvid --data_dir DIR --output a.onnx
  liteseg export --model runs/camvid/best.keras --format keras --output plain.keras

int8 uses the scales of a quantization-aware training where the model has had one, else it is calibrated on the training
split of --data, on any pictures of its kind (--calibration_dir), or on the built-in street scenes. With --data, the
written file runs over the validation split, in LiteRT, ONNX Runtime or Keras, and must keep the mIoU of the Keras model
to --max_drop points; otherwise the command fails and no file is left. The data set has the options that the network was
trained with, such as label_map, as far as config.yaml beside the .keras file has them; --option replaces them. A
registered name without --checkpoint is exported with seeded random weights, for latency work.

At the end comes which precision this computer runs faster: the new .tflite file takes turns for a second or two with
int8 or float files of the same network in its folder. The processor decides that; a device has to be measured itself.
"""

import click

from keras_liteseg.backend import require_tensorflow
from keras_liteseg.choices import LONGEST, MOST_IMAGES
from keras_liteseg.commands import options
from keras_liteseg.commands.running import command, start_keras
from keras_liteseg.conversion.options import ExportOptions, Format, InputType, Npu, Upsampling
from keras_liteseg.metadata import OutputType, Quantization
from keras_liteseg.quantization.options import CalibrationMethod, CalibrationOptions


@command("export", __doc__, renamed={"repair": "--[no_]cross_layer_equalization and --[no_]bias_correction"})
@options.model("Registered name, such as ndnet45, or a .keras file.")
@options.choice("--format", Format, Format.TFLITE, "Kind of file")
@options.choice("--quantization", Quantization, Quantization.NONE, "Number types of the file")
@options.choice("--output_type", OutputType, OutputType.LOGITS, "What the file gives")
@options.choice("--upsampling", Upsampling, Upsampling.FULL, "Size of the output")
@options.choice("--input_type", InputType, InputType.AUTO, "Number type of the input")
@options.choice("--npu", Npu, Npu.NONE, "NPU that an int8 file is made for")
@options.whole("--batch_size", 1, "Images per inference.", most=MOST_IMAGES)
@options.data(
    required=False,
    splits="Split on which the file is measured.",
    name="Data set for calibration (its training split) and the accuracy gate (--split)",
)
@options.folder("--calibration_dir", "Folder of pictures for calibration in place of --data; they need no masks.")
@options.whole("--calibration_images", 32, "Number of training images, or pictures, that set the scales of integers.")
@options.choice("--calibration_method", CalibrationMethod, CalibrationMethod.MSE, "Range of an activation")
@click.option(
    "--cross_layer_equalization/--no_cross_layer_equalization",
    default=True,
    help="Center channels and equalize their ranges before calibration.",
)
@click.option(
    "--bias_correction/--no_bias_correction",
    default=True,
    help="Let biases, and the kernels of small sums, make up for the error of rounded kernels.",
)
@options.whole(
    "--float_layers",
    0,
    "Layers of an int8 file that stay in float: those that cost most, measured first.",
    least=0,
)
@options.real("--max_drop", 1.0, "Largest acceptable loss in points of mIoU against the Keras model.")
@options.file("--reference", "Keras model to compare with instead of --model: the float one, after QAT.")
@options.whole("--time_limit", 1800, "Seconds that the conversion may take.", most=LONGEST)
@options.file("--output", "The .tflite, .onnx or .keras file to write.", required=True)
def main(
    model,
    checkpoint,
    averaged,
    input_size,
    format,
    quantization,
    output_type,
    upsampling,
    input_type,
    npu,
    batch_size,
    data,
    data_dir,
    split,
    data_options,
    calibration_dir,
    calibration_images,
    calibration_method,
    cross_layer_equalization,
    bias_correction,
    float_layers,
    max_drop,
    reference,
    time_limit,
    output,
):
    from keras_liteseg.commands.data_options import complete_options
    from keras_liteseg.datasets import load_dataset
    from keras_liteseg.files import require_writable

    require_writable(output)
    require_tensorflow("Export")
    export_options = ExportOptions(
        format=format,
        quantization=quantization,
        output_type=output_type,
        upsampling=upsampling,
        input_type=input_type,
        npu=npu,
        batch_size=batch_size,
        float_layers=float_layers,
        max_drop=max_drop,
        time_limit=time_limit,
    )
    training = validation = None
    if data:
        training, validation = (
            load_dataset(data, data_dir, each, **complete_options(model, data, each, data_options, checkpoint))
            if each
            else None
            for each in (None if calibration_dir else "train", split)
        )
    calibration = CalibrationOptions(
        dataset=training,
        folder=calibration_dir,
        images=calibration_images,
        method=calibration_method,
        cross_layer_equalization=cross_layer_equalization,
        bias_correction=bias_correction,
    )
    start_keras()
    from keras_liteseg.conversion.export import export

    export(
        model,
        output,
        export_options,
        calibration,
        checkpoint=checkpoint,
        input_size=input_size,
        validation=validation,
        reference=reference,
        averaged=averaged,
    )
    if export_options.format == Format.TFLITE:
        from edge.precision import precision_advice

        sentence = precision_advice(output)
        if sentence:
            print(sentence)
