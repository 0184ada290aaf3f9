"""Where a published set lies: a folder, a zip or a tar, or a folder of these; archives are read where they are."""

from __future__ import annotations

import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor

from zoo.data import read_image, read_packed_image
from zoo.errors import FileError
from zoo.progress import Progress, silent

T = TypeVar("T")

ARCHIVES = (".zip", ".tar")
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")  # no place in them can be reached without reading all before
LARGEST = 1 << 28  # bytes that one file of a zip may unpack to, tables apart
LARGEST_TABLE = 1 << 32
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what unpacks in bounded memory
AGAIN = "Download it again."
UNPACK = "Unpack it yourself, and name its folder."


class Archive(Protocol):
    """A file of files."""

    root: Path

    def members(self, progress: Progress = silent) -> Iterator[tuple[str, Any]]:
        """The names in it, and what `read` finds each by. Raises FileError: it is damaged or leads out of itself."""

    def read(self, key: Any, most: int) -> bytes:
        """A member's content. Raises FileError: it is damaged, encrypted or larger than `most`."""

    def checksum(self, key: Any) -> Any:
        """What says without reading it whether a member is the same."""


class Place:
    """The files of a set by name, relative to its top with forward slashes; hidden ones are left out.

    Args:
        root: a folder, a zip or a tar. Of a folder the archives at its top count too, each as a folder of its own
            name, unless one of that name lies unpacked beside it.

    Raises:
        FileError: there is no such place; an archive is damaged, compressed as a whole, or leads out of itself.
    """

    def __init__(self, root: Path, progress: Progress = silent) -> None:
        self.root = root
        self.tables: list[str] = []  # the names of those that were read
        self._archives: list[Archive] = []
        self.names: dict[str, tuple[int, Any]] = {}  # to the archive's number and the member's key; -1: a file
        if root.is_dir():
            self.names = dict.fromkeys(_walk(str(root)), (-1, None))
            for path in sorted(root.iterdir()):
                if path.name.lower().endswith(ARCHIVES) and not path.name.startswith(".") and path.is_file():
                    del self.names[path.name]
                    if not (root / path.stem).is_dir():
                        self._add(path, f"{path.name}/", progress)
        else:
            self._add(root, "", progress)

    def _add(self, path: Path, above: str, progress: Progress) -> None:
        archive = open_archive(path)
        number = len(self._archives)
        self._archives.append(archive)
        self.names |= {above + name: (number, key) for name, key in archive.members(progress) if not _is_hidden(name)}

    def read(self, name: str) -> bytes:
        """A table's content. Raises FileError."""
        number, key = self.names[name]
        self.tables.append(name)
        if number >= 0:
            return self._archives[number].read(key, LARGEST_TABLE)
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise FileError(self.root / name, f"it cannot be read ({error.strerror})", "Check the path.") from error

    def read_picture(self, name: str) -> Tensor:
        """A picture, uint8 (3, H, W): one of an archive lies in zoo's own folder while it is decoded.

        Raises:
            FileError: it cannot be read.
        """
        number, key = self.names[name]
        if number < 0:
            return read_image(self.root / name)
        return read_packed_image(self._archives[number].read(key, LARGEST), name, of=self.root)

    def checksum(self, name: str) -> Any:
        """What says without reading it whether a file's content is the same; None: its path says where to look."""
        number, key = self.names[name]
        return None if number < 0 else self._archives[number].checksum(key)


def open_archive(path: Path) -> Archive:
    """A zip or a tar, by its name. Raises FileError: it is none, or compressed as a whole."""
    if path.name.lower().endswith(COMPRESSED):
        raise FileError(path, "a tar that is compressed as a whole is not read in place", UNPACK)
    if not path.is_file():
        raise FileError(path, "there is no such folder or archive", "Check `root=`.")
    return Zip(path) if path.name.lower().endswith(".zip") else Tar(path)


