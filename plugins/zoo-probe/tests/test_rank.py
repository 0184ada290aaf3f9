"""Which filters to take: the same pictures for all, ties reported as ties."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from command_line import CommandLine
from drawn_fish import Fish
from zoo_probe.candidates import Candidate, CandidateComparison
from zoo_probe.ranking import rank, share_ranks
from zoo_probe.scores import FeatureScores

import zoo
from zoo.errors import UnknownNameError, UsageError
from zoo.models.building import build_filters
from zoo.store.registry_editing import add_entry
from zoo.store.registry_file import RegistryEntry


def named(name: str, *, seed: int = 0, size: int = 32, cut: str = "block2", weights: str = "a file") -> zoo.Filters:
    """Small filters of that name."""
    made = build_filters("vgg11", cut=cut, weights="random", size=size, seed=seed)
    return zoo.Filters(
        made.module, backbone=made.backbone, cut=made.cut, input=made.input, weights=weights, name=name
    ).eval()


def blind(name: str) -> zoo.Filters:
    """Filters that see nothing."""
    filters = named(name)
    with torch.no_grad():
        for parameter in filters.module.parameters():
            parameter.zero_()
    return filters


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


@pytest.fixture(scope="module")
def ranking():
    with pytest.MonkeyPatch.context() as patch:
        import tempfile

        patch.setenv("ZOO_HOME", tempfile.mkdtemp())
        return rank(
            Fish(count=90), [blind("blind"), named("one"), named("twin"), named("large", size=48)], device="cpu"
        )


def test_the_best_comes_first_and_the_blind_last(ranking):
    scores = [place.best.score for place in ranking.places]
    assert scores == sorted(scores, reverse=True)
    assert ranking.places[-1].filters == "blind"
    assert ranking.places[-1].rank > 1


def test_the_same_filters_under_two_names_share_a_rank(ranking):
    ranks = {place.filters: place.rank for place in ranking.places}
    assert ranks["one"] == ranks["twin"]


def test_each_is_taken_at_its_best_cut_and_its_own_size(ranking):
    for place in ranking.places:
        assert place.best.score == max(place.cuts.values())
    assert {place.filters: place.size for place in ranking.places}["large"] == 48


def test_random_weights_and_raw_pixels_are_the_floor(ranking):
    assert {one.kind for one in ranking.floor} == {"random", "pixels", "hand"}
    titles = [one.title for one in ranking.floor]
    assert len(titles) == len(set(titles))


def test_the_leader_is_behind_nobody_and_the_others_are_compared_with_it(ranking):
    assert ranking.places[0].behind is None
    assert all(place.behind.difference >= 0 for place in ranking.places[1:])


def comparison(*columns: np.ndarray) -> CandidateComparison:
    candidates = [
        Candidate(title=str(number), kind="cut", feature_scores=FeatureScores(per_sample=per_sample, logme=0.0))
        for number, per_sample in enumerate(columns)
    ]
    return CandidateComparison(candidates, np.arange(len(columns[0])))


def test_ranks_are_shared_as_in_sports():
    hits = np.zeros((4, 400))
    hits[0, :360] = hits[1, 40:] = 1  # as many right, others wrong
    hits[2, :200] = 1
    hits[3, :80] = 1
    assert share_ranks([0, 1, 2, 3], comparison(*hits)) == {0: 1, 1: 1, 2: 3, 3: 4}


def test_only_what_lies_on_this_disk_is_ranked_and_the_rest_is_told(home, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    add_entry(RegistryEntry(name="far-away", sources=("hf://nobody/far-away",)))
    found = rank(Fish(), device="cpu", per_class=8)
    here = {"efficientnet-lite0", "vgg16-dead-leaves", "vgg16-fish", "vgg16-imagenet", "vgg16-plankton"}
    assert {place.filters for place in found.places} == here
    assert "far-away" in found.passed_over


def test_filters_that_are_named_must_be_there(home):
    with pytest.raises(UnknownNameError, match="Did you mean 'vgg16-plankton'"):
        rank(Fish(), ["vgg16-planktom"], device="cpu")


def test_nothing_to_rank_says_what_to_do(home, monkeypatch):
    monkeypatch.setattr("zoo_probe.ranking.all_entries", lambda problems: {})
    with pytest.raises(UsageError, match="There are no filters to rank on this disk"):
        rank(Fish(), device="cpu")


def test_an_empty_list_is_refused(home):
    with pytest.raises(UsageError, match="No filters were named"):
        rank(Fish(), [], device="cpu")


def test_boxes_are_ranked_by_r2(home):
    found = rank(Fish(), [named("one"), named("two", seed=5)], target="box", device="cpu")
    assert found.measure == "R²"
    assert all(place.best.r2 is not None for place in found.places)


def test_a_ranking_can_be_written_as_json(ranking, tmp_path):
    content = json.loads(ranking.save(tmp_path / "rank.json").read_text())
    assert [place["rank"] for place in content["places"]] == [place.rank for place in ranking.places]
    assert content["places"][1]["behind"]["interval"]


def test_the_command_prints_ranks_and_the_floor(command, shapes):
    answer = command(
        "rank", "image-folder", "--data", shapes, "--filters", "vgg16-plankton", "--per-class", 10, "--size", 32,
        "--device", "cpu",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert "floor  raw pixels, 16 x 16" in answer.out
    assert "floor  hand features (30)" in answer.out
    assert answer.out.splitlines()[1].startswith("1 ")
    assert "vgg16-plankton beats" in answer.out or "does NOT beat" in answer.out


def test_the_command_gives_json(command, shapes):
    answer = command(
        "rank", "image-folder", "--data", shapes, "--filters", "vgg16-plankton", "--per-class", 6, "--size", 32,
        "--device", "cpu", "--json",
    )  # fmt: skip
    assert json.loads(answer.out)["places"][0]["filters"] == "vgg16-plankton"


def test_a_wrong_target_is_one_line(command):
    assert "has no target 'x'. It has label" in command("rank", "digits", "--target", "x").fault


def test_one_set_of_filters_is_ranked_by_its_name():
    with pytest.raises(UnknownNameError, match="'no-such-filters'"):
        rank(Fish(), "no-such-filters")
