"""The home folder of zoo; files that appear complete or not at all; JSON and TOML, read strictly."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import FileError

DEEPEST = 64  # brackets within brackets, in JSON and TOML


def zoo_home() -> Path:
    """The folder for caches and the user's registry: `ZOO_HOME`, else `~/.cache/zoo`."""
    given = os.environ.get("ZOO_HOME")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "zoo"


def as_path(given: Path | str) -> Path:
    """A path of the user's, `~` expanded. Raises FileError: the system has no such path (too long, a zero byte)."""
    try:
        path = Path(given).expanduser()
        os.stat(path)  # noqa: PTH116  # pathlib hides some of what may be raised
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, ValueError, RuntimeError) as error:
        said = getattr(error, "strerror", None) or error
        problem = f"this is no path that can be read ({said})"
        raise FileError(repr(str(given)[:200]), problem, "Check the path.") from error
    return path


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; synced and renamed over it when the block ends well, removed otherwise.

    Raises:
        FileError: the disk is full, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise as_file_error(error, path) from error
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        set_default_mode(part)
        part.replace(path)
    except OSError as error:
        raise as_file_error(error, path) from error
    finally:
        part.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file atomically: it is there complete or not at all. Raises FileError."""
    with atomic_write(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def write_sealed(path: Path, content: Any) -> None:
    """Keep what JSON can say, with its hash in a second line, for `read_sealed`. Raises FileError."""
    raw = json.dumps(content).encode()
    write_atomically(path, raw + b"\n" + hashlib.sha256(raw).hexdigest().encode())


def read_sealed(path: Path) -> Any:
    """What `write_sealed` kept; None where it is not there, or no longer as it was written."""
    try:
        raw, _, digest = path.read_bytes().rpartition(b"\n")
    except OSError:
        return None
    return json.loads(raw) if hashlib.sha256(raw).hexdigest().encode() == digest else None


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """Parse JSON: what is none, or says one thing twice, is refused and not guessed at.

    Args:
        text: bytes are UTF-8.
        finite: refuse NaN and infinite numbers.

    Raises:
        ValueError: it is none; a key stands twice in one object; a number is too large, or none; half a surrogate
            pair stands in it that no file's name can have; it is nested too deeply.
    """
    said = text if isinstance(text, str) else text.decode("utf-8-sig")
    number = _finite if finite else float
    try:
        content = json.loads(said, object_pairs_hook=_refuse_twins, parse_constant=number, parse_float=number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _check_values(content)
    if re.search(r"\\u[dD][89a-fA-F]", said):
        for part in json.JSONEncoder(ensure_ascii=False).iterencode(content):
            part.encode("utf-8", "surrogateescape")
    return content


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML. Raises ValueError: it is none (the line is named), an integer is too large, it is nested deeply."""
    import tomllib

    try:
        return _check_values(tomllib.loads(text))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _check_values(content: Any) -> Any:
    """Refuse what is nested so deeply that Python stops, and integers that no float and no file holds."""
    waiting = [iter((content,))]
    while waiting:
        if len(waiting) > DEEPEST:
            raise ValueError("it is nested too deeply")
        for one in waiting[-1]:
            if isinstance(one, dict | list):
                waiting.append(iter(one.values() if isinstance(one, dict) else one))
                break
            if type(one) is int and one.bit_length() > 64:
                raise ValueError("a number in it is too large")
        else:
            waiting.pop()
    return content


def _refuse_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return made


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} stands in it, which is no finite number")
    return value


def as_file_error(error: OSError, path: Path) -> FileError:
    """The operating system's error as a line that says what to do."""
    if error.errno == errno.ENOSPC:
        return FileError(path, "the disk is full", "Free some space, or write somewhere else; nothing was changed.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return FileError(path, "it cannot be written here", "Choose another folder, or change its permissions.")
    return FileError(path, f"it cannot be written or read ({error.strerror or error})", "Check the path.")


def set_default_mode(path: Path) -> None:
    """Give a temporary file the permissions that a new file would have."""
    path.chmod(0o666 & ~_umask())


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder last through a power cut, where the system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sha256_of(path: Path) -> str:
    """The file's sha256 in hex, read in pieces."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
