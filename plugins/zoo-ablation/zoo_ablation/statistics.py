"""Paired comparison of two variants over the same seeds: effect, interval, p value, and the seeds needed.

The interval is that of Student's t, on the side of the skewness as far as Johnson's modified t goes (1978, "Modified t
tests and confidence intervals for asymmetrical populations"). In simulations (1,500 each) it held the truth
in 95 to 97% of cases where differences are normal or heavy-tailed, in 90 to 91% of six and 91 to 94% of ten pairs where
they are strongly skewed; the BCa bootstrap did in 92 to 95% and 87 to 93%. The test flips signs (Fisher 1935).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, stats

from zoo.errors import UsageError

Better = Literal["higher", "lower"]
Verdict = Literal["helps", "harms", "no difference found", "too few seeds"]

FEWEST_PAIRS = 6  # two of the 64 flips of six pairs are 3.1%; with five a two-sided test cannot come below 6.2%
MOST_PAIRS = 1000  # more are impractical to run
LEVEL = 0.05  # two-sided
POWER = 0.8
SIGN_FLIPS = 2**16  # all of them up to 16 pairs, so many drawn ones beyond
EQUAL_TOLERANCE = 1e-9  # differences that differ by less than this share of the largest are equal but for rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """One variant against another, over paired seeds; all in the metric's own unit."""

    pairs: int
    treated: float  # its mean
    control: float  # its mean
    difference: float  # the mean of treated - control
    low: float | None  # of the 95% interval of the difference; None under six pairs: it would not hold what it says
    high: float | None
    p: float  # two-sided, in 0 to 1
    seeds_needed: int | None  # pairs in all for 80% power; MOST_PAIRS + 1: more than that; None: nothing to find
    detectable: float | None  # the least effect that so many pairs find with 80% power; None under six
    not_excluded: float | None  # the interval's end that is further from 0, without its sign; None under six
    verdict: Verdict

    @property
    def clear(self) -> bool:
        """Whether the verdict is that it helps or harms."""
        return self.verdict in ("helps", "harms")


def compare_paired(
    treated: Sequence[float], control: Sequence[float], *, better: Better, seed: int = 0
) -> PairedComparison:
    """Compare metric values of paired seeds.

    Args:
        treated: a value for every seed.
        control: the other variant's, of the same seeds in the same order.
        better: whether a `higher` or a `lower` value is better.
        seed: of the flips beyond 16 pairs.

    Returns:
        The verdict is `helps` or `harms` only where p is under 5% and the interval does not hold 0. Under six pairs
        it is always `too few seeds`.

    Raises:
        UsageError: no pairs, not as many of both, a value that is no finite number, or another `better`.
    """
    differences = _differences(treated, control, better)
    pairs, difference = len(differences), _mean(differences)
    spread = _standard_deviation(differences)
    low, high = _interval(differences) if pairs >= FEWEST_PAIRS else (None, None)
    p = _sign_flip_p_value(differences, seed)
    return PairedComparison(
        pairs=pairs,
        treated=_mean(treated),
        control=_mean(control),
        difference=difference,
        low=low,
        high=high,
        p=p,
        seeds_needed=pairs_needed(difference, spread) if spread is not None else None,
        detectable=detectable_effect(pairs, spread) if spread is not None and pairs >= FEWEST_PAIRS else None,
        not_excluded=max(abs(low), abs(high)) if low is not None and high is not None else None,
        verdict=_find_verdict(pairs, difference, low, high, p, better),
    )


def pairs_needed(effect: float, spread: float) -> int | None:
    """How many pairs find an effect with 80% power, at two-sided 5%.

    By the noncentral t distribution of the paired t-test, and at least `FEWEST_PAIRS`. The sign-flip test together
    with the interval finds it a little less often: 74 to 80% were measured where 80% are said.

    Args:
        effect: the mean difference, of either sign.
        spread: the standard deviation of the differences, in the same unit, 0 or more.

    Returns:
        None where there is no effect; `MOST_PAIRS + 1` where it takes more than `MOST_PAIRS`.
    """
    if effect == 0:
        return None
    ratio = abs(effect) / spread if spread else math.inf
    few, many = FEWEST_PAIRS - 1, MOST_PAIRS + 1  # power rises with the pairs: halve the way until they are neighbours
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _power(middle, ratio) >= POWER else (middle, many)
    return many


def detectable_effect(pairs: int, spread: float) -> float:
    """The least effect that so many pairs find with 80% power, in the unit of the spread. At least six pairs."""
    if spread == 0:
        return 0.0
    return spread * float(optimize.brentq(lambda ratio: _power(pairs, ratio) - POWER, 1e-6, 1e3))


