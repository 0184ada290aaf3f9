"""Where to cut: features in one pass, scores that leak nothing, an honest recommendation."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import zoo_probe
from command_line import CommandLine
from drawn_fish import Fish
from PIL import Image
from safetensors.torch import save_file
from zoo_probe.candidates import (
    Candidate,
    CandidateComparison,
    ScoreDifference,
    make_probe_setup,
    measure_leak,
)
from zoo_probe.evidence import logme
from zoo_probe.features import (
    download_megabytes,
    measure_cut_costs,
    pool_features,
    randomly_initialized,
    shrink_pixels,
)
from zoo_probe.intervals import mean_interval, share_interval, standard_error
from zoo_probe.plot import draw_probe
from zoo_probe.probing import choose_cut, probe
from zoo_probe.scores import FeatureScores, score_features
from zoo_probe.summary import _head_of, describe_baselines, describe_leak, explain_choice, format_points
from zoo_probe.tasks import make_probe_task

import zoo
from zoo.data import as_open_dataset
from zoo.data.datasets import OpenDataset, open_dataset
from zoo.errors import UnknownNameError, UsageError, ZooError
from zoo.models.building import build_filters

OLD = Path(__file__).parents[3] / "tests" / "data" / "version-0.1"
CPU = make_probe_setup(device="cpu", precision="fp32", seed=0, progress=zoo.silent)


class Labels(zoo.Dataset):
    """Plain grey pictures with labels as given."""

    def __init__(self, labels: list[int], *, groups: list[str] | None = None, names: tuple[str, ...] = ()) -> None:
        self.labels, self.groups = labels, groups
        self.targets = {"label": zoo.Categories(names or tuple("abcdef"[: max(labels) + 1]))}

    def prepare(self, root, progress=None):
        """Nothing."""

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = torch.full((3, 16, 16), index % 256, dtype=torch.uint8)
        group = self.groups[index] if self.groups else None
        return zoo.Sample(image=image, targets={"label": self.labels[index]}, group=group)

    @property
    def splits(self):
        return {"train": range(len(self.labels)), "test": []}


def in_hand(dataset: zoo.Dataset) -> OpenDataset:
    return as_open_dataset(dataset)


def asked(dataset: zoo.Dataset, target: str | None = None, **how):
    data = in_hand(dataset)
    decoded = data.decode(16)
    return make_probe_task(data, decoded, target=target or next(iter(data.targets)), **how)


def comparison_of(*columns: np.ndarray) -> CandidateComparison:
    scores = [FeatureScores(per_sample=column, logme=0.0) for column in columns]
    candidates = [Candidate(title=str(n), kind="cut", feature_scores=one) for n, one in enumerate(scores)]
    return CandidateComparison(candidates, np.arange(len(columns[0])))


@pytest.fixture(scope="module")
def small():
    """VGG11 with random weights, all five blocks."""
    return build_filters("vgg11", cut="block3", weights="random", size=32).eval()


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture(scope="module")
def found(small):
    """One probe, for the tests that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        import tempfile

        patch.setenv("ZOO_HOME", tempfile.mkdtemp())
        named = zoo.Filters(small.module, backbone=small.backbone, cut=small.cut, input=small.input, weights="a file")
        return probe(Fish(), named, device="cpu")


# ------------------------------------------------------------------------------------------------ features


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn", "resnet18", "swin_t", "vit_b_32"])
def test_one_pass_gives_the_mean_of_every_cuts_own_features(name, home):
    side = 224 if name == "vit_b_32" else 64
    deepest = zoo.cuts(name)[-1].name
    filters = build_filters(name, cut=deepest, weights="random", size=side).eval()
    dataset = in_hand(Fish(count=9))
    decoded = dataset.decode(side)
    cuts = measure_cut_costs(filters, size=side)
    rows = torch.arange(3)
    pooled = pool_features(filters, cuts, decoded, rows, arithmetic=CPU.arithmetic, progress=zoo.silent)
    with torch.no_grad():
        for cut in (cuts[0], cuts[-2], cuts[-1]):
            own = filters.truncate(cut.name).eval()(decoded.images[:3]).mean(dim=(2, 3)).numpy()
            assert pooled[cut.name] == pytest.approx(own, abs=2e-4 * float(np.abs(own).max()))


