"""The core's formats of predictions: CSV in the competitions' form, Parquet, JSON."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from zoo.contracts import Format, PredictionTable


class Csv(Format):
    """The competitions' form: a header `image,<classes>`, then a line a picture.

    A picture is called by its file's name; where two have one name, all are called by their paths as given.
    """

    suffixes = (".csv",)

    def __init__(self, *, digits: int = 6) -> None:
        self.digits = digits  # significant ones

    def write(self, predictions: PredictionTable, path: Path) -> None:
        names = [Path(image).name for image in predictions.images]
        if len(set(names)) < len(names):  # the same name in several folders
            names = list(predictions.images)
        with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as opened:
            writer = csv.writer(opened, lineterminator="\n")
            writer.writerow(["image", *predictions.columns])
            for name, row in zip(names, predictions.values.tolist(), strict=True):
                writer.writerow([name, *(f"{value:.{self.digits}g}" for value in row)])


class Parquet(Format):
    """A column `image` with the paths as given, and a column of float32 a class."""

    suffixes = (".parquet",)

    def write(self, predictions: PredictionTable, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = zip(predictions.columns, predictions.values.T, strict=True)
        pq.write_table(pa.table({"image": pa.array(predictions.images), **dict(columns)}), path)


class Json(Format):
    """A list with an object a picture: `image`, its path as given, and a number a class."""

    suffixes = (".json",)

    def write(self, predictions: PredictionTable, path: Path) -> None:
        rows = [
            {"image": image, **dict(zip(predictions.columns, row, strict=True))}
            for image, row in zip(predictions.images, predictions.values.tolist(), strict=True)
        ]
        text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        path.write_bytes(text.encode(errors="backslashreplace"))  # half a surrogate pair has JSON's own escape
