"""Train, validation and test by group, with every class on every side where its groups allow that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError

SHARES: Mapping[str, float] = MappingProxyType({"train": 0.6, "val": 0.15, "test": 0.25})
DRAWS = 20  # of which the best is kept
MOST_MOVES = 2_000  # groups that are tried in a round over all draws, about: many groups are divided well by any draw


def draw_partition(
    labels: Sequence[str], groups: Sequence[str | None], *, seed: int, shares: Mapping[str, float] = SHARES
) -> dict[str, list[int]]:
    """Give whole groups to the sides, so that every class comes near its share on each.

    From random assignments groups are moved one by one for as long as that helps. What is lowered is the sum, over
    classes and sides, of the distance from the class's share, and 1 for each class that is missing on a side.

    Args:
        labels: the class of each sample.
        groups: likewise; a sample without a group is one of its own.
        seed: of the choice.
        shares: of all samples, by side; their sum is 1.

    Raises:
        UsageError: fewer groups than sides.
    """
    names = sorted({group or f"\0{at}" for at, group in enumerate(groups)})
    if len(names) < len(shares):
        raise UsageError(
            f"{len(names)} groups cannot be divided among {', '.join(shares)}.", "Add groups, or leave out `split=`."
        )
    place = {name: at for at, name in enumerate(names)}
    member = np.array([place[group or f"\0{at}"] for at, group in enumerate(groups)])
    kinds = sorted(set(labels))
    counts = np.zeros((len(names), len(kinds)))
    np.add.at(counts, (member, [kinds.index(label) for label in labels]), 1)
    counts /= counts.sum(axis=0)  # of each class, the share that a group holds
    wanted = np.array(list(shares.values()))
    rng = np.random.default_rng([seed, 0x5B117])
    draws = max(1, min(DRAWS, MOST_MOVES // len(names)))
    found = [_improve(rng.choice(len(wanted), len(names), p=wanted), counts, wanted, rng) for _ in range(draws)]
    sides = min(found, key=lambda one: one[0])[1]
    return {side: np.flatnonzero(sides[member] == at).tolist() for at, side in enumerate(shares)}


def _improve(
    sides: NDArray[np.int64], counts: NDArray[np.float64], wanted: NDArray[np.float64], rng: np.random.Generator
) -> tuple[float, NDArray[np.int64]]:
    """Move single groups to where the fault is least, until no move helps: the fault that is left, and the sides."""
    held = np.stack([counts[sides == side].sum(axis=0) for side in range(len(wanted))])  # sides x classes
    best = _fault(held, wanted)
    moved = True
    while moved:
        moved = False
        for group in rng.permutation(len(sides)):
            for side in range(len(wanted)):
                tried = held.copy()
                tried[sides[group]] -= counts[group]
                tried[side] += counts[group]
                if (fault := _fault(tried, wanted)) < best - 1e-9:
                    held, best, moved = tried, fault, True
                    sides[group] = side
    return best, sides


def _fault(held: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """Of the shares of every class on every side, 0 where nothing is held but for rounding."""
    return float(np.abs(held - wanted[:, None]).sum() + (held < 1e-9).sum())