def test_cuts_are_priced_at_the_size_that_is_asked_for(small):
    half, whole = measure_cut_costs(small, size=32), measure_cut_costs(small, size=64)
    assert [cut.name for cut in half] == ["block1", "block2", "block3"]
    assert whole[-1].gflop == pytest.approx(4 * half[-1].gflop)
    assert half[-1].parameters == sum(parameter.numel() for parameter in small.parameters())


def test_any_node_can_be_asked_for_beside_blocks(small):
    cuts = measure_cut_costs(small, ["features.3", "block1"], size=32)
    assert [(cut.name, cut.node) for cut in cuts] == [("block1", "features.1"), ("features.3", "features.3")]


def test_filters_that_end_inside_a_block_do_not_call_their_end_a_block():
    inside = build_filters("vgg16", cut="features.12", weights="random", size=32)
    assert [cut.name for cut in measure_cut_costs(inside, size=32)] == ["block1", "block2", "features.12"]


def test_filters_without_the_cut_say_so(small):
    with pytest.raises(UnknownNameError, match=r"No cut is called 'block4'. Did you mean 'block"):
        measure_cut_costs(small, ["block4"], size=32)


def test_features_that_are_not_finite_are_refused(small, home):
    broken = build_filters("vgg11", cut="block2", weights="random", size=32)
    with torch.no_grad():
        broken["features.3"].fill_(float("nan"))
    with pytest.raises(ZooError, match=r"at block2 are not finite for .* pictures. Run `zoo verify`"):
        probe(Fish(), broken, device="cpu")


def test_a_random_twin_is_the_same_network_with_the_seeds_weights(small):
    one, again, other = (randomly_initialized(small, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one["features.0"], again["features.0"])
    assert not torch.equal(one["features.0"], other["features.0"])
    assert list(one.module.state_dict()) == list(small.module.state_dict())


def test_what_a_cut_costs_to_fetch_depends_on_how_it_was_published(small):
    plankton = zoo.load("vgg16-plankton")
    assert download_megabytes(plankton, plankton.cuts[0]) == plankton.cuts[0].parameters * 2 / 1e6
    assert download_megabytes(small, small.cuts[0]) == 0


def test_raw_pixels_are_shrunk_and_flattened(home):
    decoded = in_hand(Fish(count=9)).decode(32)
    assert shrink_pixels(decoded, torch.arange(4)).shape == (4, 3 * 16 * 16)


# ------------------------------------------------------------------------------------------------ LogME


def evidence(features, column, alpha, beta):
    """The evidence a picture, straight from the Gaussian that it is."""
    from scipy.stats import multivariate_normal

    covariance = np.eye(len(column)) / beta + features @ features.T / alpha
    return multivariate_normal.logpdf(column, np.zeros(len(column)), covariance) / len(column)


@pytest.mark.parametrize("shape", [(40, 5), (12, 30)], ids=["tall", "wide"])
def test_logme_is_the_greatest_evidence_as_computed_directly(shape):
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    features = rng.normal(size=shape)
    column = features[:, :3] @ [1.0, -2.0, 0.5] + rng.normal(size=shape[0]) * 0.8
    best = minimize(
        lambda logs: -evidence(features, column, *np.exp(logs)), [0.0, 0.0], method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-10},
    )  # fmt: skip
    assert logme(features, column) == pytest.approx(-best.fun, abs=1e-4)


def test_logme_of_several_columns_is_the_mean_of_each():
    rng = np.random.default_rng(1)
    features, columns = rng.normal(size=(30, 6)), rng.normal(size=(30, 2))
    per_sample = [logme(features, columns[:, number]) for number in range(2)]
    assert logme(features, columns) == pytest.approx(np.mean(per_sample))


def test_logme_is_higher_for_features_that_tell():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(60, 4))
    told = features @ rng.normal(size=4)
    assert logme(features, told) > logme(rng.normal(size=(60, 4)), told)


# ------------------------------------------------------------------------------------------------ intervals


