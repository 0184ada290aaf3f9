"""Tables of a set, gzipped or not, by columns: a million rows of fifty numbers have to fit into memory."""

from __future__ import annotations

import gzip
import io
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from zoo.errors import FileError
from zoo_zooplankton.places import AGAIN, Place

SMALL = 1 << 26  # bytes from which on a table may unpack to no more than RATIO times its size
RATIO = 200
MISSING = ["", "NA", "NaN", "nan", "None"]
PREFIX = "object_"  # as EcoTaxa calls the measures of an object: its width is not that of its picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a table says, a text or nothing a cell."""

    where: Path  # for messages
    columns: pa.Table

    def __len__(self) -> int:
        return self.columns.num_rows

    def find(self, *names: str) -> str | None:
        """The first of some columns that there is."""
        return next((name for name in names if name in self.columns.column_names), None)

    def texts(self, name: str | None) -> list[str]:
        """A column from top to bottom, without spaces around, empty where nothing is said or there is no column."""
        if name is None:
            return [""] * len(self)
        column = self.columns.column(name).cast(pa.string()).combine_chunks().dictionary_encode()
        values = ["" if cell is None else cell.strip() for cell in column.dictionary.to_pylist()]  # a million are few
        return [values[place] if place is not None else "" for place in column.indices.to_pylist()]

    def describe(self, row: int, *, without: Collection[str] = ()) -> dict[str, str]:
        """What a row says, by column; empty cells are left out."""
        cells = {
            name: self.columns.column(name)[row].as_py() for name in self.columns.column_names if name not in without
        }
        return {name: str(cell).strip() for name, cell in cells.items() if name and cell not in (None, "")}

    def numbers(self, without: Collection[str]) -> Measures:
        """The columns of numbers but some."""
        kept = [
            field.name
            for field in self.columns.schema
            if field.name
            and field.name not in without
            and pa.types.is_floating(field.type) | pa.types.is_integer(field.type)
        ]
        values = np.full((len(self), len(kept)), np.nan, dtype=np.float32)
        for place, name in enumerate(kept):
            values[:, place] = self.columns.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False)
        return Measures(names=tuple(kept), values=values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Numbers of objects."""

    names: tuple[str, ...]
    values: np.ndarray  # float32 (rows, names), NaN where unknown

    def describe(self, row: int) -> dict[str, str]:
        """A row's numbers as text, by `object_` and their name."""
        return {
            PREFIX + name: str(int(value)) if value.is_integer() else str(value)
            for name, value in zip(self.names, self.values[row], strict=True)
            if np.isfinite(value)
        }


def read_table(place: Place, name: str, *, texts: Collection[str]) -> Table:
    """Read a table whole: commas, semicolons or tabs, in UTF-8 or Windows-1252, gzipped where it is called so.

    Args:
        place: of the set.
        name: of the table in it.
        texts: columns that are not read as numbers, whatever stands in them.

    Raises:
        FileError: it is no table, names a column twice, or has no rows.
    """
    where = place.root / name
    content = _unpacked(place.read(name), where) if name.lower().endswith(".gz") else place.read(name)
    header, separator = _header(content, where)
    try:
        read = _parse(content, separator, [title for title in header if title in texts])
    except pa.ArrowInvalid as error:
        raise FileError(where, f"it is no table ({str(error).splitlines()[0]})", AGAIN) from error
    if not read.num_rows:
        raise FileError(where, "the table has a header, but no rows", AGAIN)
    return Table(where=where, columns=read.combine_chunks())


def _header(content: bytes, where: Path) -> tuple[Sequence[str], str]:
    line = content.partition(b"\n")[0].decode("utf-8-sig", errors="replace").rstrip("\r")
    separator = max(",;\t", key=line.count)
    header = [title.strip().strip('"') for title in line.split(separator)]
    if twice := [title for title, count in Counter(header).items() if count > 1]:
        raise FileError(where, f"its header has {', '.join(map(repr, twice))} twice", "Rename one of them.")
    return header, separator


def _parse(content: bytes, separator: str, texts: Sequence[str]) -> pa.Table:
    parsing = csv.ParseOptions(delimiter=separator)
    converting = csv.ConvertOptions(
        column_types={title: pa.string() for title in texts}, null_values=MISSING, strings_can_be_null=True
    )
    try:
        return csv.read_csv(pa.BufferReader(content), parse_options=parsing, convert_options=converting)
    except pa.ArrowInvalid as error:
        if "utf8" not in str(error).lower():
            raise
        reading = csv.ReadOptions(encoding="cp1252")
        return csv.read_csv(pa.BufferReader(content), reading, parse_options=parsing, convert_options=converting)


def _unpacked(content: bytes, where: Path) -> bytes:
    most = max(SMALL, RATIO * len(content))
    try:
        with gzip.open(io.BytesIO(content)) as opened:
            found = opened.read(most + 1)
    except Exception as error:  # gzip raises BadGzipFile, EOFError, zlib.error
        raise FileError(where, f"it cannot be unpacked ({error})", AGAIN) from error
    if len(found) > most:
        raise FileError(where, f"it unpacks to more than {most:,} bytes", "Unpack it yourself, beside it.")
    return found
