"""From a part of a batch to gradients: every head's loss, balanced, compared, clipped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zoo.training.balancing import gradient_cosines, last_weight_matrix, overrides_backward
from zoo.training.inputs import StageInputs
from zoo.training.scoring import TrainablePart
from zoo.training.session import Session


class Gradients:
    """The gradients of one stage.

    Args:
        session: what the stages share.
        upper: what is trained.
        wrapped: the same as Accelerate prepared it: with several processes it averages gradients as they come.
        stage_inputs: the inputs.
    """

    def __init__(self, session: Session, upper: TrainablePart, wrapped: Any, stage_inputs: StageInputs) -> None:
        self.session, self.upper, self.wrapped, self.stage_inputs = session, upper, wrapped, stage_inputs
        self.complete = {name: bool(one_head.known.all()) for name, one_head in session.head_targets.items()}
        self.shared = [parameter for parameter in upper.rest.parameters() if parameter.requires_grad]
        self.balances = bool(self.shared) and overrides_backward(session.balancer)
        upper.keeps_features = self.balances
        compares = len(session.balancer.weights) > 1 and bool(self.shared)
        self.compared = last_weight_matrix(self.shared) if compares else None

    def add(
        self, rows: Tensor, generator: torch.Generator, *, share: float, cosines: dict[str, float] | None
    ) -> Tensor:
        """Add the gradients of a part of the batch.

        Args:
            rows: of the decoded pictures, int64 (n,).
            generator: of the random views.
            share: of the batch, in 0 to 1.
            cosines: where those between the heads' gradients are put, once a batch; None: they are not asked for.

        Returns:
            The share of the sum of all losses, weighted as the user said; a scalar without a graph.
        """
        session = self.session
        inputs, moved = self.stage_inputs.train(rows, generator)
        run = self.upper if self.balances else self.wrapped
        outputs = run(inputs, session.beside(rows))
        losses, idle = self._losses(outputs, rows, moved)
        pulling = {name: loss for name, loss in losses.items() if name not in session.detached_heads}
        rest = [*(loss for name, loss in losses.items() if name in session.detached_heads), *idle]
        features, self.upper.features = self.upper.features, None
        if self.compared is not None and cosines is not None and not cosines:
            cosines |= gradient_cosines(pulling, self.compared)
        if pulling and self.balances and features is not None:
            session.balancer.backward({name: loss * share for name, loss in pulling.items()}, features, self.shared)
        elif pulling:
            rest.insert(0, session.balancer.combine(pulling))
        if rest:
            session.accelerator.backward(torch.stack(rest).sum() * share)
        nothing = torch.zeros((), device=session.arithmetic.device)
        weighted = [session.balancer.weights.get(name, 1.0) * loss.detach() for name, loss in losses.items()]
        return torch.stack([nothing, *weighted]).sum() * share

    def _losses(
        self, outputs: Mapping[str, Tensor], rows: Tensor, moved: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Every head's mean loss over the rows whose target is known, and zeros of the heads without such rows."""
        session, device = self.session, self.session.arithmetic.device
        losses: dict[str, Tensor] = {}
        idle: list[Tensor] = []
        for name, one_head in session.head_targets.items():
            wanted = moved.get(name, one_head.values[rows]).to(device, non_blocking=True)
            output = outputs[name]
            if not self.complete[name]:
                known = one_head.known[rows]
                if not bool(known.any()):
                    idle.append(output.sum() * 0)  # keeps every parameter in the graph
                    continue
                output, wanted = output[known.to(device)], wanted[known.to(device)]
            losses[name] = session.model.head(name).loss(output, wanted)
        return losses, idle

    def finish(self) -> None:
        """Average over processes what has not been, and clip; detached heads (weight 0) are clipped on their own.

        So a head of weight 0 leaves the bits of all the others as they would be without it.
        """
        session = self.session
        if session.accelerator.num_processes > 1:
            apart = [*(self.upper.parameters() if self.balances else ()), *session.balancer.parameters()]
            for parameter in apart:
                if parameter.requires_grad:
                    given = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
                    parameter.grad = session.accelerator.reduce(given, reduction="mean")
        watchers = {id(one) for name in session.detached_heads for one in session.model.head(name).parameters()}
        every = list(self.upper.parameters())
        session.accelerator.clip_grad_norm_([one for one in every if id(one) not in watchers], session.options.clip)
        if watchers:
            session.accelerator.clip_grad_norm_([one for one in every if id(one) in watchers], session.options.clip)
