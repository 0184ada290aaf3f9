"""What is said of an ablation: sentences that claim no more than the figures, tables, plain JSON."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from zoo_ablation.formatting import MetricUnits, format_p, format_seeds_needed, format_split, markdown_table
from zoo_ablation.report import AblationReport, make_ablation_report

from zoo.errors import UsageError

ARMS = {"without": "classify", "with": "classify + locate", "placebo": "classify + locate, shuffled"}
NOISE = np.array([0.4, -0.7, 0.1, 0.9, -0.2, 0.5, -0.8, 0.3, -0.6, 0.1])  # points, of mean 0


def _report(treated: float, placebo: float = 0.0, *, seeds: int = 10, splits=("unseen",), **named) -> AblationReport:
    """Gains in points over a control of about 60%; the noise of every arm is another order of the same one."""
    base = 60 + 3 * NOISE[::-1][:seeds]
    values = {
        "without": list(base / 100),
        "with": list((base + treated + NOISE[:seeds]) / 100),
        "placebo": list((base + placebo + np.roll(NOISE, 3)[:seeds]) / 100),
    }
    return make_ablation_report(
        dict.fromkeys(splits, values), variants=ARMS, seeds=range(seeds), head="classify", left_out="locate", **named
    )


# ------------------------------------------------------------------------------------------------ sentences


def test_a_gain_is_said_with_its_interval_p_and_seeds() -> None:
    said = _report(2.3).sentences()[0]
    assert said.startswith(
        "On unseen groups `locate` helps: +2.3 points of accuracy (95% interval 1.9 to 2.7, p = 0.002"
    )
    assert "10 seeds); it does better than with shuffled targets (+2.3 points, p = 0.002)" in said
    assert said.endswith("it is what the head learns.")


def test_a_loss_of_points_harms() -> None:
    report = _report(-2.3, -2.0)
    assert report.sentences()[0].startswith("On unseen groups `locate` harms: -2.3 points of accuracy")
    assert report.sentences()[0].endswith("; shuffled targets harm as well (-2.0 points).")


def test_no_difference_says_what_cannot_be_excluded_and_how_many_seeds_it_would_take() -> None:
    report = _report(0.2)
    found = report.splits[0].variant("with").against
    assert report.sentences()[0] == (
        "No difference found on unseen groups: +0.2 points of accuracy (95% interval -0.2 to 0.6, "
        f"p = {found.p:.2f}, 10 seeds); a difference under 0.6 points cannot be excluded; to find one of the size "
        f"seen, some {found.seeds_needed} seeds would be needed."
    )
    assert found.seeds_needed > 10


def test_a_tiny_difference_would_take_more_than_a_thousand_seeds() -> None:
    assert "more than 1,000 seeds would be needed" in _report(0.01).sentences()[0]


@pytest.mark.parametrize(("seeds", "words"), [(1, "1 seed"), (3, "3 seeds"), (5, "5 seeds")])
def test_of_fewer_than_six_seeds_nothing_is_concluded(seeds: int, words: str) -> None:
    said = _report(9.0, seeds=seeds).sentences()[0]
    assert said.startswith(f"Nothing can be concluded on unseen groups from {words}: at least six are needed;")


def test_where_shuffled_targets_do_as_well_it_is_not_put_down_to_the_head() -> None:
    said = _report(2.3, 2.2).sentences()[0]
    assert "`locate` helps" in said
    assert "but shuffled targets do as well (+2.2 points): nothing says that it is what the head learns." in said


def test_where_shuffled_targets_do_better_it_is_not_what_the_head_learns() -> None:
    said = _report(1.5, 4.0).sentences()[0]
    assert "but shuffled targets do better still (-2.5 points, p = 0.002 against them): it is not what the" in said


def test_a_gain_that_is_not_told_from_the_placebo_nor_is_the_placebos_is_said_with_a_doubt() -> None:
    said = _report(0.5, 0.3).sentences()[0]
    assert "`locate` helps" in said
    assert "but no difference is found to shuffled targets (+0.2 points, p = " in said
    assert said.endswith("it may not be what the head learns.")


def test_arms_that_agree_in_every_seed_exclude_all_and_ask_for_nothing() -> None:
    same = {"without": [0.5] * 6, "with": [0.5] * 6}
    report = make_ablation_report(
        {"test": same}, variants={"without": "a", "with": "a + b"}, seeds=range(6), head="a", left_out="b"
    )
    assert report.sentences() == [
        "No difference found on test pictures: 0.0 points of accuracy (95% interval 0.0 to 0.0, p = 1.00, 6 seeds); "
        "every seed gave the same in both variants."
    ]


def test_a_loss_is_said_in_its_own_unit_and_less_of_it_helps() -> None:
    losses = {"without": [1.5, 1.61, 1.48, 1.55, 1.52, 1.57], "with": [1.4, 1.45, 1.41, 1.42, 1.43, 1.44]}
    report = make_ablation_report(
        {"seen": losses}, variants={"without": "classify", "with": "both"}, seeds=range(6), head="classify",
        left_out="measure", metric="log_loss", better="lower", share=False, groups="boats",
    )  # fmt: skip
    assert report.sentences()[0].startswith("On seen boats `measure` helps: -0.113 in log loss (95% interval -0.1")
    assert "| classify | 1.54 ± 0.0479 |" in report.as_markdown()


def test_without_the_arm_in_question_the_first_other_one_is_told_of() -> None:
    variants = {"without": "classify", "oracle": "true crop, classify"}
    rows = {"without": [0.5, 0.52, 0.51, 0.49, 0.5, 0.53], "oracle": [0.7, 0.73, 0.72, 0.7, 0.69, 0.71]}
    report = make_ablation_report({"seen": rows}, variants=variants, seeds=range(6), head="classify", left_out="locate")
    assert report.sentences()[0].startswith("On seen groups “true crop, classify” helps: +20.0 points of accuracy")
    alone = make_ablation_report({"seen": rows}, variants={"without": "a"}, seeds=range(6), head="a", left_out="b")
    assert alone.sentences() == ["Nothing was compared on seen groups: there is one variant."]


# ------------------------------------------------------------------------------------------------ tables


def test_the_table_has_a_row_an_arm_and_one_against_the_placebo() -> None:
    report = _report(2.3, 0.1)
    lines = report.as_markdown().splitlines()
    assert lines[0] == "### On unseen groups"
    assert lines[2].startswith(
        "| variant | accuracy (%), mean ± sd | difference, points [95% interval] | p | seeds needed |"
    )
    assert lines[4] == "| classify | 60.0 ± 1.7 |  |  |  |  |"
    assert lines[5] == "| classify + locate | 62.3 ± 1.7 | +2.3 [1.9, 2.7] | 0.002 | 6 | helps |"
    assert lines[6].startswith("| classify + locate, shuffled | 60.1 ± ")
    assert lines[7].startswith("| classify + locate, against shuffled targets |  | +2.2 [")
    assert report.sentences()[0] in lines


def test_every_seeds_value_is_in_the_second_table_of_each_split() -> None:
    text = _report(2.3, splits=("seen", "unseen")).as_markdown()
    assert text.count("| accuracy (%) of seed | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |") == 2
    assert "| classify | 60.3 | 58.2 | 60.9 | 57.6 | 61.5 | 59.4 | 62.7 | 60.3 | 57.9 | 61.2 |" in text


def test_all_rows_of_a_table_have_as_many_cells() -> None:
    for block in _report(1.0, 0.5).as_markdown().split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1


def test_a_title_with_a_bar_or_a_line_break_does_not_break_the_table() -> None:
    assert markdown_table([["a|b\nc", "d"], ["e", "f"]], columns="lr") == "| a\\|b c | d |\n|---|---:|\n| e | f |"


def test_the_json_is_plain_whole_and_without_nan() -> None:
    for report in (_report(2.3), _report(2.3, seeds=1), _report(0.0)):
        told = json.loads(json.dumps(report.as_json(), allow_nan=False))
        variant = told["splits"][0]["arms"][1]
        assert variant["key"] == "with"
        assert len(variant["values"]) == len(told["seeds"])
        assert variant["against_control"]["verdict"] == report.splits[0].variants[1].against.verdict
        assert told["splits"][0]["sentence"] == report.sentences()[0]
    assert report.as_json()["splits"][0]["arms"][0]["against_control"] is None


# ------------------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0009, "< 0.001"), (0.001, "0.001"), (0.0498, "0.0498"), (0.0502, "0.0502"), (0.59, "0.59"), (1.0, "1.00")],
)
def test_p_is_never_said_to_be_zero_nor_rounded_over_five_percent(p: float, text: str) -> None:
    assert format_p(p) == text


@pytest.mark.parametrize(
    ("value", "points", "plain"),
    [(0.0231, "+2.3", "+0.0231"), (-0.0004, "-0.04", "-0.0004"), (-1e-7, "0.0", "-1e-07"), (0, "0.0", "0")],
)
def test_differences_have_a_sign_and_are_not_rounded_to_nothing(value: float, points: str, plain: str) -> None:
    assert MetricUnits(metric="accuracy", share=True).signed(value) == points
    assert MetricUnits(metric="mae", share=False).signed(value) == plain


def test_large_figures_have_no_exponent() -> None:
    assert MetricUnits(metric="mae", share=False).level(12345.6) == "12,346"


def test_seeds_needed_and_places_in_words() -> None:
    assert [format_seeds_needed(one) for one in (None, 85, 1000, 1001)] == ["–", "85", "1,000", "more than 1,000"]
    assert [format_split(one, "boats") for one in ("seen", "test")] == ["on seen boats", "on test pictures"]


# ------------------------------------------------------------------------------------------------ bad input


def test_all_that_is_wrong_with_the_figures_is_said_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        make_ablation_report(
            {"seen": {"with": [0.1, math.nan]}, "unseen": {"with": [0.2]}},
            variants={"with": "both"}, seeds=[0, 7], head="a", left_out="b",
        )  # fmt: skip
    said = str(caught.value)
    assert "there is no variant 'without' to compare with" in said
    assert "the variant 'with' on 'seen' has no finite value of the seeds [7]" in said
    assert "the variant 'with' on 'unseen' has 1 values for 2 seeds" in said
    assert said.endswith("Give every variant one finite value for every seed, or leave a seed out of all variants.")


@pytest.mark.parametrize(("seeds", "said"), [([], "the seeds are []"), ([1, 1], "the seeds are [1, 1]")])
def test_seeds_are_one_or_more_different_ones(seeds: list[int], said: str) -> None:
    values = {"seen": {"without": [0.5] * len(seeds)}}
    with pytest.raises(UsageError) as caught:
        make_ablation_report(values, variants={"without": "a"}, seeds=seeds, head="a", left_out="b")
    assert said in str(caught.value)


def test_an_ablation_without_splits_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no split"):
        make_ablation_report({}, variants=ARMS, seeds=[0], head="a", left_out="b")


def test_a_report_is_frozen_and_compares_by_value() -> None:
    assert _report(1.0) == _report(1.0)
    assert replace(_report(1.0), head="other") != _report(1.0)


@pytest.mark.parametrize(("rival", "way"), [(0.10, "worse"), (-0.10, "better"), (0.0, None)])
def test_the_rival_is_compared_with_the_head_itself(rival, way):
    seeds = range(8)
    without = [0.40 + 0.01 * (seed % 3) for seed in seeds]
    treated = [value + 0.05 + 0.002 * seed for seed, value in zip(seeds, without, strict=True)]
    crossed = [value + rival + 0.003 * (-1) ** seed for seed, value in zip(seeds, treated, strict=True)]
    report = make_ablation_report(
        {"test": {"without": without, "with": treated, "two-stage": crossed}},
        variants={"without": "classify", "with": "classify + locate", "two-stage": "locate, crop, then classify"},
        seeds=list(seeds),
        head="classify",
        left_out="locate",
    )
    told = report.sentence(report.splits[0])
    assert ("two stages" in told) is (way is not None)
    assert way is None or f"It does {way} than two stages" in told
    assert "classify + locate, against two stages" in report.as_markdown()
    assert report.as_json()["splits"][0]["with_against_two_stage"]["pairs"] == 8
