"""A training of seconds in a process of its own, which tests can kill, interrupt and spread.

python -m tests.training.tiny_training --output DIR --config '{"epochs": 2}' --devices 2
"""

import json
import sys

import click

from keras_liteseg.commands.running import command, run, start_keras


@command("tiny_training", __doc__)
@click.option("--output", required=True, help="Output folder.")
@click.option("--config", default="{}", help="Keys of the config, in JSON.")
@click.option("--devices", default=1, help="Number of virtual CPUs that stand for GPUs.")
@click.option("--resume", is_flag=True, help="Go on with the training in the output folder.")
def main(output, config, devices, resume):
    start_keras()
    import tensorflow as tf

    from keras_liteseg.networks import registry
    from keras_liteseg.training import trainer
    from keras_liteseg.training.config import TrainingConfig
    from tests.tiny import tiny
    from tests.training.noise import SIZES, Noise

    register = registry.register(
        "tiny", mean=(0.5,) * 3, std=(0.5,) * 3, output_stride=2, size_multiple=4, aux_size_multiple=8
    )
    register(tiny)
    if devices > 1:
        virtual = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], virtual)
        strategy = tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(devices)])
        trainer.choose_strategy = lambda: strategy
    config = TrainingConfig(model="tiny", **{**SIZES, **json.loads(config)})
    trainer.train(config, Noise(9), Noise(5), output, resume=resume)


if __name__ == "__main__":
    sys.exit(run(main))
