"""The format `xlsx`: predictions as a workbook, a sheet of answers and one that says what gave them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import zoo
from zoo.errors import ZooWarning
from zoo_xlsx.cells import Cell, as_cell, as_cells, shorten

ROWS = 1_048_576  # of a sheet, the header among them
COLUMNS = 16_384


class Xlsx(zoo.Format):
    """A sheet `predictions` with the columns of the format `csv`, and a sheet `run` with filters, manifest and time.

    Texts are texts, whatever they begin with: none is a formula, an error or a date. Numbers are numbers, and so are
    those of a column of the pictures' table that holds nothing else; a column of ids, whose title ends so, stays text.

    Args:
        classes: a third sheet, `probabilities`, with a column for each class.
        numbers: whether columns of the pictures' table that hold numbers alone become numbers.
    """

    suffixes: ClassVar[Sequence[str]] = (".xlsx",)

    def __init__(self, *, classes: bool = False, numbers: bool = True) -> None:
        self.classes, self.numbers = classes, numbers

    def write(self, predictions: zoo.PredictionTable, path: Path) -> None:
        """A cell that is longer than a sheet takes is cut: a `ZooWarning`. Raises UsageError: a sheet is too small."""
        from zoo_xlsx.workbook import write_workbook  # openpyxl, which listing the formats need not import

        image: list[Cell] = [as_cell(name) for name in predictions.names]
        said = predictions.summary.items()
        sheets = {
            "predictions": [
                ("image", image),
                *((one, as_cells(one, cells, numbers=self.numbers)) for one, cells in said),
            ]
        }
        if self.classes:
            shares = zip(predictions.columns, predictions.values.T.tolist(), strict=True)
            sheets["probabilities"] = [("image", image), *((one, list(map(as_cell, cells))) for one, cells in shares)]
        for name, columns in sheets.items():
            _check_size(name, len(image) + 1, len(columns))
        if cut := sum(shorten(cells) for columns in sheets.values() for _, cells in columns):
            said_so = f"{cut} cells are" if cut > 1 else "A cell is"
            warnings.warn(
                f"{said_so} longer than the 32,767 characters of a sheet's, and cut. The format parquet keeps all.",
                ZooWarning,
                stacklevel=2,
            )
        sheets["run"] = _describe(predictions)
        named = {name: _with_titles(columns) for name, columns in sheets.items()}
        write_workbook(path, named, time=predictions.metadata.get("time", ""))


def _describe(predictions: zoo.PredictionTable) -> list[tuple[str, list[Cell]]]:
    """What gave the answers: two columns, a row a fact."""
    facts: dict[str, Cell] = {"pictures": len(predictions.names)}
    facts |= {title: as_cell(text) for title, text in predictions.metadata.items()}
    return [("what", [*facts]), ("value", [*facts.values()])]


def _with_titles(columns: Sequence[tuple[str, list[Cell]]]) -> Mapping[str, list[Cell]]:
    """Columns by their titles, in one line each; of two that read alike now the second gets a mark."""
    found: dict[str, list[Cell]] = {}
    for said, cells in columns:
        title = str(as_cell(said))
        while title in found:
            title += "_"
        found[title] = cells
    return found


def _check_size(name: str, rows: int, columns: int) -> None:
    if rows > ROWS or columns > COLUMNS:
        raise zoo.UsageError(
            f"The sheet {name!r} would have {rows:,} rows and {columns:,} columns; a workbook holds {ROWS:,} and "
            f"{COLUMNS:,}.",
            "Choose the format csv or parquet, or predict in parts.",
        )