def _power(pairs: int, ratio: float) -> float:
    """Power of the paired two-sided t-test; at six pairs limited by the sign-flip test, which then needs one sign.

    Args:
        pairs: six or more.
        ratio: the effect over the differences' standard deviation.
    """
    if ratio > 50:
        return 1.0
    bound = stats.t.isf(LEVEL / 2, pairs - 1)
    centre = ratio * math.sqrt(pairs)
    there, other = stats.nct.sf(bound, pairs - 1, centre), stats.nct.cdf(-bound, pairs - 1, centre)
    if not math.isfinite(there):  # far out the noncentral t is not finite; the normal is close enough there
        there = stats.norm.sf(bound - centre)
    power = float(there + (other if math.isfinite(other) else 0.0))
    if pairs == FEWEST_PAIRS:
        power = min(power, float(stats.norm.cdf(ratio) ** pairs + stats.norm.sf(ratio) ** pairs))
    return power


def _differences(treated: Sequence[float], control: Sequence[float], better: str) -> np.ndarray:
    """Treated minus control, float64 (pairs,); equal ones are made equal to the last bit."""
    if better not in ("higher", "lower"):
        raise UsageError(f"Better cannot be {better!r}.", "Say which values are better: 'higher' or 'lower'.")
    if len(treated) != len(control) or not len(treated):
        raise UsageError(
            f"{len(treated)} values against {len(control)} are no pairs.",
            "Give both variants one value for every seed.",
        )
    for name, values in (("treated", treated), ("control", control)):
        wrong = [(place, one) for place, one in enumerate(values) if not math.isfinite(one)]
        if wrong:
            place, one = wrong[0]
            raise UsageError(
                f"Value {place + 1} of {len(values)} of the {name} variant is {one}.",
                "Check that run, or leave the seed out of both variants.",
            )
    differences = np.asarray(treated, dtype=np.float64) - np.asarray(control, dtype=np.float64)
    size = max(np.abs(treated).max(), np.abs(control).max())
    differences[np.abs(differences) <= 1e-12 * size] = 0.0
    if np.ptp(differences) <= EQUAL_TOLERANCE * np.abs(differences).max():
        differences[:] = differences[0]
    return differences


def _mean(values: Sequence[float] | np.ndarray) -> float:
    """Rounded once: equal values give that value."""
    return math.fsum(values) / len(values)


def _standard_deviation(differences: np.ndarray) -> float | None:
    """The standard deviation of the differences; None of one, exactly 0 of equal ones."""
    if len(differences) < 2:
        return None
    return float(differences.std(ddof=1)) if np.ptp(differences) else 0.0


def _interval(differences: np.ndarray) -> tuple[float, float]:
    """The 95% interval of the mean: the t interval, stretched on the side of the skewness; of equal ones that value."""
    pairs, mean = len(differences), _mean(differences)
    if not np.ptp(differences):
        return mean, mean
    centred = differences - mean
    variance, bound = float(centred @ centred) / (pairs - 1), float(stats.t.isf(LEVEL / 2, pairs - 1))
    third = pairs / ((pairs - 1) * (pairs - 2)) * float((centred**3).sum())
    shift = third / (6 * variance * pairs) * (1 + 2 * bound**2)
    reach = bound * math.sqrt(variance / pairs)
    return mean - reach + min(shift, 0.0), mean + reach + max(shift, 0.0)


def _sign_flip_p_value(differences: np.ndarray, seed: int) -> float:
    """The sign-flip test's two-sided p: how often chance signs give a mean as far from 0. Exact up to 16 pairs."""
    furthest = np.abs(differences).max()
    if furthest == 0 or len(differences) < 2:
        return 1.0
    steps = np.rint(differences / furthest / EQUAL_TOLERANCE)  # whole numbers, whose sums tie exactly
    tested = stats.permutation_test(
        (steps,),
        np.sum,
        permutation_type="samples",
        alternative="two-sided",
        vectorized=True,
        n_resamples=SIGN_FLIPS,
        batch=4096,
        random_state=np.random.default_rng(seed),
    )
    return float(min(tested.pvalue, 1.0))


def _find_verdict(
    pairs: int, difference: float, low: float | None, high: float | None, p: float, better: Better
) -> Verdict:
    if pairs < FEWEST_PAIRS or low is None or high is None:
        return "too few seeds"
    if p >= LEVEL or low <= 0 <= high:
        return "no difference found"
    return "helps" if (difference > 0) == (better == "higher") else "harms"
