"""Downloads from a real server on this machine that breaks off, lacks ranges, refuses, or has another file."""

import hashlib
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from keras_liteseg.errors import UserError
from keras_liteseg.models import download as module
from keras_liteseg.models.download import cache_folder, download
from tests.models.web_server import serve

CONTENT = random.Random(0).randbytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """No proxy between the tests and their server, and no long pauses."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module, "PAUSE", 0.01)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "weights.safetensors"


def fetch(site, path):
    download(site.url, path, SHA256, len(CONTENT))


def files(path):
    return sorted(file.name for file in path.parent.iterdir())


def in_process(site, path):
    """Start another process that downloads."""
    code = "import pathlib, sys; from keras_liteseg.models.download import download\n"
    code += "download(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))"
    return subprocess.Popen([sys.executable, "-c", code, site.url, path, SHA256, str(len(CONTENT))])


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it took more than 30 s"
        time.sleep(0.01)


@pytest.mark.parametrize("length", [True, False], ids=["with its length", "without"])
def test_file_comes_whole_and_alone(path, length):
    with serve(CONTENT, length=length) as site:
        fetch(site, path)
        assert path.read_bytes() == CONTENT and files(path) == [path.name]
        fetch(site, path)
    assert site.asked == [None], "it was downloaded twice"


@pytest.mark.parametrize("cut", [1, 70_000, 299_999])
def test_download_goes_on_where_it_was_cut(path, cut):
    with serve(CONTENT, cuts=[cut]) as site:
        fetch(site, path)
    assert path.read_bytes() == CONTENT and files(path) == [path.name]
    assert site.asked == [None, f"bytes={cut}-"]


def test_server_that_always_breaks_off(path):
    with serve(CONTENT, cuts=[50_000] * 5) as site:
        site.ranges = False
        with pytest.raises(
            UserError, match=r"broke off after 50000 of 300000 bytes \(the server closed the connection\)"
        ):
            fetch(site, path)
        assert files(path) == ["weights.safetensors.lock", "weights.safetensors.part"] and len(site.asked) == 5
        site.ranges = True
        fetch(site, path)
    assert path.read_bytes() == CONTENT and site.asked[5:] == ["bytes=50000-"]


def test_server_without_ranges_begins_anew(path):
    with serve(CONTENT, ranges=False, cuts=[70_000]) as site:
        fetch(site, path)
    assert path.read_bytes() == CONTENT and site.asked == [None, "bytes=70000-"]


def test_silent_server_is_given_up(path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    with serve(CONTENT, gate=threading.Event()) as site, pytest.raises(UserError, match=r"broke off .*\(timed out\)"):
        fetch(site, path)


def test_killed_download_is_resumed_to_the_same_bytes(path):
    partial = path.with_name(path.name + ".part")
    with serve(CONTENT, gate=threading.Event()) as site:
        process = in_process(site, path)
        wait_until(lambda: partial.exists() and partial.stat().st_size >= 65_536)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        assert not path.exists()
        have = partial.stat().st_size
        site.gate.set()
        fetch(site, path)
    assert path.read_bytes() == CONTENT and files(path) == [path.name]
    assert site.asked == [None, f"bytes={have}-"]


def test_processes_at_once_download_once(path):
    with serve(CONTENT, gate=threading.Event()) as site:
        first = in_process(site, path)
        wait_until(lambda: site.asked)
        others = [in_process(site, path) for _ in range(2)]
        time.sleep(1)
        assert not path.exists() and [other.poll() for other in others] == [None, None]
        site.gate.set()
        assert [process.wait(60) for process in (first, *others)] == [0, 0, 0]
    assert path.read_bytes() == CONTENT and site.asked == [None] and files(path) == [path.name]


@pytest.mark.parametrize(
    "status, advice", [(404, "not there; correct the URL"), (403, "a login"), (500, "try again later")]
)
def test_refusal_of_the_server(path, status, advice):
    with serve(CONTENT, status=status) as site, pytest.raises(UserError, match=f"answers {status} .*{advice}"):
        fetch(site, path)
    assert not path.exists() and site.asked == [None]


def test_wrong_file_is_thrown_away(path):
    other = bytes(len(CONTENT))
    with serve(other) as site, pytest.raises(UserError, match=f"SHA-256 .*{SHA256}; it was thrown away"):
        fetch(site, path)
    assert not path.exists() and "weights.safetensors.part" not in files(path)


def test_file_of_another_size_is_refused_before_it_comes(path):
    with serve(CONTENT + b"more") as site, pytest.raises(UserError, match="has 300004 bytes and the card says 300000"):
        fetch(site, path)
    with serve(CONTENT + b"more", length=False) as site:
        fetch(site, path)  # what is promised is all that is read
    assert path.read_bytes() == CONTENT


def test_damaged_part_is_found_and_dropped(path):
    path.parent.mkdir()
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(bytes(70_000))
    with serve(CONTENT) as site:
        with pytest.raises(UserError, match="thrown away"):
            fetch(site, path)
        partial.write_bytes(bytes(400_000))  # more than there is
        fetch(site, path)
    assert path.read_bytes() == CONTENT


def test_offline(path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/weights.safetensors"
    with pytest.raises(UserError, match=f"Cannot reach {url}: Connection refused. Check .* put it at {path}"):
        download(url, path, SHA256, len(CONTENT))
    with pytest.raises(UserError, match="Cannot reach http://no.such.host.invalid/w: .*Check the connection"):
        download("http://no.such.host.invalid/w", path, SHA256, len(CONTENT))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/w", "weights.safetensors", ""])
def test_only_the_web(path, url):
    with pytest.raises(UserError, match="only http:// and https://"):
        download(url, path, SHA256, len(CONTENT))
    assert not path.parent.exists()


def test_address_that_is_none(path):
    with pytest.raises(UserError, match=r"Cannot reach http://\[broken"):
        download("http://[broken", path, SHA256, len(CONTENT))


def test_full_disk(disk):
    big = bytes(3_000_000)
    path = disk / "weights.safetensors"
    with serve(big) as site, pytest.raises(UserError, match="No space left on device. 3.0 MB are needed. Free some"):
        download(site.url, path, hashlib.sha256(big).hexdigest(), len(big))
    assert not path.exists()


def test_cache_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with serve(CONTENT) as site, pytest.raises(UserError, match="Cannot write .*another folder in KERAS_LITESEG_CACHE"):
        fetch(site, tmp_path / "file" / "weights.safetensors")


def test_folder_of_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KERAS_LITESEG_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == tmp_path / ".cache" / "keras_liteseg"
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert str(cache_folder()) == "/caches/keras_liteseg"
    monkeypatch.setenv("KERAS_LITESEG_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"
