"""The intervals: exact where they can be computed by hand, and holding what they promise."""

from __future__ import annotations

import math
import random

import pytest
from zoo_reproduce.comparison import compare, interval


def metrics(accuracy, loss=0.5, *, pictures=200):
    right = round(accuracy * pictures)
    confusion = [[right, pictures - right], [0, 0]]
    return {
        "test": {"classify": {"accuracy": accuracy, "log_loss": loss, "confusion": confusion, "recall": [1.0, 0.5]}}
    }


def published(accuracy, *others):
    repeats = [{"seed": seed, "figures": metrics(one)} for seed, one in enumerate(others, 1)]
    return {"figures": metrics(accuracy), "repeats": repeats}


def test_of_several_seeds_it_is_the_prediction_interval():
    low, high = interval([0.80, 0.82, 0.84], 10_000)
    reach = 4.302653 * 0.02 * math.sqrt(4 / 3)  # Student's t for 2 degrees of freedom
    assert (low, high) == pytest.approx((0.82 - reach, 0.82 + reach), abs=1e-6)


def test_nineteen_of_twenty_further_trainings_lie_within():
    rng = random.Random(0)
    inside = 0
    for _ in range(1000):
        low, high = interval([rng.gauss(0.8, 0.01) for _ in range(3)], 0)
        inside += low <= rng.gauss(0.8, 0.01) <= high
    assert 930 <= inside <= 970


def test_of_one_training_a_share_has_the_interval_of_the_pictures_and_a_loss_none():
    accuracy, loss = compare(published(0.9), metrics(0.84))
    assert (accuracy.low, accuracy.high) == pytest.approx((0.8506, 0.9344), abs=1e-4)  # Wilson, 180 of 200
    assert (accuracy.seeds, accuracy.deviation, accuracy.is_within) == (1, None, False)
    assert (loss.low, loss.high, loss.is_within) == (None, None, None)


def test_repeats_give_every_metric_a_spread_and_tables_are_left_out():
    found = compare(published(0.90, 0.88, 0.89), metrics(0.885))
    assert [one.metric for one in found] == ["accuracy", "log_loss"]
    assert (found[0].seeds, found[0].mean, found[0].is_within) == (3, pytest.approx(0.89), True)
    assert found[0].deviation == pytest.approx(0.01)


def test_seeds_that_agree_to_the_last_digit_leave_one_picture():
    assert interval([0.9, 0.9, 0.9], 200) == pytest.approx((0.895, 0.905))
    assert interval([1.0, 1.0, 1.0], 200) == pytest.approx((0.995, 1.0))


def test_a_metric_that_the_new_training_lacks_is_outside():
    assert compare(published(0.9, 0.9), {})[0].is_within is False


@pytest.mark.parametrize(
    "content",
    [[], {}, {"figures": []}, {"figures": {"test": {"classify": 3}}}, {**published(0.9), "repeats": [{"seed": 1}]}],
    ids=str,
)
def test_what_is_no_metrics_file_is_said(content):
    with pytest.raises(ValueError, match="none of published filters"):
        compare(content, {})
