"""A dataset in hand with classes, boxes, numbers and groups."""

from __future__ import annotations

import numpy as np
import torch

import zoo


class Fish(zoo.Dataset):
    """Bright fish on a dark ground from several boats; the box is where the fish is, the length how wide."""

    def __init__(self, *, count: int = 60, boats: int = 6, boxes: bool = True) -> None:
        self.count, self.boats, self.boxes = count, boats, boxes
        self.targets = {
            "kind": zoo.Categories(("long", "tall", "square")),
            "box": zoo.Box(),
            "length": zoo.Number("pixels"),
        }

    def prepare(self, root, progress=None):
        """Nothing."""

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        kind = index % 3
        width, height = ((18, 6), (6, 18), (11, 11))[kind]
        left, top = (int(value) for value in rng.integers(0, 32 - 18, 2))
        image = torch.from_numpy(rng.integers(0, 60, (3, 32, 32), dtype=np.uint8))
        image[:, top : top + height, left : left + width] = int(rng.integers(150, 255))
        box = torch.tensor([left, top, left + width, top + height]).float()
        targets = {"kind": kind, "box": box if self.boxes else None, "length": float(width) + rng.normal()}
        group = f"boat-{index // 3 % self.boats}" if self.boats else None
        return zoo.Sample(image=image, targets=targets, group=group, path=str(index))
