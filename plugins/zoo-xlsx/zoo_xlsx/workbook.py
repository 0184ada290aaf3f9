"""A workbook on the disk: written row by row, and the same bytes for the same cells."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.writer.excel import ExcelWriter

from zoo_xlsx.cells import Cell

WIDEST = 60  # characters that a column shows
BEGINNINGS = ("=", "+", "-", "@", "'", "#")  # of texts that are taken for something else, now or when they are edited


def write_workbook(path: Path, sheets: Mapping[str, Mapping[str, Sequence[Cell]]], *, time: str) -> None:
    """Write sheets, each with a frozen header and a filter over its columns.

    Args:
        path: of the file.
        sheets: columns of one length by title, by the sheet's name.
        time: when it was made, 2026-01-02T03:04:05Z; "": not said.
    """
    book = Workbook(write_only=True)
    book.properties.creator = "zoo"
    book.properties.created = book.properties.modified = _moment(time)
    for name, columns in sheets.items():
        _fill(book.create_sheet(name), columns)
    with _DatelessZip(path, "w", ZIP_DEFLATED) as archive:
        ExcelWriter(book, archive).write_data()


def _fill(sheet: Any, columns: Mapping[str, Sequence[Cell]]) -> None:
    count = max((len(cells) for cells in columns.values()), default=0)
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{count + 1}"
    for place, (title, cells) in enumerate(columns.items(), 1):
        longest = max((len(cell) if isinstance(cell, str) else 10 for cell in cells), default=0)
        sheet.column_dimensions[get_column_letter(place)].width = min(max(len(title), longest), WIDEST) + 3
    sheet.append([_as_text(sheet, title, bold=True) for title in columns])
    for row in zip(*columns.values(), strict=True):
        sheet.append(list(_as_cells(sheet, row)))


def _as_cells(sheet: Any, row: Sequence[Cell]) -> Iterator[Any]:
    for cell in row:
        odd = isinstance(cell, str) and (cell.startswith(BEGINNINGS) or cell in ERROR_CODES)
        yield _as_text(sheet, str(cell)) if odd else cell


def _as_text(sheet: Any, text: str, *, bold: bool = False) -> Any:
    """A cell that stays a text, also when somebody edits it."""
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    cell.quotePrefix = text.startswith(BEGINNINGS)
    if bold:
        cell.font = Font(bold=True)
    return cell


def _moment(time: str) -> datetime:
    try:
        moment = datetime.fromisoformat(time)
        return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)
    except ValueError:
        return datetime(1980, 1, 1)  # the first that a zip knows


class _DatelessZip(ZipFile):
    """A zip whose files are all of one date; by what its writer calls."""

    def writestr(self, zinfo_or_arcname: Any, data: Any, *_: Any, **__: Any) -> None:
        super().writestr(ZipInfo(str(zinfo_or_arcname)), data, ZIP_DEFLATED)

    def write(self, filename: Any, arcname: Any = None, *_: Any, **__: Any) -> None:
        info = ZipInfo(str(arcname))
        info.compress_type, info.file_size = ZIP_DEFLATED, Path(filename).stat().st_size
        with Path(filename).open("rb") as source, self.open(info, "w") as target:
            shutil.copyfileobj(source, target)
