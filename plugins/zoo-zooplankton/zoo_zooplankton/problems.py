"""What is wrong with a set but stops nobody: counted, so that it is said in a line a sort."""

from __future__ import annotations

import warnings

from zoo.errors import ZooWarning

SHOWN = 3  # cases that a line names


class Problems:
    """Cases by their sort: how many, and the first of them."""

    def __init__(self) -> None:
        self._sorts: dict[str, tuple[int, list[str]]] = {}

    def add(self, sort: str, where: str) -> None:
        """Count a case.

        Args:
            sort: what is wrong and what was done about it, a clause; the same for all cases of one sort.
            where: the picture or the row.
        """
        count, first = self._sorts.setdefault(sort, (0, []))
        self._sorts[sort] = count + 1, first if len(first) >= SHOWN else [*first, where]

    def warn(self) -> None:
        """A `ZooWarning` a sort."""
        for sort, (count, first) in self._sorts.items():
            more = f" and {count - len(first)} more" if count > len(first) else ""
            warnings.warn(ZooWarning(f"{sort}: {', '.join(first)}{more} ({count} in all)."), stacklevel=3)

    def __str__(self) -> str:
        return "; ".join(f"{sort} ({count})" for sort, (count, _) in self._sorts.items()) or "there are none"
