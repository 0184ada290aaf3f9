"""The head `multilabel`: any number of labels a picture, each by itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

import zoo

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class MultilabelHead(zoo.Head):
    """Which of several labels a picture has, by binary cross-entropy on pooled features.

    Args:
        shape: of the features of one picture.
        target: the labels.
        pool: the map's mean, its maximum, or both side by side.
        dropout: before the last layer, 0 to 1.
    """

    learns = zoo.Multilabel
    watch: ClassVar[str] = "mean_average_precision"
    better: ClassVar[Literal["higher", "lower"]] = "higher"

    def __init__(
        self,
        shape: zoo.FeatureShape,
        target: zoo.Multilabel,
        *,
        pool: Literal["mean", "max", "both"] = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(shape, target)
        self.labels, self.pool = len(target.names), pool
        width = shape.channels * (2 if pool == "both" else 1)
        last = nn.Linear(width, self.labels)
        nn.init.constant_(last.bias, -math.log(max(1, self.labels - 1)))  # about one label a picture, to begin with
        self.layers = nn.Sequential(nn.BatchNorm1d(width, affine=False), nn.Dropout(dropout), last)

    def reduce(self, features: Tensor) -> Tensor:
        """Pool the map. Shapes: features (N, C, H, W) -> (N, C), or (N, 2C) for both."""
        return zoo.pooled(features, self.pool)

    def forward(self, reduced: Tensor) -> Tensor:
        """Shapes: (N, C) float -> logits (N, K), before the sigmoid."""
        return self.layers(reduced)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Binary cross-entropy, the mean over pictures and labels. Shapes: (N, K) float both -> scalar."""
        return functional.binary_cross_entropy_with_logits(output.float(), target.float())

    def predict(self, output: Tensor) -> Tensor:
        """Shapes: logits (N, K) -> each label's own probability, (N, K) float32."""
        return output.float().sigmoid()

    def metrics(self) -> MetricCollection:
        """Mean average precision over the labels that occur, F1 of all labels together at 0.5."""
        from zoo_labels.metrics import multilabel_metrics

        return multilabel_metrics(self.labels)
