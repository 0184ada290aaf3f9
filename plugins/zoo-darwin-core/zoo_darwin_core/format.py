"""The format `dwca`: predictions as occurrences in a Darwin Core archive, for GBIF and OBIS."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

import zoo
from zoo.errors import ZooWarning, one_line
from zoo.evaluation import find_class_head, for_spreadsheet
from zoo_darwin_core.archive import LICENSES, About, Table, write_archive
from zoo_darwin_core.columns import is_missing, read_columns
from zoo_darwin_core.occurrences import find_machine, identify, list_media, name_occurrences
from zoo_darwin_core.taxa import Taxa

ASKED = ("eventDate", "decimalLatitude", "decimalLongitude")  # by GBIF and OBIS; the pictures alone do not tell
ECOTAXA_STATUS = "object_annotation_status"
SHOWN = 5  # classes that a message names
NOTHING = np.empty((0, 0), dtype=np.float32)
_NO_XML = re.compile("[\ufffe\uffff]")


class DarwinCoreArchive(zoo.Format):
    """A zip of occurrences, an occurrence a picture, its picture as multimedia, and what gave the names.

    `basisOfRecord` is MachineObservation, `identificationVerificationStatus` PredictedByMachine; `identifiedBy` names
    the filters, `identificationReferences` has their manifest's hash, `identificationRemarks` the probability. When
    and where comes from the pictures' table, in the words of Darwin Core, Camtrap DP or EcoTaxa. Pictures of no taxon,
    `empty` or `detritus`, are left out, and a line says so.

    Args:
        taxa: a CSV: classes in the first column, then `scientificName` and other terms, as `scientificNameID`; a class
            without a scientificName is no taxon. Without the CSV classes are scientific names.
        media: the address below which the pictures are public, https://….
        validated: a column with the class that a person gave, which goes before the machine's: ValidatedByHuman.
        title: of the whole; by default it names the filters.
        creator: who publishes it, `Lovelace, Ada` or an organisation.
        email: of the creator.
        license: of the occurrences; these three are what GBIF takes.
        dataset: its name, in every occurrence.
        raw: leave texts as they are that a spreadsheet takes for formulas.
    """

    suffixes: ClassVar[Sequence[str]] = (".dwca", ".dwca.zip")

    def __init__(
        self,
        *,
        taxa: str = "",
        media: str = "",
        validated: str = "",
        title: str = "",
        creator: str = "",
        email: str = "",
        license: Literal["", "cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0"] = "",
        dataset: str = "",
        raw: bool = False,
    ) -> None:
        if media and not media.startswith(("https://", "http://")):
            raise zoo.UsageError(f"media={media!r} is no address.", "Say where the pictures are public, https://….")
        self.taxa = Taxa.read(Path(taxa).expanduser()) if taxa else Taxa()
        self.media, self.validated, self.dataset, self.raw = media, validated, dataset, raw
        self.title, self.creator, self.email, self.license = title, creator, email, license

    def write(self, predictions: zoo.PredictionTable, path: Path) -> None:
        """What GBIF asks for and nobody said, and what was left out, is a `ZooWarning`.

        Raises:
            UsageError: no head names a class, or several do; a class is missing in the table of taxa; the column of
                validated classes is not there; no picture is of a taxon.
        """
        start = find_class_head(predictions, of="a Darwin Core archive")
        machine = [str(name) for name in predictions.summary[f"{start}class"]]
        persons = self._persons(predictions)
        names = [person or name for person, name in zip(persons, machine, strict=True)]
        self.taxa.check(names)
        taxa = [self.taxa.find(name) for name in names]
        rows = [place for place, taxon in enumerate(taxa) if taxon is not None]
        _report_left_out([name for name, taxon in zip(names, taxa, strict=True) if taxon is None], len(rows))

        kept = _take(predictions, rows)
        given = read_columns(kept.summary, len(rows))
        self._warn_of_gaps(given, len(rows))
        ids, files = name_occurrences(kept.names, given.pop("occurrenceID", None))
        media = list_media(ids, files, self.media, given.get("eventDate"))
        occurrences = {
            "occurrenceID": ids,
            "basisOfRecord": ["MachineObservation"] * len(rows),
            "occurrenceStatus": ["present"] * len(rows),
            **given,
            **_as_columns([taxa[place] or {} for place in rows]),
            "verbatimIdentification": [names[place] for place in rows],
            **identify(kept, start, [bool(persons[place]) for place in rows]),
            "associatedMedia": media["identifier"],
            "datasetName": [self.dataset] * len(rows),
            "license": [LICENSES[self.license][2] if self.license else ""] * len(rows),
        }
        occurrences = {term: cells for term, cells in occurrences.items() if any(cells) or not rows}
        write_archive(path, self._finish(occurrences), self._finish(media), self._about(predictions, len(rows)))

    def _persons(self, predictions: zoo.PredictionTable) -> list[str]:
        """The class that a person gave each picture; "": nobody did."""
        if not self.validated:
            return [""] * len(predictions.names)
        if self.validated not in predictions.summary:
            raise zoo.UsageError(
                f"validated={self.validated!r}: the pictures' table has no such column; there is "
                f"{', '.join(predictions.summary)}.",
                "Name the column with the classes that people gave.",
            )
        cells = ["" if is_missing(str(cell)) else str(cell) for cell in predictions.summary[self.validated]]
        status = predictions.summary.get(ECOTAXA_STATUS)  # without it every cell is a person's
        return (
            cells if status is None else [cell * (one == "validated") for cell, one in zip(cells, status, strict=True)]
        )

    def _warn_of_gaps(self, given: Mapping[str, Sequence[str]], count: int) -> None:
        gaps = {term: sum(not cell for cell in given.get(term, [""] * count)) for term in ASKED}
        said = [f"{term} ({empty} of {count})" for term, empty in gaps.items() if empty]
        said += [f"a {name}" for name, one in (("creator", self.creator), ("license", self.license)) if not one]
        if said:
            remedy = "Predict a CSV of the pictures with those columns, and pass `options={'license': …}` and its like."
            warnings.warn(f"GBIF asks for {', '.join(said)}, which nobody said. {remedy}", ZooWarning, stacklevel=3)

    def _finish(self, columns: Table) -> Table:
        """Every cell in one line, and harmless to spreadsheets unless raw."""
        texts = tuple(dict.fromkeys(cell for cells in columns.values() for cell in cells))  # many stand there often
        table = zoo.PredictionTable(images=(), names=texts, summary={}, columns=(), values=NOTHING, sizes=())
        harmless = map(one_line, texts) if self.raw else for_spreadsheet(table).names
        known = dict(zip(texts, harmless, strict=True))
        return {term: [known[cell] for cell in cells] for term, cells in columns.items()}

    def _about(self, predictions: zoo.PredictionTable, count: int) -> About:
        known, machine = predictions.metadata, find_machine(predictions.metadata)
        time = known.get("time", "")
        method = f"The names were given by {machine}" + f" on {time}" * bool(time)
        facts = {
            "title": self.title or f"{count} occurrences named by {machine}",
            "creator": self.creator,
            "email": self.email,
            "abstract": f"{count} occurrences on {len(predictions.names)} pictures, named by {machine}. The column "
            "identificationVerificationStatus says which names a person confirmed.",
            "method": f"{method}; its manifest is {known['manifest']}." if "manifest" in known else f"{method}.",
            "date": time[:10],
        }
        texts = {name: _NO_XML.sub("\N{REPLACEMENT CHARACTER}", one_line(text)) for name, text in facts.items()}
        return About(license=self.license, **texts)


def _report_left_out(names: Sequence[str], kept: int) -> None:
    """Raises UsageError: nothing is left."""
    counts = Counter(name or "no answer" for name in names).most_common()
    listed = ", ".join(f"{name} ({count})" for name, count in counts[:SHOWN]) + ", …" * (len(counts) > SHOWN)
    if names and not kept:
        remedy = "Say which classes are taxa, `options={'taxa': 'FILE.csv'}`, or choose another format."
        raise zoo.UsageError(f"None of the {len(names)} pictures shows a taxon: {listed}.", remedy)
    if names:
        said = f"{len(names)} of {len(names) + kept} pictures show no taxon, and were left out: {listed}."
        warnings.warn(said, ZooWarning, stacklevel=3)


def _take(predictions: zoo.PredictionTable, rows: Sequence[int]) -> zoo.PredictionTable:
    """Some of the pictures."""
    return replace(
        predictions,
        images=tuple(predictions.images[row] for row in rows),
        names=tuple(predictions.names[row] for row in rows),
        summary={title: tuple(cells[row] for row in rows) for title, cells in predictions.summary.items()},
        values=predictions.values[list(rows)],
        sizes=tuple(predictions.sizes[row] for row in rows),
    )


def _as_columns(rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Rows of some terms each -> columns of all of them."""
    return {term: [row.get(term, "") for row in rows] for term in dict.fromkeys(term for row in rows for term in row)}
