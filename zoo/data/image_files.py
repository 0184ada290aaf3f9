"""Which files are images, and where they lie: folders and patterns, in a stable order."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import FileError
from zoo.files import as_path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".pgm", ".ppm"})
MAGIC = frozenset("*?[")  # what makes a name a pattern


def is_image(name: str) -> bool:
    """Whether a file's name ends as those of images do."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122  # a Path costs more than all the rest


def find_images(folder: Path | str) -> Iterator[Path]:
    """All image files below a folder, sorted; hidden files and macOS leftovers (`._x.jpg`) are passed over.

    Raises:
        FileError: a folder that is missing or cannot be listed.
    """
    return map(Path, walk(str(as_path(folder))))


def walk(folder: str) -> Iterator[str]:
    """As `find_images`, as text; the names of one folder are in memory at a time."""
    for name, is_folder in _entries(folder):
        path = os.path.join(folder, name)  # noqa: PTH118
        if is_folder:
            yield from walk(path)
        elif is_image(name):
            yield path


# Ours and not wcmatch's, which gives matches in the disk's order: to sort them all of them would have to be in memory.
def expand(pattern: Path) -> Iterator[str]:
    """What a pattern matches, sorted: image files, and all images below a folder that matches.

    `**` stands for any number of folders. A pattern that ends in a suffix (`*.dat`) takes files of that suffix.
    """
    fixed = next((i for i, part in enumerate(pattern.parts) if MAGIC & set(part)), len(pattern.parts))
    parts = pattern.parts[fixed:]
    base = Path(*pattern.parts[:fixed])
    if base.is_dir():
        suffix = Path(parts[-1]).suffix
        yield from _matching(str(base), (), parts, any_file=bool(suffix) and not MAGIC & set(suffix))


def _matching(folder: str, names: tuple[str, ...], parts: tuple[str, ...], *, any_file: bool) -> Iterator[str]:
    for name, is_folder in _entries(folder):
        path, here = os.path.join(folder, name) if folder != "." else name, (*names, name)  # noqa: PTH118
        if _fits(here, parts):
            if is_folder:
                yield from walk(path)
            elif any_file or is_image(name):
                yield path
        elif is_folder and ("**" in parts or len(here) < len(parts)):
            yield from _matching(path, here, parts, any_file=any_file)


def _fits(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    if not parts:
        return not names
    if parts[0] == "**":
        return _fits(names, parts[1:]) or (bool(names) and _fits(names[1:], parts))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and _fits(names[1:], parts[1:])


def _entries(folder: str) -> list[tuple[str, bool]]:
    """The names in a folder, sorted, and whether each is a folder; hidden ones and links to folders are left out."""
    try:
        with os.scandir(folder) as found:
            return sorted(
                (entry.name, is_folder)
                for entry in found
                if not entry.name.startswith(".") and entry.name != "__MACOSX"
                if (is_folder := entry.is_dir(follow_symlinks=False)) or entry.is_file()
            )
    except OSError as error:
        raise FileError(folder, f"it cannot be listed ({error.strerror or error})", "Check its permissions.") from error
