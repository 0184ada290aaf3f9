"""Clusters, the head, queues, and what is expected of the rest."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_labels import KINDS, draw_vectors, open_drawn
from zoo_label import head as head_module
from zoo_label.checking import draw_order, estimate_rest, next_to_check, share_interval
from zoo_label.clusters import find_clusters, split_cluster, standardise, typical_first
from zoo_label.head import Beliefs, believe, fit_head
from zoo_label.queues import most_doubtful, most_novel, most_similar, suspicious_labels
from zoo_label.session import Labelling

from zoo.errors import UsageError


def features_of(vectors: np.ndarray) -> np.ndarray:
    return standardise(vectors, np.ones(len(vectors), dtype=bool))


# ------------------------------------------------------------------------------------------------ clusters


def test_rows_are_of_one_kind_where_kinds_lie_apart_and_the_purest_come_first():
    vectors, truth = draw_vectors(400, spread=0.3)
    rows = find_clusters(features_of(vectors), np.arange(400))
    assert sorted(np.concatenate([row.pictures for row in rows]).tolist()) == list(range(400))
    assert all(len(np.unique(truth[row.pictures])) == 1 for row in rows)
    assert [row.purity for row in rows] == sorted((row.purity for row in rows), reverse=True)


def test_a_row_begins_with_its_most_typical_picture():
    vectors, _ = draw_vectors(300)
    features = features_of(vectors)
    for row in find_clusters(features, np.arange(300)):
        units = features[row.pictures] / np.linalg.norm(features[row.pictures], axis=1, keepdims=True)
        far = np.linalg.norm(units - units.mean(axis=0), axis=1)
        assert far[0] <= np.median(far) + 1e-6


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
def test_few_pictures_have_rows_too(count):
    vectors, _ = draw_vectors(max(count, 1))
    rows = find_clusters(features_of(vectors), np.arange(count))
    assert sum(len(row.pictures) for row in rows) == count


def test_equal_pictures_are_one_row():
    assert [len(row.pictures) for row in find_clusters(np.ones((9, 5), np.float32), np.arange(9))] == [9]


def test_a_row_splits_into_smaller_ones_with_keys_of_their_own():
    vectors, _ = draw_vectors(200)
    row = find_clusters(features_of(vectors), np.arange(200), count=1)[0]
    parts = split_cluster(features_of(vectors), row, first_key=10)
    assert {part.key for part in parts} == set(range(10, 10 + len(parts)))
    assert sorted(np.concatenate([part.pictures for part in parts])) == list(range(200))


def test_typical_pictures_are_of_all_kinds_where_kinds_lie_apart():
    vectors, truth = draw_vectors(400, spread=0.3)
    found = typical_first(features_of(vectors), np.arange(400), len(KINDS))
    assert sorted(truth[found]) == list(range(len(KINDS)))


# ------------------------------------------------------------------------------------------------ the head


@pytest.mark.parametrize(("count", "width"), [(30, 60), (80, 20)])
def test_left_out_scores_are_those_of_a_head_fitted_without_the_picture(count, width):
    rng = np.random.default_rng(0)
    design = rng.normal(size=(count, width)).astype(np.float32)
    wanted = rng.normal(size=(count, 3)).astype(np.float32)
    left, values, _ = head_module._decompose(design)
    ridge = 2.5
    found = head_module._left_out(left, left**2, values / (values + ridge), left.T @ wanted, wanted)
    for place in range(0, count, 7):
        rest = np.delete(np.arange(count), place)
        gram = design[rest].T @ design[rest] + ridge * np.eye(width)
        alone = design[place] @ np.linalg.solve(gram, design[rest].T @ wanted[rest])
        assert found[place] == pytest.approx(alone, abs=2e-3)


def test_a_head_learns_and_says_how_sure_it_is():
    vectors, truth = draw_vectors(1500, spread=1.3)
    features, rows = features_of(vectors), np.arange(200)
    head = fit_head(features, rows, truth[rows])
    beliefs = believe(head, features, np.ones(1500, bool))
    right = beliefs.codes[200:] == truth[200:]
    assert right.mean() > 0.8
    assert right.mean() == pytest.approx(beliefs.confidence[200:].mean(), abs=0.06)
    assert (beliefs.margin <= beliefs.confidence + 1e-6).all()
    left_out = (head.left_out_kinds() == truth[rows]).mean()
    assert left_out == pytest.approx(right.mean(), abs=0.08)


def test_of_one_kind_nothing_can_be_learnt():
    vectors, _ = draw_vectors(20)
    assert fit_head(features_of(vectors), np.arange(5), np.zeros(5, int)) is None
    assert (believe(None, vectors, np.ones(20, bool)).codes == -1).all()


def test_two_pictures_of_two_kinds_make_a_head():
    vectors, truth = draw_vectors(50, spread=0.2)
    rows = np.array([int(np.argmax(truth == 0)), int(np.argmax(truth == 1))])
    head = fit_head(features_of(vectors), rows, truth[rows])
    beliefs = believe(head, features_of(vectors), np.ones(50, bool))
    two = truth < 2
    assert (beliefs.codes[two] == truth[two]).mean() > 0.9
    assert (np.isfinite(beliefs.confidence)).all()


def test_nothing_is_believed_of_pictures_that_are_not_embedded():
    vectors, truth = draw_vectors(60)
    ready = np.arange(60) < 40
    head = fit_head(standardise(vectors, ready), np.arange(20), truth[:20])
    assert (believe(head, standardise(vectors, ready), ready).codes[40:] == -1).all()


# ------------------------------------------------------------------------------------------------ queues


def test_similar_pictures_are_by_cosine_and_never_the_picture_itself():
    vectors, _ = draw_vectors(100)
    features = features_of(vectors).astype(np.float64)
    found = most_similar(features_of(vectors), np.ones(100, bool), 7, 10)
    cosines = features @ features[7] / np.linalg.norm(features, axis=1) / np.linalg.norm(features[7])
    cosines[7] = -2
    assert found.tolist() == np.argsort(-cosines)[:10].tolist()


def test_the_doubtful_are_more_often_wrong_than_the_others():
    vectors, truth = draw_vectors(1000, spread=1.5)
    features, codes = features_of(vectors), np.full(1000, -1)
    codes[:150] = truth[:150]
    head = fit_head(features, np.arange(150), truth[:150])
    beliefs = believe(head, features, np.ones(1000, bool))
    doubtful, disagree = most_doubtful(features, beliefs, codes, np.arange(150, 1000), 100)
    wrong = beliefs.codes != truth
    assert wrong[doubtful].mean() > 2 * wrong[150:].mean()
    assert ((disagree >= 0) & (disagree <= 1)).all()


def test_what_is_unlike_everything_named_is_of_the_kind_that_nobody_named():
    vectors, truth = draw_vectors(400, spread=0.4)
    codes = np.where((truth != 3) & (np.arange(400) < 200), truth, -1)
    found = most_novel(features_of(vectors), codes, np.flatnonzero(codes < 0), 40)
    assert (truth[found] == 3).mean() > 0.95


def test_labels_that_are_wrong_are_found():
    vectors, truth = draw_vectors(300, spread=0.6)
    codes = truth.copy()
    codes[:6] = (truth[:6] + 1) % len(KINDS)
    head = fit_head(features_of(vectors), np.arange(300), codes)
    assert set(range(6)) <= set(suspicious_labels(head, codes, 12).tolist())


# ------------------------------------------------------------------------------------------------ what to expect


def test_the_order_of_checks_stays_when_pictures_are_added():
    few = [f"{number}.png" for number in range(50)]
    before = [few[place] for place in draw_order(few, "1")]
    more = [*few, *(f"new-{number}.png" for number in range(50))]
    after = [more[place] for place in draw_order(more, "1")]
    assert [path for path in after if path in before] == before
    assert before != few
    assert [few[place] for place in draw_order(few, "2")] != before


def test_a_share_has_the_interval_of_clopper_and_pearson():
    assert share_interval(0, 20) == (0.0, pytest.approx(0.16843, abs=1e-5))
    assert share_interval(20, 20) == (pytest.approx(0.83157, abs=1e-5), 1.0)
    assert share_interval(45, 60) == (pytest.approx(0.6214, abs=1e-3), pytest.approx(0.8528, abs=1e-3))


@pytest.mark.parametrize("then", ["easy", "hard", "nothing"])
def test_the_interval_holds_the_rests_accuracy_whatever_is_labelled_after_the_check(then):
    """The naive share of the checked pictures would not: after labelling the easy ones it promises far too much."""
    held, naive, runs = 0, [], 40
    for seed in range(runs):
        vectors, truth = draw_vectors(600, spread=1.8, seed=seed)
        features, codes = features_of(vectors), np.full(600, -1)
        rng = np.random.default_rng(seed)
        codes[rng.choice(600, 60, replace=False)] = 0
        codes[codes == 0] = truth[codes == 0]
        population, order = codes < 0, rng.permutation(600)
        checked = np.zeros(600, dtype=bool)
        mine = next_to_check(order, population, codes >= 0, 80)
        checked[mine], codes[mine] = True, truth[mine]
        rows = np.flatnonzero(codes >= 0)
        beliefs = believe(fit_head(features, rows, codes[rows]), features, np.ones(600, bool))
        rest = np.flatnonzero(codes < 0)
        by_margin = rest[np.argsort(beliefs.margin[rest])]
        more = {"easy": by_margin[-230:], "hard": by_margin[:230], "nothing": by_margin[:0]}[then]
        codes[more] = truth[more]
        rows = np.flatnonzero(codes >= 0)
        head = fit_head(features, rows, codes[rows])
        estimate = estimate_rest(head, order=order, population=population, codes=codes, checked=checked)
        rest = np.flatnonzero(codes < 0)
        actual = (believe(head, features, np.ones(600, bool)).codes[rest] == truth[rest]).mean()
        held += estimate.low <= actual <= estimate.high
        assert estimate.checked >= 80
        assert estimate.rest == len(rest)
        sample = np.isin(head.rows, mine)
        naive.append((head.left_out_kinds() == codes[rows])[sample].mean() - actual)
    assert held >= 0.9 * runs
    if then == "easy":
        assert np.mean(naive) > 0.05


def test_nothing_is_promised_before_anything_is_checked():
    vectors, truth = draw_vectors(100)
    codes = np.where(np.arange(100) < 50, truth, -1)
    head = fit_head(features_of(vectors), np.arange(50), truth[:50])
    facts = {"order": np.arange(100)[::-1], "population": codes < 0, "codes": codes}
    assert estimate_rest(head, checked=np.zeros(100, bool), **facts) is None


# ------------------------------------------------------------------------------------------------ a labelling


def test_after_an_answer_the_head_believes_and_says_what_to_expect(tmp_path):
    labelling, truth = open_drawn(tmp_path, 120, spread=0.6)
    labelling.finish_vectors()
    assert isinstance(labelling.beliefs, Beliefs)
    for kind, name in enumerate(KINDS):
        pictures = tuple(np.flatnonzero(truth == kind)[:5].tolist())
        labelling.act(labelling.action("label", pictures=pictures, name=name, way="row"))
    labelling.fit()
    names = labelling.journal.labels.names
    believed = [names[code] for code in labelling.beliefs.codes[labelling.rest]]
    assert np.mean([KINDS.index(one) for one in believed] == truth[labelling.rest]) > 0.9
    assert labelling.estimate is None
    for number in labelling.to_check(20).tolist():
        labelling.act(labelling.action("label", pictures=(number,), name=KINDS[truth[number]], way="check"))
    labelling.fit()
    assert labelling.estimate.checked == 20
    assert labelling.estimate.low < 0.95 <= labelling.estimate.high
    assert labelling.journal.measurements()[-1]["labels"] == 40


def test_a_new_check_begins_once_half_of_the_last_is_labelled(tmp_path):
    labelling, truth = open_drawn(tmp_path, 60)
    labelling.finish_vectors()
    labelling.to_check(5)
    assert labelling.journal.fact("checks") == "0"
    for number in range(31):
        labelling.act(labelling.action("label", pictures=(number,), name=KINDS[truth[number]]))
    labelling.to_check(5)
    assert labelling.journal.fact("checks") == "0 31"
    assert labelling.population(31).sum() == 29


def test_no_check_is_drawn_before_all_pictures_are_embedded(tmp_path):
    labelling, _ = open_drawn(tmp_path, 30)
    assert not len(labelling.to_check(5))
    labelling.finish_vectors()
    assert len(labelling.to_check(5)) == 5


def test_unsure_pictures_teach_the_head_nothing_and_junk_is_a_kind_to_it(tmp_path):
    labelling, truth = open_drawn(tmp_path, 60, spread=0.4)
    for name, kind in (("(junk)", 0), ("egg", 1), ("(unsure)", 2)):
        pictures = tuple(np.flatnonzero(truth == kind)[:5].tolist())
        labelling.act(labelling.action("label", pictures=pictures, name=name))
    labelling.fit()
    assert {labelling.journal.labels.names[code] for code in labelling.head.kinds} == {"(junk)", "egg"}


def test_a_row_that_is_split_keeps_its_place(tmp_path):
    labelling, _ = open_drawn(tmp_path, 200)
    labelling.cluster_again()
    keys = [row.key for row in labelling.clusters]
    labelling.split(keys[1])
    after = [row.key for row in labelling.clusters]
    assert after[0] == keys[0]
    assert after[-len(keys) + 2 :] == keys[2:]
    labelling.split(10_000)
    assert [row.key for row in labelling.clusters] == after


def test_an_unknown_view_is_an_error(tmp_path):
    from zoo_label.views import make_view

    labelling, _ = open_drawn(tmp_path, 10)
    assert isinstance(labelling, Labelling)
    with pytest.raises(UsageError, match="There is no view 'nothing'"):
        make_view(labelling, "nothing")
