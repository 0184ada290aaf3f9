"""How several heads' losses become one: fixed weights, trained weights, logarithms.

No method reliably beats weights that were tuned (Xin and others 2022; Kurin and others 2022): `fixed` is the default.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from zoo.contracts import Balancer

LEAST = 1e-8  # smaller losses count as this: 0 has no logarithm


class Fixed(Balancer):
    """The sum of the losses, each times its weight."""


class Uncertainty(Balancer):
    """Trained weights: the sum of w (exp(-s) L + s / 2), with one s a head (Kendall, Gal and Cipolla 2018).

    s is the logarithm of the variance that the head's loss is taken to have; it begins at 0, where this is the
    fixed sum. A large loss makes its own s grow, and counts less.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__(weights)
        self.places = {name: place for place, name in enumerate(weights)}
        self.log_variances = nn.Parameter(torch.zeros(len(weights)))  # (H,)

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Shapes: scalars by head -> scalar, which may be negative."""
        spread = self.log_variances
        terms = [
            self.weights[name] * (torch.exp(-spread[self.places[name]]) * loss + spread[self.places[name]] / 2)
            for name, loss in losses.items()
        ]
        return torch.stack(terms).sum()


class LogSum(Balancer):
    """The sum of w log L: what counts is by what share a loss falls, not how large it is (Chennupati 2019)."""

    def combine(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Shapes: scalars by head -> scalar, which may be negative."""
        terms = [self.weights[name] * torch.log(loss.clamp_min(0) + LEAST) for name, loss in losses.items()]
        return torch.stack(terms).sum()
