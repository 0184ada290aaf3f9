"""The interface of a source, and the checks that all of them share."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import FileError, IntegrityError, MissingFileError
from zoo.progress import Progress, silent

MANIFEST_FILE = "config.json"
RECORD_FILE = "run.json"  # of a run, whose folder stands for published filters
ByteRange = tuple[int, int]  # half open, in bytes
LONGEST_NAME = 500  # characters
LONGEST_PART = 200  # bytes between two slashes; file systems take 255, and a part that is written has a longer name


def check_file_name(name: str, where: str) -> str:
    """A file's name inside a source: relative, with `/`, never outside, and one that every disk takes.

    Raises:
        IntegrityError: anything else, with the reason.
    """
    control = any(one < " " or "\x7f" <= one < "\xa0" or "\ud800" <= one <= "\udfff" for one in name)
    bad = control or "\\" in name or ":" in name or len(name) > LONGEST_NAME
    for part in name.split("/"):
        bad = bad or part in ("", ".", "..") or len(part.encode(errors="surrogatepass")) > LONGEST_PART
    if bad:
        short = name if len(name) <= 100 else f"{name[:100]}…"
        raise IntegrityError(
            f"{where} names the file {short!r}, which is not a path inside it.", "Do not use these files."
        )
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A place on the Hub."""

    name: str  # "owner/name"
    revision: str  # a branch, a tag or a commit
    token: str | None = field(default=None, repr=False)


class Source(ABC):
    """A folder of files on this disk, in a package or on the Hub."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The source as text, in the form that `parse_source` reads."""

    @abstractmethod
    def size(self, name: str) -> int:
        """The file's size in bytes. Raises FetchError or FileError, MissingFileError where it is not there."""

    @abstractmethod
    def local_path(self, name: str) -> Path | None:
        """The file on this disk, for mapping; None where it would have to be fetched."""

    @abstractmethod
    def fetch(self, name: str, *, progress: Progress = silent, again: bool = False) -> Path:
        """The whole file on this disk, fetched if need be.

        Args:
            progress: told the bytes.
            again: whether a cached copy is thrown away (its bytes were wrong).
        """

    @abstractmethod
    def read(self, name: str, *, limit: int) -> bytes:
        """A whole small file.

        Raises:
            IntegrityError: it is larger than `limit` bytes; nothing of it was read.
        """

    @abstractmethod
    def read_ranges(self, name: str, ranges: Sequence[ByteRange], *, progress: Progress = silent) -> list[memoryview]:
        """Parts of a file, in the order asked for; each writable, its own size, and not shared with the file.

        Raises:
            IntegrityError: a range that ends after the file.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """The files that are there, sorted: all of a repository's, those at the top of a folder."""

    @property
    def is_remote(self) -> bool:
        """Whether files may have to be fetched first."""
        return self.repository is not None

    @property
    def repository(self) -> Repository | None:
        """Where on the Hub it lies, None where it does not."""
        return None

    @property
    def received(self) -> int:
        """How many bytes of parts of files have come over the network for this object."""
        return 0

    def exists(self, name: str) -> bool:
        """Whether the source has that file."""
        try:
            self.size(name)
        except MissingFileError:
            return False
        return True

    def pinned(self) -> Source:
        """The source at one commit, where it has commits."""
        return self

    def is_offline(self) -> bool:
        """Whether only this disk may be used."""
        return True

    def matches_hub_listing(self, name: str) -> bool:
        """Whether a fetched file has the bytes that the Hub has of it; False for files that lie on no Hub."""
        return False

    def cache_ranges(self, name: str, ranges: Sequence[ByteRange], *, progress: Progress = silent) -> None:  # noqa: B027
        """Bring parts of a file to this disk, from where `read_ranges` takes them; nothing where it lies here.

        Raises:
            FileError: there is no room for them, or no right to write.
        """

    def drop_cached_ranges(self, name: str) -> bool:
        """Drop the kept parts of a file, whose bytes were wrong; whether they can be read anew."""
        return False

    def __str__(self) -> str:
        return self.text


def check_byte_range(where: str, start: int, end: int, size: int) -> None:
    if not 0 <= start <= end <= size:
        raise IntegrityError(f"{where}: bytes {start} to {end} do not lie in its {size} bytes.", "Fetch it again.")


def truncated_error(where: str, start: int, end: int) -> IntegrityError:
    return IntegrityError(f"{where}: it ended inside bytes {start} to {end}.", "Fetch it again.")


def too_large_error(where: str, size: int, limit: int) -> IntegrityError:
    return IntegrityError(f"{where}: {size} bytes, where {limit} are allowed. It is not what its name says.")


def read_small_file(path: Path, *, limit: int) -> bytes:
    """A whole file of this disk, refused above `limit` bytes."""
    try:
        with path.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            if size > limit:
                raise too_large_error(str(path), size, limit)
            return opened.read(limit)
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror or error})", "Check the path.") from error


def read_byte_ranges(path: Path, ranges: Sequence[ByteRange]) -> list[memoryview]:
    """Parts of a file of this disk, each in a buffer of its own."""
    try:
        with path.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            parts = []
            for start, end in ranges:
                check_byte_range(str(path), start, end, size)
                opened.seek(start)
                part = bytearray(end - start)
                if opened.readinto(part) != end - start:
                    raise truncated_error(str(path), start, end)
                parts.append(memoryview(part))
            return parts
    except OSError as error:
        raise FileError(path, f"it cannot be read ({error.strerror or error})", "Check the path.") from error
