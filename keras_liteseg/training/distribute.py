"""Training on several devices and hosts with `tf.distribute`: each device takes its part of every batch.

The hosts are named in the environment variable TF_CONFIG, as everywhere in TensorFlow; see docs/distribution.md.
JAX and PyTorch train on the one device that they choose.
"""

import contextlib
import json
import logging
import os
import signal
import threading

import keras

from keras_liteseg.errors import UserError
from keras_liteseg.graph.keras_private import BuiltFromOwnBatch, replace_gradient_clipping

_log = logging.getLogger(__name__)


class OneDevice:
    """What stands for a strategy of `tf.distribute` on JAX and PyTorch."""

    num_replicas_in_sync = 1
    scope = staticmethod(contextlib.nullcontext)


def on_tensorflow():
    """Return whether TensorFlow is Keras's backend."""
    return keras.backend.backend() == "tensorflow"


def choose_strategy():
    """Return the strategy for the devices there are.

    `MultiWorkerMirroredStrategy` when TF_CONFIG names several hosts, after all of them have started;
    `MirroredStrategy` when this host has several GPUs; else the default strategy. To be called before TensorFlow has
    made a tensor.

    Raises:
        UserError: TF_CONFIG cannot be read, or the backend is not TensorFlow.
    """
    if hosts() > 1 and not on_tensorflow():
        raise UserError("TF_CONFIG names several hosts, which KERAS_BACKEND=tensorflow alone trains on; unset it.")
    if not on_tensorflow():
        return OneDevice()
    import tensorflow as tf

    if hosts() > 1:
        addresses, own = _cluster()
        others = ", ".join(address for address in addresses if address != own)
        _log.info("Waiting until the other hosts of TF_CONFIG have started the same training: %s", others)
        with _signals_kept():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        _log.info("All %d hosts are there.", hosts())
        return strategy
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


@contextlib.contextmanager
def _signals_kept():
    """Let Ctrl-C end the process while TensorFlow waits for other hosts in the block, and SIGTERM after it.

    Nothing is there to clean up yet, and Python would act on Ctrl-C only after the wait, which lasts an hour where a
    host never comes. SIGTERM is a sign of preemption to TensorFlow, which takes it over and lets the training go on.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set what a signal does
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
        for number in (signal.SIGINT, signal.SIGHUP):
            if callable(before[number]):
                signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def hosts():
    """Return the number of hosts that train together."""
    return len(_cluster()[0]) or 1


def is_chief():
    """Return whether this process writes the files: the chief of TF_CONFIG, without one worker 0, without it any."""
    addresses, task = _cluster()
    return not addresses or task == addresses[0]


def require_fitting(config, devices):
    """Refuse a config that cannot be spread over that many devices.

    Raises:
        UserError: the batch does not divide evenly, or gradients are to be accumulated.
    """
    if config.batch_size % devices:
        raise UserError(
            f"batch_size is {config.batch_size} on {devices} devices; it counts the images of all devices together, so "
            f"make it a multiple of {devices}."
        )
    accumulated = getattr(config, "gradient_accumulation_steps", 1)  # quantization-aware training has no such key
    if devices > 1 and accumulated > 1:
        # Keras then updates inside a conditional, in which devices cannot exchange their gradients.
        raise UserError(
            f"gradient_accumulation_steps is {accumulated} on {devices} devices, but works on one; set it to 1 and "
            "raise batch_size instead."
        )


def require_same_epoch(strategy, epoch):
    """Find out that the hosts would start from different epochs, as with an old copy of the output folder on one.

    Raises:
        UserError: they would; on all of them.
    """
    if hosts() == 1:
        return
    import tensorflow as tf

    mean = strategy.reduce("MEAN", strategy.run(tf.function(lambda: tf.constant(float(epoch)))), axis=None)
    if abs(float(mean) - epoch) > 1e-3 / hosts():
        raise UserError(
            f"This host would start after epoch {epoch}, others after another one; start all hosts with the same "
            "arguments, and give all the same last.weights.h5 to resume from."
        )


def over_hosts():
    """Return whether this is inside the scope of a `MultiWorkerMirroredStrategy`, whose models must be `OverHosts`."""
    if not on_tensorflow():
        return False
    import tensorflow as tf

    return isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy)


class OverHosts(BuiltFromOwnBatch):
    """A mixin of Keras models: what Keras's `fit` and `evaluate` lack for `MultiWorkerMirroredStrategy`.

    Keras averages the logs of a step over the hosts along their first axis, so that they need one. Of what it builds
    from the first batches, see `BuiltFromOwnBatch`.
    """

    def train_step(self, data):
        return _with_axis(super().train_step(data))

    def test_step(self, data):
        return _with_axis(super().test_step(data))


def _with_axis(logs):
    return {name: keras.ops.reshape(value, (1,)) for name, value in logs.items()}


def clip_whole_gradient(optimizer):
    """Let `optimizer` clip the gradient of the whole batch. Keras clips each device's part and adds these up."""
    import tensorflow as tf

    def clip_sum(gradients, clip):
        context = tf.distribute.get_replica_context()
        devices = context.num_replicas_in_sync
        return [gradient / devices for gradient in clip(context.all_reduce("SUM", list(gradients)))]

    replace_gradient_clipping(optimizer, clip_sum)


def _cluster():
    """Return (addresses of the hosts, the chief first; own address) of TF_CONFIG, ([], None) without it."""
    text = os.environ.get("TF_CONFIG")
    if not text:
        return [], None
    try:
        config = json.loads(text)
        jobs, task = config.get("cluster", {}), config.get("task", {})
        others = sorted((jobs.keys() | {task.get("type", "worker")}) - {"chief", "worker"})
        if others:
            raise ValueError(f"hosts train as chief and worker here, not as {' or '.join(others)}")
        if not all(isinstance(entry, list) for entry in jobs.values()):
            raise TypeError("each job has a list of addresses")  # a text would be one for each of its letters
        addresses = [*jobs.get("chief", []), *jobs.get("worker", [])]
        if len(set(addresses)) < len(addresses):
            raise ValueError("each host has an address of its own")
        if len(jobs.get("chief", [])) > 1:
            raise ValueError("there is one chief at most")
        if not addresses:
            return [], None
        if not {"type", "index"} <= task.keys():
            raise LookupError("a task has a type and an index")
        hosts_of_type = jobs.get(task["type"], [])
        if task["index"] not in range(len(hosts_of_type)):
            raise LookupError(f"the cluster has no {task['type']} {task['index']}, and tasks are numbered from 0")
        return addresses, hosts_of_type[task["index"]]
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise UserError(
            f"TF_CONFIG is {text!r} ({error}); wanted the same cluster and its own task on each host, such as "
            '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, "task": {"type": "worker", "index": 0}}.'
        ) from error
