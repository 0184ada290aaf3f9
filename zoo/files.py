"""The home folder of zoo, and atomic writing: a file appears complete or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.errors import UNSAFE, FileError


def zoo_home() -> Path:
    """The folder for caches and the user's registry: `ZOO_HOME`, else `~/.cache/zoo`."""
    given = os.environ.get("ZOO_HOME")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "zoo"


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


def format_json(content: Any) -> str:
    """JSON to be read by people too: what could steer a terminal is escaped, so that nothing of it is lost."""
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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
