"""Sets of equal pictures as findings: two labels, two splits, or merely twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zoo_check.duplicates import Copies
from zoo_check.report import Finding, Severity, count_of
from zoo_check.survey import Survey

STANDS, IS_THERE = ("picture stands", "pictures stand"), ("picture is there", "pictures are there")
SAID: dict[str, tuple[Severity, tuple[str, str], str, str]] = {
    "contradiction": ("fault", STANDS, "under two labels", "Correct the labels, or leave all of them out."),
    "leak-duplicates": (
        "fault",
        STANDS,
        "in several splits: what is tested was seen in training",
        "Leave out all but one of each.",
    ),
    "duplicate": (
        "warning",
        IS_THERE,
        "more than once, to the last pixel",
        "Leave out all but one of each, lest a split drawn at random part them.",
    ),
    "near-duplicate": (
        "warning",
        IS_THERE,
        "more than once, nearly the same",
        "Leave out all but one of each, lest a split drawn at random part them.",
    ),
}


def describe_copies(survey: Survey, copies: Sequence[Copies]) -> Iterator[Finding]:
    """Each set counts once: as a contradiction, else as a leak, else as duplicates, exact or near."""
    sorts: dict[str, list[Copies]] = {kind: [] for kind in SAID}
    for one in copies:
        leaks = len(set(survey.splits[list(one.rows)].tolist()) - {""}) > 1
        twice = "duplicate" if one.exact else "near-duplicate"
        kind = "contradiction" if _contradict(survey, one) else "leak-duplicates" if leaks else twice
        sorts[kind].append(one)
    for kind, some in sorts.items():
        if some:
            yield _as_finding(survey, kind, some)


def _contradict(survey: Survey, copies: Copies) -> bool:
    """Whether two of them are said to be different things; what is not labelled contradicts nothing."""
    rows = list(copies.rows)
    return any(len(set(column[rows].tolist()) - {-1}) > 1 for column in survey.labels.values())


def _as_finding(survey: Survey, kind: str, some: Sequence[Copies]) -> Finding:
    severity, numbered, said, remedy = SAID[kind]
    first = list(some[0].rows[:2])
    if kind == "contradiction":
        labels = [survey.labels_of(row) for row in some[0].rows]
        place = next((place for place, label in enumerate(labels) if label != labels[0]), 1)
        first = [some[0].rows[0], some[0].rows[place]]
    names = [
        f"{survey.name(row)} as {survey.labels_of(row)}" if kind == "contradiction" else survey.name(row)
        for row in first
    ]
    grouped = len(set(survey.groups) - {""}) > 1
    apart = sum(len({survey.groups[row] for row in one.rows}) > 1 for one in some)
    if near := sum(not one.exact for one in some) if severity == "fault" else 0:
        head, colon, rest = said.partition(":")
        said = f"{head}, {near} of them nearly the same{colon}{rest}"
    if grouped and severity == "warning":
        said += f", {apart} of them in different groups" if apart else ", each time in one group"
    stays = set() if kind == "contradiction" else {_best(survey, one) for one in some}
    return Finding(
        kind=kind,
        severity=severity,
        count=len(some),
        text=f"{count_of(len(some), *numbered)} {said} ({' and '.join(names)}{', …' if len(some) > 1 else ''}).",
        remedy=remedy,
        sets=tuple(tuple(map(survey.name, one.rows)) for one in some),
        drop=tuple(survey.name(row) for one in some for row in one.rows if row not in stays),
        numbers={"in different groups": apart} if grouped else {},
    )


def _best(survey: Survey, copies: Copies) -> int:
    """The one that stays: a test picture before one of training, a larger before a smaller, the first of all."""
    order = {"test": 0, "val": 1}
    area = survey.sizes[:, 0] * survey.sizes[:, 1]
    return min(copies.rows, key=lambda row: (order.get(str(survey.splits[row]), 2), -int(area[row]), row))
