"""The formats `kaggle-probabilities` and `kaggle-labels`: submissions as competitions ask for them."""

from __future__ import annotations

import csv
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import zoo
from zoo.errors import ZooWarning
from zoo.evaluation import find_class_head, for_spreadsheet
from zoo_kaggle.sample import Sample, name_pictures

SHOWN = 3  # names that a message lists


class KaggleProbabilities(zoo.Format):
    """`image,<classes>`: a line a picture, a probability a class; the National Data Science Bowl, Fisheries Monitoring.

    With the competition's sample submission its header, its pictures and the order of both are kept, and what does not
    fit them is said. Without it the classes are the model's, in its order, and a picture is called by its file's name,
    below the folder `test_stg2` with that before it.

    Args:
        sample: the sample submission, a CSV.
        fill: give pictures of the sample that were not predicted the mean of the others, in place of stopping.
        digits: significant ones.
        raw: leave texts as they are that a spreadsheet takes for formulas.
    """

    def __init__(self, *, sample: str = "", fill: bool = False, digits: int = 6, raw: bool = False) -> None:
        if not 1 <= digits <= 17:
            raise zoo.UsageError(f"digits={digits}: a number has 1 to 17.", "Leave it out for 6.")
        self.sample, self.fill, self.digits, self.raw = _read_sample(sample), fill, digits, raw

    def write(self, predictions: zoo.PredictionTable, path: Path) -> None:
        """Raises UsageError: no head names a class, or several do, or the sample has other classes or pictures."""
        start = find_class_head(predictions, of="a submission")
        at = {
            name.removeprefix(start): place for place, name in enumerate(predictions.columns) if name.startswith(start)
        }
        if not np.isfinite(predictions.values[:, [*at.values()]]).all():
            raise zoo.UsageError("Some of the probabilities are no numbers.", "Train the run again.")
        shares = {name: predictions.values[:, place].tolist() for name, place in at.items()}
        first, names, places = _fit_rows(self.sample, predictions, fill=self.fill)
        if self.sample:
            shares = _fit_classes(self.sample, shares, count=len(predictions.images))
        rows = {
            name: tuple(sum(column) / len(column) if one is None else column[one] for one in places)
            for name, column in shares.items()
        }
        table = replace(predictions, names=tuple(names), summary=rows)
        _save(table, path, first=first, digits=self.digits, raw=self.raw)


class KaggleLabels(zoo.Format):
    """`id,label`: a line a picture, its likeliest class.

    With the competition's sample submission its two titles, its pictures and their order are kept, and what does not
    fit them is said; names without a suffix, `17` of `17.png`, are found too.

    Args:
        sample: the sample submission, a CSV.
        fill: give pictures of the sample that were not predicted the commonest class, in place of stopping.
        id: the title of the first column; the sample's goes before.
        label: the title of the second, likewise.
        raw: leave texts as they are that a spreadsheet takes for formulas.
    """

    def __init__(
        self, *, sample: str = "", fill: bool = False, id: str = "id", label: str = "label", raw: bool = False
    ) -> None:
        self.sample, self.fill, self.raw = _read_sample(sample), fill, raw
        if self.sample and len(self.sample.header) > 2:
            raise zoo.UsageError(
                f"{self.sample.path.name} has {len(self.sample.header)} columns, and this format two.",
                "Choose the format kaggle-probabilities.",
            )
        self.id, self.label = self.sample.header if self.sample else (id, label)

    def write(self, predictions: zoo.PredictionTable, path: Path) -> None:
        """Raises UsageError: no head names a class, or several do, or the sample has other pictures."""
        start = find_class_head(predictions, of="a submission")
        said = predictions.summary.get(f"{start}likeliest", predictions.summary[f"{start}class"])  # of `hierarchy`
        _, names, places = _fit_rows(self.sample, predictions, fill=self.fill)
        commonest = Counter(said).most_common(1)[0][0] if None in places else ""
        labels = tuple(str(commonest if place is None else said[place]) for place in places)
        _save(replace(predictions, names=tuple(names), summary={self.label: labels}), path, first=self.id, raw=self.raw)


def _read_sample(path: str) -> Sample | None:
    return Sample.read(Path(path).expanduser()) if path else None


def _fit_rows(
    sample: Sample | None, predictions: zoo.PredictionTable, *, fill: bool
) -> tuple[str, Sequence[str], Sequence[int | None]]:
    """The first column's title, what the rows are called, and which picture each is; None: it was not predicted."""
    if sample is None:
        return "image", name_pictures(predictions.images, predictions.names), range(len(predictions.images))
    places = sample.find(predictions.images)
    lost = [name for name, place in zip(sample.names, places, strict=True) if place is None]
    if lost and not (fill and predictions.images):
        raise zoo.UsageError(
            f"{len(lost):,} of the {len(places):,} pictures of {sample.path.name} were not predicted: {_some(lost)}.",
            "Predict all test pictures, or have the others filled in, `options={'fill': 'true'}`.",
        )
    _note(sample, lost, "pictures were not predicted, and are filled in")
    found = {*places}
    _note(
        sample,
        [one for place, one in enumerate(predictions.images) if place not in found],
        "pictures are not in it, and were left out",
    )
    return sample.header[0], sample.names, places


def _fit_classes(sample: Sample, shares: Mapping[str, list[float]], *, count: int) -> dict[str, list[float]]:
    """Columns of `count` probabilities, in the sample's order."""
    classes = sample.header[1:]
    if strangers := [name for name in shares if name not in classes]:
        raise zoo.UsageError(
            f"{sample.path.name} has no column for {len(strangers)} of the model's {len(shares)} classes: "
            f"{_some(strangers)}.",
            "Name the sample submission of the competition whose classes were learnt.",
        )
    _note(
        sample, [name for name in classes if name not in shares], "classes are unknown to the model, and 0 throughout"
    )
    return {name: shares.get(name, [0.0] * count) for name in classes}


def _note(sample: Sample, names: Sequence[str], what: str) -> None:
    if names:
        warnings.warn(f"{sample.path.name}: {len(names):,} {what}: {_some(names)}.", ZooWarning, stacklevel=4)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + ", …" * (len(names) > SHOWN)


def _save(predictions: zoo.PredictionTable, path: Path, *, first: str, raw: bool, digits: int = 6) -> None:
    """Write the names and the summary as CSV."""
    said = predictions if raw else for_spreadsheet(predictions)
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow([first, *said.summary])
        for row in zip(said.names, *said.summary.values(), strict=True):
            writer.writerow(cell if isinstance(cell, str) else f"{cell:.{digits}g}" for cell in row)
