"""A run that was really trained, of few and small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from command_line import CommandLine
from PIL import Image

NETWORK = ("--backbone", "vgg11", "--cut", "block1", "--weights", "random", "--size", 16)
TRAINING = ("--epochs", 2, "--seed", 0, "-q")


def draw_photos(folder: Path, dark: str, bright: str) -> Path:
    """Ten dark pictures and ten bright ones, a folder a class."""
    numbers = np.random.default_rng(0)
    for shade, name in ((60, dark), (200, bright)):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            pixels = (numbers.integers(-20, 21, (16, 20)) + shade).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def train_small(command: CommandLine, photos: Path, out: Path) -> Path:
    """The run's folder."""
    trained = command("train", "image-folder", "--data", photos, *NETWORK, *TRAINING, "-o", out)
    assert trained.status == 0, trained.err
    return out
