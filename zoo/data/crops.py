"""Pictures cropped to a square around a box: what the second of two stages is trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from zoo.contracts import Box, Dataset, Sample, Target
from zoo.progress import Progress, silent

SMALLEST = 8  # pixels of a window's side

Window = tuple[int, int, int, int]  # left, top, right, bottom in pixels
FindBox = Callable[[int, Sample], Sequence[float] | None]


def find_window(box: Sequence[float], width: int, height: int, *, margin: float) -> Window:
    """The square around a box, moved into the picture and, where it is larger than that, cut to it.

    Args:
        box: x1, y1, x2, y2 in pixels; it may reach over the picture's edge.
        width: of the picture, in pixels.
        height: likewise.
        margin: what is added on every side, a share of the box's longer side.
    """
    x1, x2 = (min(max(x, 0.0), width) for x in (box[0], box[2]))
    y1, y2 = (min(max(y, 0.0), height) for y in (box[1], box[3]))
    side = max(x2 - x1, y2 - y1, SMALLEST / (1 + 2 * margin)) * (1 + 2 * margin)
    left, right = _span((x1 + x2) / 2, side, width)
    top, bottom = _span((y1 + y2) / 2, side, height)
    return left, top, right, bottom


def _span(middle: float, side: float, extent: int) -> tuple[int, int]:
    """Whole pixels from and to, inside 0 to the picture's extent."""
    length = min(max(round(side), 1), extent)
    start = min(max(round(middle - side / 2), 0), extent - length)
    return start, start + length


def crop_sample(sample: Sample, window: Window, targets: Mapping[str, Target]) -> Sample:
    """A sample's window, its boxes moved along; a box outside the window becomes None."""
    left, top, right, bottom = window
    moved = dict(sample.targets)
    for name, target in targets.items():
        if isinstance(target, Box) and moved.get(name) is not None:
            moved[name] = _shift_box(moved[name], window)
    return replace(sample, image=sample.image[:, top:bottom, left:right].contiguous(), targets=moved)


def _shift_box(value: Any, window: Window) -> torch.Tensor | None:
    left, top, right, bottom = window
    box = torch.as_tensor(value, dtype=torch.float32).flatten() - torch.tensor([left, top, left, top])
    if not bool(box.isfinite().all()):
        return torch.as_tensor(value)  # left as it is: the check of boxes reports it
    x1, y1, x2, y2 = box.tolist()
    clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, right - left), min(y2, bottom - top))
    return torch.tensor(clipped) if clipped[2] > clipped[0] and clipped[3] > clipped[1] else None


class CroppedDataset(Dataset):
    """A dataset's pictures, each cut down to a square around a box.

    Args:
        dataset: prepared.
        find: says the box of a sample, x1, y1, x2, y2 in pixels; None: the whole picture is left.
        margin: what is added on every side, a share of the box's longer side.
    """

    def __init__(self, dataset: Dataset, find: FindBox, *, margin: float) -> None:
        self.dataset, self.find, self.margin = dataset, find, margin
        self.targets = dataset.targets
        self.license, self.title = dataset.license, dataset.title
        self.symmetry = dataset.symmetry  # type: ignore[misc]  # a class's own, here the wrapped one's

    def prepare(self, root: Path, progress: Progress = silent) -> None:
        """The wrapped one is prepared already."""

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[index]
        box = self.find(index, sample)
        if box is None:
            return sample
        height, width = sample.image.shape[-2:]
        return crop_sample(sample, find_window(box, width, height, margin=self.margin), self.targets)

    def files(self) -> Iterable[tuple[Path, Any]] | None:
        """The wrapped one's."""
        return self.dataset.files()

    @property
    def splits(self) -> Mapping[str, Sequence[int]]:
        """The wrapped one's."""
        return self.dataset.splits
