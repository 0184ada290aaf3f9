"""The expected accuracy of the proposals for the rest, from pictures that were drawn at random to be checked.

What people label first is easy (rows) or hard (the doubtful), so the labels themselves say little of the rest. Here a
*check* draws from all pictures that were unlabelled when it began, in an order that is fixed by the journal's seed; the
first m of that order are a simple random sample of them, whoever answered them and in whatever way. Their share that
the head, fitted without the picture in question, gets right estimates the right ones among all of that population;
those that were labelled since are known and taken off, and what remains is the rest's. So neither easy nor hard
pictures that are labelled after the check was drawn bias it. A check begins anew once half of its pictures are
labelled: the smaller the rest beside the population, the wider the interval.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from zoo_label.head import FittedHead

TAIL = 0.025


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How many of the rest's proposals are right."""

    accuracy: float  # 0 to 1
    low: float  # 95%
    high: float
    checked: int  # pictures of the sample
    rest: int  # unlabelled pictures

    @property
    def width(self) -> float:
        """Of the interval."""
        return self.high - self.low


def draw_order(paths: Sequence[str], seed: str) -> np.ndarray:
    """All pictures in an order that nobody chose and that stays when more are added: int (N)."""
    digests = [hashlib.sha256(f"{seed}\0{path}".encode(errors="surrogateescape")).digest()[:8] for path in paths]
    return np.argsort(np.frombuffer(b"".join(digests), dtype=">u8"), kind="stable")


def next_to_check(order: np.ndarray, population: np.ndarray, labelled: np.ndarray, most: int) -> np.ndarray:
    """The next pictures of a check: of its population, unlabelled, in the order. Shapes: bool (N) -> int."""
    return order[population[order] & ~labelled[order]][:most]


def estimate_rest(
    head: FittedHead | None,
    *,
    order: np.ndarray,
    population: np.ndarray,
    codes: np.ndarray,
    checked: np.ndarray,
) -> Estimate | None:
    """The expected accuracy on the unlabelled pictures of a population.

    Args:
        head: fitted to all labels; unsure ones are none of its kinds, and count as wrong.
        order: int (N), that the check draws in.
        population: bool (N), what was unlabelled when the check began.
        codes: int (N), labels; negative where there is none.
        checked: bool (N), what was answered as a check.

    Returns:
        None where nothing was checked, nothing is left, or there is no head.
    """
    drawn, labelled = order[population[order]], codes >= 0
    answered = labelled[drawn]
    sample = drawn[: int(np.argmin(answered))] if not answered.all() else drawn
    last = np.flatnonzero(checked[sample])
    rest = int((population & ~labelled).sum())
    if head is None or not len(last) or not rest:
        return None
    sample = sample[: last[-1] + 1]  # what lies between the last check and the next picture was not drawn for it
    right = np.zeros(len(codes), dtype=bool)
    right[head.rows] = head.left_out_kinds() == codes[head.rows]
    known, hits = int(right[population & labelled].sum()), int(right[sample].sum())
    size = int(population.sum())

    def of_the_rest(share: float) -> float:
        return float(np.clip((size * share - known) / rest, 0, 1))

    low, high = share_interval(hits, len(sample))
    return Estimate(
        accuracy=of_the_rest(hits / len(sample)),
        low=of_the_rest(low),
        high=of_the_rest(high),
        checked=len(sample),
        rest=rest,
    )


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95% interval of Clopper and Pearson (1934) for a share."""
    low = float(stats.beta.ppf(TAIL, hits, count - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - TAIL, hits + 1, count - hits)) if hits < count else 1.0
    return low, high
