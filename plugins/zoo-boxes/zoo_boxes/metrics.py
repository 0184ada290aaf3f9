"""Metrics of predicted boxes, as torchmetrics."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection


def has_box(boxes: Tensor) -> Tensor:
    """Which pictures have a box: finite, with width and height. Shapes: (N, 4) -> bool (N,)."""
    x1, y1, x2, y2 = boxes.unbind(dim=1)
    return boxes.isfinite().all(dim=1) & (x2 > x1) & (y2 > y1)


def paired_iou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union, row by row. Shapes: x1 y1 x2 y2 (N, 4) each -> (N,) in 0 to 1."""
    inside = (torch.minimum(one[:, 2:], other[:, 2:]) - torch.maximum(one[:, :2], other[:, :2])).clamp_min(0)
    shared = inside.prod(dim=1)
    areas = [(box[:, 2:] - box[:, :2]).clamp_min(0).prod(dim=1) for box in (one, other)]
    return shared / (areas[0] + areas[1] - shared).clamp_min(1e-12)


class Mean(Metric):
    """The mean of something over pictures; NaN where there are none."""

    full_state_update = False
    higher_is_better = True
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def add(self, values: Tensor) -> None:
        """Shapes: (N,)."""
        self.total += values.double().sum()
        self.count += len(values)

    def compute(self) -> Tensor:
        """Scalar."""
        return self.total / self.count


class MeanIoU(Mean):
    """The mean intersection over union, over the pictures that have a box."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Shapes: boxes and presence (N, 5), boxes (N, 4), in 0 to 1."""
        has = has_box(target)
        self.add(paired_iou(prediction[has, :4], target[has].clamp(0, 1)))


class ShareOfIoUOverHalf(Mean):
    """The share of the pictures with a box whose overlap is over 0.5."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Shapes: boxes and presence (N, 5), boxes (N, 4), in 0 to 1."""
        has = has_box(target)
        self.add(paired_iou(prediction[has, :4], target[has].clamp(0, 1)) > 0.5)


class PresenceAccuracy(Mean):
    """The accuracy of presence: whether there is anything in a picture."""

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Shapes: boxes and presence (N, 5), boxes (N, 4)."""
        self.add((prediction[:, 4] > 0.5) == has_box(target))


def box_metrics() -> MetricCollection:
    """Mean IoU, the share over 0.5, and how often presence is right."""
    return MetricCollection(
        {"iou": MeanIoU(), "iou_over_half": ShareOfIoUOverHalf(), "presence_accuracy": PresenceAccuracy()},
        compute_groups=False,
    )
