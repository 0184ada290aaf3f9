"""The datasets `fractals` and `dead-leaves`: drawn when they are asked for, by number and seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import zoo
from zoo.errors import UsageError
from zoo.progress import Progress, silent
from zoo_fractals.fractals import draw_picture
from zoo_fractals.leaves import draw_scene, draw_view
from zoo_fractals.systems import draw_system

MOST_CLASSES = 10_000
SCENE = 2.5  # a scene's side, of a picture's


class _Drawn(zoo.Dataset):
    """What both have in common.

    Args:
        classes: how many systems or scenes there are, 2 to 10,000.
        pictures: how many are drawn.
        side: of the pictures, in pixels.
        seed: the same options and seed draw the same pictures.

    Raises:
        UsageError: an option out of its range.
    """

    symmetry = "turns"
    license = "cc0-1.0"

    def __init__(self, *, classes: int = 200, pictures: int = 10_000, side: int = 64, seed: int = 0) -> None:
        for name, value, low, high in (
            ("classes", classes, 2, MOST_CLASSES),
            ("pictures", pictures, 2 * classes, 100_000_000),
            ("side", side, 16, 1024),
            ("seed", seed, 0, 2**31 - 1),
        ):
            if not low <= value <= high:
                raise UsageError(f"{name}={value} cannot be drawn.", f"Pass {low:,} to {high:,}.")
        self.classes, self.pictures, self.side, self.seed = classes, pictures, side, seed

    def __len__(self) -> int:
        return self.pictures

    def _random(self, stream: int, number: int) -> np.random.Generator:
        """Numbers of one picture's own (stream 1) or one class's own (stream 0)."""
        return np.random.default_rng([self.seed, stream, number])


class Fractals(_Drawn):
    """One to five fractals a picture, each of its own size, at its own place, before a rough background.

    A class is an iterated function system; every picture shows it a little otherwise
    (Anderson and Farrell, 2022).
    """

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Draw the systems; the folder stays as it is."""
        self.targets = {"systems": zoo.Multilabel(tuple(f"system-{one:04}" for one in range(self.classes)))}
        self._systems = [draw_system(self._random(0, one)) for one in range(self.classes)]

    def __getitem__(self, index: int) -> zoo.Sample:
        """Shapes: image uint8 (3, side, side); `systems` float (classes,) of zeros and one to five ones."""
        rng = self._random(1, index)
        shown = rng.choice(self.classes, size=rng.integers(1, min(5, self.classes) + 1), replace=False)
        picture = draw_picture([self._systems[one] for one in shown], self.side, rng)
        labels = torch.zeros(self.classes)
        labels[shown] = 1
        image = torch.from_numpy(picture).permute(2, 0, 1).contiguous()
        return zoo.Sample(image=image, targets={"systems": labels}, path=f"fractals-{index:06}")


class DeadLeaves(_Drawn):
    """Views of scenes of dead leaves; the class is the scene.

    Baradad et al. (2021) have no labels: they train views of one picture to be alike, and others to differ. A class
    for every scene is the same task for a classifier (Dosovitskiy et al., 2014).
    """

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """Name the scenes, which are drawn when they are first seen; the folder stays as it is."""
        self.targets = {"scene": zoo.Categories(tuple(f"scene-{one:04}" for one in range(self.classes)))}
        self._scenes: dict[int, np.ndarray] = {}

    def __getitem__(self, index: int) -> zoo.Sample:
        """Shapes: image uint8 (3, side, side)."""
        scene = index % self.classes
        if scene not in self._scenes:  # two threads may draw the same one, and draw it alike
            self._scenes[scene] = draw_scene(round(SCENE * self.side), self._random(0, scene))
        view = draw_view(self._scenes[scene], self.side, self._random(1, index))
        image = torch.from_numpy(view.transpose(2, 0, 1).copy())
        return zoo.Sample(image=image, targets={"scene": scene}, path=f"dead-leaves-{index:06}")
