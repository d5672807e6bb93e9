import os
import pathlib
import signal
import threading
import time

import numpy as np
import pytest

from keras_liteseg.conversion.convert import convert
from keras_liteseg.conversion.converter_process import convert_apart
from keras_liteseg.errors import UserError
from tests.tiny import tiny


@pytest.fixture
def request_(metadata):
    return metadata.replace(model="tiny", quantization="none", output_type="logits")


def test_it_gives_the_same_file(request_):
    model = tiny()
    assert convert_apart(model, request_, time_limit=300) == convert(model, request_)


def test_calibration_images_reach_it(request_):
    images = [np.random.default_rng(0).uniform(-1, 1, (1, 16, 24, 3)).astype(np.float32)]
    model, metadata = tiny(), request_.replace(quantization="int16x8")
    found = convert_apart(model, metadata, time_limit=300, calibration=images, batch_size=2)
    assert found == convert(model, metadata, calibration=images, batch_size=2)


def test_time_limit(request_):
    start = time.monotonic()
    with pytest.raises(UserError, match="took longer than 1 seconds and was stopped; give a higher --time_limit"):
        convert_apart(tiny(), request_, time_limit=1)
    assert time.monotonic() - start < 20
    assert not list(children())


def test_failure(request_):
    with pytest.raises(UserError, match="converter failed: .*input_type is 'uint8' with quantization 'none'"):
        convert_apart(tiny(), request_, time_limit=300, input_type="uint8")


def test_crash(request_):
    def kill():
        while not (found := list(children())):
            time.sleep(0.05)
        os.kill(found[0], signal.SIGSEGV)

    thread = threading.Thread(target=kill)
    thread.start()
    with pytest.raises(UserError, match="converter was ended by SIGSEGV, so 'tiny' was not converted .--quantization"):
        convert_apart(tiny(), request_, time_limit=300)
    thread.join()


def children():
    """Yield the process ids of this process's conversions."""
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if (
                parent == os.getpid()
                and b"keras_liteseg.conversion.converter_process" in (path / "cmdline").read_bytes()
            ):
                yield int(path.name)
        except (FileNotFoundError, ProcessLookupError):
            continue
