"""Metrics of several labels a picture and of labels that nest, as torchmetrics."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import MultilabelAveragePrecision, MultilabelF1Score
from torchmetrics.utilities.data import dim_zero_cat

from zoo.evaluation import category_metrics
from zoo_labels.tree import LabelTree, distance


class MeanAveragePrecision(MultilabelAveragePrecision):
    """The mean average precision of the labels that any picture has (torchmetrics counts the others as 0); else NaN."""

    def __init__(self, labels: int) -> None:
        super().__init__(labels, average="none", validate_args=False)

    def compute(self) -> Tensor:
        """Scalar in 0 to 1."""
        occurs = (dim_zero_cat(self.target) == 1).any(dim=0)
        with warnings.catch_warnings():  # of labels that no picture has
            warnings.simplefilter("ignore", UserWarning)
            return super().compute()[occurs].mean()


def multilabel_metrics(labels: int) -> MetricCollection:
    """`mean_average_precision`, and `f1` of all labels together, said where a probability is over a half."""
    return MetricCollection(
        {
            "mean_average_precision": MeanAveragePrecision(labels),
            "f1": MultilabelF1Score(labels, average="micro", validate_args=False),
        },
        compute_groups=False,
    )


class InTree(MeanMetric):
    """The mean over pictures of a figure of the answer's path and the true one."""

    def __init__(self, tree: LabelTree, sure: float | None, figure: Callable[[tuple, tuple], float]) -> None:
        super().__init__()
        self.tree, self.sure, self.figure = tree, sure, figure

    def update(self, probabilities: Tensor, target: Tensor) -> None:  # type: ignore[override]
        """Shapes: probabilities (N, K) float, target (N,) int64."""
        rows, truths = probabilities.float().cpu().numpy(), [self.tree.paths[k] for k in target.tolist()]
        if self.sure is None:
            answers = [self.tree.paths[k] for k in rows.argmax(axis=1)]
        else:
            answers = [self.tree.path(int(node)) for node in self.tree.answer(rows, self.sure)]
        figures = [self.figure(answer, truth) for answer, truth in zip(answers, truths, strict=True)]
        super().update(torch.tensor(np.array(figures, dtype=np.float64)))


def hierarchy_metrics(tree: LabelTree, sure: float) -> MetricCollection:
    """The metrics of classes, and four over the tree.

    Args:
        tree: of the labels.
        sure: how likely an answer must be.

    Returns:
        Those of `category_metrics` on the labels; `distance`: steps from the likeliest label to the true one;
        `distance_answer`: likewise from the answer, which may lie higher; `right_answer`: the share of the pictures
        whose answer is the true label or lies above it; `depth_answer`: the answer's steps from the top.
    """
    figures: dict[str, tuple[float | None, Callable[[tuple, tuple], float]]] = {
        "distance": (None, distance),
        "distance_answer": (sure, distance),
        "right_answer": (sure, lambda answer, truth: float(truth[: len(answer)] == answer)),
        "depth_answer": (sure, lambda answer, truth: len(answer)),
    }
    found = category_metrics(len(tree.labels))
    found.add_metrics({name: InTree(tree, *how) for name, how in figures.items()})
    return found
