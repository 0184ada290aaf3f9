"""Bootstrap intervals of scores, over pictures or over groups, and standard errors of paired differences.

The out-of-fold scores are resampled. The folds' training parts are not drawn anew, so that the intervals are for
these classifiers on other pictures (or groups) of the same kind, and are a little too narrow for other training sets.
"""

from __future__ import annotations

import math

import numpy as np

DRAWS = 2000
MOST_DRAWN = 4_000_000  # drawn numbers in memory


def resample_means(sample_scores: np.ndarray, groups: np.ndarray, *, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Means over drawn groups, the same groups for all columns: differences of columns are paired.

    Where every picture is a group of its own this is the ordinary bootstrap, else the cluster bootstrap.

    Shapes: sample_scores (N, M) float, groups (N,) int from 0 -> (draws, M) float.
    """
    sums = sum_by_group(np.column_stack([sample_scores, np.ones(len(sample_scores))]), groups)
    count = len(sums)
    rng = np.random.default_rng(seed)
    parts = []
    step = max(1, MOST_DRAWN // count)
    for start in range(0, draws, step):
        some = min(step, draws - start)
        drawn = rng.integers(count, size=(some, count)) + count * np.arange(some)[:, None]
        times = np.bincount(drawn.ravel(), minlength=some * count).reshape(some, count)
        totals = times @ sums
        parts.append(totals[:, :-1] / totals[:, -1:])
    return np.concatenate(parts)


def percentile_interval(means: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of drawn means. Shapes: means (draws,) -> (low, high)."""
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def standard_error(values: np.ndarray, groups: np.ndarray) -> float:
    """The standard error of a mean whose pictures come in groups (the cluster-robust one); 0 for one group.

    For a paired comparison give the differences, picture by picture: what both find hard then cancels.

    Shapes: values (N,) float, groups (N,) int from 0.
    """
    centred = sum_by_group((values - values.mean())[:, None], groups)[:, 0]
    count = len(centred)
    if count < 2:
        return 0.0
    return math.sqrt(float((centred**2).sum()) * count / (count - 1)) / len(values)


def sum_by_group(columns: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Shapes: columns (N, M) float, groups (N,) int from 0 to G - 1 -> (G, M) float."""
    sums = np.zeros((int(groups.max()) + 1, columns.shape[1]))
    np.add.at(sums, groups, columns)
    return sums
