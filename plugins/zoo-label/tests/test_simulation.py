"""`zoo label --simulate`: strategies that stop, curves that rise, and a time model that says what it assumes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from command_line import CommandLine
from drawn_labels import draw_vectors
from zoo_label.annotator import Annotation, TimeModel
from zoo_label.clusters import Cluster
from zoo_label.curves import curves_as_json, draw_curves
from zoo_label.simulation import Curve, Point, corrected_interval, deal_groups, mean_curve, simulate, summarise
from zoo_label.strategies import STRATEGIES

from zoo.errors import UsageError


@pytest.fixture(scope="module")
def done():
    vectors, truth = draw_vectors(420, spread=1.2)
    groups = [f"day {number // 6}" for number in range(420)]
    return simulate(vectors, truth, groups, seeds=2)


@pytest.fixture
def command(monkeypatch, capsys):
    return CommandLine(monkeypatch, capsys)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_labels_every_picture_rightly_and_stops(name):
    vectors, truth = draw_vectors(150, spread=1.2)
    pool = Annotation(vectors, truth, TimeModel(), np.random.default_rng(0))
    turns = sum(1 for _ in STRATEGIES[name](pool))
    assert (pool.codes == truth).all()
    assert turns <= pool.answers if name == "cluster" else turns == pool.answers == 150
    assert pool.seconds > 0


def test_a_pure_row_is_named_by_one_key_and_a_mixed_one_is_split():
    vectors, truth = draw_vectors(40)
    truth = np.array([0] * 20 + [1] * 2 + [0, 1] * 9)
    pool = Annotation(vectors, truth, TimeModel(come=1, glance=0.1, click=2, new=5, key=0.5), np.random.default_rng(0))
    assert pool.name_row(Cluster(key=0, pictures=np.arange(22), purity=1)) == []
    assert pool.answers == 3  # the name, and two that do not belong
    assert pool.seconds == pytest.approx(1 + 2.2 + 5 + 4)
    assert pool.labels == 20
    parts = pool.name_row(Cluster(key=1, pictures=np.arange(22, 40), purity=0))
    assert len(parts) > 1
    assert pool.labels == 20


def test_a_kinds_first_name_takes_longer_than_its_key():
    vectors, _ = draw_vectors(3)
    pool = Annotation(vectors, np.zeros(3, int), TimeModel(look=1, new=5, key=0.5), np.random.default_rng(0))
    pool.name_one(0)
    assert pool.seconds == 6
    pool.name_one(1)
    assert pool.seconds == 7.5


def test_no_group_is_labelled_and_tested():
    groups = np.repeat(np.arange(20), 5)
    tested = deal_groups(groups, np.random.default_rng(0))
    assert not set(groups[tested]) & set(groups[~tested])
    assert 20 <= tested.sum() <= 30


def test_curves_rise_and_end_at_the_head_that_has_all_labels(done):
    for curve in done.curves:
        labels = [point.labels for point in curve.points]
        assert labels == sorted(labels)
        assert curve.points[-1].accuracy == curve.full
        assert curve.points[-1].named == 1
        assert curve.points[0].accuracy <= curve.full + 0.1
    fulls = {(curve.seed, round(curve.full, 9)) for curve in done.curves}
    assert len(fulls) == 2  # the order of the labels does not matter in the end


def test_the_same_seed_gives_the_same_curve(done):
    vectors, truth = draw_vectors(420, spread=1.2)
    again = simulate(vectors, truth, [f"day {n // 6}" for n in range(420)], strategies=["margin"], seeds=1)
    assert again.curves[0] == done.of("margin")[0]


def test_what_is_needed_lies_on_the_line_between_two_points():
    points = [
        Point(labels=labels, answers=labels, seconds=10.0 * labels, accuracy=accuracy, named=1)
        for labels, accuracy in ((10, 0.5), (20, 0.7), (30, 0.9))
    ]
    curve = Curve(strategy="random", seed=0, full=0.82, points=tuple(points))
    assert curve.needed("labels") == pytest.approx(25)
    assert curve.needed("seconds") == pytest.approx(250)
    assert Curve(strategy="random", seed=0, full=0.99, points=tuple(points)).needed("labels") == math.inf


def test_random_order_is_measured_against_itself(done):
    rows = {row["strategy"]: row for row in summarise(done)}
    assert rows["random"]["labels_over_random"][0] == 1
    assert rows["cluster"]["answers"][0] <= rows["cluster"]["labels"][0] * 2
    assert set(rows) == set(STRATEGIES)


def test_intervals_are_wider_than_those_of_seeds_that_share_nothing():
    values = [0.8, 0.82, 0.79, 0.81]
    mean, low, high = corrected_interval(values)
    assert mean == pytest.approx(np.mean(values))
    assert high - low > 2 * 3.182 * np.std(values, ddof=1) / 2
    assert math.isnan(corrected_interval([0.5])[1])


def test_curves_are_json_without_numbers_that_json_lacks(done):
    content = json.loads(json.dumps(curves_as_json(done, title="drawn"), allow_nan=False))
    assert content["time_model_seconds"]["look"] == TimeModel().look
    assert len(content["each"]) == 2 * len(STRATEGIES)
    assert all(row["low"] <= row["mean"] <= row["high"] for row in content["curves"]["random"]["labels"])
    assert len(mean_curve(done.of("random"), "labels")) == 40


def test_curves_are_drawn(done):
    picture = draw_curves(done, "Labels for drawn kinds")
    assert picture.size == (1400, 640)
    assert len(set(picture.resize((70, 32)).getdata())) > 20


@pytest.mark.parametrize(
    ("change", "said"),
    [({"strategies": ["best"]}, "no strategy 'best'"), ({"truth": np.zeros(40, int)}, "two kinds and of two groups")],
)
def test_a_simulation_of_nothing_is_an_error(change, said):
    vectors, truth = draw_vectors(40)
    given = {"truth": truth, **change}
    with pytest.raises(UsageError, match=said):
        simulate(vectors, given.pop("truth"), [None] * 40, seeds=1, **given)
