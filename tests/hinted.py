"""Real digits of which few are named, and all have a hint: a dataset on which a second head helps by construction."""

from __future__ import annotations

import numpy as np
import torch

import zoo

TRAIN, VAL, TEST = 300, 150, 400


class Hinted(zoo.Dataset):
    """Handwritten digits (scikit-learn's), 32 pixels a side.

    The target `label` is known of three training pictures a class, and of all others; `hint` says the same class of
    every picture. Whoever learns the hint too learns features that the few named pictures could not teach.
    """

    targets = {"label": zoo.Categories(tuple("0123456789")), "hint": zoo.Categories(tuple("abcdefghij"))}  # noqa: RUF012
    symmetry = "none"

    def prepare(self, root, progress=None):
        """Shuffle them, always alike, and choose the named ones."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        order = np.random.default_rng(0).permutation(len(digits.target))[: TRAIN + VAL + TEST]
        self.pixels, self.labels = digits.images[order], digits.target[order]
        self.named = {int(row) for kind in range(10) for row in np.flatnonzero(self.labels[:TRAIN] == kind)[:3]}

    def __len__(self):
        return TRAIN + VAL + TEST

    def __getitem__(self, index):
        grey = torch.from_numpy(self.pixels[index] / 16 * 255).to(torch.uint8)
        image = grey.repeat_interleave(4, dim=0).repeat_interleave(4, dim=1).expand(3, 32, 32).contiguous()
        targets = {"hint": int(self.labels[index])}
        if index >= TRAIN or index in self.named:
            targets["label"] = int(self.labels[index])
        return zoo.Sample(image=image, targets=targets, path=f"digit-{index}")

    @property
    def splits(self):
        """Fixed."""
        return {
            "train": range(TRAIN),
            "val": range(TRAIN, TRAIN + VAL),
            "test": range(TRAIN + VAL, TRAIN + VAL + TEST),
        }