def test_over_pictures_the_standard_error_and_the_t_interval_are_the_ordinary_ones():
    from scipy import stats

    values, alone = np.random.default_rng(0).normal(size=300), np.arange(300)
    assert standard_error(values, alone) == pytest.approx(values.std(ddof=1) / 300**0.5)
    told = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values, alone) == pytest.approx((told.low, told.high))


def test_of_equal_groups_the_interval_is_the_t_interval_of_their_means():
    from scipy import stats

    means = np.random.default_rng(0).normal(size=8)
    told = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert mean_interval(np.repeat(means, 5), np.repeat(np.arange(8), 5)) == pytest.approx((told.low, told.high))


def test_over_pictures_the_interval_of_a_share_is_that_of_clopper_and_pearson():
    from scipy import stats

    for right in (0, 3, 37, 40):
        values = (np.arange(40) < right).astype(float)
        told = stats.binomtest(right, 40).proportion_ci(0.95, method="exact")
        # the standard error has N - 1 where the exact interval has N
        assert share_interval(values, np.arange(40)) == pytest.approx((told.low, told.high), abs=0.005)


def test_groups_that_agree_with_themselves_make_the_interval_wider():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 15)
    values = (rng.random(20)[groups] + 0.1 * rng.random(300)) / 1.1
    for interval in (mean_interval, share_interval):
        alone, together = (np.diff(interval(values, drawn))[0] for drawn in (np.arange(300), groups))
        assert together > 2 * alone
    assert standard_error(values, groups) > 2 * standard_error(values, np.arange(300))


def test_a_large_group_among_small_ones_leaves_fewer_degrees_of_freedom():
    values = np.random.default_rng(0).normal(size=100)
    equal, unequal = np.repeat(np.arange(10), 10), np.repeat(np.arange(10), [55, *[5] * 9])
    wide, narrow = (
        np.diff(mean_interval(values, groups))[0] / standard_error(values, groups) for groups in (unequal, equal)
    )
    assert narrow == pytest.approx(2 * 2.262, abs=0.001)  # t with 9 degrees
    assert wide > 1.3 * narrow


def percentile_bootstrap(values: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    sums, sizes = np.bincount(groups, weights=values), np.bincount(groups)
    times = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=400)
    return tuple(np.quantile(times @ sums / (times @ sizes), [0.025, 0.975]))


@pytest.mark.parametrize("count", [5, 12])
def test_intervals_over_few_groups_hold_the_truth_as_often_as_they_say(count):
    """Beta-binomial groups of unequal sizes, intraclass correlation 0.2; 300 draws: 95% is 285, chance 8 either way."""
    rng, held = np.random.default_rng(count), np.zeros(3, dtype=int)
    for _ in range(300):
        sizes = 1 + rng.geometric(1 / 20, count)
        groups = np.repeat(np.arange(count), sizes)
        first, second = ((rng.random(len(groups)) < rng.beta(2.4, 1.6, count)[groups]).astype(float) for _ in range(2))
        for number, (low, high, truth) in enumerate((
            (*share_interval(first, groups), 0.6),
            (*mean_interval(first - second, groups), 0.0),
            (*percentile_bootstrap(first, groups, rng), 0.6),
        )):  # fmt: skip
            held[number] += low <= truth <= high
    assert held[0] >= 277
    assert held[1] >= 277
    assert held[2] < 277  # what was printed before


def test_an_accuracys_interval_stays_within_0_and_1():
    groups = np.repeat(np.arange(4), 5)
    assert share_interval(np.ones(20), groups)[1] == 1
    assert share_interval(np.ones(20), groups)[0] < 0.6
    assert share_interval(np.zeros(20), groups)[0] == 0


def test_differences_of_columns_are_paired():
    hard = np.random.default_rng(0).integers(0, 2, 200).astype(float)
    low, high = comparison_of(hard, hard - 0.05).gap(0, 1).low, comparison_of(hard, hard - 0.05).gap(0, 1).high
    assert (low, high) == pytest.approx((0.05, 0.05))


def test_one_group_has_no_standard_error():
    assert standard_error(np.arange(5.0), np.zeros(5, dtype=int)) == 0


# ------------------------------------------------------------------------------------------------ questions


def test_no_group_is_in_two_folds(home):
    task = asked(Fish())
    assert task.grouped
    for group in np.unique(task.groups):
        assert len(np.unique(task.fold[task.groups == group])) == 1


