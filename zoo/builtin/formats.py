"""The core's formats of predictions: CSV, the competitions' CSV, Parquet, JSON."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from zoo.contracts import Format, PredictionTable
from zoo.evaluation import for_spreadsheet
from zoo.files import format_json


class Csv(Format):
    """A line a picture: what it is called, the likeliest class and the second, a box, a number.

    Texts are harmless to terminals and spreadsheets, a class called `=1+1` is `'=1+1`; `raw` leaves them as they are.
    """

    suffixes: ClassVar[Sequence[str]] = (".csv",)

    def __init__(self, *, digits: int = 6, raw: bool = False) -> None:
        self.digits = digits  # significant ones
        self.raw = raw

    def write(self, predictions: PredictionTable, path: Path) -> None:
        said = predictions if self.raw else for_spreadsheet(predictions)
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as opened:
            writer = csv.writer(opened, lineterminator="\n")
            writer.writerow(["image", *said.summary])
            for row in zip(said.names, *said.summary.values(), strict=True):
                writer.writerow(cell if isinstance(cell, str) else f"{cell:.{self.digits}g}" for cell in row)


class Kaggle(Csv):
    """The competitions' CSV: a header `image,<classes>`, then a line a picture, with a number a class.

    A picture is called by its file's name; where two have one name, all are called as in other formats.
    """

    suffixes = ()

    def write(self, predictions: PredictionTable, path: Path) -> None:
        short = tuple(Path(name).name for name in predictions.names)
        names = short if len(set(short)) == len(short) else predictions.names
        numbers = dict(zip(predictions.columns, map(tuple, predictions.values.T.tolist()), strict=True))
        super().write(replace(predictions, names=names, summary=numbers), path)


class Parquet(Format):
    """The columns of the CSV, then a column of float32 a class; texts as they are."""

    suffixes = (".parquet",)

    def write(self, predictions: PredictionTable, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = [name.encode(errors="replace").decode() for name in predictions.names]  # some on a disk are no UTF-8
        numbers = dict(zip(predictions.columns, predictions.values.T, strict=True))
        pq.write_table(pa.table({"image": names, **predictions.summary, **numbers}), path)


class Json(Format):
    """A list with an object a picture: the columns of the CSV, then a number a class; texts as they are."""

    suffixes = (".json",)

    def write(self, predictions: PredictionTable, path: Path) -> None:
        columns = dict(zip(predictions.columns, predictions.values.T.tolist(), strict=True))
        columns = {"image": predictions.names, **predictions.summary, **columns}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        path.write_text(format_json(rows) + "\n", encoding="utf-8")
