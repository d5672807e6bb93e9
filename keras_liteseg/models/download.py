"""Files from the web: downloaded once into a cache, resumed after a cut, checked before they get their name."""

import contextlib
import errno
import fcntl
import hashlib
import http.client
import logging
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

from tqdm import tqdm

from keras_liteseg.errors import UserError

CACHE_VARIABLE = "KERAS_LITESEG_CACHE"
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""
ATTEMPTS = 5
"""How often a download that is cut goes on by itself."""
PAUSE = 1.0
"""Seconds before it does."""

_BLOCK = 1 << 16
_log = logging.getLogger(__name__)


def cache_folder() -> pathlib.Path:
    """Return the folder for downloads: `$KERAS_LITESEG_CACHE`, or `keras_liteseg` in that of the user's caches.

    Raises:
        UserError: the user has no home folder, and no variable names another one.
    """
    own = os.environ.get(CACHE_VARIABLE)
    try:
        if own:
            return pathlib.Path(own).expanduser()
        return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "keras_liteseg"
    except RuntimeError as error:
        raise UserError(f"There is no home folder to keep downloads in; name a folder in {CACHE_VARIABLE}.") from error


def download(url: str, path: pathlib.Path, sha256: str, size: int) -> None:
    """Download a file to `path`, unless another process does at the same time, which is waited for.

    What has come lies in `path` + `.part` until it is complete and has the right SHA-256; a later call goes on from
    there where the server can (HTTP Range).

    Args:
        url: http or https.
        path: where the file will be; its folder is made.
        sha256: 64 hexadecimal digits.
        size: bytes.

    Raises:
        UserError: the server cannot be reached, refuses, breaks off, or has another file; or `path` cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise UserError(f"{url} cannot be downloaded: only http:// and https:// are; correct the URL in the card.")
    partial, lock = (path.with_name(path.name + end) for end in (".part", ".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(lock):
            if not path.is_file():
                _fetch(url, path, partial, size)
                _require_checksum(url, partial, sha256)
                os.replace(partial, path)
            lock.unlink(missing_ok=True)  # who still waits for it finds `path`
    except OSError as error:
        needed = f" {size / 1e6:.1f} MB are needed." if error.errno == errno.ENOSPC else ""
        raise UserError(
            f"Cannot write {path}: {_reason(error)}.{needed} Free some space, or name another folder in "
            f"{CACHE_VARIABLE}."
        ) from error


def sha256_of(path: pathlib.Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    """Hold a lock that ends with the process."""
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("Another process downloads %s; waiting for it", path.stem)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(url: str, path: pathlib.Path, partial: pathlib.Path, size: int) -> None:
    """Make `partial` complete."""
    _log.info("Downloading %s (%.1f MB) to %s", url, size / 1e6, path)
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        cut = _fetch_rest(url, path, partial, size)
        if cut is None:
            return
    raise UserError(
        f"The download of {url} broke off after {_size(partial)} of {size} bytes ({cut}); they are kept, so do the "
        "same again to go on from there."
    )


def _fetch_rest(url: str, path: pathlib.Path, partial: pathlib.Path, size: int) -> str | None:
    """Append to `partial` what it lacks; return why that broke off, or None where it is complete."""
    start = _size(partial)
    if start == size:
        return None
    if start > size:
        start = 0
    headers = {"User-Agent": "keras_liteseg", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            partial.unlink()
            return "the server refused to go on, so it begins anew"
        raise UserError(f"{url} answers {error.code} {error.reason}. {_advice(error.code)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(
            f"Cannot reach {url}: {_reason(error)}. Check the connection, or download the file elsewhere and put it at "
            f"{path}."
        ) from error
    with response:
        if not (response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")):
            start = 0  # the whole file comes
        coming = response.headers.get("Content-Length", "")
        if coming.isdigit() and start + int(coming) != size:
            raise UserError(
                f"{url} has {start + int(coming)} bytes and the card says {size}: it is another file. Update "
                "keras_liteseg, or correct the card."
            )
        return _append(response, partial, start, size)


def _append(response: http.client.HTTPResponse, partial: pathlib.Path, start: int, size: int) -> str | None:
    """Write what comes behind the first `start` bytes of `partial`; return as `_fetch_rest`."""
    bar = tqdm(total=size, initial=start, desc="downloading", unit="B", unit_scale=True, disable=None, file=sys.stderr)
    with open(partial, "ab" if start else "wb") as file, bar:
        while start < size:
            try:
                block = response.read(min(_BLOCK, size - start))
            except (OSError, http.client.HTTPException) as error:
                return _reason(error)
            if not block:
                return "the server closed the connection"
            file.write(block)
            start += len(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())
    return None


def _require_checksum(url: str, partial: pathlib.Path, sha256: str) -> None:
    found = sha256_of(partial)
    if found != sha256:
        partial.unlink()
        raise UserError(
            f"What came from {url} has the SHA-256 {found}, and the card says {sha256}; it was thrown away. Try again, "
            "and if it stays so, the file there is another one: do not use it."
        )


def _advice(status: int) -> str:
    if status in (404, 410):
        return "The file is not there; correct the URL in the card, or update keras_liteseg."
    if status >= 500:
        return "The server is in trouble; try again later."
    return "Check the URL in the card, and whether the server wants a login."


def _size(path: pathlib.Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception) -> str:
    """Return the words of the system or of urllib for an error of the network or the disk."""
    cause = getattr(error, "reason", None)
    cause = cause if isinstance(cause, Exception) else error
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