def test_without_groups_every_fold_has_its_share_of_each_class(home):
    task = asked(Fish(boats=0))
    assert not task.grouped
    counts = [np.bincount(task.labels[task.fold == fold]) for fold in range(5)]
    assert np.ptp(counts, axis=0).max() <= 1


def test_the_test_pictures_of_a_training_are_not_looked_at(home):
    data = in_hand(Fish())
    decoded = data.decode(16)
    task = make_probe_task(data, decoded, target="kind", seed=3)
    assert not set(task.rows.tolist()) & set(data.split(decoded, seed=3).test.tolist())


def test_folds_are_reduced_where_a_class_has_fewer_pictures(home):
    task = asked(Labels([0] * 20 + [1] * 3))
    assert task.folds == 3
    assert task.notes == ("3 folds in place of 5: the class 'b' has only 3 pictures.",)


def test_folds_are_reduced_where_there_are_fewer_groups(home):
    task = asked(Labels([0, 1] * 15, groups=["x", "y", "z"] * 10))
    assert task.folds == 3
    assert "3 folds in place of 5: there are only 3 groups." in task.notes
    assert "There are only 3 groups: the intervals are wide." in task.notes


def test_a_class_with_one_picture_beside_the_test_pictures_is_left_out(home):
    class Held(Labels):
        @property
        def splits(self):
            return {"train": range(21), "test": range(21, 25)}

    task = asked(Held([0] * 10 + [1] * 10 + [2] + [0, 1, 2, 2]))
    assert task.names == ("a", "b")
    assert task.notes[0] == "1 classes have one picture beside the test pictures and are left out: c."


def test_one_class_is_refused_in_a_line(home):
    with pytest.raises(ZooError, match=r"The target 'label' has one class only \(a\); there is nothing to distinguish"):
        probe(Labels([0] * 20), build_filters("vgg11", cut="block1", weights="random"), device="cpu")


def test_one_class_with_pictures_is_refused_too(home):
    with pytest.raises(ZooError, match="has one class only"):
        asked(Labels([0] * 20, names=("a", "b")))


def test_under_two_folds_are_refused(home):
    with pytest.raises(UsageError, match=r"1 folds are too few.* Pass 2 or more"):
        asked(Fish(), folds=1)


def test_a_target_that_is_not_there_names_those_that_are(home):
    with pytest.raises(UsageError, match=r"has no target 'species'. It has kind \(Categories\), box \(Box\), length"):
        probe(Fish(), "vgg16-plankton", target="species")


def test_a_dataset_without_targets_says_so(home):
    class Bare(Labels):
        def __init__(self) -> None:
            super().__init__([0, 1])
            self.targets = {}

    with pytest.raises(UsageError, match="The dataset 'bare' has no targets"):
        probe(Bare(), "vgg16-plankton")


def test_k_larger_than_the_training_part_is_refused(home):
    with pytest.raises(UsageError, match=r"k cannot be 99: the smallest training part has 40 pictures"):
        asked(Labels([0, 1] * 25), neighbours=99)


def test_k_is_the_root_of_a_classes_pictures(home):
    assert asked(Labels([0, 1] * 25)).neighbours == 4  # the root of 20


def test_a_class_gives_no_more_pictures_than_asked_for(home):
    task = asked(Labels([0] * 30 + [1] * 7 + [2] * 30), per_class=10)
    assert np.bincount(task.labels).tolist() == [10, 7, 10]


def test_a_large_class_gives_a_hundred_pictures_and_it_is_said(home):
    task = asked(Labels([0] * 130 + [1] * 20))
    assert np.bincount(task.labels).tolist() == [100, 20]
    assert task.notes == ("120 of 150 pictures, at most 100 of each class.",)
    assert len(asked(Labels([0] * 130 + [1] * 20), per_class=None).rows) == 150


def test_pictures_without_a_box_are_left_out_and_it_is_said(home):
    class Half(Fish):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return replace(sample, targets={**sample.targets, "box": None}) if index % 2 else sample

    task = asked(Half(), "box")
    assert any("pictures without a box are left out" in note for note in task.notes)
    assert np.isfinite(task.values).all()


