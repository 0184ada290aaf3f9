"""What is wrong with a folder but stops nobody: every case a line, and a summary a sort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

SHOWN = 3  # cases that a summary names


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One case."""

    sort: str  # what is wrong and what was done about it, a clause; the same for all cases of one sort
    where: str  # the picture or the file

    def __str__(self) -> str:
        return f"{self.where}: {self.sort}."


def summarise(problems: Iterable[Problem]) -> list[str]:
    """A line a sort, with the number of its cases and the first of them."""
    sorts: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        sorts[problem.sort].append(problem.where)
    lines = []
    for sort, cases in sorts.items():
        more = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
        lines.append(f"{sort[0].upper()}{sort[1:]}: {', '.join(cases[:SHOWN])}{more} ({len(cases)} in all).")
    return lines
