"""What the runner reads of a device's clocks, temperatures and power mode, from a folder laid out like Linux's /sys.

The names are those of https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-class-devfreq, and on a Jetson those
of https://github.com/rbonghi/jetson_stats/issues/427.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

from edge.targets.runner_session import DEVICE_FOLDER

_CODE = """
import json, sys
from device import machine
root = sys.argv[1]
for name in ("THERMAL", "CPUS", "DEVFREQ"):
    setattr(machine, name, root + getattr(machine, name))
print(json.dumps(machine.state()))
"""
# As https://github.com/NVIDIA-AI-IOT/jetbot/issues/49: what nvpmodel tells whoever is not root.
NVPMODEL = """#!/bin/sh
[ "$1" = -q ] || exit 1
echo 'NV Power Mode: 15W'
echo 2
echo 'NVPM ERROR: Error opening /sys/kernel/nvpmodel_emc_cap/emc_iso_cap: 13' >&2
exit 1
"""


@pytest.fixture
def state(tmp_path):
    """Function that returns `device.machine.state()` with the files of a dict under /sys."""
    shutil.copytree(DEVICE_FOLDER, tmp_path / "device")
    programs = tmp_path / "programs"
    programs.mkdir()

    def read(files, nvpmodel=None):
        for name, text in files.items():
            path = tmp_path / "root" / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        if nvpmodel:
            (programs / "nvpmodel").write_text(nvpmodel)
            (programs / "nvpmodel").chmod(0o755)
        command = [sys.executable, "-c", _CODE, tmp_path / "root"]
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=True)
        return json.loads(done.stdout)

    return read


def cpu(number, low, now, high):
    folder = f"devices/system/cpu/cpu{number}/cpufreq"
    return {
        f"{folder}/scaling_min_freq": low,
        f"{folder}/scaling_cur_freq": now,
        f"{folder}/scaling_max_freq": high,
        f"{folder}/scaling_governor": "schedutil",
    }


def gpu(name, low, now, high):
    folder = f"class/devfreq/{name}"
    return {f"{folder}/min_freq": low, f"{folder}/cur_freq": now, f"{folder}/max_freq": high}


@pytest.mark.parametrize("name", ["17000000.gpu", "17000000.ga10b", "17000000.gv11b", "57000000.gpu", "gpu-gpc-0"])
def test_jetson(state, name):
    files = {"class/thermal/thermal_zone0/type": "gpu-thermal", "class/thermal/thermal_zone0/temp": 48250}
    files |= cpu(0, 115200, 729600, 1510400) | cpu(1, 115200, 1510400, 1510400)
    files |= gpu(name, 306000000, 624750000, 624750000)
    files |= gpu("15340000.vic", 115200000, 115200000, 115200000)  # another unit's
    assert state(files, NVPMODEL) == {
        "temperature_c": {"gpu-thermal": 48.2},
        "cpu_mhz": [729.6, 1510.4],
        "gpu_mhz": [624.8],
        "governor": "schedutil",
        "power_mode": "15W",
        "clocks_fixed": {"cpu": False, "gpu": False},
    }


def test_jetson_after_jetson_clocks(state):
    files = cpu(0, 1510400, 1510400, 1510400) | gpu("17000000.gpu", 624750000, 624750000, 624750000)
    assert state(files)["clocks_fixed"] == {"cpu": True, "gpu": True}


def test_raspberry_pi(state):
    """It tells no clock of its GPU there."""
    files = {"class/thermal/thermal_zone0/type": "cpu-thermal", "class/thermal/thermal_zone0/temp": 51121}
    assert state(files | cpu(0, 1500000, 2400000, 2400000)) == {
        "temperature_c": {"cpu-thermal": 51.1},
        "cpu_mhz": [2400.0],
        "governor": "schedutil",
        "clocks_fixed": {"cpu": False},
    }


def test_machine_that_tells_nothing(state):
    assert state({}) == {}