def test_boxes_that_are_nowhere_are_refused(home):
    with pytest.raises(ZooError, match="there is nothing to predict"):
        asked(Fish(boxes=False), "box")


def test_classes_in_one_group_are_told_of(home):
    task = asked(Labels([0] * 10 + [1] * 10 + [2] * 10, groups=[*"uvwxyuvwxy" * 2, *"z" * 10]))
    assert any("lie in one group each and can never be named right: c" in note for note in task.notes)


# ------------------------------------------------------------------------------------------------ marks


def test_features_that_tell_all_score_all_and_noise_scores_by_chance(home):
    task = asked(Labels([0, 1, 2] * 40))
    rng = np.random.default_rng(0)
    clear = np.eye(3)[task.labels] @ rng.normal(size=(3, 80)) * 5 + rng.normal(size=(120, 80))
    told, noise = score_features(clear, task), score_features(rng.normal(size=(120, 80)), task)
    assert told.knn == told.lda == told.score == 1
    assert 0.1 < noise.score < 0.55
    assert told.logme > noise.logme


def test_nothing_leaks_from_a_group_into_its_own_score(home):
    """Each group has its own colour and one class: who has seen the group knows the class."""
    groups = [f"g{number}" for number in np.repeat(np.arange(30), 4)]
    labels = [int(group[1:]) % 2 for group in groups]
    rng = np.random.default_rng(0)
    colours = rng.normal(size=(30, 20))
    task = asked(Labels(labels, groups=groups))
    features = colours[[int(group[1:]) for group in groups]] + 0.01 * rng.normal(size=(120, 20))
    assert score_features(features, task).score < 0.75
    alone = asked(Labels(labels))
    assert score_features(features, alone).score > 0.9


def test_the_leak_is_what_random_folds_add_to_the_score(home):
    """Each group has its own colour and one class: folds by group know nothing, random folds all."""
    groups = [f"g{number}" for number in np.repeat(np.arange(30), 4)]
    labels = [int(group[1:]) % 2 for group in groups]
    rng = np.random.default_rng(0)
    colours = rng.normal(size=(30, 20))[[int(group[1:]) for group in groups]]
    task = asked(Labels(labels, groups=groups))
    features = colours + 0.01 * rng.normal(size=(120, 20))
    scores = score_features(features, task)
    leak = measure_leak(Candidate(title="x", kind="cut", feature_scores=scores, features=features), task, seed=0)
    at_random = task.at_random(0)
    assert not all(len(np.unique(at_random.fold[task.groups == group])) == 1 for group in range(30))
    assert scores.score + leak.difference == pytest.approx(score_features(features, at_random).score)
    assert leak.difference > 0.15
    assert leak.beyond
    alone = asked(Labels(labels))
    assert (
        measure_leak(Candidate(title="x", kind="cut", feature_scores=scores, features=features), alone, seed=0) is None
    )


def test_constant_features_score_by_chance_and_do_not_fail(home):
    task = asked(Labels([0, 1] * 30))
    assert score_features(np.ones((60, 10), dtype=np.float32), task).score <= 0.6


def test_the_mean_of_the_marks_of_numbers_is_r2(home):
    task = asked(Fish(), "length")
    rng = np.random.default_rng(0)
    feature_scores = score_features(np.column_stack([task.values, rng.normal(size=(len(task.values), 3))]), task)
    assert feature_scores.r2 == pytest.approx(feature_scores.per_sample.mean())
    assert feature_scores.r2 > 0.95
    assert feature_scores.knn is None


# ------------------------------------------------------------------------------------------------ choosing


def test_the_cheapest_cut_within_one_paired_standard_error_is_chosen():
    feature_scores = np.zeros((400, 3))
    feature_scores[:160, 0] = 1  # far below
    feature_scores[:316, 1] = 1  # six that the best has wrong, and eight the other way round
    feature_scores[:310, 2] = feature_scores[316:324, 2] = 1
    best, picked = choose_cut(feature_scores, [1.0, 2.0, 3.0], np.arange(400))
    assert (best, picked) == (2, 1)


