"""Every target is what `edge.targets.protocol` says, and refuses addresses that it does not know."""

import importlib
import inspect

import pytest

from edge import targets
from edge.targets import adb, browser, ethos_u, host, micro, rknn, ssh
from edge.targets.adb_session import AdbSession
from edge.targets.protocol import Device, Session, Target
from edge.targets.runner_session import RunnerSession
from keras_liteseg.errors import UserError

CLASSES = {
    "host": (host, host.Host, RunnerSession),
    "ssh": (ssh, ssh.SshDevice, RunnerSession),
    "browser": (browser, browser.Browser, browser.BrowserSession),
    "ethos-u": (ethos_u, ethos_u.EthosU, ethos_u.VelaSession),
    "rknn": (rknn, rknn.RockchipNpu, rknn.SimulatorSession),
    "micro": (micro, micro.Microcontroller, micro.MicroSession),
    "adb": (adb, adb.Phone, AdbSession),
}
METHODS = {Target: ("check", "uses_threads", "connect"), Device: ("start", "close"), Session: ("ask", "close")}


def parameters(function):
    """Return the names of what a function or method takes, without self."""
    names = inspect.signature(function).parameters.values()
    assert all(one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD for one in names)
    return [one.name for one in names if one.name != "self"]


def require_same(what, protocol):
    public = {name for name in vars(protocol) if not name.startswith("_")} - {"stand_in"}
    assert public == set(METHODS[protocol])
    for name in METHODS[protocol]:
        assert parameters(getattr(what, name)) == parameters(getattr(protocol, name)), name


def test_every_target_is_here():
    assert CLASSES.keys() == targets.TARGETS.keys()
    for scheme, (module, _) in targets.TARGETS.items():
        assert importlib.import_module(module) is CLASSES[scheme][0]


@pytest.mark.parametrize("scheme", CLASSES)
def test_target_follows_the_protocol(scheme):
    module, device, session = CLASSES[scheme]
    assert isinstance(module, Target)
    require_same(module, Target)
    require_same(device, Device)
    require_same(session, Session)


def test_device_and_session_that_are_alive(float_file):
    device = targets.connect("host:cpu")
    assert isinstance(device, Device) and device.stand_in is None
    session = device.start(float_file, 1, 60)
    try:
        assert isinstance(session, Session)
        assert session.ask("load")["first_run_ms"] > 0
    finally:
        session.close()
        session.close()  # may be called twice
        device.close()


UNKNOWN = ["jetson", "host:", "host:tpu", "browser:webnn", "ssh:board", "ssh://board/npu", "adb:tpu", "", None, 3]
UNKNOWN += ["ethos-u:", "ethos-u:u55", "ethos-u:u55-512", "ethos-u:u75-256", "ethos-u:u55-2²", "micro:", "micro:esp32"]


@pytest.mark.parametrize("target", UNKNOWN)
@pytest.mark.parametrize("function", [targets.check, targets.uses_threads, targets.connect])
def test_unknown_targets_are_refused(function, target):
    with pytest.raises(UserError, match="Unknown target|names no device"):
        function(target)
