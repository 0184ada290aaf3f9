"""Drawn shapes with their boxes: a dataset with two targets, for tests."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

import zoo


class DrawnBoxes(zoo.Dataset):
    """A bright bar, disc or ring on a dark, noisy ground, anywhere, of any proportions.

    Args:
        pictures: how many.
        empty: the share of pictures with nothing in them.
        unboxed: the share of pictures of whose box nothing is known.
    """

    targets = {"label": zoo.Categories(("bar", "disc", "ring")), "box": zoo.Box()}  # noqa: RUF012
    symmetry = "turns"
    license = "cc0-1.0"

    def __init__(self, *, pictures: int = 90, empty: float = 0.1, unboxed: float = 0.0) -> None:
        self.pictures, self.empty, self.unboxed = pictures, empty, unboxed

    def prepare(self, root, progress=None):
        """Nothing to fetch."""

    def __len__(self):
        return self.pictures

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        width, height = (int(side) for side in rng.integers(40, 90, 2))
        picture = Image.fromarray(rng.integers(0, 80, (height, width, 3), dtype=np.uint8))
        across, up = rng.uniform(0.1, 0.3) * width, rng.uniform(0.1, 0.3) * height
        x, y = rng.uniform(across, width - across), rng.uniform(up, height - up)
        box = (x - across, y - up, x + across, y + up)
        image, targets = picture, {"label": index % 3, "box": torch.tensor(box)}
        if rng.random() < self.empty:
            targets = {"box": None}
        else:
            self._draw(ImageDraw.Draw(image), index % 3, box, tuple(int(one) for one in rng.integers(130, 256, 3)))
        if rng.random() < self.unboxed:
            del targets["box"]
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
        return zoo.Sample(image=pixels, targets=targets, path=f"drawn-{index:03d}.png")

    def _draw(self, pen, kind, box, colour):
        if kind == 0:
            pen.rectangle(box, fill=colour)
        elif kind == 1:
            pen.ellipse(box, fill=colour)
        else:
            pen.ellipse(box, outline=colour, width=3)


class Boats(DrawnBoxes):
    """Six boats."""

    def __getitem__(self, index):
        sample = super().__getitem__(index)
        return zoo.Sample(image=sample.image, targets=sample.targets, path=sample.path, group=f"boat-{index % 6}")


class Shared(Boats):
    """The test split has the same boats."""

    @property
    def splits(self):
        return {"test": range(60, 90)}