def test_a_cut_that_is_worse_on_nearly_every_picture_that_tells_is_not_chosen():
    """Ten points of 400 pictures below, always the same way: within the error of either score, not of the pair."""
    feature_scores = np.ones((400, 2))
    feature_scores[:200] = 0
    feature_scores[200:210, 0] = 0
    best, picked = choose_cut(feature_scores, [1.0, 2.0], np.arange(400))
    assert standard_error(feature_scores[:, 1], np.arange(400)) > 10 / 400
    assert (best, picked) == (1, 1)


def test_of_equal_cuts_the_cheaper_is_best():
    assert choose_cut(np.ones((10, 3)), [3.0, 1.0, 2.0], np.arange(10)) == (1, 1)


def gap(low: float, high: float, over: str = "raw pixels") -> ScoreDifference:
    return ScoreDifference(over=over, difference=(low + high) / 2, low=low, high=high, error=0.01)


def test_the_leak_is_said_in_one_line():
    said = describe_leak(gap(0.06, 0.10, "folds by group"), "block4", 0.478, "accuracy")
    assert said == (
        "On folds that ignore the groups block4 would score 0.558, against folds by group (+8.0 points, +6.0 to +10.0)."
    )


def test_a_baseline_that_is_not_beaten_is_said_plainly():
    text = describe_baselines([gap(0.1, 0.2, "block2, random weights"), gap(-0.03, 0.01)], "block2", "accuracy")
    assert text == (
        "block2 beats random weights at block2 (+15.0 points, +10.0 to +20.0). "
        "block2 does NOT beat raw pixels (-1.0 points, -3.0 to +1.0) beyond the 95% interval."
    )


def test_the_deepest_cut_is_compared_where_it_is_not_the_one():
    text = describe_baselines([gap(0.1, 0.2)], "block2", "R²", deepest=gap(-0.02, 0.04, "block5"))
    assert text == (
        "block2 beats raw pixels (+0.150, +0.100 to +0.200). "
        "Against the deepest cut: block5 (+0.010, -0.020 to +0.040)."
    )


def test_the_reason_is_one_sentence():
    assert explain_choice("block3", "block2", gap(0.0, 0.02), "accuracy", 3) == (
        "block2 is the cheapest cut within one standard error of the best, block3: it is 1.0 points below, "
        "and the paired standard error is 1.0 points."
    )
    assert "no cheaper cut is within one" in explain_choice("block3", "block3", gap(0, 0), "accuracy", 3)
    assert explain_choice("block1", "block1", gap(0, 0), "accuracy", 1) == "block1 is the only cut."
    assert format_points(0.0312, "R²") == "0.031"


# ------------------------------------------------------------------------------------------------ the whole


def test_a_probe_has_every_cut_and_every_baseline(found):
    assert [one.title for one in found.cuts] == ["block1", "block2", "block3"]
    assert [one.title for one in found.baselines] == [
        *(f"block{number}, random weights" for number in (1, 2, 3)), "raw pixels, 16 x 16", "hand features (30)"
    ]  # fmt: skip
    assert found.result(found.recommended) in found.cuts
    for one in (*found.cuts, *found.baselines):
        assert one.low <= one.score <= one.high
        assert one.score == pytest.approx((one.knn + one.lda) / 2)


def test_a_probe_says_which_python_line_trains_a_dataset_in_hand(found):
    assert found.train.startswith("zoo.train(filters.truncate('block")


def test_the_command_to_copy_names_a_head_that_learns_the_target():
    data = in_hand(Fish())
    assert [_head_of(data, name) for name in ("kind", "box", "length")] == ["", "locate", "number"]
    data.dataset.targets["width"] = zoo.Number("pixels")
    assert _head_of(in_hand(data.dataset), "width") == "number:target=width"


def test_a_probe_can_be_written_and_read_as_json(found, tmp_path):
    content = json.loads(found.save(tmp_path / "probe.json").read_text())
    assert content == json.loads(json.dumps(found.as_dict()))
    assert content["cuts"][0]["gflop"] > 0
    assert content["intervals"] == "95% over groups"
    assert content["leak"]["over"] == "folds by group"
    assert content["leak"]["interval"][0] <= content["leak"]["difference"] <= content["leak"]["interval"][1]


