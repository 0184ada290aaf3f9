"""`zoo label --simulate`: how many labels, answers and modelled hours it takes by each strategy.

Every seed deals the groups anew: three quarters are labelled, and the head that the labels so far give is scored on
pictures of the rest, whose groups nobody labelled. What is asked is how soon it comes within two points of the head
that has all labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from zoo.errors import UsageError
from zoo.progress import Progress, silent
from zoo_label.annotator import Annotation, TimeModel
from zoo_label.clusters import standardise
from zoo_label.head import FittedHead
from zoo_label.strategies import STRATEGIES

TESTED = 0.25  # of the pictures, in whole groups
FIRST, GROWTH = 25, 1.25  # labels of the first point of a curve, and how much further the next one is
WITHIN = 0.02  # of the head that has all labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of one curve."""

    labels: int
    answers: int  # keys and clicks: of a row one, and one for each picture that is taken out
    seconds: float  # by the time model
    accuracy: float  # on pictures of groups that were not labelled
    named: float  # the share of the pool that is right, labels and proposals together


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One strategy with one seed."""

    strategy: str
    seed: int
    full: float  # accuracy of the head that has all labels
    points: tuple[Point, ...]

    def needed(self, axis: str) -> float:
        """Labels, answers or seconds until it is within two points of the full head, between two points by a line."""
        wanted = self.full - WITHIN
        before: Point | None = None
        for point in self.points:
            if point.accuracy >= wanted:
                there = float(getattr(point, axis))
                if before is None:
                    return there
                share = (wanted - before.accuracy) / (point.accuracy - before.accuracy)
                return float(getattr(before, axis)) + share * (there - float(getattr(before, axis)))
            before = point
        return math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """All curves, and what they were made of."""

    curves: tuple[Curve, ...]
    pictures: int
    kinds: int
    groups: int
    times: TimeModel

    def of(self, strategy: str) -> list[Curve]:
        """A strategy's curves, a seed each."""
        return [one for one in self.curves if one.strategy == strategy]

    @property
    def strategies(self) -> list[str]:
        """In order."""
        return list(dict.fromkeys(one.strategy for one in self.curves))


def simulate(
    vectors: np.ndarray,
    truth: np.ndarray,
    groups: Sequence[str | None],
    *,
    strategies: Sequence[str] = tuple(STRATEGIES),
    seeds: int = 10,
    times: TimeModel | None = None,
    progress: Progress = silent,
) -> Simulation:
    """Label pictures whose truth is known, by every strategy and with every seed.

    Args:
        vectors: (N, D) float32.
        truth: int (N), all of them 0 or more.
        groups: (N); None is a group of its own.
        strategies: of `STRATEGIES`.
        seeds: how many.
        times: the model of the annotator's time.
        progress: told how far it is.

    Raises:
        UsageError: fewer than two kinds or groups; no such strategy.
    """
    if unknown := [one for one in strategies if one not in STRATEGIES]:
        raise UsageError(f"There is no strategy {unknown[0]!r}.", f"There is {', '.join(STRATEGIES)}.")
    numbers = np.unique([one or f"\0{place}" for place, one in enumerate(groups)], return_inverse=True)[1]
    if len(np.unique(truth)) < 2 or len(np.unique(numbers)) < 2:
        raise UsageError("A simulation needs pictures of two kinds and of two groups.", "Give more pictures.")
    times, curves, total = times or TimeModel(), list[Curve](), seeds * len(strategies)
    for seed in range(seeds):
        tested = deal_groups(numbers, np.random.default_rng(seed))
        features = standardise(np.asarray(vectors, dtype=np.float32), ~tested)
        for strategy in strategies:
            curves.append(_follow(features, truth, tested, strategy, seed, times))
            progress("simulating", len(curves), total, f"{strategy}, seed {seed}")
    return Simulation(
        curves=tuple(curves),
        pictures=len(truth),
        kinds=len(np.unique(truth)),
        groups=len(np.unique(numbers)),
        times=times,
    )


