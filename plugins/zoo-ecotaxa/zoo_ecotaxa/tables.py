"""One table of an export: tab-separated, in UTF-8 or latin-1, with or without the row of [t] and [f]."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from zoo.errors import FileError
from zoo_ecotaxa.faults import Faults

TYPES = ("[t]", "[f]")
MISSING = frozenset({"", "na", "nan"})  # in lower case
DATES = ("object_date", "object_annotation_date")
NUMBERS = ("object_lat", "object_lon", "object_depth_min", "object_depth_max", "img_rank")
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:[ T].*|[.,]0*)?")  # pandas makes 20140420.0 of a column of numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a file says: decimals have points, dates are ISO, all else stands as it was, without spaces around."""

    name: str  # relative to the export
    header: tuple[str, ...]  # in lower case; empty for a column of nothing
    lines: tuple[int, ...]  # of the rows in the file
    rows: tuple[list[str], ...]

    def cells(self, column: str) -> Sequence[str]:
        """A column from top to bottom, empty where there is none or a cell says NA."""
        if column not in self.header:
            return [""] * len(self.rows)
        place = self.header.index(column)
        return ["" if is_missing(row[place]) else row[place] for row in self.rows]


def is_missing(cell: str) -> bool:
    """Whether a cell holds nothing: empty, or NA as R and pandas write it."""
    return cell.lower() in MISSING


def is_number(cell: str) -> bool:
    """Whether a cell is a number, with a point or a comma."""
    return bool(_NUMBER.fullmatch(cell))


def parse_table(content: bytes, name: str, where: Path, faults: Faults) -> Table:
    """Read a table whole.

    Args:
        content: of the file.
        name: what it is called in the export.
        where: what messages call it.
        faults: rows at fault are added here, and left out.

    Raises:
        FileError: it is no table, names a column twice, or has no rows.
    """
    try:
        reader = csv.reader(io.StringIO(_as_text(content), newline=""), delimiter="\t", strict=True)
        header = tuple(title.strip().lower() for title in next(reader, []))
        numbered = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise FileError(where, f"not a table separated by tabs ({error})", "Export it again from EcoTaxa.") from error
    if twice := [title for title, count in Counter(filter(None, header)).items() if count > 1]:
        raise FileError(where, f"its header has {', '.join(twice)} twice", "Rename or remove one of the columns.")
    types: Sequence[str] = ()
    if numbered and _are_types(numbered[0][1]):
        types = [cell.lower() for cell in numbered.pop(0)[1]]
    kept = []
    for line, row in numbered:
        row += [""] * (len(header) - len(row))  # spreadsheets drop empty cells at the end
        if stray := [cell for cell, title in zip_longest(row, header) if cell and not title]:
            remedy = "Name every column, and quote cells that hold tabs."
            faults.add("with a cell under no title", f"{stray[0]!r:.80}, line {line} of {name}", remedy)
        else:
            kept.append((line, row[: len(header)]))
    lines, rows = tuple(line for line, _ in kept), tuple(row for _, row in kept)
    for place, title in enumerate(header):
        declared = types[place] if place < len(types) else "[f]" if title in NUMBERS else ""
        if title in DATES:
            _write_dates_alike(rows, lines, place, f"{title} of {name}", faults)
        elif declared == "[f]" or (not declared and _is_decimal([row[place] for row in rows])):
            for row in rows:
                row[place] = row[place].replace(",", ".") if is_number(row[place]) else row[place]
    return Table(name=name, header=header, lines=lines, rows=rows)


def _as_text(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content:
        raise csv.Error("it holds no text")
    for encoding in ("utf-8-sig", "cp1252"):  # what is called latin-1 is most often Windows'
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def _are_types(row: Sequence[str]) -> bool:
    """Whether a row is that of the types; one that is misspelt declares nothing."""
    said = [cell.lower() for cell in row if cell]
    return 2 * sum(cell in TYPES for cell in said) > len(said)


def _is_decimal(cells: Sequence[str]) -> bool:
    """Whether a column that nobody declared holds numbers with decimal commas, and nothing else."""
    said = [cell for cell in cells if not is_missing(cell)]
    return any("," in cell for cell in said) and all(is_number(cell) and "." not in cell for cell in said)


def _write_dates_alike(rows: Sequence[list[str]], lines: Sequence[int], place: int, where: str, faults: Faults) -> None:
    for row, line in zip(rows, lines, strict=True):
        try:
            row[place] = row[place] if is_missing(row[place]) else _as_iso(row[place])
        except ValueError:
            said = f"{row[place]!r}, line {line}, {where}"
            faults.add("whose date is none", said, "Write dates as 20140420 or 2014-04-20.")


def _as_iso(text: str) -> str:
    """20140420 and 2014-04-20T12:00 -> 2014-04-20. Raises ValueError: it is no date."""
    if found := _DAY.fullmatch(text):
        return datetime.date(*map(int, found.groups())).isoformat()
    raise ValueError(text)