def test_the_same_seed_gives_the_same_scores(small, home):
    first, again = (probe(Fish(), small, device="cpu", seed=1) for _ in range(2))
    assert [one.score for one in first.cuts] == [one.score for one in again.cuts]
    assert first.cuts[0].low == again.cuts[0].low


def test_weights_of_a_file_are_called_by_its_name(shapes, tmp_path):
    (tmp_path / "cruises" / "of-all-years").mkdir(parents=True)
    weights = tmp_path / "cruises" / "of-all-years" / "mine.safetensors"
    save_file(build_filters("vgg11", cut="block5", weights="random", size=32).module.state_dict(), weights)
    found = probe(shapes, backbone="vgg11", weights=str(weights), cuts=["block1"], size=32, folds=2)
    assert found.filters == "vgg11 (mine.safetensors weights)"


def test_random_filters_have_no_baseline_of_random_weights(small, home):
    alone = probe(Fish(), small, device="cpu")
    assert [one.kind for one in alone.baselines] == ["pixels", "hand"]
    assert "The weights are random themselves: there is no baseline of random weights." in alone.notes


@pytest.mark.parametrize("target", ["box", "length"])
def test_boxes_and_numbers_are_scored_by_r2(target, small, home):
    scored = probe(Fish(), small, target=target, device="cpu")
    assert scored.measure == "R²"
    assert all(one.r2 == pytest.approx(one.score) for one in scored.cuts)
    assert all(one.knn is None for one in scored.cuts)
    assert scored.neighbours == 0


def test_a_backbone_is_cut_at_all_its_blocks(home):
    scored = probe(Fish(), backbone="vgg11", weights="random", size=32, device="cpu")
    assert [one.title for one in scored.cuts] == [f"block{number}" for number in range(1, 6)]


def test_filters_and_a_backbone_together_are_refused(home):
    for given in ({}, {"filters": "vgg16-plankton", "backbone": "vgg16"}):
        with pytest.raises(UsageError, match="either filters or a backbone, not both"):
            probe(Fish(), **given)


def test_unreadable_pictures_stop_the_probe_unless_they_may_be_left_out(shapes, small, tmp_path, home):
    shutil.copytree(shapes, tmp_path / "pictures")
    (tmp_path / "pictures" / "disc" / "bad.png").write_bytes(b"no picture")
    data = open_dataset("image-folder", tmp_path / "pictures")
    with pytest.raises(ZooError, match=r"1 of 121 pictures cannot be read"):
        probe(data, small, device="cpu")
    scored = probe(data, small, device="cpu", skip_unreadable=True)
    assert any("1 unreadable pictures were left out" in note for note in scored.notes)


def test_progress_is_told_for_features_and_scores(small, home):
    told: dict[str, tuple[int, int | None]] = {}

    def listen(what: str, done: int, total: int | None = None, note: str = "") -> None:
        told[what] = (done, total)

    probe(Fish(), small, device="cpu", progress=listen)
    assert "computing features of vgg11-block3" in told
    assert "scoring cuts of vgg11-block3" in told
    assert all(done == total for done, total in told.values())


def test_a_picture_of_the_probe_is_drawn(found):
    picture = draw_probe(found)
    assert picture.width >= 1000
    colours = {colour for _, colour in picture.getcolors(1 << 22)}
    assert (0x13, 0x70, 0x7A) in colours


