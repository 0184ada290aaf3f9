"""Vectors of kinds that overlap, and a labelling of drawn pictures whose vectors are told and not computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from zoo_label.journal import Journal
from zoo_label.pictures import open_folder
from zoo_label.session import Labelling

KINDS = ("copepod", "diatom", "egg", "larva")
COLOURS = ((200, 80, 60), (70, 160, 90), (230, 200, 90), (90, 110, 200))


def draw_vectors(count: int, *, spread: float = 1.0, seed: int = 0, width: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, D) float32 of four kinds around centres of their own, and the kinds int (N)."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(len(KINDS), width))
    truth = rng.integers(0, len(KINDS), count)
    return (centres[truth] + spread * rng.normal(size=(count, width))).astype(np.float32), truth


def draw_pictures(folder: Path, truth: np.ndarray, *, side: int = 24) -> Path:
    """A small picture each: a disc in the colour of its kind, on grey."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:side, :side]
    disc = (x - side / 2) ** 2 + (y - side / 2) ** 2 < (side / 3) ** 2
    for number, kind in enumerate(truth.tolist()):
        picture = np.full((side, side, 3), 60 + number % 40, dtype=np.uint8)
        picture[disc] = COLOURS[kind]
        Image.fromarray(picture).save(folder / f"{number:05}.png")
    return folder


def open_drawn(
    place: Path, count: int, *, spread: float = 1.0, seed: int = 0, person: str = "Ada"
) -> tuple[Labelling, np.ndarray]:
    """A labelling of drawn pictures with their vectors, and the truth by the pictures' numbers."""
    vectors, truth = draw_vectors(count, spread=spread, seed=seed)
    folder = place / "photos"
    if not folder.exists():
        draw_pictures(folder, truth)
    pictures = open_folder(folder)
    journal = Journal(place / "labels.sqlite")
    labelling = Labelling(journal, pictures, person=person, filters="sha256:drawn", filters_name="drawn")
    labelling.take_vectors(pictures.paths, vectors)
    return labelling, truth
