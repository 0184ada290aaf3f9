"""Labels as a CSV, which `image-folder` learns from, and in every format of predictions; a CSV taken up again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from zoo import PredictionTable
from zoo.data import read_size
from zoo.errors import FileError, UsageError, ZooError
from zoo.evaluation import open_format
from zoo.files import file_errors, write_atomically
from zoo_label.actions import JUNK, UNSURE, Action, check_name
from zoo_label.journal import Journal
from zoo_label.labels import NONE

HEADER = ("path", "label", "group", "how", "when", "who")
LARGEST = 1 << 28  # bytes of a CSV that is read
PATH_TITLES = ("path", "file", "filename", "image")
LABEL_TITLES = ("label", "classification", "class")


def csv_text(journal: Journal) -> str:
    """The labels: a row a picture that was answered; what is unsure or junk has no label, and `how` says which."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(HEADER)
    for path, name, group, action in _answered(journal):
        said = name.strip("()") if name in (UNSURE, JUNK) else action.way
        label = "" if name in (UNSURE, JUNK) else name
        writer.writerow([_as_cell(path), label, group or "", said, action.time, action.person])
    return written.getvalue()


def write_csv(journal: Journal, path: Path) -> int:
    """Write the labels, whole or not at all; returns how many rows there are. Raises FileError."""
    text = csv_text(journal)
    write_atomically(path, text.encode("utf-8", "surrogateescape"))
    return text.count("\n") - 1


def _as_cell(path: str) -> str:
    """A path that no spreadsheet takes for a formula."""
    return f"./{path}" if path.startswith(("=", "+", "-", "@")) else path


def _answered(journal: Journal) -> Iterator[tuple[str, str, str | None, Action]]:
    journal.sync()
    for number in np.flatnonzero(journal.labels.codes != NONE).tolist():
        if action := journal.given_by(number):
            yield journal.paths[number], journal.labels.name_of(number), journal.groups[number], action


def write_format(
    journal: Journal,
    path: Path,
    *,
    root: Path,
    filters: str = "",
    format: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> int:
    """Write the named pictures as a format of predictions, each with the probability 1 of its kind.

    Args:
        journal: whose labels; what is unsure or junk is left out.
        path: the file; its suffix says the format where none is named.
        root: the folder that the pictures lie in.
        filters: what the filters are called.
        format: of `zoo.formats`.
        options: the format's own.

    Returns:
        How many pictures were written.

    Raises:
        ZooError: nothing is named yet, or a picture is gone.
        UsageError, UnknownNameError, FileError: as `zoo.evaluation.open_format`.
    """
    writer = open_format(format, path, options)
    rows = [row for row in _answered(journal) if row[1] not in (UNSURE, JUNK)]
    if not rows:
        raise ZooError("No picture has a name yet.", "Name some first.")
    names = tuple(sorted({name for _, name, _, _ in rows}))
    values = np.zeros((len(rows), len(names)), dtype=np.float32)
    values[np.arange(len(rows)), [names.index(name) for _, name, _, _ in rows]] = 1
    values.setflags(write=False)
    summary: dict[str, tuple[str | float, ...]] = {
        "class": tuple(name for _, name, _, _ in rows),
        "probability": (1.0,) * len(rows),
        "group": tuple(group or "" for _, _, group, _ in rows),
        "how": tuple(action.way for *_, action in rows),
        "when": tuple(action.time for *_, action in rows),
        "who": tuple(action.person for *_, action in rows),
    }
    table = PredictionTable(
        images=tuple(str(root / path) for path, *_ in rows),
        names=tuple(path for path, *_ in rows),
        summary=summary,
        columns=tuple(f"label:{name}" if name in {"image", *summary} else name for name in names),
        values=values,
        sizes=tuple(_size_of(root / path) for path, *_ in rows),
        metadata={"filters": filters, "manifest": rows[-1][3].filters, "time": rows[-1][3].time[:19] + "Z"}
        | {"filterzoo": version("filterzoo")},
    )
    writer.write(table, path)
    return len(rows)


def _size_of(path: Path) -> tuple[int, int]:
    if (size := read_size(path)) is None:
        raise FileError(path, "its size cannot be read", "Put the picture back, or write the labels as .csv.")
    return size


# ------------------------------------------------------------------------------------------------ taking up


def import_csv(journal: Journal, path: Path, *, person: str, filters: str = "") -> int:
    """Take up the labels of a CSV: those that differ from the journal's become actions of the way `import`.

    Args:
        journal: with its pictures.
        path: with a header; `path` (or `file`, `image`) and `label` (or `class`) are read, `group` and `how` too. Paths
            are relative to the pictures' folder.
        person: who takes them up.
        filters: the hash of the filters in use.

    Returns:
        How many labels are new or other than before.

    Raises:
        FileError: it is missing, no CSV, lacks a column, or names pictures that are not there; nothing is taken up.
        UsageError: a label can be no kind's name.
    """
    place = {name: number for number, name in enumerate(journal.paths)}
    wanted: dict[int, str] = {}
    groups: dict[str, str] = {}
    missing: list[str] = []
    for row in _read_rows(path):
        name = row["path"].replace("\\", "/").removeprefix("./")
        label = {"unsure": UNSURE, "junk": JUNK}.get(row["how"], "") if not row["label"] else check_name(row["label"])
        if name not in place:
            missing.append(name)
            continue
        if row["group"]:
            groups[name] = row["group"]
        if label:
            wanted[place[name]] = label
    if missing:
        problem = f"{len(missing)} of its pictures are not there (the first: {missing[0]})"
        raise FileError(path, problem, "Correct the table; its paths are relative to the folder of pictures.")
    if groups:
        journal.add_pictures(list(groups), list(groups.values()))
    by_name: dict[str, list[int]] = {}
    for number, label in wanted.items():
        if journal.labels.name_of(number) != label:
            by_name.setdefault(label, []).append(number)
    for label, numbers in by_name.items():
        action = Action(verb="label", person=person, way="import", filters=filters, pictures=tuple(numbers), name=label)
        journal.append(action)
    return sum(map(len, by_name.values()))


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with file_errors(path):
            if path.stat().st_size > LARGEST:
                raise FileError(path, "it is larger than 256 MB", "Take the rows that you need.")
            text = path.read_text("utf-8-sig", "surrogateescape")
        first = text.partition("\n")[0]
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count)))
        header = {title.strip().casefold(): title for title in (rows[0] if rows else {}) if title}
    except csv.Error as error:
        raise FileError(path, f"no readable CSV ({error})", "Save it as CSV in UTF-8.") from error
    title_of = {
        key: next((header[title] for title in titles if title in header), None)
        for key, titles in {"path": PATH_TITLES, "label": LABEL_TITLES, "group": ("group",), "how": ("how",)}.items()
    }
    if rows and (lacking := [key for key in ("path", "label") if title_of[key] is None]):
        raise FileError(path, f"its header has no `{lacking[0]}`", "The first line names the columns: path,label.")
    return [{key: (row.get(title) or "").strip() if title else "" for key, title in title_of.items()} for row in rows]


def check_table_path(path: Path) -> Path:
    """The path of the labels. Raises UsageError: it does not end in .csv."""
    if path.suffix.lower() != ".csv":
        raise UsageError(f"{path}: labels are written as .csv.", "Name it so; other formats with `export=`.")
    return path
