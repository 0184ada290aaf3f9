"""Metrics as published, over the seeds that were recorded, and of a new training.

`metrics.json` of published filters has the metrics of their own run and, as `repeats`, those of runs of the same
recipe with other seeds. From n of them, one more training lies within mean ± t · deviation · √(1 + 1/n) in 95 of 100
cases: the prediction interval of a normal sample (Hahn and Meeker, "Statistical Intervals", 1991). Where there are no
repeats, a share of right answers has the binomial interval of the test pictures (Wilson 1927); others have none.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEVEL = 0.95
SHARES = ("accuracy", "top5")  # of right answers among the pictures
SPLIT = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricComparison:
    """One metric on the test pictures."""

    head: str
    metric: str
    published: float
    seeds: int  # trainings that were recorded, the published one among them
    mean: float  # over these
    deviation: float | None  # over these; None: of one alone
    low: float | None  # where 95% of trainings lie; None: nothing tells
    high: float | None
    now: float | None = None  # None: it was not measured

    @property
    def is_within(self) -> bool | None:
        """Whether the new training lies within; None where nothing tells."""
        if self.low is None or self.high is None:
            return None
        return self.now is not None and self.low <= self.now <= self.high


def compare(published: Mapping[str, Any], now: Mapping[str, Any]) -> list[MetricComparison]:
    """Every metric on the test pictures that is a single number; none where there was no test.

    Args:
        published: what `metrics.json` says.
        now: the new run's metrics, by split, head and name; empty: there is no run yet.

    Raises:
        ValueError: it is no such file.
    """
    try:
        return [
            _compare(head, metric, value, published, now)
            for head, recorded in published["figures"].get(SPLIT, {}).items()
            for metric, value in recorded.items()
            if isinstance(value, float) and math.isfinite(value)
        ]
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"it is none of published filters: {error!r}") from error


def _compare(
    head: str, metric: str, value: float, published: Mapping[str, Any], now: Mapping[str, Any]
) -> MetricComparison:
    repeats = [one["figures"][SPLIT][head][metric] for one in published.get("repeats", ())]
    values = [value, *map(float, repeats)]
    confusion = published["figures"][SPLIT][head].get("confusion", ())
    pictures = int(sum(sum(row) for row in confusion))
    low, high = interval(values, pictures if metric in SHARES else 0)
    return MetricComparison(
        head=head,
        metric=metric,
        published=value,
        seeds=len(values),
        mean=statistics.fmean(values),
        deviation=statistics.stdev(values) if repeats else None,
        low=low,
        high=high,
        now=now.get(SPLIT, {}).get(head, {}).get(metric),
    )


def interval(values: Sequence[float], pictures: int) -> tuple[float | None, float | None]:
    """Where 95% of trainings lie.

    Args:
        values: of the recorded trainings.
        pictures: where the values are shares of so many pictures, which are never surer than one of them; else 0.
    """
    from scipy import stats

    if (count := len(values)) > 1:
        reach = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * statistics.stdev(values) * math.sqrt(1 + 1 / count)
        reach = max(reach, 1 / pictures if pictures else 0.0)
        low, high = statistics.fmean(values) - reach, statistics.fmean(values) + reach
        return (max(low, 0.0), min(high, 1.0)) if pictures else (low, high)
    if not pictures:
        return None, None
    low, high = stats.binomtest(round(values[0] * pictures), pictures).proportion_ci(LEVEL, method="wilson")
    return float(low), float(high)
