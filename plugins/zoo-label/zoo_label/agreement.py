"""How far two persons agree beyond chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two persons' answers to the same pictures."""

    pictures: int
    agreed: float  # the share that both called the same
    kappa: float  # 1: always; 0: as often as chance would; NaN where there is one kind only
    low: float  # 95%
    high: float


def measure_agreement(first: Sequence[int], second: Sequence[int]) -> Agreement | None:
    """Cohen's kappa with its 95% interval; None where there are no pictures.

    The standard error is that of Fleiss, Cohen and Everitt (1969, "Large sample standard errors of kappa and weighted
    kappa"), so the interval is for many pictures: below some fifty it is too narrow.

    Args:
        first: (N) codes of what the one said.
        second: (N) likewise of the other.
    """
    if not first:
        return None
    _, codes = np.unique(np.concatenate([first, second]), return_inverse=True)
    one, other = np.split(codes, 2)
    table = np.zeros((codes.max() + 1,) * 2)
    np.add.at(table, (one, other), 1 / len(first))
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    agreed, chance = float(np.trace(table)), float(rows @ columns)
    if chance >= 1:
        return Agreement(pictures=len(first), agreed=agreed, kappa=math.nan, low=math.nan, high=math.nan)
    kappa = (agreed - chance) / (1 - chance)
    sums = columns[:, None] + rows[None, :]  # of cell (i, j): column i and row j
    on = (np.diag(table) * (1 - np.diag(sums) * (1 - kappa)) ** 2).sum()
    off = (1 - kappa) ** 2 * ((table - np.diag(np.diag(table))) * sums**2).sum()
    variance = (on + off - (kappa - chance * (1 - kappa)) ** 2) / (len(first) * (1 - chance) ** 2)
    reach = 1.959964 * math.sqrt(max(variance, 0.0))
    low, high = max(kappa - reach, -1.0), min(kappa + reach, 1.0)
    return Agreement(pictures=len(first), agreed=agreed, kappa=kappa, low=low, high=high)
