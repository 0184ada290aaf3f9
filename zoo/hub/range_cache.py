"""Byte ranges of remote files, cached on this disk.

A part lies at its own offset in a sparse file; an index beside it lists the filled ranges with their sha256. What
does not match is not used. The folder is `parts` in our own home: the Hub's cache holds whole files only.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import FileError
from zoo.files import file_errors, parse_json, write_atomically, write_json, zoo_home
from zoo.hub.client import file_lock

ByteRange = tuple[int, int]  # half open, in bytes
RANGE_INDEX_SUFFIX = ".ranges.json"  # behind the file's name
LARGEST_INDEX = 64 * 2**20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeCache:
    """The cached ranges of one file at one commit."""

    path: Path

    @classmethod
    def of(cls, repo: str, commit: str, name: str) -> RangeCache:
        """Those of a repository's file."""
        return cls(path=zoo_home() / "parts" / repo.replace("/", "--") / commit / name)

    @classmethod
    def names(cls, repo: str, commit: str) -> list[str]:
        """The files of a repository at one commit of which anything is cached."""
        folder = cls.of(repo, commit, ".").path
        found = folder.rglob(f"*{RANGE_INDEX_SUFFIX}")
        return sorted(path.relative_to(folder).as_posix().removesuffix(RANGE_INDEX_SUFFIX) for path in found)

    def size(self) -> int | None:
        """The whole file's size in bytes, None where nothing of it is cached."""
        index = self._index()
        return int(index["size"]) if index else None  # type: ignore[call-overload]

    def ranges(self) -> list[ByteRange]:
        """The cached ranges, as the index lists them."""
        return sorted(self._known())

    def find(self, ranges: Sequence[ByteRange]) -> dict[ByteRange, memoryview]:
        """The requested ranges that are cached and undamaged, each in a buffer of its own."""
        known = self._known()
        wanted = [one for one in dict.fromkeys(ranges) if one in known]
        found: dict[ByteRange, memoryview] = {}
        if not wanted:
            return found
        with contextlib.suppress(OSError), self.path.open("rb") as opened:
            for start, end in wanted:
                part = bytearray(end - start)
                opened.seek(start)
                if opened.readinto(part) == end - start and _digest(part) == known[start, end]:
                    found[start, end] = memoryview(part)
        return found

    def keep(self, parts: Mapping[ByteRange, memoryview], *, size: int) -> None:
        """Add ranges; the index names them only when their bytes are on the disk.

        Raises:
            FileError: the disk is full, or the folder cannot be written.
        """
        with file_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.touch()  # never emptied: locks may hold nobody back, and others write to it too
            with self.path.open("r+b") as opened:
                opened.truncate(size)
                for (start, _), part in parts.items():
                    opened.seek(start)
                    opened.write(part)
        known = self._known() | {one: _digest(part) for one, part in parts.items()}
        ranges = {f"{start}-{end}": digest for (start, end), digest in sorted(known.items())}
        write_json(self._index_path, {"size": size, "sha256": ranges})

    def forget(self) -> None:
        """Remove the file's cached ranges."""
        for path in (self._index_path, self.path):
            with contextlib.suppress(OSError):
                path.unlink()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """A lock between processes, so that one fetches what others want too; none where it cannot be written."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(file_lock(self.path.with_name(f".{self.path.name}.lock")))
            yield

    @property
    def _index_path(self) -> Path:
        return self.path.with_name(f"{self.path.name}{RANGE_INDEX_SUFFIX}")

    def _index(self) -> dict[str, object]:
        try:
            if self._index_path.stat().st_size > LARGEST_INDEX:
                return {}
            said = parse_json(self._index_path.read_bytes())
        except (OSError, ValueError):
            return {}
        whole = isinstance(said, dict) and type(said.get("size")) is int and isinstance(said.get("sha256"), dict)
        return said if whole else {}

    def _known(self) -> dict[ByteRange, str]:
        ranges = self._index().get("sha256", {})
        known: dict[ByteRange, str] = {}
        for text, digest in ranges.items() if isinstance(ranges, dict) else ():
            start, _, end = text.partition("-")
            if start.isdecimal() and end.isdecimal() and int(start) <= int(end) and isinstance(digest, str):
                known[int(start), int(end)] = digest
        return known


def record_commit(repo: str, branch: str, commit: str) -> None:
    """Record which commit a branch meant when parts of it were read, for use offline."""
    path = _ref_path(repo, branch)
    with contextlib.suppress(FileError, OSError):
        if not path.is_file() or path.read_text().strip() != commit:
            write_atomically(path, commit + "\n")


def recorded_commit(repo: str, branch: str) -> str:
    """What `record_commit` recorded, "" where it did not."""
    with contextlib.suppress(OSError, ValueError):
        return _ref_path(repo, branch).read_text().strip()
    return ""


def _ref_path(repo: str, branch: str) -> Path:
    return zoo_home() / "parts" / repo.replace("/", "--") / "refs" / branch


def _digest(part: bytearray | memoryview) -> str:
    return hashlib.sha256(part).hexdigest()
