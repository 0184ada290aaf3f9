"""A run that was really trained, small."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import CommandLine
from small_run import draw_photos, train_small


@pytest.fixture
def command(monkeypatch, capsys) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten dark pictures and ten bright ones, a folder a class."""
    return draw_photos(tmp_path / "photos", "Calanus", "=Oithona")


@pytest.fixture
def run(command, photos, tmp_path, monkeypatch) -> Path:
    """A run of those pictures."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    return train_small(command, photos, tmp_path / "run")
