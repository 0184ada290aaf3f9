"""Which files are images, and where they lie: folders and patterns, in a stable order; and what is left out there."""

from __future__ import annotations

import fnmatch
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from zoo.errors import FileError, ZooWarning
from zoo.files import as_path

MAGIC = frozenset("*?[")  # what makes a name a pattern


def _suffixes(names: str) -> frozenset[str]:
    return frozenset(f".{name}" for name in names.split())


SUFFIXES = _suffixes("jpg jpeg jpe jfif png tif tiff bmp webp avif gif jp2 pbm pgm ppm pnm tga")
HEIC = _suffixes("heic heif hif")  # read where pillow-heif is installed
RAW = _suffixes(
    "3fr ari arw cr2 cr3 crw dcr dng erf fff iiq k25 kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
)
BESIDE = _suffixes(  # labels, notes and vectors, which nobody takes for pictures
    "aae cfg csv db doc docx htm html ini ipynb json jsonl lnk log mat md npy npz ods parquet pdf pt pth py rst "
    "safetensors sh sha256 toml tsv txt url xls xlsx xml xmp yaml yml"
)


def is_image(name: str) -> bool:
    """Whether a file's name ends as those of images do that can be read here."""
    suffix = _suffix(name)
    return suffix in SUFFIXES or (suffix in HEIC and reads_heic())


def reads_heic() -> bool:
    """Whether the extra `heic` is installed."""
    return find_spec("pillow_heif") is not None


def remedy_for(suffixes: Iterable[str]) -> str:
    """How files that end so become pictures that are read."""
    install, save = "For HEIC run `pip install 'filterzoo[heic]'`.", "Save pictures as JPEG, PNG or TIFF."
    return " ".join(dict.fromkeys(install if suffix.lower() in HEIC else save for suffix in suffixes))


class LeftOut:
    """What lies between the pictures and is not read, by suffix; labels, notes and hidden files are not counted."""

    def __init__(self) -> None:
        self.suffixes, self.first = Counter[str](), ""

    def add(self, path: str) -> None:
        """Count a file."""
        if (suffix := _suffix(path)) not in BESIDE:
            self.suffixes[suffix] += 1
            self.first = self.first or path

    def __str__(self) -> str:
        """`4 .cr2, 2 .mov, e.g. photos/a/IMG_1.CR2`."""
        counts = [f"{count} {suffix or 'without a suffix'}" for suffix, count in self.suffixes.most_common()]
        return f"{', '.join(counts)}, e.g. {self.first}"

    def warn(self) -> None:
        """One `ZooWarning`, where there is anything."""
        if total := self.suffixes.total():
            many = "1 file was" if total == 1 else f"{total} files were"
            warnings.warn(f"{many} left out: {self}. {remedy_for(self.suffixes)}", ZooWarning, stacklevel=3)


def find_images(folder: Path | str, *, left_out: LeftOut | None = None) -> Iterator[Path]:
    """All image files below a folder, sorted; hidden files and macOS leftovers (`._x.jpg`) are passed over.

    Args:
        left_out: counts what is not read, of several folders together; by default there is a `ZooWarning` at the end.

    Raises:
        FileError: a folder that is missing or cannot be listed.
    """
    found = LeftOut() if left_out is None else left_out
    yield from map(Path, walk(str(as_path(folder)), found))
    if left_out is None:
        found.warn()


def walk(folder: str, left_out: LeftOut) -> Iterator[str]:
    """As `find_images`, as text; the names of one folder are in memory at a time."""
    for name, is_folder in _entries(folder):
        path = os.path.join(folder, name)  # noqa: PTH118
        if is_folder:
            yield from walk(path, left_out)
        elif is_image(name):
            yield path
        else:
            left_out.add(path)


# Ours and not wcmatch's, which gives matches in the disk's order: to sort them all of them would have to be in memory.
def expand(pattern: Path, left_out: LeftOut) -> Iterator[str]:
    """What a pattern matches, sorted: image files, and all images below a folder that matches.

    `**` stands for any number of folders. A pattern that ends in a suffix (`*.dat`) takes files of that suffix.
    """
    fixed = next((i for i, part in enumerate(pattern.parts) if MAGIC & set(part)), len(pattern.parts))
    parts = pattern.parts[fixed:]
    base = Path(*pattern.parts[:fixed])
    if base.is_dir():
        suffix = Path(parts[-1]).suffix
        yield from _matching(str(base), (), parts, left_out, any_file=bool(suffix) and not MAGIC & set(suffix))


def _matching(
    folder: str, names: tuple[str, ...], parts: tuple[str, ...], left_out: LeftOut, *, any_file: bool
) -> Iterator[str]:
    for name, is_folder in _entries(folder):
        path, here = os.path.join(folder, name) if folder != "." else name, (*names, name)  # noqa: PTH118
        if _fits(here, parts):
            if is_folder:
                yield from walk(path, left_out)
            elif any_file or is_image(name):
                yield path
            else:
                left_out.add(path)
        elif is_folder and ("**" in parts or len(here) < len(parts)):
            yield from _matching(path, here, parts, left_out, any_file=any_file)


def _fits(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    if not parts:
        return not names
    if parts[0] == "**":
        return _fits(names, parts[1:]) or (bool(names) and _fits(names[1:], parts))
    return bool(names) and fnmatch.fnmatchcase(names[0], parts[0]) and _fits(names[1:], parts[1:])


def _entries(folder: str) -> list[tuple[str, bool]]:
    """The names in a folder, sorted, and whether each is a folder that is walked; hidden ones are left out."""
    try:
        with os.scandir(folder) as found:
            return sorted(
                (entry.name, is_folder)
                for entry in found
                if not entry.name.startswith(".") and entry.name != "__MACOSX"
                if (is_folder := entry.is_dir(follow_symlinks=False)) or entry.is_file() or entry.is_symlink()
            )
    except OSError as error:
        raise FileError(
            folder, f"it cannot be listed ({error.strerror or error})", "Check the path and its permissions."
        ) from error


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122  # a Path costs more than all the rest
