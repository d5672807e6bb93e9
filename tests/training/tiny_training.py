"""A training of seconds in a process of its own, which tests can kill, interrupt and spread.

python -m tests.training.tiny_training --output DIR --config '{"epochs": 2}' --devices 2
"""

import json

from absl import flags

from keras_liteseg import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("output", None, "Output folder.")
flags.DEFINE_string("config", "{}", "Keys of the config, in JSON.")
flags.DEFINE_integer("devices", 1, "Number of virtual CPUs that stand for GPUs.")
flags.DEFINE_bool("resume", False, "Go on with the training in the output folder.")


def main():
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
    if FLAGS.devices > 1:
        devices = [tf.config.LogicalDeviceConfiguration()] * FLAGS.devices
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
        strategy = tf.distribute.MirroredStrategy([f"CPU:{index}" for index in range(FLAGS.devices)])
        trainer.choose_strategy = lambda: strategy
    config = TrainingConfig(model="tiny", **{**SIZES, **json.loads(FLAGS.config)})
    trainer.train(config, Noise(9), Noise(5), FLAGS.output, resume=FLAGS.resume)


if __name__ == "__main__":
    cli.run(main, required=["output"])
