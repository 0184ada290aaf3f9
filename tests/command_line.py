"""The command line inside the test's own process: what it prints, and how it exits."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from zoo.cli.main import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command gave back."""

    status: int
    out: str
    err: str

    @property
    def fault(self) -> str:
        """The one line on stderr of a command that failed; anything more, or any data, is a fault of its own."""
        assert self.status in (1, 2), (self.status, self.out, self.err)
        assert self.out == ""
        assert self.err.startswith("Error: ")
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        return self.err.removeprefix("Error: ").rstrip("\n")


class CommandLine:
    """Call it with the words after `zoo`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: object) -> Answer:
        self._monkeypatch.setattr(sys, "argv", ["zoo", *map(str, words)])
        self._capsys.readouterr()
        status = 0
        try:
            main()
        except SystemExit as done:
            status = int(done.code or 0)
        out, err = self._capsys.readouterr()
        return Answer(status=status, out=out, err=err)
