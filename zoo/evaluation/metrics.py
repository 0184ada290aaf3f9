"""Metrics, by torchmetrics; log loss (mean negative log-likelihood) as the Data Science Bowl scored it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassPrecision,
    MulticlassRecall,
)

CLIP_EPSILON = 1e-15  # as in the competition


class LogLoss(Metric):
    """The mean of -log p(true class); rows are renormalised and clipped at 1e-15, as the competitions do."""

    is_differentiable = True
    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, probabilities: Tensor, target: Tensor) -> None:
        """Shapes: probabilities (N, K) float, target (N,) int64."""
        rows = probabilities.double()
        rows = (rows / rows.sum(dim=1, keepdim=True)).clamp(CLIP_EPSILON, 1 - CLIP_EPSILON)
        self.total -= rows[torch.arange(len(target), device=rows.device), target].log().sum()
        self.count += len(target)

    def compute(self) -> Tensor:
        """Scalar, nats a picture."""
        return self.total / self.count


class BalancedAccuracy(MulticlassConfusionMatrix):
    """The mean recall over the classes that occur (torchmetrics' macro accuracy also counts those that do not)."""

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0

    def compute(self) -> Tensor:
        """Scalar in 0 to 1."""
        support = self.confmat.sum(dim=1)
        return (self.confmat.diag()[support > 0] / support[support > 0]).mean()


def category_metrics(classes: int) -> MetricCollection:
    """The metrics of a classifier; the first one picks the best epoch.

    Args:
        classes: how many there are.

    Returns:
        log_loss, accuracy, balanced_accuracy (mean recall), top5 of more than five classes, recall and precision
        (classes,), and confusion (classes, classes) with true rows and predicted columns.
    """
    common: dict[str, Any] = {"num_classes": classes, "validate_args": False}
    return MetricCollection(
        {
            "log_loss": LogLoss(),
            "accuracy": MulticlassAccuracy(average="micro", **common),
            "balanced_accuracy": BalancedAccuracy(**common),
            **({"top5": MulticlassAccuracy(average="micro", top_k=5, **common)} if classes > 5 else {}),
            "recall": MulticlassRecall(average="none", **common),
            "precision": MulticlassPrecision(average="none", **common),
            "confusion": MulticlassConfusionMatrix(**common),
        },
        compute_groups=False,
    )
