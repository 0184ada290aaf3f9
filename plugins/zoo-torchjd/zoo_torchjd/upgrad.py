"""UPGrad, by TorchJD: no head's loss rises, to first order, by a step along the filters' gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn, ones

import zoo


class UPGrad(zoo.Balancer):
    """Each head's gradient is projected onto the cone of directions that harm no head; then they are added.

    Quinton and Rey 2024, Jacobian Descent for Multi-Objective Optimization. Without conflict it is the weighted sum.
    """

    def backward(self, losses: Mapping[str, Tensor], features: Tensor, shared: Sequence[nn.Parameter]) -> None:
        """The heads' parameters get their own gradients; the shared ones the sum of the projected.

        Shapes: losses scalars, features (N, C, H, W) float.
        """
        from torchjd.aggregation import UPGrad as Aggregator
        from torchjd.autojac import jac_to_grad, mtl_backward

        if len(losses) == 1:
            self.combine(losses).backward()
            return
        weighted = [self.weights[name] * loss for name, loss in losses.items()]
        one_by_one = 1  # vmap cannot follow every backbone
        mtl_backward(weighted, features=[features], shared_params=shared, parallel_chunk_size=one_by_one)
        jac_to_grad(shared, Aggregator(ones(len(weighted), device=features.device)))
