"""The dataset `windows`: a table of windows in pictures, each with a class and a box, as detection sets are cut up.

windows.csv    image,label,wx1,wy1,wx2,wy2,x1,y1,x2,y2,group    all corners in pixels of the whole picture
images/        the pictures; without this folder they lie beside the table

Without the four columns of the window the whole picture is taken; without `group` no groups are known.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import torch

import zoo
from zoo.data import read_size
from zoo.errors import FileError, UsageError
from zoo.files import as_path
from zoo.progress import Progress, silent
from zoo_fisheries.partition import SHARES, draw_partition

WINDOW, BOX = ("wx1", "wy1", "wx2", "wy2"), ("x1", "y1", "x2", "y2")
FORM = "image,label,wx1,wy1,wx2,wy2,x1,y1,x2,y2,group"
OVER = 1.0  # pixels that a window may reach over the picture's edge, as rounded corners do; they are cut off

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """One line of the table: a window, what is in it, and where."""

    line: int
    image: str  # relative to the folder of the pictures, with forward slashes
    label: str
    window: Corners | None  # x1, y1, x2, y2 in pixels of the picture; None: the whole picture
    box: Corners  # likewise
    group: str | None


class _RowError(Exception):
    """A line that cannot be used: what is wrong, and what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


class Windows(zoo.Dataset):
    """Windows of pictures with one thing in each: its class `label` and its `box`, from a CSV.

    Args:
        table: the CSV, relative to the folder, as zoo_fisheries.windows says.
        split: a number from which train, val and test are drawn by group, so that every class with three groups or
            more is in all of them; without it the core draws them, by group too, and anew from every seed.

    Raises:
        UsageError: a negative split.
    """

    needs_folder: ClassVar[bool] = True

    def __init__(self, *, table: str = "windows.csv", split: int | None = None) -> None:
        if split is not None and split < 0:
            raise UsageError(f"split={split} is no number to draw from.", "Pass 0 or more, or leave it out.")
        self.table, self.split = table, split
        self.targets: Mapping[str, zoo.Target] = {}
        self._folder = Path()
        self._rows: Sequence[WindowRow] = ()
        self._number: Mapping[str, int] = {}
        self._splits: Mapping[str, Sequence[int]] = {}

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Read the whole table and the headers of its pictures.

        Raises:
            FileError: no such table, columns missing, or lines that cannot be used; the first is named by its number.
            UsageError: `split` where fewer than three groups are known.
        """
        table = root / self.table
        self._folder = root / "images" if (root / "images").is_dir() else root
        self._rows = _read_table(table, self._folder, progress)
        counts = Counter(row.label for row in self._rows)
        if single := sorted(name for name, count in counts.items() if count == 1):
            problem = f"one line only, too few to learn and to test, of {', '.join(single)}"
            raise FileError(table, problem, "Add lines of these classes, or remove theirs.")
        if len(counts) < 2:
            raise FileError(table, f"the only class is {next(iter(counts))}", "Add lines of another class.")
        names = tuple(sorted(counts))
        self._number = {name: number for number, name in enumerate(names)}
        self.targets = {"label": zoo.Categories(names), "box": zoo.Box()}
        if self.split is not None:
            labels, groups = [row.label for row in self._rows], [row.group for row in self._rows]
            self._splits = draw_partition(labels, groups, seed=self.split, shares=SHARES)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> zoo.Sample:
        row = self._rows[index]
        image = zoo.read_image(self._folder / row.image)
        height, width = image.shape[-2:]
        left, top, right, bottom = _whole_pixels(row.window or (0, 0, width, height), width, height)
        x1, y1, x2, y2 = row.box
        box = [max(x1, left) - left, max(y1, top) - top, min(x2, right) - left, min(y2, bottom) - top]
        return zoo.Sample(
            image=image[:, top:bottom, left:right].contiguous(),
            targets={"label": self._number[row.label], "box": torch.tensor(box, dtype=torch.float32)},
            group=row.group,
            path=row.image,
            metadata={"line": str(row.line)},
        )

    def files(self) -> Iterator[tuple[Path, Any]]:
        """The picture of every window, and what is known of it."""
        sides = {index: name for name, rows in self._splits.items() for index in rows}
        for index, row in enumerate(self._rows):
            known = [row.label, row.window, row.box, row.group]
            yield self._folder / row.image, [*known, sides[index]] if sides else known

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """As `split` draws them; none without."""
        return self._splits


def _whole_pixels(window: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """A window's corners rounded, inside the picture, and a pixel wide at least."""
    left, top = min(max(round(window[0]), 0), width - 1), min(max(round(window[1]), 0), height - 1)
    right, bottom = min(max(round(window[2]), left + 1), width), min(max(round(window[3]), top + 1), height)
    return left, top, right, bottom


