"""Random views of a batch, drawn per sample on the device, boxes along with the pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """The strengths of random transforms; zeros leave a picture unchanged."""

    mirror: bool = False  # mirrored left to right, half of the time
    turns: bool = False  # any multiple of a right angle, and upside down
    rotate: float = 0.0  # degrees, at most, either way
    zoom: float = 0.0  # 0.2: between 1/1.2 and 1.2 times as large
    shift: float = 0.0  # of the side, at most, either way
    light: float = 0.0  # brightness and contrast, 0.2: 20% either way

    @property
    def moves(self) -> bool:
        """Whether anything moves in the plane."""
        return self.mirror or self.turns or bool(self.rotate or self.zoom or self.shift)

    @property
    def does_nothing(self) -> bool:
        """Whether every picture stays as it is."""
        return not self.moves and not self.light


Strength = Literal["none", "light", "strong"]


def choose_augmentation(symmetry: str, strength: Strength) -> Augmentation:
    """What a dataset's symmetry allows, at a strength.

    Args:
        symmetry: `none`, `mirror` or `turns`, as the dataset says.
        strength: `none`, `light` (symmetries and small shifts) or `strong` (also rotation, zoom and light).
    """
    if strength == "none":
        return Augmentation()
    mirror, turns = symmetry in ("mirror", "turns"), symmetry == "turns"
    if strength == "light":
        return Augmentation(mirror=mirror, turns=turns, zoom=0.1, shift=0.05, light=0.1)
    angle = 45.0 if turns else 10.0
    return Augmentation(mirror=mirror, turns=turns, rotate=angle, zoom=0.25, shift=0.1, light=0.3)


def augment(
    images: Tensor, augmentation: Augmentation, generator: torch.Generator, boxes: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """A random view of every picture.

    Args:
        images: (N, 3, S, S) float in 0 to 1.
        how: what may happen.
        generator: on the CPU, so that a seed means the same on every device.
        boxes: (N, 4) float, x1 y1 x2 y2 in 0 to 1, NaN where there is none.

    Returns:
        Images of the same shape, and the boxes where they went, clipped to the picture.
    """
    if augmentation.moves:
        forward = _matrices(len(images), augmentation, generator)
        grid = functional.affine_grid(forward[:, :2].to(images), list(images.shape), align_corners=False)
        images = functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
        if boxes is not None:
            boxes = _move_boxes(boxes, torch.linalg.inv(forward).to(boxes))
    if augmentation.light:
        draw = (torch.rand(len(images), 2, generator=generator) * 2 - 1).mul_(augmentation.light).to(images)
        contrast, brightness = 1 + draw[:, 0, None, None, None], draw[:, 1, None, None, None] * 0.5
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = ((images - mean) * contrast + mean + brightness).clamp(0, 1)
    return images, boxes


def _matrices(count: int, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """From a view's coordinates to the picture's, both in -1 to 1. Shape (count, 3, 3)."""

    def draw() -> Tensor:
        return torch.rand(count, generator=generator)

    angle = (draw() * 2 - 1) * math.radians(augmentation.rotate)
    quarter = (draw() * 4).floor() * (math.pi / 2)
    flip = torch.where(draw() < 0.5, -1.0, 1.0)
    if augmentation.turns:
        angle = angle + quarter
    if not augmentation.mirror:
        flip = torch.ones(count)
    scale = torch.exp((draw() * 2 - 1) * math.log1p(augmentation.zoom))
    shift = (torch.rand(count, 2, generator=generator) * 2 - 1) * 2 * augmentation.shift
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    matrices = torch.zeros(count, 3, 3)
    matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 0, 2] = cosine * flip, -sine, shift[:, 0]
    matrices[:, 1, 0], matrices[:, 1, 1], matrices[:, 1, 2] = sine * flip, cosine, shift[:, 1]
    matrices[:, 2, 2] = 1
    return matrices


def _move_boxes(boxes: Tensor, backward: Tensor) -> Tensor:
    """The smallest upright box around each moved one, clipped. Shapes: (N, 4), (N, 3, 3) -> (N, 4)."""
    x1, y1, x2, y2 = (boxes * 2 - 1).unbind(dim=1)
    corners = torch.stack(
        [torch.stack([x, y, torch.ones_like(x)], dim=1) for x, y in ((x1, y1), (x2, y1), (x1, y2), (x2, y2))], dim=2
    )
    moved = (backward @ corners)[:, :2]
    box = torch.cat([moved.amin(dim=2), moved.amax(dim=2)], dim=1)
    return ((box + 1) / 2).clamp(0, 1)
