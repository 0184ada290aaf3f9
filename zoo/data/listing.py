"""A long list of image files, kept on the disk and read back one after another."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

from zoo.contracts import SPLITS
from zoo.data.image_files import MAGIC, LeftOut, expand, remedy_for, walk
from zoo.errors import FileError, UsageError
from zoo.files import as_file_error, file_errors

BLOCK = 1 << 16  # bytes


class ImageEntry(NamedTuple):
    """An image that was not opened yet."""

    path: str  # or what it is called where there is no file, "digits-17"
    label: str | None = None  # where the folders say it
    number: int = 0  # of the sample in its dataset, of the row in its tensor


class Listing:
    """The paths of images, written to a temporary file: memory does not grow with their number.

    A picture below a folder that was named is labelled with the first folder under it (under `train`, `val`, `test`
    where there are splits), as the dataset `image-folder` does; not so where pictures also lie in the folder itself.

    Args:
        place: where the temporary file lies; the system's own place by default. It vanishes with `close`.
    """

    def __init__(self, place: Path | None = None) -> None:
        with file_errors(place or Path(tempfile.gettempdir())):
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=place)  # noqa: SIM115  # closed by `close`
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

        A `ZooWarning` says what lies in the folders and is not read.

        Raises:
            FileError: no such file or folder, no pictures in a folder, nothing that a pattern matches.
        """
        left_out = LeftOut()
        for text in map(str, texts):
            path = Path(text).expanduser()
            before = self._count
            if path.is_dir():
                self._roots.append(str(path))
                self._labelled.append(True)
                for inside in walk(str(path), left_out):
                    self._put(inside, len(self._roots) - 1)
                if self._count == before:
                    raise _no_pictures(path, "there are no pictures in this folder", left_out)
            elif path.exists():
                self._put(str(path), -1)
            elif MAGIC & set(text):
                for match in expand(path, left_out):
                    self._put(match, -1)
                if self._count == before:
                    raise _no_pictures(text, "no picture matches this pattern", left_out)
            else:
                raise FileError(path, "there is no such file or folder", "Check the path.")
        left_out.warn()

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

    def entries(self, start: int = 0) -> Iterator[ImageEntry]:
        """The images from number `start` on. Only one of these iterators is used at a time."""
        self._file.flush()
        for number, record in enumerate(_split(self._blocks(), b"\0")):
            if number >= start:
                root, _, path = os.fsdecode(record).partition(":")
                yield ImageEntry(path, self._label(path, int(root)))

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
            raise as_file_error(error, Path("the list of pictures")) from error
        self._digest.update(record)
        self._count += 1

    def _label(self, path: str, root: int) -> str | None:
        if root < 0 or not self._labelled[root]:
            return None
        folders = Path(path.removeprefix(self._roots[root]).strip(os.sep)).parts[:-1]
        return folders[1] if len(folders) > 1 and folders[0].lower() in SPLITS else folders[0]


def _no_pictures(where: Path | str, problem: str, left_out: LeftOut) -> FileError:
    if left_out.suffixes:
        return FileError(where, f"{problem} that can be read, only {left_out}", remedy_for(left_out.suffixes))
    return FileError(where, problem, "Name a folder of JPEG or PNG files, or a pattern in quotes.")


def _split(blocks: Iterable[bytes], separator: bytes) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(separator)
        yield from whole
    if rest:
        yield rest
