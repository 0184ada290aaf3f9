"""Paired seeds: intervals that hold the truth, a test that is exact, promises that a simulation keeps."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from zoo_ablation.statistics import MOST_PAIRS, compare_paired, detectable_effect, pairs_needed

from zoo.errors import UsageError


def _drawn(seed: int, effect: float, pairs: int, repeats: int) -> np.ndarray:
    """Normal differences with a standard deviation of 1, (repeats, pairs)."""
    return np.random.default_rng(seed).normal(effect, 1, (repeats, pairs))


def _compared(differences: np.ndarray):
    return [compare_paired(row, [0.0] * len(row), better="higher") for row in differences]


# ------------------------------------------------------------------------------------------------ simulations


@pytest.mark.parametrize("pairs", [6, 10])
def test_the_interval_holds_the_true_difference_as_often_as_it_says(pairs: int) -> None:
    found = _compared(_drawn(1, 1.0, pairs, 300))
    assert 0.9 <= np.mean([one.low <= 1 <= one.high for one in found]) <= 0.98


def test_without_an_effect_a_verdict_is_rare() -> None:
    assert np.mean([one.clear for one in _compared(_drawn(2, 0.0, 10, 400))]) <= 0.06


@pytest.mark.parametrize("effect", [1.0, 1.9])
def test_the_seeds_that_are_said_to_be_needed_find_the_effect_about_as_often_as_promised(effect: float) -> None:
    found = _compared(_drawn(3, effect, pairs_needed(effect, 1.0), 300))
    assert 0.7 <= np.mean([one.verdict == "helps" for one in found]) <= 0.9


def test_half_the_seeds_needed_find_it_in_half_of_the_cases_at_most() -> None:
    found = _compared(_drawn(4, 0.8, pairs_needed(0.8, 1.0) // 2, 300))
    assert np.mean([one.verdict == "helps" for one in found]) < 0.6


# ------------------------------------------------------------------------------------------------ exactness


@pytest.mark.parametrize("pairs", [6, 7, 9])
def test_p_is_the_share_of_all_sign_flips_that_are_as_far_from_zero(pairs: int) -> None:
    hits = np.random.default_rng(pairs).integers(40, 60, (2, pairs))  # of 60 pictures: differences that often tie
    differences = hits[0] - hits[1]
    flips = [abs(np.dot(signs, differences)) for signs in itertools.product((-1, 1), repeat=pairs)]
    expected = np.mean([flip >= abs(differences.sum()) for flip in flips])
    assert compare_paired(hits[0] / 60, hits[1] / 60, better="higher").p == pytest.approx(expected, abs=1e-12)


def test_six_seeds_of_one_sign_are_just_enough() -> None:
    found = compare_paired([0.71, 0.73, 0.72, 0.76, 0.74, 0.75], [0.7] * 6, better="higher")
    assert found.p == pytest.approx(2 / 64)
    assert found.verdict == "helps"


def test_one_seed_of_the_other_sign_among_six_is_too_much() -> None:
    found = compare_paired([0.71, 0.73, 0.72, 0.76, 0.74, 0.699], [0.7] * 6, better="higher")
    assert found.p == pytest.approx(4 / 64)
    assert found.verdict == "no difference found"


def test_many_pairs_are_tested_by_drawn_flips_and_the_same_ones_each_time() -> None:
    row = _drawn(5, 0.9, 30, 1)[0]
    first, again = _compared(np.stack([row, row]))
    assert first == again
    assert 0 < first.p < 0.001


def test_an_interval_that_holds_zero_is_no_verdict_though_p_is_small() -> None:
    found = compare_paired([3, 3, 0, 4, -2, 2, 3, 4], [0] * 8, better="higher")
    assert found.p < 0.05
    assert found.low < 0 < found.high
    assert found.verdict == "no difference found"


def test_flips_that_tie_but_for_rounding_count_as_ties() -> None:
    treated, control = [0.2, 0.1, 0.2, 0.8, 0.3, 0.1, 0.9], [0.7, 0.3, 0.6, 0.4, 0.0, 0.2, 0.4]  # both sum to 2.6
    assert compare_paired(treated, control, better="higher").p == 1


# ------------------------------------------------------------------------------------------------ directions


def test_swapped_arms_turn_every_sign() -> None:
    one, other = _drawn(6, 0.7, 12, 2)
    there, back = compare_paired(one, other, better="higher"), compare_paired(other, one, better="higher")
    assert back.difference == pytest.approx(-there.difference)
    assert back.low == pytest.approx(-there.high, abs=0.1)  # drawn at random
    assert back.high == pytest.approx(-there.low, abs=0.1)
    assert back.p == there.p
    assert (back.treated, back.control) == (there.control, there.treated)


def test_of_a_loss_less_is_better() -> None:
    losses, control = [0.5, 0.51, 0.49, 0.52, 0.5, 0.48, 0.5], [0.6, 0.62, 0.58, 0.63, 0.6, 0.59, 0.61]
    assert compare_paired(losses, control, better="lower").verdict == "helps"
    assert compare_paired(losses, control, better="higher").verdict == "harms"
    assert compare_paired(control, losses, better="lower").verdict == "harms"


# ------------------------------------------------------------------------------------------------ how many seeds


@pytest.mark.parametrize(
    ("effect", "spread", "pairs"), [(1, 1, 10), (1, 1.5, 20), (2, 1.5, 7), (3, 1.5, 6), (-1, 1, 10), (0.1, 1, 787)]
)
def test_the_seeds_needed_are_those_of_the_paired_t_test_and_six_at_least(effect, spread, pairs) -> None:
    assert pairs_needed(effect, spread) == pairs


def test_no_effect_needs_no_number_of_seeds_and_a_tiny_one_more_than_a_thousand() -> None:
    assert pairs_needed(0.0, 1.0) is None
    assert pairs_needed(1e-9, 1.0) == MOST_PAIRS + 1
    assert pairs_needed(1.0, 0.0) == 6


@pytest.mark.parametrize("pairs", [6, 7, 10, 50, 1000])
def test_the_least_effect_that_is_found_needs_just_these_pairs(pairs: int) -> None:
    effect = detectable_effect(pairs, 2.5)
    assert pairs_needed(effect * 1.0001, 2.5) == pairs
    if pairs > 6:
        assert pairs_needed(effect * 0.9999, 2.5) == pairs + 1


# ------------------------------------------------------------------------------------------------ odd figures


@pytest.mark.parametrize("pairs", range(1, 6))
def test_under_six_pairs_nothing_is_concluded_however_large_the_difference(pairs: int) -> None:
    found = compare_paired([0.9 + 0.01 * one for one in range(pairs)], [0.1] * pairs, better="higher")
    assert found.verdict == "too few seeds"
    assert (found.low, found.high, found.detectable, found.not_excluded) == (None, None, None, None)
    assert found.p >= 0.0625


def test_one_pair_has_a_difference_and_nothing_else() -> None:
    found = compare_paired([0.5], [0.25], better="higher")
    assert (found.pairs, found.difference, found.p, found.seeds_needed) == (1, 0.25, 1.0, None)


def test_equal_differences_have_that_difference_as_their_interval() -> None:
    found = compare_paired([0.1 + 0.2] * 7, [0.1] * 7, better="higher")
    assert found.low == found.high == pytest.approx(0.2)
    assert (found.verdict, found.seeds_needed, found.detectable) == ("helps", 6, 0.0)


def test_arms_that_agree_but_for_rounding_do_not_differ() -> None:
    found = compare_paired([0.1 + 0.2] * 7, [0.3] * 7, better="higher")
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert (found.verdict, found.seeds_needed) == ("no difference found", None)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_figures_give_nan_or_a_warning(data) -> None:
    pairs = data.draw(st.integers(6, 9))
    few = st.sampled_from([0.0, 0.5, 1.0, 1e-300, 1e9, -3.0, 0.1 + 0.2, 0.3])
    variants = [data.draw(st.lists(few, min_size=pairs, max_size=pairs)) for _ in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare_paired(*variants, better="higher")
    figures = (found.difference, found.low, found.high, found.p, found.detectable, found.not_excluded)
    assert all(math.isfinite(figure) for figure in figures)
    assert found.low <= found.high
    assert 0 < found.p <= 1


@pytest.mark.parametrize(
    ("treated", "control", "better", "said"),
    [
        ([1.0, 2.0], [1.0], "higher", "2 values against 1 are no pairs. Give both variants one value for every seed."),
        ([], [], "higher", "0 values against 0 are no pairs"),
        (
            [1, 2],
            [1, math.nan],
            "higher",
            r"Value 2 of 2 of the control variant is nan. Check that run, or leave the seed",
        ),
        ([math.inf], [1], "higher", "Value 1 of 1 of the treated variant is inf"),
        ([1], [1], "larger", "Better cannot be 'larger'.*'higher' or 'lower'"),
    ],
)
def test_figures_that_are_no_pairs_are_refused(treated, control, better, said) -> None:
    with pytest.raises(UsageError, match=said):
        compare_paired(treated, control, better=better)
