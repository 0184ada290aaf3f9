"""A run that was really trained, small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import CommandLine
from PIL import Image

SMALL = (
    "--backbone",
    "vgg11",
    "--cut",
    "block1",
    "--weights",
    "random",
    "--size",
    16,
    "--epochs",
    2,
    "--seed",
    0,
    "-q",
)


@pytest.fixture
def command(monkeypatch, capsys) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Ten dark pictures and ten bright ones, a folder a class."""
    numbers = np.random.default_rng(0)
    for shade, name in ((60, "Calanus"), (200, "Oithona")):
        for number in range(10):
            pixels = (numbers.integers(-20, 21, (16, 20)) + shade).astype(np.uint8)
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


@pytest.fixture
def run(command, photos, tmp_path, monkeypatch) -> Path:
    """A run of those pictures."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    trained = command("train", "image-folder", "--data", photos, *SMALL, "-o", tmp_path / "run")
    assert trained.status == 0, trained.err
    return tmp_path / "run"
