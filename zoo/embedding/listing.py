"""Which pictures: files, folders, patterns and lists, in a stable order, without holding a long list in memory."""

from __future__ import annotations

import fnmatch
import hashlib
import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from zoo.errors import FileError, UsageError
from zoo.files import explained
from zoo.images import SUFFIXES, find_images

SPLITS = frozenset({"train", "val", "valid", "validation", "test", "unlabelled"})  # folders above the classes
MAGIC = frozenset("*?[")
SORTED_AT_ONCE = 20_000  # names of one folder; more are sorted in pieces on the disk
BLOCK = 1 << 16  # bytes

Listed = tuple[str, str | None]
"""A picture's path, and its label where the folders say it."""


class Listing:
    """The paths of pictures, written to a temporary file and read back one after another.

    A picture below a folder that was named is labelled with the first folder under it (under `train`, `val`, `test`
    where there are splits), as the dataset `image-folder` does; not so where pictures also lie in the folder itself.

    Args:
        place: where the temporary file lies; the system's own place by default. It vanishes with `close`.
    """

    def __init__(self, place: Path | None = None) -> None:
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=place)  # noqa: SIM115  # closed by `close`
        except OSError as error:
            raise explained(error, place or Path(tempfile.gettempdir())) from error
        self._digest = hashlib.sha256()
        self._roots: list[str] = []
        self._labelled: list[bool] = []
        self._count = 0

    def __enter__(self) -> Listing:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Drop the temporary file."""
        self._file.close()

    @property
    def identity(self) -> str:
        """The sha256 of all paths in their order, 64 hex digits."""
        return self._digest.hexdigest()

    def add_named(self, texts: Iterable[Path | str]) -> None:
        """Files, folders (searched all the way down) and patterns (`photos/*.jpg`, `**` too), in the order given.

        Raises:
            FileError: no such file or folder, no pictures in a folder, nothing that a pattern matches.
        """
        for text in map(str, texts):
            path = Path(text).expanduser()
            before = self._count
            if path.is_dir():
                self._roots.append(str(path))
                self._labelled.append(True)
                for inside in walk(str(path)):
                    self._put(inside, len(self._roots) - 1)
                if self._count == before:
                    raise FileError(path, "there are no pictures in this folder", "Name a folder of JPEG or PNG files.")
            elif path.exists():
                self._put(str(path), -1)
            elif MAGIC & set(text):
                for match in expand(path):
                    self._put(match, -1)
                if self._count == before:
                    raise FileError(text, "no picture matches this pattern", "Check it, and put it in quotes.")
            else:
                raise FileError(path, "there is no such file or folder", "Check the path.")

    def add_lines(self, stream: IO[bytes], *, separator: bytes = b"\n") -> None:
        """Paths from a stream, one a line; a missing file is found when it is read. Raises UsageError: none."""
        before = self._count
        for line in _split(iter(lambda: stream.read(BLOCK), b""), separator):
            path = line.removesuffix(b"\r") if separator == b"\n" else line
            if path:
                self._put(os.fsdecode(path), -1)
        if self._count == before:
            raise UsageError(
                "The list on stdin names no pictures.",
                "Write one path a line, or pass `separator=b'\\0'` with `find -print0`.",
            )

    def tokens(self, start: int = 0) -> Iterator[Listed]:
        """The pictures from number `start` on. Only one of these iterators is used at a time."""
        self._file.flush()
        for number, record in enumerate(_split(self._blocks(), b"\0")):
            if number >= start:
                root, _, path = os.fsdecode(record).partition(":")
                yield path, self._label(path, int(root))

    def _blocks(self) -> Iterator[bytes]:
        self._file.seek(0)
        while block := self._file.read(BLOCK):
            yield block

    def _put(self, path: str, root: int) -> None:
        if root >= 0 and os.sep not in path.removeprefix(self._roots[root]).strip(os.sep):
            self._labelled[root] = False
        record = os.fsencode(f"{root}:{path}") + b"\0"
        try:
            self._file.write(record)
        except OSError as error:
            raise explained(error, Path("the list of pictures")) from error
        self._digest.update(record)
        self._count += 1

    def _label(self, path: str, root: int) -> str | None:
        if root < 0 or not self._labelled[root]:
            return None
        folders = Path(path.removeprefix(self._roots[root]).strip(os.sep)).parts[:-1]
        return folders[1] if len(folders) > 1 and folders[0].lower() in SPLITS else folders[0]


def list_pictures(pictures: Path | str | Sequence[Path | str]) -> list[Path]:
    """Files, and all picture files below folders, in memory. Raises FileError where there are none."""
    given = [pictures] if isinstance(pictures, (str, Path)) else list(pictures)
    found: list[Path] = []
    for one in map(Path, given):
        if one.is_dir():
            inside = list(find_images(one))
            if not inside:
                raise FileError(one, "there are no pictures in this folder", "Name a folder of JPEG or PNG files.")
            found += inside
        elif one.exists():
            found.append(one)
        else:
            raise FileError(one, "there is no such file or folder", "Check the path.")
    if not found:
        raise UsageError("No pictures were named.")
    return found


def walk(folder: str) -> Iterator[str]:
    """All picture files below a folder, sorted as `zoo.find_images` sorts them; hidden ones are passed over."""
    for name, inner in _entries(folder):
        path = os.path.join(folder, name)  # noqa: PTH118  # a Path each costs more than all the rest
        if inner:
            yield from walk(path)
        elif _is_picture(name):
            yield path


def expand(pattern: Path) -> Iterator[str]:
    """What a pattern matches, sorted: picture files, and all pictures below a folder that matches.

    `**` stands for any number of folders. A pattern that ends in a suffix (`*.dat`) takes files of that suffix.
    """
    fixed = next((i for i, part in enumerate(pattern.parts) if MAGIC & set(part)), len(pattern.parts))
    parts = pattern.parts[fixed:]
    base = Path(*pattern.parts[:fixed])
    if base.is_dir():
        suffix = Path(parts[-1]).suffix
        yield from _matching(str(base), (), parts, any_file=bool(suffix) and not MAGIC & set(suffix))


def _matching(folder: str, names: tuple[str, ...], parts: tuple[str, ...], *, any_file: bool) -> Iterator[str]:
    for name, inner in _entries(folder):
        path, here = os.path.join(folder, name) if folder != "." else name, (*names, name)  # noqa: PTH118
        if _fits(here, parts):
            if inner:
                yield from walk(path)
            elif any_file or _is_picture(name):
                yield path
        elif inner and ("**" in parts or len(here) < len(parts)):
            yield from _matching(path, here, parts, any_file=any_file)


def _fits(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    if not parts:
        return not names
    if parts[0] == "**":
        return _fits(names, parts[1:]) or (bool(names) and _fits(names[1:], parts))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and _fits(names[1:], parts[1:])


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122


def _entries(folder: str) -> Iterator[tuple[str, bool]]:
    """The names in a folder, sorted, and whether each is a folder; hidden ones and links to folders are left out."""
    pieces: list[IO[bytes]] = []
    names: list[str] = []
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                inner = entry.is_dir(follow_symlinks=False)
                if inner or entry.is_file():
                    names.append(f"{entry.name}/" if inner else entry.name)
                if len(names) >= SORTED_AT_ONCE:
                    pieces.append(_spilt(names))
                    names = []
    except OSError as error:
        raise FileError(folder, f"it cannot be listed ({error.strerror or error})", "Check its permissions.") from error
    names.sort(key=_plain)
    for name in heapq.merge(names, *map(_read_back, pieces), key=_plain):
        yield _plain(name), name.endswith("/")
    for piece in pieces:
        piece.close()


def _plain(name: str) -> str:
    return name.removesuffix("/")


def _spilt(names: list[str]) -> IO[bytes]:
    piece: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it was read back
    piece.write(b"".join(os.fsencode(name) + b"\0" for name in sorted(names, key=_plain)))
    piece.seek(0)
    return piece


def _read_back(piece: IO[bytes]) -> Iterator[str]:
    for record in _split(iter(lambda: piece.read(BLOCK), b""), b"\0"):
        yield os.fsdecode(record)


def _split(blocks: Iterable[bytes], separator: bytes) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(separator)
        yield from whole
    if rest:
        yield rest
