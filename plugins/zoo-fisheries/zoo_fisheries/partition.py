"""Train, validation and test by group, with every class on every side where its groups allow that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from zoo.errors import UsageError

SHARES: Mapping[str, float] = MappingProxyType({"train": 0.6, "val": 0.15, "test": 0.25})
DRAWS = 20  # of which the best is kept


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
    found = [_improve(rng.choice(len(wanted), len(names), p=wanted), counts, wanted, rng) for _ in range(DRAWS)]
    sides = min(found, key=lambda one: _fault(one, counts, wanted))
    return {side: np.flatnonzero(sides[member] == at).tolist() for at, side in enumerate(shares)}


def _improve(
    sides: NDArray[np.int64], counts: NDArray[np.float64], wanted: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Move single groups to the side where the fault is least, until no move helps."""
    best = _fault(sides, counts, wanted)
    moved = True
    while moved:
        moved = False
        for group in rng.permutation(len(sides)):
            for side in range(len(wanted)):
                tried = sides.copy()
                tried[group] = side
                if (fault := _fault(tried, counts, wanted)) < best - 1e-12:
                    sides, best, moved = tried, fault, True
    return sides


def _fault(sides: NDArray[np.int64], counts: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    held = np.stack([counts[sides == side].sum(axis=0) for side in range(len(wanted))])  # sides x classes
    return float(np.abs(held - wanted[:, None]).sum() + (held == 0).sum())