class Zip:
    """A zip: names in it are looked up and never become paths, sizes are checked before anything."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._zip = _try(lambda: zipfile.ZipFile(root), root)

    def __reduce__(self) -> tuple[type[Zip], tuple[Path]]:
        return Zip, (self.root,)  # a worker process opens it anew

    def members(self, progress: Progress = silent) -> Iterator[tuple[str, str]]:
        """Of two of one name the later one, as unzip has it. Raises FileError: a name leads out."""
        for name, info in self._zip.NameToInfo.items():
            if not info.is_dir():
                yield _checked(name, self.root), name

    def read(self, key: str, most: int) -> bytes:
        """A member's content. Raises FileError."""
        info, where = self._zip.getinfo(key), self.root / key
        if info.flag_bits & 1:
            raise FileError(where, "it is encrypted", UNPACK)
        if info.compress_type not in METHODS:
            raise FileError(where, f"it is compressed by method {info.compress_type}, which is not read", UNPACK)
        _check_size(info.file_size, most, where)
        return _try(lambda: self._zip.read(info), where)

    def checksum(self, key: str) -> list[int]:
        """CRC-32 and size as the zip's directory has them; reading fails where they are wrong."""
        info = self._zip.getinfo(key)
        return [info.CRC, info.file_size]


class Tar:
    """A tar that is not compressed: its headers are read once, then each file where it lies."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def members(self, progress: Progress = silent) -> Iterator[tuple[str, tuple[int, int, float]]]:
        """Files by where they begin, their size and time; links and sparse files are none. Raises FileError."""
        size = self.root.stat().st_size
        with _try(lambda: tarfile.open(self.root, "r:"), self.root) as opened:
            while (info := _try(opened.next, self.root)) is not None:
                progress("reading the archive", info.offset_data, size)
                opened.members = []  # type: ignore[attr-defined]  # a million of them would fill the memory
                if info.isreg() and not info.issparse():
                    yield _checked(info.name, self.root), (info.offset_data, info.size, info.mtime)

    def read(self, key: tuple[int, int, float], most: int) -> bytes:
        """A member's content. Raises FileError."""
        offset, size, _ = key
        _check_size(size, most, self.root)

        def content() -> bytes:
            with self.root.open("rb") as opened:  # several threads read at once
                opened.seek(offset)
                return opened.read(size)

        found = _try(content, self.root)
        if len(found) < size:
            raise FileError(self.root, "the archive is cut short", AGAIN)
        return found

    def checksum(self, key: tuple[int, int, float]) -> list[float]:
        """Size and time as the header has them: a tar has no checksums of contents."""
        return [*key[1:]]


def leads_out(name: str) -> bool:
    """Whether a name with forward slashes is no path below where it is looked up."""
    return name.startswith("/") or name[1:2] == ":" or ".." in name.split("/") or "\0" in name


def _checked(name: str, root: Path) -> str:
    name = name.replace("\\", "/").removeprefix("./")
    if leads_out(name):
        raise FileError(root, f"it names a file outside itself, {name!r:.80}", f"No published set does. {AGAIN}")
    return name


def _check_size(size: int, most: int, where: Path) -> None:
    if size > most:
        problem = f"it unpacks to {size:,} bytes, more than the {most:,} that are read of an archive"
        raise FileError(where, problem, UNPACK)


def _try(read: Callable[[], T], where: Path) -> T:
    try:
        return read()
    except Exception as error:  # damaged archives raise BadZipFile, TarError, struct.error, zlib.error, EOFError …
        raise FileError(where, f"it cannot be read ({str(error) or type(error).__name__})", AGAIN) from error


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _walk(top: str) -> Iterator[str]:
    """The files below a folder, by name; a set has a million, for which paths are too slow."""
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        below = os.path.relpath(folder, top).replace(os.sep, "/")
        for name in sorted(files):
            if not _is_hidden(name):
                yield name if below == "." else f"{below}/{name}"


def find_named(names: Mapping[str, Any], endings: tuple[str, ...]) -> list[str]:
    """The names whose last part is one of some, the shallowest first."""
    found = [name for name in names if name.rpartition("/")[2].lower() in endings]
    return sorted(found, key=lambda name: (name.count("/"), name))
