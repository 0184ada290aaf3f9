"""The home folder of zoo; files written whole, over nothing unasked, by one at a time; JSON and TOML read strictly."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zoo.errors import UNSAFE, FileError, ZooWarning

DEEPEST = 64  # brackets within brackets, in JSON and TOML
DAY = 86_400.0  # seconds after which what another machine's process left counts as abandoned

_TEMPORARY = re.compile(r"\.zoo-([0-9a-f]{8})-(\d{1,7})-\w+\.part")


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
    with file_errors(path), temporary_folder(path.parent) as folder:
        part = folder / "file.part"  # a name that nobody who walks through the folders looks for
        part.touch()
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(path)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file atomically: it is there complete or not at all. Raises FileError."""
    with atomic_write(path) as part:
        part.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON for people and programs, a value a line, as `write_atomically` does. Raises FileError."""
    write_atomically(path, format_json(content) + "\n")


def format_json(content: Any) -> str:
    """JSON to be read by people too: what could steer a terminal is escaped, so that nothing of it is lost."""
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


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


def check_output(path: Path, *, overwrite: bool | None = False, folder: bool = False, argument: str = "out") -> None:
    """The rule for all output: what is there already is replaced only where `overwrite` says so; None: it never is.

    Raises:
        FileError: it is taken, but for an empty folder; a file where a folder is wanted, or the other way round.
    """
    if path.is_dir() != folder and os.path.lexists(path):
        is_a, wanted = ("file", "folder") if folder else ("folder", "file")
        raise FileError(path, f"this is a {is_a}", f"Name a {wanted} with `{argument}=`.")
    left = [one for one in path.iterdir() if not is_abandoned(one)] if path.is_dir() else os.path.lexists(path)
    if left and not overwrite:
        remedy = f"Choose another `{argument}=`" + (", or pass `overwrite=True`." if overwrite is False else ".")
        raise FileError(path, f"it is there already{' and is not empty' * folder}", remedy)


@contextlib.contextmanager
def output_folder(folder: Path, *, overwrite: bool = False, argument: str = "out") -> Iterator[Path]:
    """A temporary folder whose files move into `folder` when the block ends well; its others stay. Raises FileError."""
    check_output(folder, overwrite=overwrite, folder=True, argument=argument)
    with file_errors(folder), temporary_folder(folder) as part:
        yield part
        for path in sorted(part.iterdir()):
            path.replace(folder / path.name)


@contextlib.contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new, empty folder, by default in the system's place, removed at the end.

    Its name says whose it is: those of processes that were killed go first, which is said in one line.
    """
    parent = parent or Path(tempfile.gettempdir())
    with file_errors(parent):
        parent.mkdir(parents=True, exist_ok=True)
        left = [path for path in parent.glob(".zoo-*.part") if is_abandoned(path)]
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
        if gone := sum(not path.exists() for path in left):
            said = f"Removed from {parent} what killed processes left there: {gone} temporary folder{'s' * (gone > 1)}."
            warnings.warn(said, ZooWarning, stacklevel=2)
        part = Path(tempfile.mkdtemp(prefix=f".zoo-{machine_id()}-{os.getpid()}-", suffix=".part", dir=parent))
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_abandoned(path: Path) -> bool:
    """Whether a temporary folder is of a process that has ended; of another machine's: whether it is a day old."""
    found = _TEMPORARY.fullmatch(path.name)
    try:
        if found and found[1] == machine_id() and os.name == "posix":
            return not is_running(int(found[2]))
        return bool(found) and time.time() - max(one.lstat().st_mtime for one in (path, *path.glob("*"))) > DAY
    except OSError:
        return False


def is_running(pid: int) -> bool:
    """Whether a process of this machine is there, whoever's it is."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)
    return True


def machine_id() -> str:
    """This machine, and this container of it: where a number means one process. 8 hex digits."""
    import platform

    space = Path("/proc/self/ns/pid")
    inside = space.readlink() if space.is_symlink() else ""
    return hashlib.sha256(f"{platform.node()} {inside}".encode()).hexdigest()[:8]


@contextlib.contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """A file or folder for one process at a time: for all that read it, change it and write it.

    The lock is a file beside it that goes with who has it, and ends with the process. Where the file system has no
    locks it lies in the system's place for temporary files, and holds on this machine only.

    Raises:
        FileError: another process has it, and `wait` is False; the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.lock")
    with contextlib.ExitStack() as stack:
        with file_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(_locked_file(beside, wait))
            except OSError as error:
                if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                    raise
                beside.unlink(missing_ok=True)
                name = f".zoo-{os.getuid()}-{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]}.lock"
                stack.enter_context(_locked_file(Path(tempfile.gettempdir(), name), wait))
        yield


@contextlib.contextmanager
def _locked_file(place: Path, wait: bool) -> Iterator[None]:
    if os.name != "posix":
        from filelock import FileLock  # removes its files there

        with FileLock(place, timeout=-1 if wait else 0):
            yield
        return
    import fcntl

    mine = False
    while not mine:
        with os.fdopen(os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)) as opened:
            status = os.fstat(opened.fileno())
            if status.st_uid == os.geteuid() and not status.st_size:
                os.fchmod(opened.fileno(), 0o666)  # should this process be killed, others of the folder still lock it
            fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            with contextlib.suppress(FileNotFoundError):  # who had it has removed it meanwhile
                mine = os.path.samestat(status, place.stat())
            if mine:
                try:
                    yield
                finally:
                    place.unlink(missing_ok=True)


@contextlib.contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Inside, the operating system's errors are raised as `as_file_error` says."""
    try:
        yield
    except OSError as error:
        raise as_file_error(error, path) from error


def as_file_error(error: OSError, path: Path) -> FileError:
    """The operating system's error as a line that says what to do."""
    if error.errno == errno.ENOSPC:
        return FileError(path, "the disk is full", "Free some space, or write somewhere else; nothing was changed.")
    if isinstance(error, BlockingIOError):
        return FileError(path, "another process is writing it", "Wait for it, or write somewhere else.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return FileError(path, "it cannot be written here", "Choose another folder, or change its permissions.")
    return FileError(path, f"it cannot be written or read ({error.strerror or error})", "Check the path.")


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
