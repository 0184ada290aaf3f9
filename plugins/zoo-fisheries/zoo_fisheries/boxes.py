"""The community's box files, `alb_labels.json` and its like, exactly as they circulate.

A file is a list of pictures, `{"filename": …, "annotations": [{"x": …, "y": …, "width": …, "height": …}]}`, in
pixels from the upper left corner. A set of points (head and tail) circulates under the same names; some boxes
have negative corners; some pictures have no box. Nothing of that is dropped in silence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from zoo.errors import FileError
from zoo.files import parse_json
from zoo_fisheries.art.kinds import KINDS
from zoo_fisheries.problems import Problem

Several = Literal["largest", "union"]
Corners = tuple[float, float, float, float]  # x1, y1, x2, y2

POINTS = "two points (head and tail) where a box is due; it was set aside"
NO_NUMBER = "a box that is not made of finite numbers; it was set aside"
EMPTY = "a box without width or height; it was set aside"
OUTSIDE = "a box wholly outside its picture; it was set aside"
CLIPPED = "a box that reached outside its picture; it was clipped"
MALFORMED = "an entry without a filename or a list of annotations; it was set aside"
STRANGE = "the file is named after none of the eight kinds; it was not read"
ABSENT = "a box file names a picture that is not there"
TWICE = "the picture stands twice in one box file; all its boxes count"
IN_TWO = "the picture stands in box files of several kinds; those of its own folder's kind count"
ELSEWHERE = "the picture stands in another kind's box file only; its box is taken as unknown"
IN_NONE = "the picture stands in no box file; its box is taken as unknown"
BOXLESS = "the picture has no valid box; its box is taken as unknown"
CONTRADICTED = "the picture of no fish has a box; that was set aside"
MANY = "the picture has several boxes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a box file says of one picture."""

    file: str  # the box file, relative to the root
    annotations: tuple[Any, ...]


Listed = Mapping[str, Mapping[str, tuple[Entry, ...]]]  # by picture's name, then by kind


def read_box_files(root: Path) -> tuple[Listed, list[Problem]]:
    """Read every `<kind>_labels.json` below a folder.

    Returns:
        What they say, by the picture's name (the last part of what they give as its filename) and by kind.

    Raises:
        FileError: a file that is no such list, or holds points in place of boxes throughout.
    """
    listed: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    problems = []
    for path in sorted(root.rglob("*_labels.json")):
        file = path.relative_to(root).as_posix()
        if any(part.startswith((".", "__MACOSX")) for part in path.relative_to(root).parts):
            continue
        kind = {kind.lower(): kind for kind in KINDS}.get(path.name.removesuffix("_labels.json").lower())
        if kind is None:
            problems.append(Problem(sort=STRANGE, where=file))
            continue
        for name, entry in _read(path, file, problems):
            if listed[name][kind] and any(other.file == file for other in listed[name][kind]):
                problems.append(Problem(sort=TWICE, where=f"{file}, {name}"))
            listed[name][kind].append(entry)
    return {name: {kind: tuple(some) for kind, some in kinds.items()} for name, kinds in listed.items()}, problems


def _read(path: Path, file: str, problems: list[Problem]) -> Iterator[tuple[str, Entry]]:
    remedy = "Replace it by a box file, or move it away."
    try:
        content = parse_json(path.read_bytes(), finite=False)
    except (OSError, ValueError) as error:
        raise FileError(path, f"not a box file ({error})", remedy) from error
    if not isinstance(content, list):
        raise FileError(path, "not a box file (it holds no list)", remedy)
    found = [rectangle for entry in content if isinstance(entry, dict) for rectangle in _list_of(entry)]
    if found and all(_is_point(rectangle) for rectangle in found):
        raise FileError(path, "it holds points (head and tail), not boxes", remedy)
    for number, entry in enumerate(content, start=1):
        name = entry.get("filename") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not name or not isinstance(entry.get("annotations", []), list):
            problems.append(Problem(sort=MALFORMED, where=f"{file}, entry {number}"))
            continue
        last = PurePosixPath(name.replace("\\", "/")).name
        yield last, Entry(file=file, annotations=tuple(_list_of(entry)))


def _list_of(entry: Mapping[str, Any]) -> list[Any]:
    annotations = entry.get("annotations", [])
    return annotations if isinstance(annotations, list) else []


def _is_point(rectangle: Any) -> bool:
    return isinstance(rectangle, dict) and "x" in rectangle and not {"width", "height"} & set(rectangle)


def choose_entries(kind: str, name: str, listed: Listed, problems: list[Problem]) -> tuple[Entry, ...] | None:
    """The entries that speak of one picture; None: no file does, which `problems` then says."""
    kinds = listed.get(name, {})
    where = f"{kind}/{name}"
    if kind == "NoF":
        if any(entry.annotations for some in kinds.values() for entry in some):
            problems.append(Problem(sort=CONTRADICTED, where=where))
        return ()
    if kind in kinds:
        if len(kinds) > 1:
            problems.append(Problem(sort=IN_TWO, where=where))
        return kinds[kind]
    problems.append(Problem(sort=ELSEWHERE if kinds else IN_NONE, where=where))
    return None


def choose_box(
    entries: tuple[Entry, ...], size: tuple[int, int], *, where: str, several: Several, problems: list[Problem]
) -> Corners | None:
    """The one box of a picture.

    Args:
        entries: what the box files say of it.
        size: its width and height in pixels.
        where: the picture, for messages.
        several: which box counts where there are several: the `largest`, or the `union` of all.
        problems: what is wrong is added here.

    Returns:
        x1, y1, x2, y2 inside the picture; None: there is no valid one.
    """
    boxes = []
    for annotation in (annotation for entry in entries for annotation in entry.annotations):
        corners, fault = _clip(annotation, size)
        if fault is not None:
            problems.append(Problem(sort=fault, where=where))
        if corners is not None:
            boxes.append(corners)
    if not boxes:
        problems.append(Problem(sort=BOXLESS, where=where))
        return None
    if len(boxes) == 1:
        return boxes[0]
    problems.append(Problem(sort=f"{MANY}; the {several} counts", where=where))
    if several == "union":
        low_x, low_y, high_x, high_y = zip(*boxes, strict=True)
        return min(low_x), min(low_y), max(high_x), max(high_y)
    return max(boxes, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))


def _clip(annotation: Any, size: tuple[int, int]) -> tuple[Corners | None, str | None]:
    """An annotation's corners inside the picture, and what is wrong with it."""
    if _is_point(annotation):
        return None, POINTS
    try:
        x, y, width, height = (float(annotation[key]) for key in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError):
        return None, NO_NUMBER
    if not all(map(math.isfinite, (x, y, width, height))):
        return None, NO_NUMBER
    if width <= 0 or height <= 0:
        return None, EMPTY
    inside = max(x, 0.0), max(y, 0.0), min(x + width, float(size[0])), min(y + height, float(size[1]))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return None, OUTSIDE
    moved = max(abs(a - b) for a, b in zip(inside, (x, y, x + width, y + height), strict=True))
    return inside, CLIPPED if moved > 0 else None
