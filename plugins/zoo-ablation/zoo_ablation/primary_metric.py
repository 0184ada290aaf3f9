"""The primary metric: which metric of which head decides, and whether higher or lower is better."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from zoo.errors import UnknownNameError, UsageError, ZooError
from zoo.models import Model
from zoo.training import Run
from zoo_ablation.statistics import Better

PREFERRED_METRIC = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryMetric:
    """One metric of one head."""

    head: str
    metric: str
    better: Better
    share: bool  # it lies in 0 to 1, and its differences are given in percentage points

    def value(self, run: Run, split: str) -> float:
        """Its value for a finished run.

        Raises:
            ZooError: the run has none on that split, or one that is not finite.
        """
        value = run.metrics.get(split, {}).get(self.head, {}).get(self.metric)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ZooError(
                f"{run.folder}: the head {self.head!r} has no {self.metric} on the split {split!r}. "
                "None of its pictures may have that target.",
                "Choose another metric, or label more pictures.",
            )
        return float(value)


def find_primary_metric(model: Model, head: str, metric: str | None) -> PrimaryMetric:
    """The metric asked for; accuracy by default, else the one that picks the head's best epoch.

    Raises:
        UnknownNameError: the head has no such metric.
        UsageError: it has no scalar metric that says which way is better.
    """
    made = model.head(head).metrics()
    directed = {str(name): one for name, one in made.items(keep_base=True) if _is_directed(one)}
    watch = model.head(head).watch
    if metric is None:
        metric = next(
            (name for name in (PREFERRED_METRIC, watch, *directed) if name in (*directed, watch) and name), None
        )
    if metric is None:
        raise UsageError(f"The head {head!r} has no metric that says which way is better.", "Name one with `metric=`.")
    if metric not in directed and metric != watch:
        raise UnknownNameError(f"metric of the head {head!r}", metric, sorted({*directed, *([watch] if watch else [])}))
    if metric == watch:
        better: Better = model.head(head).better
    else:
        better = "higher" if directed[metric].higher_is_better else "lower"
    one = directed.get(metric)
    share = one is not None and (one.plot_lower_bound, one.plot_upper_bound) == (0.0, 1.0)
    return PrimaryMetric(head=head, metric=metric, better=better, share=share)


def _is_directed(metric: Any) -> bool:
    """Whether it has a better direction, and is one number rather than one a class."""
    return getattr(metric, "higher_is_better", None) is not None and getattr(metric, "average", "") not in (
        "none",
        None,
    )