def _read_table(table: Path, folder: Path, progress: Progress) -> list[WindowRow]:
    """All rows, checked. Raises FileError."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.reader(opened)
            header = [title.strip().lower() for title in next(reader, [])]
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except FileNotFoundError as error:
        raise FileError(table, "there is no such table", f"Make one with the columns {FORM}.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(table, f"not a table ({error})", "Save it as CSV in UTF-8.") from error
    windowed = any(name in header for name in WINDOW)
    needed = ("image", "label", *(WINDOW if windowed else ()), *BOX)
    if missing := [name for name in needed if name not in header]:
        problem = f"its header has no {', no '.join(missing)}; it has {', '.join(filter(None, header)) or 'nothing'}"
        raise FileError(table, problem, f"The first line must name the columns: {FORM} (wx1 to wy2 all or none).")
    if twice := sorted(name for name, count in Counter(filter(None, header)).items() if count > 1):
        raise FileError(table, f"its header has {', '.join(twice)} twice", "Rename or remove one of the columns.")
    if not lines:
        raise FileError(table, "it has a header, but no lines", "Add a line for each window.")
    rows, faults = [], []
    sizes: dict[str, tuple[int, int] | None] = {}
    whole: dict[str, int] = {}  # pictures without a window, by their line
    for done, (line, cells) in enumerate(lines, start=1):
        try:
            rows.append(_read_row(line, header, cells, windowed, folder, sizes, whole))
        except _RowError as error:
            faults.append((line, error))
        progress("reading headers", done, len(lines))
    if faults:
        line, first = faults[0]
        more = f" ({len(faults) - 1} more lines have faults, the last {faults[-1][0]})" if len(faults) > 1 else ""
        raise FileError(table, f"line {line}: {first}{more}", first.remedy) from first
    return rows


def _read_row(
    line: int,
    header: Sequence[str],
    cells: Sequence[str],
    windowed: bool,
    folder: Path,
    sizes: dict[str, tuple[int, int] | None],
    whole: dict[str, int],
) -> WindowRow:
    """One line. Raises _RowError."""
    if len(cells) != len(header):
        raise _RowError(f"{len(cells)} cells under {len(header)} columns", "Quote cells that hold commas.")
    said = dict(zip(header, cells, strict=True))
    image = PurePosixPath(said["image"].replace("\\", "/")).as_posix()
    for name in ("image", "label"):
        if not said[name]:
            raise _RowError(f"no {name}", "Fill the cell in, or remove the line.")
    if PurePosixPath(image).is_absolute() or ".." in PurePosixPath(image).parts:
        raise _RowError(f"{image} leads out of {folder}", "Name pictures relative to that folder.")
    if image not in sizes:
        sizes[image] = read_size(_find_picture(folder, image))
    window = _read_corners(said, WINDOW, "window") if windowed else None
    box = _read_corners(said, BOX, "box")
    if window is None and whole.setdefault(image, line) != line:
        remedy = "Give the lines windows (wx1,wy1,wx2,wy2), or keep one of them."
        raise _RowError(f"{image} is on line {whole[image]} too, and a picture has one box", remedy)
    if size := sizes[image]:  # else it cannot be read: decoding says so
        _check_place(window, box, size, image)
    return WindowRow(
        line=line, image=image, label=said["label"], window=window, box=box, group=said.get("group") or None
    )


def _find_picture(folder: Path, image: str) -> Path:
    try:
        path = as_path(folder / image)
    except FileError as error:
        raise _RowError(f"{image!r:.80} is no path that can be read", "Correct the cell.") from error
    if not path.is_file():
        raise _RowError(f"there is no picture {image} in {folder}", "Put it there, or remove the line.")
    return path


def _read_corners(said: Mapping[str, str], names: Sequence[str], what: str) -> Corners:
    try:
        x1, y1, x2, y2 = (float(said[name]) for name in names)
    except ValueError as error:
        bad = next(name for name in names if not _is_number(said[name]))
        raise _RowError(f"{bad} is {said[bad]!r}, no number", "Give pixels, with a point for decimals.") from error
    if not all(map(math.isfinite, (x1, y1, x2, y2))):
        raise _RowError(f"the {what} is not finite ({x1:g}, {y1:g}, {x2:g}, {y2:g})", "Give pixels.")
    if x2 <= x1 or y2 <= y1:
        problem = f"the {what} {x1:g},{y1:g} to {x2:g},{y2:g} has no width or no height"
        raise _RowError(problem, f"Give the upper left corner ({names[0]},{names[1]}) first, or remove the line.")
    return x1, y1, x2, y2


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_place(window: Corners | None, box: Corners, size: tuple[int, int], image: str) -> None:
    """Raises _RowError: the window reaches outside the picture, or nothing of the box is in the window."""
    width, height = size
    if window and (min(window[:2]) < -OVER or window[2] > width + OVER or window[3] > height + OVER):
        said = ",".join(f"{one:g}" for one in window)
        problem = f"the window {said} reaches outside {image} ({width} x {height} pixels)"
        raise _RowError(problem, "Give corners in pixels of this picture; it may have been resized.")
    left, top, right, bottom = _whole_pixels(window or (0, 0, width, height), width, height)
    if min(box[2], right) <= max(box[0], left) or min(box[3], bottom) <= max(box[1], top):
        said, place = ",".join(f"{one:g}" for one in box), "window" if window else "picture"
        remedy = "Give both in pixels of the whole picture, or remove the line."
        raise _RowError(f"the box {said} lies outside its {place} ({left},{top} to {right},{bottom})", remedy)
