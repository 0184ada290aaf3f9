"""Listing of the Hub's cache, and of the cached byte ranges.

The listing is our own: the client's leaves out a whole repository where one link of it is broken, and stops at the
first file that it may not read.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.files import zoo_home
from zoo.hub.partial import INCOMPLETE
from zoo.hub.range_cache import RANGE_INDEX_SUFFIX, ByteRange, RangeCache

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedFile:
    """A file of a snapshot."""

    name: str  # in the repository
    path: Path  # in the snapshot
    size: int | None  # bytes; None: its bytes are not there, or lie outside of the cache
    etag: str  # the blob's name, "" for a copy: sha256 in hex, or git's sha1 for small files
    blob: Path  # where the bytes are
    used: float  # when they were last read, where the system notes it; seconds since 1970


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedRevision:
    """A snapshot: what is here of a repository at one commit."""

    repo: str
    commit: str
    folder: Path
    refs: tuple[str, ...]  # branches and tags that last meant it
    files: tuple[CachedFile, ...]  # by name

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum({file.blob: file.size or 0 for file in self.files}.values())

    @property
    def used(self) -> float:
        """When one of its files was last read; seconds since 1970."""
        return max((file.used for file in self.files), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteDownload:
    """An interrupted download, or one that is running."""

    repo: str
    path: Path
    size: int  # bytes that are there
    lock: Path  # held by whoever is downloading it


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedRepo:
    """A repository's folder in the Hub's cache."""

    name: str
    folder: Path
    revisions: tuple[CachedRevision, ...]
    incomplete_downloads: tuple[IncompleteDownload, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialFile:
    """A remote file of which byte ranges are on this disk."""

    repo: str
    commit: str
    name: str
    path: Path
    refs: tuple[Path, ...]  # files that record that a branch meant this commit
    size: int | None  # bytes of the whole file; None where the index is damaged, and nothing of it is used
    ranges: tuple[ByteRange, ...]

    @property
    def kept(self) -> int:
        """Bytes that are here."""
        return sum(end - start for start, end in self.ranges)

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches and tags that last meant the commit."""
        return tuple(path.as_posix().rpartition("/refs/")[2] for path in self.refs)

    @property
    def parts(self) -> RangeCache:
        """To read them."""
        return RangeCache(path=self.path)


# ------------------------------------------------------------------------------------------------ listing


def list_cached(cache: Path, problems: list[str]) -> list[CachedRepo]:
    """Every repository of models in the Hub's cache.

    Args:
        cache: its folder; one that is not there holds nothing.
        problems: what could not be read is added here, a line each.
    """
    found = []
    with _collecting_problems(problems, cache):
        for folder in sorted(cache.glob("models--*--*")):
            with _collecting_problems(problems, folder):
                repo = _read_cached_repo(folder, cache)
                if repo.revisions or repo.incomplete_downloads:
                    found.append(repo)
    return found


def list_partial_files(problems: list[str]) -> list[PartialFile]:
    """Every file of which ranges are kept under `ZOO_HOME`."""
    root, found = zoo_home() / "parts", []
    with _collecting_problems(problems, root):
        for path in sorted(walk_files(root)):
            inner = path.relative_to(root).parts
            kept = len(inner) > 2 and _COMMIT.fullmatch(inner[1]) and not path.name.endswith(RANGE_INDEX_SUFFIX)
            if not kept or path.name.startswith("."):
                continue
            parts = RangeCache(path=path)
            size = parts.size()
            found.append(
                PartialFile(
                    repo=inner[0].replace("--", "/"),
                    commit=inner[1],
                    name="/".join(inner[2:]),
                    path=path,
                    refs=tuple(_refs_naming(root / inner[0] / "refs", inner[1])),
                    size=size,
                    ranges=tuple(parts.ranges()) if size is not None else (),
                )
            )
    return found


def count_damaged_ranges(kept: PartialFile) -> int:
    """How many of the cached ranges are damaged; one where the index cannot be read."""
    return 1 if kept.size is None else sum(one not in kept.parts.find([one]) for one in kept.ranges)


# ------------------------------------------------------------------------------------------------ helpers


def _read_cached_repo(folder: Path, cache: Path) -> CachedRepo:
    name = folder.name.removeprefix("models--").replace("--", "/")
    refs: dict[str, list[str]] = {}
    for ref in sorted(walk_files(folder / "refs")):
        commit = ref.read_bytes()[:100].decode("ascii", "replace").strip()
        refs.setdefault(commit, []).append(ref.relative_to(folder / "refs").as_posix())
    snapshots, roots = folder / "snapshots", (cache.resolve(), folder.resolve())  # the folder may be a link itself
    revisions = [
        CachedRevision(
            repo=name,
            commit=one.name,
            folder=one,
            refs=tuple(refs.get(one.name, ())),
            files=tuple(_read_cached_file(path, one, roots) for path in sorted(walk_files(one))),
        )
        for one in sorted(snapshots.iterdir() if snapshots.is_dir() else ())
        if one.is_dir() and _COMMIT.fullmatch(one.name)
    ]
    unfinished = [
        IncompleteDownload(
            repo=name,
            path=path,
            size=path.lstat().st_size,
            lock=cache / ".locks" / folder.name / f"{path.name.partition('.')[0]}.lock",
        )
        for path in sorted((folder / "blobs").glob(f"*{INCOMPLETE}"))
    ]
    return CachedRepo(name=name, folder=folder, revisions=tuple(revisions), incomplete_downloads=tuple(unfinished))


def _read_cached_file(path: Path, snapshot: Path, roots: Sequence[Path]) -> CachedFile:
    """A file of a snapshot: a link to its blob, or a copy where the disk has no links."""
    name = path.relative_to(snapshot).as_posix()
    blob = resolve_links(path) or path
    try:
        status = blob.stat()
    except OSError:
        status = None
    inside = any(blob.is_relative_to(root) for root in roots)
    size = status.st_size if status and inside and stat.S_ISREG(status.st_mode) else None
    etag = path.readlink().name if path.is_symlink() and inside else ""
    used = max(status.st_atime, status.st_mtime) if status else 0.0
    return CachedFile(name=name, path=path, size=size, etag=etag, blob=blob, used=used)


def _refs_naming(refs: Path, commit: str) -> Iterator[Path]:
    for path in sorted(walk_files(refs)):
        with contextlib.suppress(OSError):
            if path.read_bytes()[:100].strip() == commit.encode():
                yield path


def walk_files(folder: Path) -> Iterator[Path]:
    """All that is no folder below a folder; links to folders are not followed."""
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name) for name in (*files, *links))


def resolve_links(path: Path) -> Path | None:
    """Where the links of a path end, None where they lead round in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return None


@contextlib.contextmanager
def _collecting_problems(problems: list[str], path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:
        problems.append(f"{path}: it cannot be read ({getattr(error, 'strerror', None) or error}).")
