"""Where an export lies: a folder, or a zip that is read where it is, without being unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar

from torch import Tensor

from zoo.data import read_image, read_packed_image
from zoo.errors import FileError

T = TypeVar("T")

LARGEST_PICTURE = 1 << 28  # bytes that one picture of a zip may unpack to
LARGEST_TABLES = 1 << 30  # bytes that all tables of a zip may unpack to
SMALL_TABLES = 1 << 26  # bytes from which on they may have no more than RATIO times the size of the zip
RATIO = 200
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what EcoTaxa writes, and what unpacks in bounded memory
UNPACK = "Unpack the zip yourself, and name its folder."
AGAIN = "Download the export again."
EXPECTED = "Name the zip that EcoTaxa exported with pictures, or its unpacked folder"


class Place(Protocol):
    """The files of an export, named relative to its top with forward slashes."""

    root: Path

    def tables(self) -> Sequence[str]:
        """The names of `ecotaxa_*.tsv`, sorted."""

    def holds(self, name: str) -> bool:
        """Whether there is such a file."""

    def read_table(self, name: str) -> bytes:
        """A table's content. Raises FileError."""

    def read_picture(self, name: str) -> Tensor:
        """A picture, uint8 (3, H, W). Raises FileError."""

    def checksum(self, name: str) -> Any:
        """What says without reading it whether a file's content is the same; None: its path says where to look."""


def open_place(root: Path) -> Place:
    """The export at a path. Raises FileError: there is none, or a zip that is damaged or leads out of itself."""
    return Archive(root) if root.is_file() else Folder(root)


def _is_table(name: str) -> bool:
    last = PurePosixPath(name).name.lower()
    return last.startswith("ecotaxa_") and last.endswith(".tsv")


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


class Folder:
    """An unpacked export."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def tables(self) -> list[str]:
        """The tables at any depth. Raises FileError: there is none."""
        names = (path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file())
        found = sorted(name for name in names if _is_table(name) and not _is_hidden(name))
        if not found:
            zips = sorted(path.name for path in self.root.glob("*.zip"))
            remedy = f"Name the zip itself, `root={self.root / zips[0]}`." if zips else f"{EXPECTED}."
            raise FileError(self.root, "there is no ecotaxa_*.tsv in it", remedy)
        return found

    def holds(self, name: str) -> bool:
        """Whether there is such a file."""
        try:
            return (self.root / name).is_file()
        except (OSError, ValueError):  # too long, a zero byte
            return False

    def read_table(self, name: str) -> bytes:
        """A table's content. Raises FileError."""
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise FileError(self.root / name, f"it cannot be read ({error.strerror})", "Check the path.") from error

    def read_picture(self, name: str) -> Tensor:
        """A picture, uint8 (3, H, W). Raises FileError."""
        return read_image(self.root / name)

    def checksum(self, name: str) -> None:
        """None: the core reads the file."""


class Archive:
    """A zip, read in place: names in it are looked up and never become paths, sizes are checked before anything.

    Args:
        root: the zip.

    Raises:
        FileError: it is no zip, damaged, or names files outside itself.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._zip = self._try(lambda: zipfile.ZipFile(root), AGAIN)
        self._members: Mapping[str, zipfile.ZipInfo] = {  # of two of one name the later one, as unzip has it
            self._checked(info): info for info in self._zip.infolist() if not info.is_dir()
        }

    def __reduce__(self) -> tuple[type[Archive], tuple[Path]]:
        return Archive, (self.root,)  # a worker process opens it anew

    def tables(self) -> list[str]:
        """The tables at any depth. Raises FileError: there is none, or they unpack to too much."""
        found = sorted(name for name in self._members if _is_table(name) and not _is_hidden(name))
        if not found:
            raise FileError(self.root, "there is no ecotaxa_*.tsv in it", f"{EXPECTED}.")
        total = sum(self._members[name].file_size for name in found)
        most = min(LARGEST_TABLES, max(SMALL_TABLES, RATIO * self.root.stat().st_size))
        if total > most:
            problem = f"its tables unpack to {total:,} bytes, more than the {most:,} that are read of such a zip"
            raise FileError(self.root, problem, UNPACK)
        return found

    def holds(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._members

    def read_table(self, name: str) -> bytes:
        """A table's content. Raises FileError."""
        return self._read(name, LARGEST_TABLES)

    def read_picture(self, name: str) -> Tensor:
        """A picture, uint8 (3, H, W): it lies in zoo's own folder while it is decoded. Raises FileError."""
        return read_packed_image(self._read(name, LARGEST_PICTURE), name, of=self.root)

    def checksum(self, name: str) -> list[int]:
        """CRC-32 and size as the zip's directory has them; reading fails where they are wrong."""
        return [self._members[name].CRC, self._members[name].file_size]

    def _checked(self, info: zipfile.ZipInfo) -> str:
        name = info.filename.replace("\\", "/")
        if leads_out(name):
            raise FileError(self.root, f"it names a file outside itself, {name!r:.80}", f"No export does. {AGAIN}")
        return name

    def _read(self, name: str, most: int) -> bytes:
        info, where = self._members[name], self.root / name
        if info.flag_bits & 1:
            raise FileError(where, "it is encrypted", UNPACK)
        if info.compress_type not in METHODS:
            raise FileError(where, f"it is compressed by method {info.compress_type}, which is not read", UNPACK)
        if info.file_size > most:
            problem = f"it unpacks to {info.file_size:,} bytes, more than the {most:,} that are read of a zip"
            raise FileError(where, problem, UNPACK)
        return self._try(lambda: self._zip.read(info), AGAIN, where)

    def _try(self, read: Callable[[], T], remedy: str, where: Path | None = None) -> T:
        try:
            return read()
        except Exception as error:  # a damaged zip raises BadZipFile, struct.error, zlib.error, EOFError and more
            problem = f"the zip cannot be read ({str(error) or type(error).__name__})"
            raise FileError(where or self.root, problem, remedy) from error


def leads_out(name: str) -> bool:
    """Whether a name with forward slashes is no path below where it is looked up."""
    return name.startswith("/") or name[1:2] == ":" or ".." in name.split("/") or "\0" in name
