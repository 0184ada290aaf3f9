"""What a class means: a taxon with its name, or nothing that is an occurrence."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import FileError, UsageError

TERMS = (  # of Darwin Core that a table of taxa may have beside the class
    *("taxonID", "scientificNameID", "acceptedNameUsageID", "parentNameUsageID", "nameAccordingToID", "taxonConceptID"),
    *("scientificName", "acceptedNameUsage", "parentNameUsage", "originalNameUsage", "nameAccordingTo"),
    *("higherClassification", "kingdom", "phylum", "class", "order", "superfamily", "family", "subfamily", "tribe"),
    *("subtribe", "genus", "genericName", "subgenus", "infragenericEpithet", "specificEpithet"),
    *("infraspecificEpithet", "cultivarEpithet", "taxonRank", "verbatimTaxonRank", "scientificNameAuthorship"),
    *("vernacularName", "nomenclaturalCode", "taxonomicStatus", "nomenclaturalStatus", "taxonRemarks"),
)
NO_TAXA = frozenset(  # classes that name nothing living, nothing known, or people
    {
        *("empty", "blank", "no animal", "false trigger", "misfire", "nof", "vehicle", "human", "person", "people"),
        *("unknown", "unsure", "unidentified", "unclassified", "other", "others", "not-living", "not living"),
        *("detritus", "artefact", "artifact", "bubble", "bubbles", "marine snow", "snow"),
    }
)
SHOWN = 5  # classes that a message lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxa:
    """Taxa by class, from the user's table; without one they are read off the classes' names."""

    rows: Mapping[str, Mapping[str, str]] | None = None  # Darwin Core terms by class; None: there is no table
    table: str = ""  # its name

    @classmethod
    def read(cls, path: Path) -> Taxa:
        """Read a CSV: a class a row in its first column, then columns that are Darwin Core terms.

        Raises:
            FileError: it cannot be read, lacks `scientificName`, or has a column or a class twice.
        """
        remedy = "Write a column of classes, then scientificName and other terms, scientificNameID or taxonRank."
        try:
            with path.open(newline="", encoding="utf-8-sig") as opened:
                header, *lines = [[cell.strip() for cell in row] for row in csv.reader(opened) if any(row)] or [[]]
        except FileNotFoundError as error:
            raise FileError(path, "there is no such table of taxa", "Check `options={'taxa': …}`.") from error
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise FileError(path, f"not a readable CSV ({error})", "Save it as CSV in UTF-8.") from error
        terms = header[1:]
        if "scientificName" not in terms or len(set(terms)) < len(terms):
            said = ", ".join(header)[:80] or "nothing"
            raise FileError(path, f"its columns are {said}, and scientificName must be one, each once", remedy)
        if odd := [term for term in terms if term not in TERMS]:
            raise FileError(path, f"{odd[0]!r} is no Darwin Core term of a taxon", remedy)
        rows: dict[str, Mapping[str, str]] = {}
        for name, *cells in lines:
            if name in rows:
                raise FileError(path, f"it has the class {name!r} twice", "Keep one of the rows.")
            rows[name] = {term: cell for term, cell in zip(terms, cells, strict=False) if cell}
        return cls(rows=rows, table=path.name)

    def check(self, classes: Iterable[str]) -> None:
        """Raises UsageError: the table has no row for some of the classes."""
        if self.rows is None:
            return
        if lost := sorted({name for name in classes if name} - self.rows.keys()):
            listed = ", ".join(lost[:SHOWN]) + ", …" * (len(lost) > SHOWN)
            raise UsageError(
                f"{self.table} has no row for {len(lost)} of the classes: {listed}.",
                "Add them; a row without a scientificName says that a class is no taxon.",
            )

    def find(self, name: str) -> Mapping[str, str] | None:
        """The terms of a class, `scientificName` among them; None: it is no taxon."""
        if self.rows is not None:
            found = self.rows.get(name, {})
            return found if "scientificName" in found else None
        steps = _steps(name)
        if not steps or any(step.casefold() in NO_TAXA for step in steps):
            return None
        found = {"scientificName": steps[-1]}
        return found | ({"higherClassification": " | ".join(steps[:-1])} if len(steps) > 1 else {})


def _steps(name: str) -> list[str]:
    """From the top: `living > Copepoda` and EcoTaxa's `Copepoda<living` -> living, Copepoda."""
    parts = name.split(">") if ">" in name else name.split("<")[::-1]
    return [step for part in parts if (step := " ".join(part.replace("_", " ").split()).strip("() "))]