def deal_groups(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Which pictures are tested on: whole groups until there are a quarter of all. Shapes: int (N) -> bool (N)."""
    order, sizes = rng.permutation(groups.max() + 1), np.bincount(groups)
    before = np.cumsum(sizes[order]) - sizes[order]
    chosen = order[before < TESTED * len(groups)]
    chosen = chosen[: len(order) - 1]  # some are left to be labelled
    return np.isin(groups, chosen)


def _follow(
    features: np.ndarray, truth: np.ndarray, tested: np.ndarray, strategy: str, seed: int, times: TimeModel
) -> Curve:
    pool = Annotation(features[~tested], truth[~tested], times, np.random.default_rng([seed, 1]))
    points, wanted = list[Point](), float(FIRST)
    for _ in STRATEGIES[strategy](pool):
        if pool.labels >= min(wanted, len(pool.codes)):
            points.append(_score(pool, features[tested], truth[tested]))
            wanted = max(wanted, pool.labels) * GROWTH
    return Curve(strategy=strategy, seed=seed, full=points[-1].accuracy, points=tuple(points))


def _score(pool: Annotation, features: np.ndarray, truth: np.ndarray) -> Point:
    head = pool.head()
    named = np.where(pool.codes >= 0, pool.codes, _kinds(head, pool.features))
    return Point(
        labels=pool.labels,
        answers=pool.answers,
        seconds=pool.seconds,
        accuracy=float((_kinds(head, features) == truth).mean()),
        named=float((named == pool.truth).mean()),
    )


def _kinds(head: FittedHead | None, features: np.ndarray) -> np.ndarray:
    return np.full(len(features), -1) if head is None else head.kinds[head.probabilities(features).argmax(axis=1)]


# ------------------------------------------------------------------------------------------------ summary


def summarise(simulation: Simulation) -> list[dict[str, Any]]:
    """A row a strategy: what is needed to come within two points of all labels, and how much of random order's that is.

    Intervals are 95% t intervals over seeds with the variance of Nadeau and Bengio (2003), whose test pictures overlap;
    the ratio's is of its logarithm. A strategy that did not come so far with some seed has no such figures.
    """
    rows = []
    for strategy in simulation.strategies:
        curves = simulation.of(strategy)
        row: dict[str, Any] = {"strategy": strategy, "seeds": len(curves)}
        row["full"] = corrected_interval([one.full for one in curves])
        for axis in ("labels", "answers", "seconds"):
            needed = [one.needed(axis) for one in curves]
            row[axis] = corrected_interval(needed)
            base = [one.needed(axis) for one in simulation.of("random")]
            if len(base) == len(needed):
                logs = [math.log(one / other) for one, other in zip(needed, base, strict=True)]
                row[f"{axis}_over_random"] = [math.exp(one) for one in corrected_interval(logs)]
        row["pictures_an_hour"] = corrected_interval(
            [3600 * one.points[-1].labels / one.points[-1].seconds for one in curves]
        )
        rows.append(row)
    return rows


def mean_curve(curves: Sequence[Curve], axis: str, value: str = "accuracy") -> list[dict[str, float]]:
    """The mean over seeds with its interval, at places that are spread evenly on a logarithmic axis."""
    first = max(getattr(one.points[0], axis) for one in curves)
    last = min(getattr(one.points[-1], axis) for one in curves)
    rows = []
    for place in np.geomspace(max(first, 1), max(last, 2), 40):
        values = [
            float(np.interp(place, [getattr(p, axis) for p in one.points], [getattr(p, value) for p in one.points]))
            for one in curves
        ]
        mean, low, high = corrected_interval(values)
        rows.append({axis: round(float(place), 2), "mean": mean, "low": low, "high": high})
    return rows


def corrected_interval(values: Sequence[float]) -> list[float]:
    """Mean, low and high of values over seeds; NaN for the bounds of a single one."""
    mean, count = float(np.mean(values)), len(values)
    if count < 2 or not math.isfinite(mean):
        return [mean, math.nan, math.nan]
    error = math.sqrt(float(np.var(values, ddof=1)) * (1 / count + TESTED / (1 - TESTED)))
    reach = float(stats.t.ppf(0.975, count - 1)) * error
    return [mean, mean - reach, mean + reach]
