"""Tell what is inside a TFLite file.

  liteseg inspect model.tflite
  liteseg inspect --tensors --gpu float.tflite int8.tflite

It prints ops, tensors, multiply-accumulates, what XNNPACK and the GPU take of it, and what costs time on a device
though no accuracy check notices it: a float island in an int8 graph, or a dilated convolution that was not fused.
docs/files.md says what --gpu needs.
"""

import click

from keras_liteseg.commands import options
from keras_liteseg.commands.running import command


@command("inspect", __doc__)
@click.argument("files", nargs=-1, required=True, type=options.FILE, metavar="FILE...")
@options.switch("--tensors", "List every tensor with its scale.")
@options.switch("--gpu", "Compile for LiteRT's GPU accelerator too, in a process of its own.")
def main(files, tensors, gpu):
    from keras_liteseg.tflite.flatbuffer import read_model
    from keras_liteseg.tflite.gpu import gpu as compile_for_gpu
    from keras_liteseg.tflite.inspect import gpu_text, inspect, tensors_text

    for file in files:
        report = inspect(file)
        print(report)
        if gpu:
            print(gpu_text(compile_for_gpu(file, read_model(file))))
        if tensors:
            print(tensors_text(report))
        print()
