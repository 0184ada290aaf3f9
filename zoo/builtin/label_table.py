"""A CSV of files and labels, as people keep them: read whole, checked whole."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.contracts import SPLITS
from zoo.errors import FileError

COLUMNS = {  # what a column may be called
    "path": ("path", "file", "filename", "image"),
    "label": ("label", "classification", "class"),
    "group": ("group",),
    "split": ("split",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFile:
    """One picture of a dataset, not opened yet."""

    path: str  # relative to the dataset's folder, with forward slashes
    label: str | None  # None: unlabelled
    group: str | None = None  # the boat, the camera
    split: str | None = None  # "train", "val", "test", "unlabelled"; None: not said


def read_label_table(root: Path, name: str) -> list[LabelledFile]:
    """Read a CSV with a header and check every row.

    Args:
        root: the dataset's folder; the CSV and the paths in it are relative to it.
        name: the CSV. Columns are recognised by their header (`COLUMNS`), separated by comma, semicolon or tab.

    Raises:
        FileError: no such CSV, columns missing, or rows at fault; all kinds of faults are said, with the first of each.
    """
    table = root / name
    rows, columns = _read_rows(table)
    files: dict[str, LabelledFile] = {}
    faults: dict[str, list[str]] = {}
    for line, row in rows:
        file = _as_file(row, columns)
        earlier = files.setdefault(file.path, file)
        if not file.path:
            faults.setdefault("without a path", []).append(f"line {line}")
        elif not (root / file.path).is_file():
            faults.setdefault("of missing files", []).append(f"{file.path}, line {line}")
        if file.label is None and file.split != "unlabelled":
            faults.setdefault("with an empty label", []).append(f"line {line}")
        if file.split is not None and file.split not in SPLITS.values():
            faults.setdefault("with an unknown split", []).append(f"{file.split!r}, line {line}")
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


def _read_rows(table: Path) -> tuple[list[tuple[int, list[str]]], dict[str, int]]:
    """The rows that are not blank, with their line numbers, and where each column stands."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as opened:
            first = opened.readline()
            opened.seek(0)
            reader = csv.reader(opened, delimiter=max(",;\t", key=first.count))
            header = [title.strip().lower() for title in next(reader, [])]
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except FileNotFoundError as error:
        raise FileError(table, "there is no such table", "Say labels=FILE.csv, relative to the folder.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FileError(table, f"not a readable CSV ({error})", "Save it as CSV in UTF-8.") from error
    except OSError as error:
        raise FileError(table, f"it cannot be read ({error.strerror})", "Check the path.") from error
    columns = {key: header.index(title) for key, titles in COLUMNS.items() for title in titles[::-1] if title in header}
    missing = [f"`{column}`" for column in ("path", "label") if column not in columns]
    if missing:
        raise FileError(
            table,
            f"its header has no {' and no '.join(missing)}, only {', '.join(filter(None, header)) or 'nothing'}",
            "The first line must name the columns: path,label (and group, split where known).",
        )
    return rows, columns


def _as_file(row: Sequence[str], columns: Mapping[str, int]) -> LabelledFile:
    cells = {column: row[place].strip() if place < len(row) else "" for column, place in columns.items()}
    split = cells.get("split", "").lower()
    return LabelledFile(
        path=cells["path"].replace("\\", "/"),
        label=cells["label"] or None,
        group=cells.get("group") or None,
        split=SPLITS.get(split, split) if "split" in columns else None,
    )
