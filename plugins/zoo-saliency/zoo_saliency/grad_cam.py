"""Grad-CAM heat maps of a head, and the share of the heat inside a box (the energy-based pointing game).

A picture of S pixels a side, VGG16 cut at block3:
    features (N, 256, 16, 16)  ->  heat (N, 16, 16), 0 or more  ->  its share inside the box, 0 to 1
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn import functional

from zoo import Head
from zoo.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class PointingGameScores:
    """The pointing game (Zhang 2016; energy-based: Wang 2020) of N heat maps and N boxes."""

    share: np.ndarray  # (N,) 0 to 1, of the heat's sum; NaN where a map is nothing but zeros
    hit: np.ndarray  # (N,) 0 to 1: whether the greatest value lies in the box; NaN likewise
    even: np.ndarray  # (N,) the share of an even map, which is the box's share of the picture's area
    most: np.ndarray  # (N,) the greatest share that a map of so many cells can have


class _HeadWithHook(nn.Module):
    """A head on features, with a module that Grad-CAM can attach its hooks to."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.features, self.head = nn.Identity(), head

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.head.reduce(self.features(features)))


def compute_grad_cam(head: Head, features: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Grad-CAM of one class a picture, at the features that a head stands on (Selvaraju 2017).

    Every channel is weighted by how much it speaks for the class, the mean of the logit's gradient over the map; what
    speaks against it is cut off. Nothing flows back through the filters: their last map is where it is measured.

    Args:
        head: one that gives a logit a class.
        features: (N, C, h, w) float, on the head's device.
        classes: int64 (N,); None: of each picture the class with the greatest logit.

    Returns:
        The heat (N, h, w) float, 0 or more, and the classes int64 (N,).

    Raises:
        UsageError: there is one cell a picture.
    """
    if features.shape[1] != head.shape.channels:
        more = head.shape.channels - features.shape[1]
        raise UsageError(
            f"This head is given {more} numbers beside {features.shape[1]} features, and heat has no place for them.",
            "Show a head that is given features alone.",
        )
    if features.shape[2] * features.shape[3] < 2:
        raise UsageError(
            "These filters give one vector a picture, which lies nowhere in it: they have no saliency. "
            "Cut them earlier, at a block that gives a map."
        )
    answer = _HeadWithHook(copy.deepcopy(head).eval())
    if classes is None:
        with torch.no_grad():
            classes = answer(features).argmax(dim=1)
    heat: Tensor = LayerGradCam(answer, answer.features).attribute(
        features.detach().clone().requires_grad_(), target=classes, relu_attributions=True
    )
    return heat.detach()[:, 0], classes


def score_pointing_game(heat: np.ndarray, boxes: np.ndarray, *, size: int) -> PointingGameScores:
    """How much of each heat map lies inside its box, the map enlarged to the picture, bilinear.

    A pixel that the box's edge crosses counts by the part of it that is inside, so that the share of an even map is
    the box's share of the area to the last digit. Where the greatest value stands at several pixels, a hit is the
    part of them whose centres are inside. A cell is wider than a pixel: enlarged it reaches beyond a small box, which
    is why `most` may be under 1.

    Args:
        heat: (N, h, w) float, 0 or more.
        boxes: (N, 4) float, x1, y1, x2, y2 in 0 to 1 of the picture's width and height, inside the picture.
        size: the picture's side in pixels, as the filters were fed.
    """
    across, down = (
        _interpolation_weights(heat.shape[2], size),
        _interpolation_weights(heat.shape[1], size),
    )  # (S, w), (S, h)
    in_x = _pixel_coverage(boxes[:, 0], boxes[:, 2], size)  # (N, S)
    in_y = _pixel_coverage(boxes[:, 1], boxes[:, 3], size)
    inside = (in_y @ down)[:, :, None] * (in_x @ across)[:, None, :]  # (N, h, w): what a cell gives to the box
    whole = down.sum(axis=0)[:, None] * across.sum(axis=0)[None, :]  # (h, w): what it gives to the picture
    values = heat.astype(np.float64)
    total = (values * whole).sum(axis=(1, 2))
    blank = ~(total > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(blank, np.nan, (values * inside).sum(axis=(1, 2)) / total)
    centres = (np.arange(size) + 0.5) / size
    hit = np.full(len(values), np.nan)
    for number in np.flatnonzero(~blank):
        fine = down @ values[number] @ across.T  # (S, S)
        y, x = np.nonzero(fine >= fine.max() * (1 - 1e-9))
        x1, y1, x2, y2 = boxes[number]
        hit[number] = np.mean((centres[x] >= x1) & (centres[x] < x2) & (centres[y] >= y1) & (centres[y] < y2))
    return PointingGameScores(
        share=share,
        hit=hit,
        even=(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
        most=(inside / whole).max(axis=(1, 2)),
    )


def _interpolation_weights(cells: int, size: int) -> np.ndarray:
    """How bilinear enlargement spreads cells over pixels, along one side. (size, cells), every row's sum is 1."""
    spread = functional.interpolate(
        torch.eye(cells, dtype=torch.float64)[None], size=size, mode="linear", align_corners=False
    )
    return spread[0].T.numpy()


def _pixel_coverage(low: np.ndarray, high: np.ndarray, size: int) -> np.ndarray:
    """The part of each pixel that lies between two edges, along one side. Shapes: (N,), (N,) -> (N, size)."""
    left = np.arange(size) / size
    reach = np.minimum(high[:, None], left + 1 / size) - np.maximum(low[:, None], left)
    return np.clip(reach, 0, None) * size
