"""From the tables of an export to its objects: which rows are read, and what each says."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from zoo.errors import FileError, UsageError
from zoo.progress import Progress, silent
from zoo_ecotaxa.faults import Faults
from zoo_ecotaxa.places import EXPECTED, Place, leads_out
from zoo_ecotaxa.tables import Table, parse_table

Label = Literal["category", "hierarchy", "id"]
COLUMNS: Mapping[Label, str] = {
    "category": "object_annotation_category",
    "hierarchy": "object_annotation_hierarchy",
    "id": "object_annotation_category_id",
}
STATUSES = ("validated", "predicted", "dubious", "unclassified")
LETTERS = {"v": "validated", "p": "predicted", "d": "dubious", "": "unclassified"}
REQUIRED = ("object_id", "img_file_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of an object, as a row says it."""

    path: str  # relative to the export
    table: int
    row: int
    label: str | None  # None: not classified
    group: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What of a row decides whether and how it is read."""

    table: int
    number: int
    object: str
    sample: str
    image: str  # as it is written
    rank: str
    status: str
    label: str
    group: str
    where: str  # for messages


def parse_statuses(text: str) -> tuple[str, ...]:
    """`predicted,dubious` -> those two; `all` -> all four. Raises UsageError."""
    asked = [one.strip().lower() for one in text.split(",") if one.strip()]
    chosen = STATUSES if asked == ["all"] else tuple(dict.fromkeys(asked))
    if not chosen or set(chosen) - set(STATUSES):
        problem = f"status={text!r} is none of {', '.join(STATUSES)}, several of them with commas, or all."
        raise UsageError(problem, "Try `options={'status': 'predicted'}`.")
    return chosen


def read_tables(place: Place, faults: Faults, progress: Progress = silent) -> list[Table]:
    """All tables, each with the columns that none can do without. Raises FileError."""
    tables, names = [], place.tables()
    for done, name in enumerate(names, start=1):
        where = place.root / name
        table = parse_table(place.read_table(name), name, where, faults)
        if missing := [column for column in REQUIRED if column not in table.header]:
            listed = ", ".join(filter(None, table.header[:8])) or "nothing"
            problem = f"its header has no {' and no '.join(missing)}; it begins with {listed}"
            raise FileError(where, problem, f"{EXPECTED}: a table without pictures cannot be learnt from.")
        tables.append(table)
        progress("reading tables", done, len(names))
    return tables


def choose_pictures(
    place: Place,
    tables: Sequence[Table],
    *,
    statuses: Collection[str],
    label: Label,
    group: str | None,
    every: bool,
    faults: Faults,
) -> list[Picture]:
    """The pictures of the objects of some statuses, in the order of the tables.

    Args:
        place: where their files are looked up, beside the table first, then from the top.
        tables: of the export.
        statuses: some of `STATUSES`.
        label: which column is the class.
        group: the column of groups; None: there are none.
        every: all pictures of an object; else the first by `img_rank`.
        faults: rows at fault are added here, and left out.

    Raises:
        FileError: no row has one of the statuses; the column of the class or of the groups is not there.
    """
    _check_columns(place.root, tables, group)
    rows = [row for row in _rows(tables, label, group, faults) if row.status in statuses]
    if not rows:
        faults.check(place.root)
        raise _none_of(place.root, tables, statuses)
    _check_labels(place.root, tables, rows, label)
    objects: dict[tuple[str, str], list[tuple[float, Row, str]]] = {}
    for row in rows:
        path = _find_picture(place, tables[row.table].name, row, faults)
        rank = _parse_rank(row, faults)
        if not row.object:
            faults.add("without an object_id", row.where, "Give every object its own.")
        elif path is not None:
            objects.setdefault((row.sample, row.object), []).append((rank, row, path))
    found: list[Picture] = []
    for images in objects.values():
        _refuse_contradictions([row for _, row, _ in images], faults)
        first: dict[str, Row] = {}  # a picture may stand in two tables
        for _, row, path in sorted(images, key=lambda one: one[0]):
            first.setdefault(path, row)
        found += [
            Picture(path=path, table=row.table, row=row.number, label=row.label or None, group=row.group or None)
            for path, row in list(first.items())[: None if every else 1]
        ]
    return sorted(found, key=lambda one: (one.table, one.row))


def _rows(tables: Sequence[Table], label: Label, group: str | None, faults: Faults) -> Iterator[Row]:
    """Every row whose status is one."""
    columns = ("object_id", "sample_id", "img_file_name", "img_rank", "object_annotation_status", COLUMNS[label])
    for number, table in enumerate(tables):
        cells = zip(*(table.cells(column) for column in (*columns, group or "")), strict=True)
        for place, (object_id, sample, image, rank, said, named, grouped) in enumerate(cells):
            where = f"line {table.lines[place]} of {table.name}"
            status = LETTERS.get(said.lower(), said.lower())
            if status not in STATUSES:
                faults.add("with an unknown status", f"{said!r}, {where}", f"A status is {', '.join(STATUSES[:3])}.")
                continue
            yield Row(
                table=number,
                number=place,
                object=object_id,
                sample=sample,
                image=image,
                rank=rank,
                status=status,
                label=_as_label(named, label) if status != "unclassified" else "",
                group=grouped,
                where=where,
            )


def _as_label(text: str, label: Label) -> str:
    """A hierarchy as the head of that name reads it, `living > Copepoda`; an id without the decimals of pandas."""
    if label == "hierarchy":
        return " > ".join(step.strip() for step in text.split(">"))
    return text.replace(",", ".").partition(".")[0] if label == "id" else text


def _find_picture(place: Place, table: str, row: Row, faults: Faults) -> str | None:
    """The file of a row, relative to the export; None, with a fault, where there is none."""
    image = row.image.replace("\\", "/")
    if not image:
        faults.add("without a picture", row.where, "Fill img_file_name in, or remove them.")
    elif leads_out(image):
        faults.add("whose picture leads out of the export", f"{row.image!r:.80}, {row.where}", "Export again.")
    else:
        beside = posixpath.normpath((PurePosixPath(table).parent / image).as_posix())
        for path in (beside, posixpath.normpath(image)):
            if place.holds(path):
                return path
        remedy = "Export with pictures, or remove these rows."
        faults.add("of missing pictures", f"{image!r:.80}, {row.where}", remedy)
    return None


def _parse_rank(row: Row, faults: Faults) -> float:
    try:
        return float(row.rank or 0)
    except ValueError:
        faults.add("whose img_rank is no number", f"{row.rank!r}, {row.where}", "Number an object's pictures from 0.")
        return 0.0


def _refuse_contradictions(rows: Sequence[Row], faults: Faults) -> None:
    """One object is of one class."""
    for row in rows[1:]:
        if row.label and rows[0].label and row.label != rows[0].label:
            said = f"{row.object} is {rows[0].label} in {rows[0].where}, and {row.label} in {row.where}"
            faults.add("of another class than an earlier one of the same object", said, "Keep one of them.")


def _check_columns(root: Path, tables: Sequence[Table], group: str | None) -> None:
    if group is not None and not all(group in table.header for table in tables):
        lacking = next(table for table in tables if group not in table.header)
        ids = ", ".join(column for column in lacking.header if column.endswith("_id")) or "none that ends in _id"
        problem = f"the groups are in no column {group!r}; there is {ids}"
        raise FileError(root / lacking.name, problem, "Name another, `options={'group': 'COLUMN'}`, or `none`.")


def _check_labels(root: Path, tables: Sequence[Table], rows: Sequence[Row], label: Label) -> None:
    """Raise FileError where a row has a status, and the column that would say the class is not there or empty."""
    for row in rows:
        if row.status != "unclassified" and not row.label:
            header = tables[row.table].header
            others = [name for name, column in COLUMNS.items() if column in header and name != label]
            remedy = f"Say `options={{'label': '{others[0]}'}}`." if others else "Export with annotations."
            problem = f"{row.where.partition(' of ')[0]} is {row.status}, but {COLUMNS[label]} says nothing"
            raise FileError(root / tables[row.table].name, problem, remedy)


def _none_of(root: Path, tables: Sequence[Table], statuses: Collection[str]) -> FileError:
    said = Counter(row.status for row in _rows(tables, "category", None, Faults()))
    listed = ", ".join(f"{count} {status}" for status, count in said.most_common()) or "no rows"
    remedy = f"Read others, `options={{'status': '{said.most_common(1)[0][0]}'}}`." if said else "Export again."
    return FileError(root, f"no object is {' or '.join(statuses)}; there are {listed}", remedy)
