"""1,797 real handwritten digits, which scikit-learn brings along: nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

import zoo

CLASSES = tuple("0123456789")


class Digits(zoo.Dataset):
    """The test set of the UCI Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998).

    Pictures are 8x8, bright ink on black, 16 grey levels stretched to 0 to 255. Who wrote which digit is not
    said, so that no group can be given: one writer's digits stand on both sides of the split.
    """

    targets = {"label": zoo.Categories(CLASSES)}  # noqa: RUF012  # the contract's class attribute
    symmetry = "none"  # a mirrored 2 is no 2
    license = "cc-by-4.0"  # as UCI publishes them

    def __init__(self) -> None:
        self._images = np.empty((0, 8, 8), dtype=np.uint8)
        self._labels = np.empty(0, dtype=np.int64)
        self._splits: dict[str, list[int]] = {}

    def prepare(self, root: Path, progress: object = None) -> None:
        """Read the arrays out of the installed scikit-learn; the folder stays as it is."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        self._images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
        self._labels = digits.target.astype(np.int64)
        rows = np.arange(len(self._labels))
        train, test = train_test_split(rows, test_size=0.2, stratify=self._labels, random_state=0)
        self._splits = {"train": sorted(train.tolist()), "test": sorted(test.tolist())}

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> zoo.Sample:
        """Shapes: image uint8 (3, 8, 8), grey in all three channels."""
        grey = torch.from_numpy(self._images[index])
        image = grey.expand(3, 8, 8).clone()
        return zoo.Sample(image=image, targets={"label": int(self._labels[index])}, path=f"digit-{index:04d}")

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """Four fifths `train` and one fifth `test`, every digit in both, always the same."""
        return self._splits
