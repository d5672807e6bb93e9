"""Fixtures for measuring on devices."""

import socket
import subprocess

import pytest

from edge.targets import adb
from tests.edge.adb_device import Device


@pytest.fixture(scope="session")
def float_file(tmp_path_factory):
    """A convolution in float32 and an argmax, which XNNPACK does not take."""
    import tensorflow as tf

    from tests.edge.test_benchmark import to_tflite

    path = tmp_path_factory.mktemp("float") / "float.tflite"
    path.write_bytes(to_tflite(lambda x: tf.argmax(x, -1, output_type=tf.int32)))
    return path


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory):
    """An adb server of the tests' own, which knows neither the user's phones nor keys."""
    with pytest.MonkeyPatch.context() as patch:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            patch.setenv("ANDROID_ADB_SERVER_PORT", str(free.getsockname()[1]))
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("ADB_LOCAL_TRANSPORT_MAX_PORT", "5553")  # looks for no emulators
        for name in ("ADB_VENDOR_KEYS", "ADB_SERVER_SOCKET", "ANDROID_SERIAL"):
            patch.delenv(name, raising=False)
        subprocess.run(["adb", "start-server"], check=True, capture_output=True)
        try:
            if len(subprocess.run(["adb", "devices"], capture_output=True, text=True).stdout.split()) > 4:
                pytest.skip("a device is plugged in; these tests want adb for themselves")
            yield
        finally:
            subprocess.run(["adb", "kill-server"])


@pytest.fixture
def connected(adb_server, tmp_path, monkeypatch):
    """Function that returns a new `Device`, connected to the adb of `adb_server`."""
    monkeypatch.setattr(adb, "PAUSE_S", 0)
    devices = []

    def connect(**settings):
        devices.append(Device(tmp_path / f"device{len(devices)}", **settings))
        done = subprocess.run(["adb", "connect", devices[-1].serial], capture_output=True, text=True)
        assert not settings.get("trusts", True) or f"connected to {devices[-1].serial}" in done.stdout, done
        return devices[-1]

    yield connect
    for device in devices:
        subprocess.run(["adb", "disconnect", device.serial], capture_output=True)
        device.stop()
