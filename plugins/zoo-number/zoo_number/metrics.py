"""Metrics of numbers, as torchmetrics."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torchmetrics import R2Score


class Explained(R2Score):
    """R², 1 less the squared errors over those of the mean; NaN of fewer than two pictures or where all are alike."""

    def compute(self) -> Tensor:
        """Scalar, at most 1."""
        if self.total < 2 or float(self.sum_squared_error - self.sum_error**2 / self.total) <= 0:
            return torch.tensor(float("nan"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return super().compute()
