"""A CSV of files and labels, as people keep them: read whole, checked whole."""

from __future__ import annotations

import csv
import io
import math
import posixpath
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from zoo.contracts import SPLITS, Dataset, Sample
from zoo.data import find_images, read_image
from zoo.errors import FileError
from zoo.files import as_path
from zoo.progress import Progress, silent

COLUMNS = {  # what a column may be called
    "path": ("path", "file", "filename", "image"),
    "label": ("label", "classification", "class"),
    "group": ("group",),
    "split": ("split",),
    "number": (),  # these two are read where they are named only
    "several": (),
}


REQUIRED = ("path", "label")
MISSING = frozenset({"", "NA", "NaN", "nan"})  # as R and pandas write a cell that holds nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFile:
    """One picture of a dataset, not opened yet."""

    path: str  # relative to the dataset's folder, with forward slashes
    label: str | None  # None: unlabelled
    group: str | None = None  # the boat, the camera
    split: str | None = None  # "train", "val", "test", "unlabelled"; None: not said
    number: float | None = None
    several: tuple[str, ...] | None = None  # labels; () where the cell is empty, None where it is NA
    metadata: Mapping[str, str] = field(default_factory=dict)  # the table's other columns


def read_label_table(
    root: Path, name: str, named: Mapping[str, str | None] | None = None, *, needed: Sequence[str] = ("path", "label")
) -> list[LabelledFile]:
    """Read a CSV with a header and check every row.

    Args:
        root: the dataset's folder; the CSV and the paths in it are relative to it.
        name: the CSV, in UTF-8, UTF-16 or Windows-1252, separated by comma, semicolon or tab.
        named: what the columns are called; else `path`, `label`, `group` and `split` are recognised (`COLUMNS`).
        needed: the columns that there must be.

    Raises:
        FileError: no such CSV, columns missing, or rows at fault; all kinds of faults are said, with the first of each.
    """
    table = root / name
    header, rows = _read_rows(table)
    called = {key: title for key, title in (named or {}).items() if title is not None}
    columns = _find_columns(table, header, called, {*called, *needed})
    loose_names = cache(lambda: _loose_names(root))  # a walk that only a table with missing files needs
    files: dict[str, LabelledFile] = {}
    faults: dict[str, list[str]] = {}
    for line, row in rows:
        file = _as_file(row, header, columns, root)
        if (
            file.path and not as_path(root / file.path).is_file()
        ):  # written on another system, or relative to the parent
            below = f"/{file.path}".rpartition(f"/{root.name}/")[2].lstrip("/")
            file = replace(file, path=loose_names().get(_loosely(below)) or file.path)
        earlier = files.setdefault(file.path, file)
        if not file.path:
            faults.setdefault("without a path", []).append(f"line {line}")
        elif not as_path(root / file.path).is_file():
            faults.setdefault("of missing files", []).append(f"{file.path}, line {line}")
        if file.split is not None and file.split not in SPLITS.values():
            faults.setdefault("with an unknown split", []).append(f"{file.split!r}, line {line}")
        if file.number is not None and not math.isfinite(file.number):
            faults.setdefault("whose number is none", []).append(f"{row[columns['number']].strip()!r}, line {line}")
        if earlier.label != file.label:
            faults.setdefault("that contradict an earlier one", []).append(
                f"{file.path} is both {earlier.label} and {file.label}, line {line}"
            )
    if faults:
        said = "; ".join(
            f"{len(where)} row{'s' * (len(where) > 1)} {what} (the first: {where[0]})" for what, where in faults.items()
        )
        hint = " A split is train, val, test or unlabelled." if "with an unknown split" in faults else ""
        raise FileError(table, said, f"Correct the table; paths are relative to {root}.{hint}")
    if not files:
        raise FileError(table, "the table has a header, but no rows", "Add a row for each picture.")
    return list(files.values())


