"""How long-running work reports its progress."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called by long work; the command line draws a bar, a program may pass its own."""

    def __call__(self, what: str, done: int, total: int | None = None, note: str = "") -> None:
        """Report how much is done.

        Args:
            what: the work, in a few words ("decoding pictures"); a new text starts a new bar.
            done: how many units are done.
            total: how many there are, None where that is not known.
            note: numbers to show beside the bar ("accuracy 0.93").
        """


def silent(what: str, done: int, total: int | None = None, note: str = "") -> None:
    """Report nothing; the default."""
