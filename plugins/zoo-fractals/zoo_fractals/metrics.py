"""Metrics of several labels a picture, as torchmetrics."""

from __future__ import annotations

import warnings

from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MultilabelAveragePrecision, MultilabelF1Score
from torchmetrics.utilities.data import dim_zero_cat


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
