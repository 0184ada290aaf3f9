"""Outputs and metrics over many pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from zoo.contracts import Head
from zoo.data import DecodedDataset, sequential_batches
from zoo.errors import PluginError
from zoo.models import Model, join_side_maps
from zoo.progress import Progress, silent
from zoo.training.inputs import EVALUATION_BATCH, Arithmetic, beside_features

PRIOR_PICTURES = 10  # pictures
MetricValues = dict[str, float | list[float] | list[list[float]]]


class TrainablePart(nn.Module):
    """The trained part of a model: what lies above the frozen boundary, and the heads.

    Args:
        rest: from the boundary to the cut; None: heads only, on cached features.
        heads: by name.
        finish: turns the rest's output into a map (N, C, h, w).
        detached_heads: trained on detached features: no gradient of theirs reaches the filters.
    """

    def __init__(
        self,
        rest: nn.Module | None,
        heads: Mapping[str, Head],
        finish: Callable[[Tensor], Tensor],
        *,
        detached_heads: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.detached_heads = detached_heads
        self.keeps_features = False
        """Whether the features of the last training batch are kept in `features`, with their graph."""
        self.features: Tensor | None = None
        self.rest = rest if rest is not None else nn.Identity()
        self.heads = nn.ModuleDict(dict(heads))
        self.finish = finish

    def forward(
        self, inputs: Tensor | dict[str, Tensor], beside: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Raw outputs by head. Inputs: (N, C, h, w) at the boundary, or what each head reduces features to.

        Args:
            beside: the numbers beside features at the boundary, by head, (N, K); features of heads have them already.
        """
        beside = beside or {}
        heads: dict[str, Head] = dict(self.heads.items())  # type: ignore[arg-type]
        if isinstance(inputs, dict):
            return {name: head(inputs[name]) for name, head in heads.items()}
        features = self.finish(self.rest(inputs))
        self.features = features if self.keeps_features and features.requires_grad else None
        return {
            name: head(
                head.reduce(
                    join_side_maps(features.detach() if name in self.detached_heads else features, beside.get(name))
                )
            )
            for name, head in heads.items()
        }


def collect_outputs(
    run: Callable[[Tensor], Mapping[str, Tensor]], rows: Tensor, *, progress: Progress = silent, what: str = ""
) -> dict[str, Tensor]:
    """Outputs of all rows, on the CPU, float32. Shapes: rows (N,) -> (N, …) by head."""
    collected: dict[str, list[Tensor]] = {}
    done = 0
    with torch.no_grad():
        for batch in sequential_batches(rows, EVALUATION_BATCH):
            for name, output in run(batch).items():
                collected.setdefault(name, []).append(output.float().cpu())
            done += len(batch)
            if what:
                progress(what, done, len(rows))
    return {name: torch.cat(parts) for name, parts in collected.items()}


def model_outputs(
    model: Model, decoded: DecodedDataset, rows: Tensor, *, arithmetic: Arithmetic, progress: Progress = silent
) -> dict[str, Tensor]:
    """Raw outputs of a whole model for rows of the decoded pictures."""
    filters = arithmetic.frozen(model.filters)
    model.heads.eval().to(arithmetic.device)

    def run(batch: Tensor) -> dict[str, Tensor]:
        images = decoded.images[batch].to(arithmetic.device)
        features = arithmetic.run(filters, arithmetic.ready(images / 255)).float()
        return model.apply_heads(features, beside_features(model, decoded, batch))

    return collect_outputs(run, rows, progress=progress, what="predicting")


def score_outputs(
    model: Model, outputs: Mapping[str, Tensor], decoded: DecodedDataset, rows: Tensor, *, calibrated: bool = True
) -> dict[str, MetricValues]:
    """Every head's metrics over the rows whose target is known.

    Args:
        model: for its heads, targets and temperatures.
        outputs: by head, in the rows' order.
        decoded: for the targets.
        rows: which pictures.
        calibrated: divide by the temperatures first.
    """
    figures: dict[str, MetricValues] = {}
    for name, output in outputs.items():
        head, target = model.head(name), model.specs[name].target or ""
        known = decoded.known[target][rows]
        if not bool(known.any()):
            continue
        divisor = model.temperatures.get(name, 1.0) if calibrated else 1.0
        metrics = head.metrics()
        for metric in metrics.values():
            metric.distributed_available_fn = lambda: False  # every process scores all rows: sums would count twice
        metrics.update(head.predict(output[known] / divisor), decoded.targets[target][rows][known])
        computed = {key: _as_python(value) for key, value in metrics.compute().items()}
        figures[name] = {key: value for key, value in computed.items() if value == value}  # NaN: nothing to score
    return figures


def monitored_value(
    model: Model,
    name: str,
    outputs: Mapping[str, Tensor],
    figures: Mapping[str, Any],
    decoded: DecodedDataset,
    rows: Tensor,
) -> float:
    """The monitored metric of a head, which picks the best epoch; its sign is turned so that lower is better."""
    head, target = model.head(name), model.specs[name].target or ""
    if head.watch:
        if head.watch not in figures:
            names = [str(one) for one in head.metrics()]
            if head.watch in names:
                return math.nan
            raise PluginError(
                f"The head {name!r} watches {head.watch!r}, which is none of its metrics: {', '.join(names)}."
            )
        value = float(figures[head.watch])
        return value if head.better == "lower" else -value
    known = decoded.known[target][rows]
    return float(head.loss(outputs[name][known], decoded.targets[target][rows][known]))


def _as_python(value: Tensor) -> Any:
    return value.item() if value.ndim == 0 else value.tolist()


def fit_temperature(logits: Tensor, target: Tensor) -> float:
    """The divisor of the logits that minimises cross-entropy (Guo 2017), 1/3 to 3.

    Few pictures say little: the logarithm is drawn to 0 as if by `PRIOR_PICTURES` pictures, so that a handful of right
    answers does not make the net sure of everything.

    Shapes: logits (N, K) float, target (N,) int64.
    """
    from scipy.optimize import minimize_scalar

    rows, labels = logits.double(), target

    def loss(log_temperature: float) -> float:
        fit = float(nn.functional.cross_entropy(rows / math.exp(log_temperature), labels))
        return fit + PRIOR_PICTURES / len(labels) * log_temperature**2

    best = minimize_scalar(loss, bounds=(-math.log(3), math.log(3)), method="bounded")
    return math.exp(float(best.x))
