"""The head that names a picture: pooled features, standardised, into a linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional

from zoo.contracts import Categories, FeatureShape, Head
from zoo.embedding import pooled

if TYPE_CHECKING:
    from torchmetrics import MetricCollection


class Classify(Head):
    """One of several classes a picture.

    Args:
        shape: of the features of one picture.
        target: the classes.
        pool: the map's mean, its maximum, or both side by side.
        hidden: the width of a hidden layer; 0: none.
        dropout: before the last layer, 0 to 1.
        smoothing: label smoothing, 0 to 1. It harms frozen features (Kornblith 2019): 0 for what is published.
    """

    learns = Categories
    watch: ClassVar[str] = "log_loss"
    gives_logits: ClassVar[bool] = True

    def __init__(
        self,
        shape: FeatureShape,
        target: Categories,
        *,
        pool: Literal["mean", "max", "both"] = "mean",
        hidden: int = 0,
        dropout: float = 0.0,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(shape, target)
        self.classes = len(target.names)
        self.pool, self.smoothing = pool, smoothing
        width = shape.channels * (2 if pool == "both" else 1)
        layers: list[nn.Module] = [nn.BatchNorm1d(width, affine=False)]
        if hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        if dropout:
            layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(width, self.classes))

    def reduce(self, features: Tensor) -> Tensor:
        """Pool the map. Shapes: features (N, C, H, W) -> (N, C), or (N, 2C) for both."""
        return pooled(features, self.pool)

    def forward(self, reduced: Tensor) -> Tensor:
        """Shapes: (N, C) float -> logits (N, K), before softmax."""
        return self.layers(reduced)

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy. Shapes: logits (N, K), target (N,) int64 -> scalar."""
        return functional.cross_entropy(output.float(), target, label_smoothing=self.smoothing)

    def predict(self, output: Tensor) -> Tensor:
        """Shapes: logits (N, K) -> probabilities (N, K) float32."""
        return output.float().softmax(dim=1)

    def metrics(self) -> MetricCollection:
        """Log loss, accuracy, balanced accuracy, top 5 of more than five classes, and recall and precision by class."""
        from zoo.evaluation import category_metrics

        return category_metrics(self.classes)
