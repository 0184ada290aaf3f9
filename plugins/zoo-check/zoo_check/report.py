"""What a check found: findings by how bad they are, and the list of pictures to leave out."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo.data import OpenDataset, read_list
from zoo.files import write_atomically

Severity = Literal["fault", "warning", "note"]

SEVERITIES: tuple[Severity, ...] = ("fault", "warning", "note")
COLUMNS = ("path", "finding", "of", "label", "split")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One kind of thing that was found, with the pictures that it is about."""

    kind: str  # "contradiction"
    severity: Severity  # a fault makes figures wrong or stops a training; a note is to be looked at
    count: int  # of what the text counts: sets, groups, pictures, classes
    text: str  # one sentence
    remedy: str = ""  # what to do
    sets: tuple[tuple[str, ...], ...] = ()  # pictures by name, those that belong together in one set
    drop: tuple[str, ...] = ()  # those that had better be left out
    numbers: Mapping[str, float] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """The text and the remedy."""
        return f"{self.text} {self.remedy}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPicture:
    """What a page and a list say of a picture."""

    index: int  # in the dataset
    label: str = ""
    split: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetReport:
    """All that was found in a dataset, the worst first."""

    data: OpenDataset = field(repr=False)
    pictures: int  # that could be read
    groups: int
    splits: str  # "train 300, test 100"
    smallest: str  # "31x40"
    largest: str
    classes: Mapping[str, Mapping[str, int]]  # by target, pictures a class
    findings: tuple[Finding, ...]
    known: Mapping[str, KnownPicture] = field(default_factory=dict, repr=False)  # by name, of pictures in findings

    @property
    def faults(self) -> tuple[str, ...]:
        """A line each."""
        return self._lines("fault")

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line each."""
        return self._lines("warning")

    @property
    def notes(self) -> tuple[str, ...]:
        """A line each."""
        return self._lines("note")

    @property
    def excluded(self) -> dict[str, Finding]:
        """The pictures that had better be left out, by name, each with the worst finding that says so."""
        found: dict[str, Finding] = {}
        for finding in self.findings:
            for name in finding.drop:
                found.setdefault(name, finding)
        return found

    def of_kind(self, kind: str) -> list[Finding]:
        """The findings of one kind."""
        return [one for one in self.findings if one.kind == kind]

    def _lines(self, severity: Severity) -> tuple[str, ...]:
        return tuple(one.line for one in self.findings if one.severity == severity)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        facts = ("pictures", "groups", "splits", "smallest", "largest", "classes", "faults", "warnings", "notes")
        findings = [asdict(finding) for finding in self.findings]
        return {name: getattr(self, name) for name in facts} | {"findings": findings, "excluded": [*self.excluded]}


def rank_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Faults first, then warnings, then notes; each as they were found."""
    return tuple(sorted(findings, key=lambda one: SEVERITIES.index(one.severity)))


def write_list(report: DatasetReport, path: Path) -> int:
    """Write a CSV of the pictures to leave out, which `exclude=` takes; how many there are.

    Its columns are `path`, `finding`, `of` (the picture that stays in its place), `label` and `split`. Lines may be
    removed and added by hand: only `path` is read. What was left out of the check already stands in it too.

    Raises:
        FileError: it cannot be written.
    """
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(COLUMNS)
    earlier = report.data.options.get("exclude")
    before = read_list(Path(earlier)) if earlier is not None else []
    writer.writerows([_as_cell(name), "left out before", "", "", ""] for name in before)
    for name, finding in report.excluded.items():
        known = report.known.get(name, KnownPicture(index=-1))
        together = next((one for one in finding.sets if name in one), ())
        stays = next((one for one in together if one not in finding.drop), "")
        writer.writerow([_as_cell(cell) for cell in (name, finding.kind, stays, known.label, known.split)])
    write_atomically(path, held.getvalue().encode(errors="surrogateescape"))
    return len(before) + len(report.excluded)


def _as_cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula; the apostrophe is taken off again where the list is read."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def count_of(number: int, one: str, several: str) -> str:
    """`1 picture stands`, `1,200 pictures stand`."""
    return f"{number:,} {one if number == 1 else several}"
