"""What is wrong with the rows of an export, gathered, so that all of it is said at once."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import FileError


class Faults:
    """Rows at fault by kind: how many, the first of each, and what to do."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, str, str]] = {}

    def add(self, what: str, where: str, remedy: str) -> None:
        """Count a row.

        Args:
            what: goes on from "2 rows", the same for all of one kind.
            where: the value and the line.
            remedy: a sentence.
        """
        count, first, said = self._kinds.get(what, (0, where, remedy))
        self._kinds[what] = count + 1, first, said

    def check(self, root: Path) -> None:
        """Raise FileError where there are any."""
        if not self._kinds:
            return
        said = [
            f"{count} row{'s' * (count > 1)} {what} ({'the first: ' * (count > 1)}{first})"
            for what, (count, first, _) in self._kinds.items()
        ]
        remedies = dict.fromkeys(remedy for _, _, remedy in self._kinds.values())
        raise FileError(root, "; ".join(said), " ".join(remedies))
