"""Upload progress: files that report how much of them was read."""

from __future__ import annotations

import io
from pathlib import Path

from zoo.progress import Progress


class Meter:
    """How many bytes have gone, of all files together."""

    def __init__(self, progress: Progress, total: int) -> None:
        self.progress, self.total, self.running = progress, total, False
        self.sent: dict[int, int] = {}

    def start(self) -> None:
        """Count from now on: what was read before was only hashed."""
        self.running = True

    def note(self, file: int, position: int) -> None:
        """A file was read up to there."""
        if self.running:
            self.sent[file] = position
            self.progress("sending", min(sum(self.sent.values()), self.total), self.total)


class MeteredFile(io.BufferedReader):
    """An opened file that reports how much of it was read."""

    def __init__(self, path: Path, meter: Meter) -> None:
        super().__init__(io.FileIO(path))
        self.meter = meter

    def read(self, size: int | None = -1, /) -> bytes:
        """As every file does."""
        content = super().read(size)
        self.meter.note(id(self), self.tell())
        return content
