"""The format `ecotaxa`: predictions as a table that EcoTaxa imports."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import zoo
from zoo.evaluation import find_class_head, for_spreadsheet
from zoo_ecotaxa.tables import is_missing, is_number

OWNERS = ("object", "sample", "process", "acq")  # what a column may belong to; each has its own `…_id`
TEXTS = ("object_date", "object_time", "object_link")
UNSURE = "(unsure)"  # what the head `hierarchy` of zoo-labels calls the top of the tree


class EcoTaxaTable(zoo.Format):
    """A row a picture with its object_id, the likeliest class as its category, and the status `predicted`.

    UTF-8 with a byte order mark, as EcoTaxa knows it by. Other columns of an export come along, but those of the
    earlier annotation, those that EcoTaxa has no table for, and those that are empty throughout. Where nothing is sure
    there is no category and no status, which EcoTaxa takes for unclassified.

    Args:
        score: the column of the probability; empty: none.
        others: whether other columns come along.
        raw: leave texts as they are that a spreadsheet takes for formulas.
    """

    def __init__(self, *, score: str = "object_score", others: bool = True, raw: bool = False) -> None:
        if score and not score.startswith("object_"):
            raise zoo.UsageError(f"score={score!r}: EcoTaxa takes columns of objects.", "Call it object_….")
        self.score, self.others, self.raw = score, others, raw

    def write(self, predictions: zoo.PredictionTable, path: Path) -> None:
        """Write the table. Raises UsageError: the predictions name no class, or several heads do."""
        said = predictions if self.raw else for_spreadsheet(predictions)
        columns = self._columns(said)
        with path.open("w", encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
            writer = csv.writer(opened, delimiter="\t", lineterminator="\n")
            writer.writerow(columns)
            writer.writerow(_type_of(title, cells) for title, cells in columns.items())
            writer.writerows(zip(*columns.values(), strict=True))

    def _columns(self, said: zoo.PredictionTable) -> dict[str, Sequence[str]]:
        start = find_class_head(said, of="EcoTaxa")
        given: dict[str, Sequence[str]] = {
            title: [_as_text(cell) for cell in cells] for title, cells in said.summary.items()
        }
        names = [_as_category(name) for name in given[f"{start}class"]]
        ids = all(name.isdecimal() for name in names if name) and any(names)
        columns: dict[str, Sequence[str]] = {"img_file_name": said.names}
        if "img_rank" in given:
            columns["img_rank"] = given["img_rank"]
        columns["object_id"] = _object_ids(given.get("object_id", ()), said.names)
        columns["object_annotation_category" + "_id" * ids] = names
        columns["object_annotation_status"] = ["predicted" if name else "" for name in names]
        if self.score and f"{start}probability" in given:
            columns[self.score] = given[f"{start}probability"]
        if self.others:
            owners = [owner for owner in OWNERS if owner == "object" or any(given.get(f"{owner}_id", ()))]
            for title, found in given.items():
                owned = title.partition("_")[0] in owners and not title.startswith("object_annotation_")
                cells = _as_imported(title, found)
                columns |= {title: cells} if owned and title not in columns and any(cells) else {}
        return columns


def _as_category(name: str) -> str:
    """A class as EcoTaxa looks it up: of `living > Maxillopoda > Copepoda` the last step with its parent."""
    steps = [step.strip() for step in name.split(">")]
    return "" if name == UNSURE else "<".join(reversed(steps[-2:]))


def _object_ids(given: Sequence[str], names: Sequence[str]) -> list[str]:
    """Those that a table gave; else the pictures' names, with their folders where two are called alike."""
    stems = [PurePosixPath(name).stem for name in names]
    counts = Counter(stems)
    own = [
        stem if counts[stem] == 1 else PurePosixPath(name).with_suffix("").as_posix()
        for stem, name in zip(stems, names, strict=True)
    ]
    return [said or name for said, name in zip(given, own, strict=True)] if given else own


def _as_text(cell: str | float) -> str:
    return cell if isinstance(cell, str) else f"{cell:.6g}"


def _as_imported(title: str, cells: Sequence[str]) -> list[str]:
    """Dates and times as every EcoTaxa takes them, 20140420 and 042000; NA as an empty cell."""
    known = ["" if is_missing(cell) else cell for cell in cells]
    marks = {"object_date": r"(\d{4})-(\d\d)-(\d\d)", "object_time": r"(\d\d):(\d\d):(\d\d)"}
    return [re.sub(marks[title], r"\1\2\3", cell) for cell in known] if title in marks else known


def _type_of(title: str, cells: Sequence[str]) -> str:
    """[f] for numbers of objects and pictures; all else is text, as EcoTaxa takes it."""
    if title == "object_annotation_category_id":
        return "[f]"
    said = [cell for cell in cells if cell]
    text = title.endswith("_id") or title in TEXTS or not title.startswith(("object_", "img_"))
    return "[f]" if said and not text and all(is_number(cell) and "," not in cell for cell in said) else "[t]"
