"""The head `number`: one real number a picture, in its unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

import zoo

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

MOMENTUM = 0.05  # the least share of one batch in the running mean and deviation: of the 20th, and of every later one


class NumberHead(zoo.Head):
    """A number by regression on pooled features, in the target's unit whatever its scale.

    The layers predict how many standard deviations a number lies from the mean of those that were learnt from, so that
    micrometres and metres learn at the same rate; mean and deviation are kept with the weights. The loss is Huber's
    (1964, "Robust estimation of a location parameter"), squared up to one deviation and linear beyond.

    Args:
        shape: of the features of one picture.
        target: the number.
        log: learn the logarithm: for sizes, volumes and counts, whose errors grow with them. Numbers must be over 0.
        pool: the map's mean, its maximum, or both side by side.
        hidden: the width of a hidden layer; 0: none.
        dropout: before the last layer, 0 to 1.
    """

    learns = zoo.Number
    watch: ClassVar[str] = "mean_absolute_error"

    def __init__(
        self,
        shape: zoo.FeatureShape,
        target: zoo.Number,
        *,
        log: bool = False,
        pool: Literal["mean", "max", "both"] = "mean",
        hidden: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(shape, target)
        self.log, self.pool = log, pool
        width = shape.channels * (2 if pool == "both" else 1)
        layers: list[nn.Module] = [nn.BatchNorm1d(width, affine=False)]
        if hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(width, 1))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("square", torch.ones(()))  # the mean of (number - mean)^2
        self.register_buffer("batches", torch.zeros(()))

    def reduce(self, features: Tensor) -> Tensor:
        """Pool the map. Shapes: features (N, C, H, W) -> (N, C), or (N, 2C) for both."""
        return zoo.pooled(features, self.pool)

    def forward(self, reduced: Tensor) -> Tensor:
        """Shapes: (N, C) float -> (N,), the number, or its logarithm."""
        return self.layers(reduced)[:, 0] * self._deviation + self.mean

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Huber's loss in deviations. Shapes: both (N,) float -> scalar. Raises ZooError where a logarithm is of 0."""
        if self.log:
            if bool((target <= 0).any()):
                raise zoo.ZooError(f"A number is {float(target.min()):g}, which has no logarithm.", "Leave out `log`.")
            target = target.log()
        deviations = (output - self.mean) / self._deviation
        if self.training:
            self._see(target.detach())
        return functional.smooth_l1_loss(deviations, (target - self.mean) / self._deviation)

    def predict(self, output: Tensor) -> Tensor:
        """Shapes: (N,) -> numbers (N,) float32 in the target's unit."""
        return output.float().exp() if self.log else output.float()

    def metrics(self) -> MetricCollection:
        """Mean absolute error and root mean square error, in the unit, and the share of the variance explained, R²."""
        from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection

        from zoo_number.metrics import Explained

        figures = {
            "mean_absolute_error": MeanAbsoluteError(),
            "root_mean_square_error": MeanSquaredError(squared=False),
        }
        return MetricCollection({**figures, "r2": Explained()}, compute_groups=False)

    @property
    def _deviation(self) -> Tensor:
        return torch.where(self.square > 0, self.square.sqrt(), 1)  # 1: all numbers that were seen were the same

    def _see(self, target: Tensor) -> None:
        """Follow the numbers' mean and deviation: of all batches alike at first, later with more weight on the last."""
        self.batches += 1
        share = (1 / self.batches).clamp(min=MOMENTUM)
        gap = target.mean() - self.mean
        self.square.copy_((1 - share) * (self.square + share * gap**2) + share * target.var(unbiased=False))
        self.mean += share * gap