def test_a_probe_without_cuts_cannot_be_drawn(found):
    with pytest.raises(UsageError, match="There are no cuts to draw"):
        draw_probe(replace(found, cuts=()))


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_prints_table_recommendation_and_the_line_to_copy(command, shapes):
    answer = command(
        "probe", "image-folder", "--data", shapes, "--backbone", "vgg11", "--weights", "random", "--size", 32,
        "--cut", "block1", "--cut", "block2", "--device", "cpu", "-o", "out",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert "Recommended: block" in answer.out
    assert f"Next: zoo train image-folder --data {shapes} --backbone vgg11 --cut block" in answer.out
    assert "raw pixels, 16 x 16" in answer.out
    assert "hand features (30)" in answer.out
    assert Image.open("out/probe.png").width >= 1000
    assert json.loads(Path("out/probe.json").read_text())["recommended"] in ("block1", "block2")


def test_the_line_to_copy_is_one_that_training_takes(command, shapes):
    answer = command(
        "probe", "image-folder", "--data", shapes, "--filters", "vgg16-plankton", "--size", 32, "--cut", "block1",
        "--json", "--per-class", 10, "--device", "cpu",
    )  # fmt: skip
    line = json.loads(answer.out)["train"].split()
    assert line[:2] == ["zoo", "train"]
    done = command(*line[1:], "--head-epochs", 1, "--epochs", 0, "--out", "run", "--device", "cpu")
    assert done.status == 0, done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--backbone", "vgg16", "--filters", "x"), "Say what to cut: --backbone vgg16, or --filters NAME; not both."),
        (("--filters", "x", "--weights", "random"), "Say either --filters, which have weights"),
        (("--filters", "vgg16-plankton", "--target", "kind"), "has no target 'kind'. It has label (Categories)."),
        (("--filters", "vgg16-plankton", "--cut", "block5"), "No cut is called 'block5'."),
        (("--filters", "vgg16-plankton", "--neighbours", "5000"), "k cannot be 5000"),
        (("--backbone", "vgg17"), "No backbone is called 'vgg17'. Did you mean 'vgg1"),
    ],
)
def test_a_wrong_call_is_one_line(command, words, said):
    assert said in command("probe", "digits", *words).fault


def test_a_file_in_the_place_of_the_folder_is_refused(command, tmp_path):
    (tmp_path / "out").write_text("")
    assert "this is a file" in command("probe", "digits", "--filters", "vgg16-plankton", "-o", "out").fault


def test_what_is_in_the_folder_stays_unless_overwrite_is_asked_for(command, shapes):
    words = ("probe", "image-folder", "--data", shapes, "--backbone", "vgg11", "--weights", "random", "--size", 32,
             "--cut", "block1", "--per-class", 9, "-o", "out")  # fmt: skip
    Path("out").mkdir()
    Path("out/mine.png").write_bytes(b"mine")
    fault = command(*words).fault
    assert "it is there already" in fault
    assert fault.endswith("Choose another --out, or pass --overwrite.")
    assert [path.name for path in Path("out").iterdir()] == ["mine.png"]
    assert command(*words, "--overwrite").status == 0
    assert {path.name for path in Path("out").iterdir()} >= {"probe.png", "probe.json"}


def test_a_probe_whose_default_filters_are_not_installed_says_so_before_anything_else(command, tmp_path, monkeypatch):
    (tmp_path / "registry.toml").write_text(
        'format = 1\n[filters.vgg16-imagenet]\nsources = ["package:zoo_absent/inner"]\nabout = "VGG16"\n'
    )
    monkeypatch.setenv("ZOO_REGISTRY", str(tmp_path / "registry.toml"))
    said = command("probe", "image-folder").fault
    assert "the default ones, vgg16-imagenet, are not installed. Run `pip install zoo-filters`, or say" in said
    assert "`zoo probe image-folder --filters NAME`" in said


# ------------------------------------------------------------------------------------------------ the door


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_of_pictures_and_filters_are_taken_as_text_and_as_a_path(kind, shapes, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copytree(OLD / "filters", tmp_path / "filters")
    shutil.copytree(shapes, tmp_path / "photos")
    filters, photos = kind("~/filters"), kind("~/photos")
    few = {"per_class": 6, "folds": 2, "size": 32, "device": "cpu"}
    assert zoo_probe.probe(photos, filters, **few).pictures == zoo_probe.rank(photos, [filters], **few).pictures == 18


def test_a_dataset_by_name_that_needs_a_folder_says_so():
    with pytest.raises(UsageError, match="'image-folder' reads a folder of pictures"):
        zoo_probe.probe("image-folder", "vgg16-plankton")


def test_the_front_door_has_what_it_promises():
    promised = re.findall(r"(\w+) as \1\b", Path(zoo_probe.__file__).with_suffix(".pyi").read_text())
    assert {"probe", "rank", "choose_cut", "draw_probe", "hand_features"} <= set(promised) == set(zoo_probe.__all__)
    assert all(getattr(zoo_probe, name) is not None for name in promised)
