"""Where real plankton lies on disk: the National Data Science Bowl of 2015, and PlanktonSet 1.0, its source."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo import find_images
from zoo.errors import FileError

SEGMENTS = "FINAL_Plankton_Segments_12082014"  # PlanktonSet's folder of classes
SUBMISSION = "sampleSubmission.csv"
EXPECTED = (
    f"Expected train/<class>/*.jpg (the National Data Science Bowl), {SEGMENTS}/<class>/ somewhere below "
    "(PlanktonSet 1.0), or an empty folder to draw in"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One picture of a layout."""

    path: Path
    label: str | None = None  # None: not labelled
    group: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What was found below a folder."""

    names: tuple[str, ...]  # of the classes, in their order
    entries: tuple[Entry, ...]


def read_layout(root: Path) -> Layout:
    """Read whichever of the two layouts lies below a folder.

    Raises:
        FileError: neither does, a class list contradicts the folders, or there is no picture.
    """
    train = _unpacked(root / "train")
    segments = root if root.name == SEGMENTS else next((p for p in sorted(root.rglob(SEGMENTS)) if p.is_dir()), None)
    if train.is_dir():
        labelled = _read_classes(train)
        names = _class_order(_beside(root, SUBMISSION), {entry.label or "" for entry in labelled})
        test = _unpacked(root / "test")
        unlabelled = [Entry(path=path, split="unlabelled") for path in find_images(test)] if test.is_dir() else []
    elif segments is not None:
        labelled, unlabelled = _read_classes(segments), []
        names = tuple(sorted({entry.label or "" for entry in labelled}))
    else:
        raise FileError(root, "this is no plankton", f"{EXPECTED}.")
    if not labelled:
        raise FileError(train if train.is_dir() else segments or root, "there is no picture in it", f"{EXPECTED}.")
    return Layout(names=names, entries=(*labelled, *unlabelled))


def is_empty(root: Path) -> bool:
    """Whether a folder is missing, or holds nothing but hidden files."""
    return not root.exists() or (root.is_dir() and all(path.name.startswith(".") for path in root.iterdir()))


def _unpacked(folder: Path) -> Path:
    """The folder, or the one of the same name inside it, which some archives unpack to."""
    inner = folder / folder.name
    return inner if inner.is_dir() else folder


def _beside(root: Path, name: str) -> Path | None:
    return next((path for path in (root / name, root / "train" / name) if path.is_file()), None)


def _read_classes(folder: Path) -> list[Entry]:
    """The pictures of every class folder, sorted; what macOS leaves behind is passed over."""
    return [
        Entry(path=path, label=path.relative_to(folder).parts[0])
        for path in find_images(folder)
        if len(path.relative_to(folder).parts) > 1
    ]


def _class_order(submission: Path | None, found: set[str]) -> tuple[str, ...]:
    """The order of the sample submission's columns where there is one, else of the alphabet."""
    if submission is None:
        return tuple(sorted(found))
    try:
        with submission.open(newline="", encoding="utf-8-sig") as opened:
            header: Sequence[str] = next(csv.reader(opened), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(submission, f"not a table ({error})", "Replace or remove it.") from error
    names = tuple(name.strip() for name in header[1:])
    if not header or header[0].strip() != "image" or not names or len(set(names)) < len(names):
        raise FileError(submission, "its header is not `image,<class>,…`", "Replace or remove it.")
    if strangers := sorted(found - set(names)):
        listed = ", ".join(strangers[:4]) + (", …" if len(strangers) > 4 else "")
        raise FileError(submission, f"it lacks the classes {listed} of train/", "Replace or remove it.")
    return names
