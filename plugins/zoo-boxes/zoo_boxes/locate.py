"""The head `locate`: predicts a box from the feature map itself, not from a mean over it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

CELLS = 16  # of a side of the map that the head works on, at most
KNEE = 0.1  # of the picture's side: errors under it count by their square


class Locate(zoo.Head):
    """One box a picture, and whether there is anything at all.

    Every cell of the map says how far the box reaches from it to the left, top, right and bottom, and how much it
    is to be believed; the answer is the mean, weighted by belief. Two 3x3 convolutions let cells know of each
    other. So a box is finer than a cell, and follows what is moved (a soft-argmax as in Nibali 2018, distances to
    the sides as in Tian 2019).

    Args:
        shape: of the features of one picture.
        target: a box.
        l1: what the smooth L1 distance of the four sides counts, their sum.
        giou: what the generalised IoU loss counts (Rezatofighi 2019).
        presence: what the cross-entropy of presence counts; 0: it is not learnt, and always said to be 1.
        hidden: the width of the layers, 1 or more.
    """

    learns = zoo.Box
    watch: ClassVar[str] = "iou"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def __init__(
        self,
        shape: zoo.FeatureShape,
        target: zoo.Box,
        *,
        l1: float = 1.0,
        giou: float = 1.0,
        presence: float = 0.5,
        hidden: int = 64,
    ) -> None:
        super().__init__(shape, target)
        self.parts = {"l1": l1, "giou": giou, "presence": presence}
        if not all(weight >= 0 and math.isfinite(weight) for weight in self.parts.values()) or not l1 + giou > 0:
            said = ", ".join(f"{name}={weight:g}" for name, weight in self.parts.items())
            raise zoo.UsageError(
                f"The head 'locate' cannot weigh its parts by {said}: 0 or more, and l1 or giou over 0."
            )
        if hidden < 1:
            raise zoo.UsageError(f"The head 'locate' cannot be {hidden} channels wide. Say hidden=64, or 1 at least.")
        self.cells = tuple(side // math.ceil(side / CELLS) for side in (shape.height, shape.width))
        self.layers = nn.Sequential(
            nn.BatchNorm2d(shape.channels, affine=False),
            nn.Conv2d(shape.channels, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
        )
        self.reach = nn.Conv2d(hidden, 5, 1)  # left, top, right, bottom, belief
        self.presence = nn.Linear(2 * hidden, 1)

    def reduce(self, features: Tensor) -> Tensor:
        """At most 16 cells a side: larger maps are averaged. Shapes: (N, C, H, W) -> (N, C, h, w)."""
        if features.shape[2:] == self.cells:
            return features
        return functional.adaptive_avg_pool2d(features, self.cells)

    def forward(self, reduced: Tensor) -> Tensor:
        """Shapes: (N, C, h, w) float -> (N, 5) float: x1, y1, x2, y2 about 0 to 1, and the logit of presence."""
        seen = self.layers(reduced)
        reach, belief = self.reach(seen).float().flatten(2).split([4, 1], dim=1)  # (N, 4, h w), (N, 1, h w)
        reach, belief = reach.sigmoid(), belief.softmax(dim=2)
        x, y = _centres(seen)
        sides = torch.stack([x - reach[:, 0], y - reach[:, 1], x + reach[:, 2], y + reach[:, 3]], dim=1)
        box = (sides * belief).sum(dim=2)
        cells = seen.flatten(2).float()
        summary = torch.cat([cells.amax(dim=2), (cells * belief).sum(dim=2)], dim=1)
        return torch.cat([box, self.presence(summary).float()], dim=1)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The weighted parts; a picture without a box counts for presence only.

        Shapes: output (N, 5), target (N, 4) in 0 to 1, NaN or empty where there is nothing -> scalar.
        """
        from torchvision.ops import generalized_box_iou_loss

        from zoo_boxes.metrics import has_box

        output, target = output.float(), target.float()
        has = has_box(target)
        loss = self.parts["presence"] * functional.binary_cross_entropy_with_logits(output[:, 4], has.float())
        if not bool(has.any()):
            return loss + output[:, :4].sum() * 0
        box, truth = output[has, :4], target[has].clamp(0, 1)
        distance = functional.smooth_l1_loss(box, truth, beta=KNEE, reduction="none").sum(dim=1).mean()
        giou_loss = generalized_box_iou_loss(box, truth, reduction="mean")
        return loss + self.parts["l1"] * distance + self.parts["giou"] * giou_loss

    def predict(self, output: Tensor) -> Tensor:
        """Shapes: (N, 5) -> x1, y1, x2, y2 and the probability that there is anything, all in 0 to 1, float32."""
        output = output.float()
        presence = output[:, 4:].sigmoid() if self.parts["presence"] else torch.ones_like(output[:, 4:])
        return torch.cat([output[:, :4].clamp(0, 1), presence], dim=1)

    def metrics(self) -> MetricCollection:
        """`iou` (the mean), `iou_over_half` (the share over 0.5) and `presence_accuracy`."""
        from zoo_boxes.metrics import box_metrics

        return box_metrics()


def _centres(cells: Tensor) -> tuple[Tensor, Tensor]:
    """The cells' centres in 0 to 1 of the picture. Shapes: (N, C, h, w) -> x (h w,), y (h w,) float32."""
    height, width = cells.shape[2:]
    y = (torch.arange(height, device=cells.device, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, device=cells.device, dtype=torch.float32) + 0.5) / width
    return x.repeat(height), y.repeat_interleave(width)
