"""Writing files so that a reader never sees half of one."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from keras_liteseg.errors import UserError

AnyPath = str | os.PathLike[str]

_NO_JSON = object()
_LONGEST = 200  # bytes of a name that are repeated in that of a temporary file


def suffix_of(path: AnyPath) -> str:
    """Return how the name of a file ends, in lower case: '.tflite' of 'A.TFLITE', as some systems and cameras name
    files. What is read is told by this; what is written is to end in lower case, which other programs look for."""
    return pathlib.PurePath(str(path)).suffix.lower()  # what is no path ends in nothing


@contextlib.contextmanager
def made_folder(folder: AnyPath) -> Iterator[None]:
    """Make a folder for what the block writes into it. Where that is nothing, it goes again, with those above it that
    were made for it; so what is refused leaves no empty folders behind."""
    folder = pathlib.Path(folder)
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for each in missing:
            with contextlib.suppress(OSError):  # it is not empty
                each.rmdir()


@contextlib.contextmanager
def atomic_path(path: AnyPath) -> Iterator[pathlib.Path]:
    """Yield a temporary path beside `path` with the same suffixes; rename it to `path` when the block succeeds.

    When the block fails or is interrupted, the temporary file is removed and an existing `path` stays as it was.

    Raises:
        UserError: the folder cannot be made or written, or the disk is full.
    """
    path = pathlib.Path(path)
    try:
        with made_folder(path.parent):
            # The suffixes stay last because writers such as Keras choose the format by them.
            handle, temporary = tempfile.mkstemp(prefix=".partial-", suffix=partial_suffix(path), dir=path.parent)
            os.close(handle)
            try:
                os.chmod(temporary, 0o666 & ~umask())
                yield pathlib.Path(temporary)
                os.replace(temporary, path)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
    except OSError as error:
        raise _cannot_write(path, error) from error


def partial_suffix(path: AnyPath) -> str:
    """Return how the name of a temporary file or folder beside `path` ends: as `path`, as far as there is room beside
    a prefix. Disks take names of 255 bytes, which is few characters of most scripts."""
    return "-" + os.fsencode(pathlib.Path(path).name)[-_LONGEST:].decode(errors="ignore")


@contextlib.contextmanager
def sole_writer(path: AnyPath) -> Iterator[None]:
    """Let others that do the same wait while the block reads the file `path` and writes it anew, so that what two add
    at once is all there.

    Raises:
        UserError: as `require_writable`.
    """
    require_writable(path)
    # The lock is a file of its own: `path` is replaced by each writer, and its folder may be one that a training keeps.
    lock = pathlib.Path(path).with_name(".lock" + partial_suffix(path))
    with made_folder(lock.parent):
        while True:
            handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o666)
            with contextlib.suppress(OSError):  # some network disks have no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), os.stat(lock)):
                    break
            os.close(handle)  # of a writer that ended meanwhile
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # without locks, another writer may have removed it
            os.close(handle)


@contextlib.contextmanager
def alone_in(folder: AnyPath) -> Iterator[None]:
    """As `made_folder`, and keep the folder for this process while the block runs. Nothing of that stays, however the
    process ends.

    Raises:
        UserError: another process has it, or it cannot be made.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(made_folder(folder))
            handle = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise _cannot_write(f"into {folder}", error) from error
        stack.callback(os.close, handle)
        with contextlib.suppress(OSError):  # some network disks have no locks
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(
                    f"Another process writes into {folder} at this moment; wait for its end, or choose another folder."
                ) from None
        yield


def require_writable(path: AnyPath) -> None:
    """Find out before long work that a file cannot be written after it. Its folder is tried and not left behind.

    Raises:
        UserError: it cannot.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise UserError(f"Cannot write {path}: it is a folder. Give the name of a file.")
    try:
        with made_folder(path.parent):
            tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise _cannot_write(path, error) from error


def require_folder(folder: AnyPath) -> None:
    """As `require_writable`, for a folder of several files."""
    try:
        with made_folder(folder):
            tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _cannot_write(f"into {folder}", error) from error


def require_result(path: AnyPath, *networks: AnyPath) -> None:
    """As `require_writable`, for a file of measured numbers, which takes the place of nothing but numbers.

    Args:
        path: the file.
        networks: files, or names, of the networks that are measured.

    Raises:
        UserError: it cannot be written or would replace such a file.
    """
    path = pathlib.Path(path)
    require_writable(path)
    for network in networks:
        if path.exists() and os.path.exists(network) and path.samefile(network):
            raise UserError(f"The result {path} would replace the network itself; give another name.")
    if suffix_of(path) != ".jsonl" and path.is_file() and path.stat().st_size and _json(path) is _NO_JSON:
        raise UserError(f"The result {path} would replace a file that is no JSON; give another name.")
    if is_card(path):
        raise UserError(
            f"The result {path} would replace the card of an exported network, which says how to use it; give another "
            "name."
        )


@contextlib.contextmanager
def plain_path(path: AnyPath) -> Iterator[str]:
    """Yield a name of a file or folder for libraries that take UTF-8 only, and endings in lower case: where it is
    not such a one, that of a link to it."""
    path = pathlib.Path(path)
    if path.suffix == suffix_of(path) and _is_utf8(path):
        yield str(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        link = pathlib.Path(folder, "link").with_suffix(suffix_of(path))
        link.symlink_to(path.resolve())
        yield str(link)


def _is_utf8(path: pathlib.Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def write_text(path: AnyPath, text: str) -> None:
    """Write `text` as UTF-8, atomically. What is none, in names of files, is written as JSON and `print` write it."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def write_json(path: AnyPath, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_json(path: AnyPath, cure: str, *keys: str) -> dict[str, Any]:
    """Return what a JSON file of ours holds, a dict with `keys`.

    Raises:
        UserError: the file holds something else; `cure` says what to do, without a full stop.
    """
    try:
        content = json.loads(pathlib.Path(path).read_bytes())
        missing = [key for key in keys if key not in content]
        if missing or not isinstance(content, dict):
            raise ValueError(f"it has no {missing[0]!r}" if missing else "it holds no keys")
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}); {cure}.") from None
    return content


def _cannot_write(what: object, error: OSError) -> UserError:
    return UserError(
        f"Cannot write {what}: {_reason(error)}. Free some space or choose a folder that you may write to."
    )


def _reason(error: OSError) -> str:
    """Return the system's words for an OSError. That of h5py has them inside of a report of several lines."""
    full = os.strerror(errno.ENOSPC)
    return full if full in str(error) else error.strerror or str(error)


def umask() -> int:
    """Return the bits that files of this process do not get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def card_path(output: AnyPath) -> pathlib.Path:
    """Return the path of an exported file's card: `NAME.json` of `NAME.tflite`, `NAME.onnx.json` of `NAME.onnx` and so
    on, so that one network may lie in a folder in several formats."""
    output = pathlib.Path(output)
    return output.with_suffix(".json" if suffix_of(output) == ".tflite" else f"{suffix_of(output)}.json")


def is_card(path: AnyPath) -> bool:
    """Return whether a file is the card of an exported file."""
    content = _json(path)
    return isinstance(content, dict) and {"file", "bytes", "sha256"} <= content.keys()


def _json(path: AnyPath) -> Any:
    """Return what a JSON file holds, `_NO_JSON` for another file."""
    try:
        return json.loads(pathlib.Path(path).read_bytes())
    except (OSError, ValueError):
        return _NO_JSON
