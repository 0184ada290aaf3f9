"""Where The Nature Conservancy's pictures lie: `train/<kind>/*.jpg`, and `test_stg1` and `test_stg2` beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zoo import find_images
from zoo.errors import FileError
from zoo_fisheries.art.kinds import KINDS
from zoo_fisheries.problems import Problem

STAGES = ("test_stg1", "test_stg2")
EXPECTED = (
    "Expected train/ALB/*.jpg and its like (The Nature Conservancy Fisheries Monitoring), or an empty folder to draw in"
)
NO_KIND = "the folder is named after none of the eight kinds; its pictures were passed over"
LOOSE = "the picture lies in no kind's folder; it was passed over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of the layout."""

    path: Path
    kind: str | None = None  # None: not labelled, a test picture


def list_pictures(root: Path) -> tuple[list[Picture], list[Problem]]:
    """Every picture, the labelled ones first; nothing is opened.

    Raises:
        FileError: another layout, or no picture.
    """
    train = _unpacked(root / "train")
    names = {kind.lower(): kind for kind in KINDS}
    if not train.is_dir():
        raise FileError(root, "this is no set of Fisheries Monitoring", f"{EXPECTED}.")
    pictures, problems = [], []
    for path in find_images(train):
        parts = path.relative_to(train).parts
        kind = names.get(parts[0].lower()) if len(parts) > 1 else None
        if kind is not None:
            pictures.append(Picture(path=path, kind=kind))
        elif len(parts) == 1:
            problems.append(Problem(sort=LOOSE, where=f"train/{parts[0]}"))
        elif not any(problem.where == f"train/{parts[0]}" for problem in problems):
            problems.append(Problem(sort=NO_KIND, where=f"train/{parts[0]}"))
    if not pictures:
        raise FileError(train, "there is no picture of any kind in it", f"{EXPECTED}.")
    for stage in STAGES:
        if (folder := _unpacked(root / stage)).is_dir():
            pictures += [Picture(path=path) for path in find_images(folder)]
    return pictures, problems


def is_empty(root: Path) -> bool:
    """Whether a folder is missing, or holds nothing but hidden files."""
    return not root.exists() or (root.is_dir() and all(path.name.startswith(".") for path in root.iterdir()))


def _unpacked(folder: Path) -> Path:
    """The folder, or the one of the same name inside it, which some archives unpack to."""
    inner = folder / folder.name
    return inner if inner.is_dir() else folder
