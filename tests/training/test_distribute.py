"""Training on several devices and on several hosts. Virtual CPUs stand for GPUs, processes for hosts."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_liteseg.errors import UserError
from keras_liteseg.training.config import TrainingConfig
from keras_liteseg.training.distribute import hosts, is_chief, require_fitting
from keras_liteseg.training.pipeline import evaluation_pipeline
from keras_liteseg.training.run_folder import read_log
from tests.training.test_pipeline import Numbered, indices, train
from tests.training.test_train import ROOT, state

CLUSTER = {"worker": ["a:1", "b:1"]}


def start(output, *arguments, environment=None, **config):
    """Start a process of tests.training.tiny_training."""
    command = [sys.executable, "-m", "tests.training.tiny_training", f"--output={output}", *arguments]
    return subprocess.Popen(
        [*command, f"--config={json.dumps(config)}"],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes):
    """Wait for processes to end well, and return what they printed."""
    printed = [process.communicate(timeout=300) for process in processes]
    for process, (_, errors) in zip(processes, printed):
        assert process.returncode == 0, errors[-3000:]
    return [output for output, _ in printed]


def wait_for(path, processes, timeout=120):
    """Wait until a file is there while processes run."""
    end = time.monotonic() + timeout
    while not path.exists():
        assert time.monotonic() < end and all(process.poll() is None for process in processes)
        time.sleep(0.05)


def assert_same_state(ours, theirs, rtol=1e-5, atol=1e-6):
    """Compare what two trainings would resume from: weights, statistics, optimizer, averages, epochs, best mIoU."""
    ours, theirs = state(ours / "last.weights.h5"), state(theirs / "last.weights.h5")
    assert ours.keys() == theirs.keys() and any("optimizer" in name for name in ours)
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=rtol, atol=atol, err_msg=name)


# Two devices equal one.


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [{}, {"optimizer": "adamw", "clip_norm": 0.5, "ema_momentum": 0.9, "learning_rate": 0.01}],
    ids=["sgd", "adamw"],
)
def test_two_devices_train_as_one(tmp_path, config):
    """With synchronised batch normalization: without it, each device normalizes by its own half of the batch."""
    config = {"epochs": 2, "sync_batch_norm": True, **config}
    for devices in (1, 2):
        (printed,) = finish(start(tmp_path / str(devices), f"--devices={devices}", **config))
        assert f"{devices} device(s)" in printed
    assert_same_state(tmp_path / "2", tmp_path / "1", atol=1e-5)
    one, two = (read_log(tmp_path / name)[-1] for name in "12")
    assert (two["loss"], two["val_miou"]) == pytest.approx((one["loss"], one["val_miou"]), rel=1e-4)


# Hosts.


def cluster_of_two():
    """Return the environments of two processes that stand for two hosts, the chief first."""
    with socket.socket() as one, socket.socket() as two:
        for free in (one, two):
            free.bind(("localhost", 0))
        cluster = {"worker": [f"localhost:{free.getsockname()[1]}" for free in (one, two)]}
    configs = [{"cluster": cluster, "task": {"type": "worker", "index": index}} for index in (0, 1)]
    return [{"TF_CONFIG": json.dumps(config)} for config in configs]


def start_hosts(output, *arguments, **config):
    """Start the processes of a training on two hosts."""
    return [start(output, *arguments, environment=environment, **config) for environment in cluster_of_two()]


@pytest.mark.slow
def test_two_hosts_are_killed_and_go_on_as_if_they_had_not_been(tmp_path):
    config = {"epochs": 40, "flip": 0.5}
    chief, other = finish(*start_hosts(tmp_path / "whole", **config))
    assert "2 device(s)" in chief and f"wrote {tmp_path / 'whole' / 'best.keras'}" in chief
    assert "Finished; the chief wrote" in other

    running = start_hosts(tmp_path / "killed", **config)
    try:
        wait_for(tmp_path / "killed" / "last.weights.h5", running)
        running[1].send_signal(signal.SIGKILL)
        output, errors = running[0].communicate(timeout=120)
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert running[0].returncode == 1 and "Another host of TF_CONFIG stopped" in errors
    assert 0 <= int(re.search(r"waited for it for (\d+) seconds", errors)[1]) < 120
    assert re.search("Waiting until the other hosts .*: localhost:.*\nAll 2 hosts are there", output)
    assert "Traceback" not in errors
    assert state(tmp_path / "killed" / "last.weights.h5")["epochs"] < 40

    finish(*start_hosts(tmp_path / "killed", "--resume", **config))
    assert_same_state(tmp_path / "killed", tmp_path / "whole", rtol=1e-4, atol=1e-5)
    assert [row["epoch"] for row in read_log(tmp_path / "killed")] == list(range(40))


@pytest.mark.slow
def test_ctrl_c_ends_a_host_that_waits_for_others(tmp_path):
    command = [sys.executable, "-m", "keras_liteseg", "train", "--config", "demo", "--output_dir", tmp_path / "run"]
    environment = {**os.environ, **cluster_of_two()[0]}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith("Waiting until the other hosts")
            time.sleep(3)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == -signal.SIGINT
        finally:
            process.kill()
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_sigterm_ends_a_host_that_has_found_the_others():
    program = "import time; from keras_liteseg.training.distribute import choose_strategy as choose; choose()"
    command = [sys.executable, "-c", f"{program}; print('there', flush=True); time.sleep(300)"]
    environments = [{**os.environ, **environment} for environment in cluster_of_two()]
    running = [
        subprocess.Popen(command, cwd=ROOT, env=each, stdout=subprocess.PIPE, text=True) for each in environments
    ]
    try:
        assert [process.stdout.readline() for process in running] == ["there\n", "there\n"]
        running[1].send_signal(signal.SIGTERM)
        assert running[1].wait(timeout=20) == -signal.SIGTERM
    finally:
        for process in running:
            process.kill()
            process.communicate()


@pytest.mark.slow
def test_hosts_that_would_start_from_different_epochs_are_refused(tmp_path):
    outputs = [tmp_path / "new", tmp_path / "old"]
    finish(*(start(output, epochs=epochs) for output, epochs in zip(outputs, (2, 1))))
    running = [
        start(output, "--resume", environment=environment, epochs=3)
        for output, environment in zip(outputs, cluster_of_two())
    ]
    try:
        for process in running:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 1 and "start all hosts with the same arguments" in errors, errors[-3000:]
    finally:
        for process in running:
            process.kill()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, (1, True)),
        ({}, (1, True)),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}, (1, True)),
        ({"cluster": CLUSTER, "task": {"type": "worker", "index": 0}}, (2, True)),
        ({"cluster": CLUSTER, "task": {"type": "worker", "index": 1}}, (2, False)),
        ({"cluster": {"chief": ["c:1"], **CLUSTER}, "task": {"type": "chief", "index": 0}}, (3, True)),
        ({"cluster": {"chief": ["c:1"], **CLUSTER}, "task": {"type": "worker", "index": 0}}, (3, False)),
    ],
)
def test_hosts_and_chief(monkeypatch, config, expected):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert (hosts(), is_chief()) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", ""),
        ('{"cluster": 3}', ""),
        ('{"cluster": {"worker": ["a:1"]}, "task": 3}', ""),
        (json.dumps({"cluster": CLUSTER}), "a task has a type and an index"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"index": 3}}', "a task has a type and an index"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": -1}}), "the cluster has no worker -1"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}), "the cluster has no worker 2"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "worker", "index": "0"}}), "the cluster has no worker 0"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "chief", "index": 0}}), "the cluster has no chief 0"),
        ('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}', "each job has a list of addresses"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}', "an address of its own"),
        ('{"cluster": {"chief": ["a:1", "b:1"]}, "task": {"type": "chief", "index": 0}}', "there is one chief at most"),
        (json.dumps({"cluster": {**CLUSTER, "ps": ["c:1"]}, "task": {"type": "worker", "index": 0}}), "not as ps"),
        (json.dumps({"cluster": {**CLUSTER, "ps": ["c:1"]}, "task": {"type": "ps", "index": 0}}), "not as ps"),
        ('{"cluster": {"ps": ["c:1"]}, "task": {"type": "ps", "index": 0}}', "not as ps"),
        (json.dumps({"cluster": CLUSTER, "task": {"type": "evaluator", "index": 0}}), "not as evaluator"),
        (json.dumps({"cluster": {**CLUSTER, "evaluator": ["c:1"]}, "task": {"type": "worker"}}), "not as evaluator"),
        ('{"task": {"type": "evaluator", "index": 0}}', "not as evaluator"),
    ],
)
def test_unusable_tf_config_is_refused(monkeypatch, text, said):
    monkeypatch.setenv("TF_CONFIG", text)
    wanted = rf"TF_CONFIG is .*{said}.*\); wanted the same cluster and its own task on each host"
    with pytest.raises(UserError, match=wanted) as error:
        hosts()
    assert str(error.value).count("\n") == 0


def test_config_must_fit_the_devices():
    require_fitting(TrainingConfig(batch_size=6), 3)
    require_fitting(TrainingConfig(batch_size=3, gradient_accumulation_steps=2), 1)
    with pytest.raises(UserError, match="batch_size is 6 on 4 devices; .* make it a multiple of 4"):
        require_fitting(TrainingConfig(batch_size=6), 4)
    with pytest.raises(UserError, match="gradient_accumulation_steps is 2 on 2 devices, but works on one"):
        require_fitting(TrainingConfig(batch_size=6, gradient_accumulation_steps=2), 2)


# What each host loads.


def context(host, hosts=2, devices=2):
    return tf.distribute.InputContext(hosts, host, devices)


@pytest.mark.parametrize("repeats", [None, [1, 2.5] * 5])
@pytest.mark.parametrize("devices", [2, 4])
def test_hosts_share_each_training_batch_and_load_no_other(devices, repeats):
    whole = indices(train(Numbered(10), batch_size=4, seed=3, repeats=repeats), 3)
    parts = []
    for host in range(2):
        data = Numbered(10)
        options = dict(context=context(host, devices=devices), workers=1, repeats=repeats)
        batches = train(data, batch_size=4, seed=3, **options)
        found = sum(indices(batches, 3 * devices // 2), [])
        parts.append([found[i : i + 2] for i in range(0, 6, 2)])
        # Every sample that was read belongs to this host: those of the batches and the few that were read ahead.
        read = [index for part, index in data.reads if part == "image"]
        assert read[:6] == found
    assert [ours + theirs for ours, theirs in zip(*parts)] == whole


def test_host_goes_on_where_it_stopped():
    options = dict(batch_size=4, seed=3, context=context(1))
    assert indices(train(Numbered(5), first_step=2, **options), 3) == indices(train(Numbered(5), **options), 5)[2:]


@pytest.mark.parametrize(("length", "devices", "hosts"), [(7, 2, 1), (5, 4, 2), (9, 4, 2), (1, 2, 2)])
def test_devices_evaluate_each_sample_once_in_batches_of_one_size(length, devices, hosts):
    seen, sizes = [], []
    for host in range(hosts):
        data = evaluation_pipeline(
            Numbered(length), (4, 6), 8, (0,) * 3, (1,) * 3, context=tf.distribute.InputContext(hosts, host, devices)
        )
        masks = [masks for _, masks in data.as_numpy_iterator()]
        seen += [index for batch in masks for index in batch[:, 0, 0].tolist() if index != 255]
        local = devices // hosts
        rounds = [masks[i : i + local] for i in range(0, len(masks), local)]
        assert all(len({len(batch) for batch in batches}) == 1 and len(batches) == local for batches in rounds)
        sizes.append([len(batches[0]) for batches in rounds])
    assert sorted(seen) == list(range(length))
    assert sizes.count(sizes[0]) == hosts