class PictureTable(Dataset):
    """The pictures of a CSV with its other columns, whatever their labels are; its paths are relative to its folder."""

    def __init__(self, table: Path, *, path: str | None = None) -> None:
        self.targets, self._root = {}, table.parent
        self._files = read_label_table(table.parent, table.name, {"path": path}, needed=("path",))

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Nothing is left to do."""

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        """Decode one picture. Raises FileError where it cannot be read."""
        file = self._files[index]
        return Sample(image=read_image(self._root / file.path), path=file.path, metadata=file.metadata)


def _read_rows(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and the rows that are not blank with their line numbers."""
    try:
        text = _as_text(table.read_bytes())
        first = re.sub('"[^"]*"', "", text.partition("\n")[0])
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
        header = [title.strip() for title in next(reader, [])]
        return header, [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except FileNotFoundError as error:
        raise FileError(table, "there is no such table", "Say labels=FILE.csv, relative to the folder.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(table, f"not a readable CSV ({error})", "Save it as CSV in UTF-8.") from error
    except OSError as error:
        raise FileError(table, f"it cannot be read ({error.strerror})", "Check the path.") from error


def _as_text(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    if b"\0" in content:
        raise csv.Error("it holds no text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")


def _find_columns(
    table: Path, header: Sequence[str], named: Mapping[str, str], needed: Collection[str]
) -> dict[str, int]:
    """Where the columns stand that mean something to us."""
    titles = [title.casefold() for title in header]
    taken = {key: title.strip().casefold() for key, title in named.items()}
    columns: dict[str, int] = {}
    for key, known in COLUMNS.items():
        free = known if key in REQUIRED else [title for title in known if title not in taken.values()]
        wanted = [taken[key]] if key in taken else free
        if found := [titles.index(title) for title in wanted if title in titles]:
            columns[key] = found[0]
    missing = [key for key in COLUMNS if key not in columns and key in needed]
    if missing:
        absent = [f"`{named.get(key, key)}`" for key in missing]
        raise FileError(
            table,
            f"its header has no {' and no '.join(absent)}, only {', '.join(filter(None, header)) or 'nothing'}",
            "The first line must name the columns: path,label (and group, split where known); or say what they are "
            f"called, `options={{{missing[0]!r}: 'COLUMN'}}`.",
        )
    return columns


def _as_file(row: Sequence[str], header: Sequence[str], columns: Mapping[str, int], root: Path) -> LabelledFile:
    row = [cell.strip() for cell in row] + [""] * (len(header) - len(row))
    cells = {key: "" if row[place] in MISSING else row[place] for key, place in columns.items()}
    path, label, split = cells["path"].replace("\\", "/"), cells.get("label") or None, cells.get("split", "").lower()
    several = None
    if "several" in columns and row[columns["several"]] not in MISSING - {""}:
        several = tuple(dict.fromkeys(one for part in cells["several"].split(";") if (one := part.strip())))
    bare = not label and not cells.get("number") and several is None
    kept = {key: place for key, place in columns.items() if key != "number"}  # predictions stand beside the true number
    used = {*kept.values(), *(place for place, title in enumerate(header) if not title)}
    return LabelledFile(
        path=path and posixpath.normpath(path.removeprefix(f"{root.as_posix()}/")),
        label=label,
        group=cells.get("group") or None,
        split="unlabelled" if bare and not split else SPLITS.get(split, split) if "split" in columns else None,
        number=_as_number(cells["number"]) if cells.get("number") else None,
        several=several,
        metadata={title: row[place] for place, title in enumerate(header) if place not in used},
    )


def _as_number(text: str) -> float:
    """A number with a point or a comma; NaN where it is none."""
    try:
        return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return math.nan


def _loosely(name: str) -> str:
    """A name as systems compare it that know neither case nor how an accent is put together."""
    return unicodedata.normalize("NFC", name).casefold()


def _loose_names(root: Path) -> dict[str, str | None]:
    """The pictures below the folder by `_loosely`; None where two are called so."""
    found: dict[str, str | None] = {}
    for name in (path.relative_to(root).as_posix() for path in find_images(root)):
        found[_loosely(name)] = None if _loosely(name) in found else name
    return found
