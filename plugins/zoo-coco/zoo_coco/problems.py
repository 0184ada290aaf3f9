"""What is wrong with tables but stops nobody: every case a line, and a warning a sort."""

from __future__ import annotations

import warnings
from collections import defaultdict

from zoo.errors import ZooWarning

SHOWN = 3  # cases that a warning names


class Problems:
    """Cases by their sort, in the order in which they were found."""

    def __init__(self) -> None:
        self._cases: dict[str, list[str]] = defaultdict(list)

    def add(self, sort: str, where: str) -> None:
        """Add a case.

        Args:
            sort: what is wrong and what was done about it, a clause; the same for all cases of one sort.
            where: the picture, or the table and the entry's number.
        """
        self._cases[sort].append(where)

    def lines(self) -> tuple[str, ...]:
        """Every case."""
        return tuple(f"{where}: {sort}." for sort, cases in self._cases.items() for where in cases)

    def counts(self) -> str:
        """`a picture that is not there (3); a box without width (1)`, for an error."""
        return "; ".join(f"{sort.partition(';')[0]} ({len(cases)})" for sort, cases in self._cases.items())

    def warn(self) -> None:
        """A `ZooWarning` a sort, with the number of its cases and the first of them."""
        for sort, cases in self._cases.items():
            more = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
            said = f"{sort[0].upper()}{sort[1:]}: {', '.join(cases[:SHOWN])}{more} ({len(cases)} in all)."
            warnings.warn(said, ZooWarning, stacklevel=3)
