"""Each variant's own rate and weight: chosen on validation, kept, gone on with, and said."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest
from command_line import CommandLine
from drawn_plugin import installed_datasets
from zoo_ablation.ablation import ablate
from zoo_ablation.plan import Grid
from zoo_ablation.tuning import Candidate, choose_candidate, read_tuned

from zoo.errors import FileError, UsageError
from zoo.training.loop import StoppedError
from zoo.training.recipe import parse_recipe
from zoo.training.runs import open_run

RATES, WEIGHTS = (1e-5, 3e-3), (0.25, 2.0)
GRID = {"rates": RATES, "head_weights": WEIGHTS, "tuning_seeds": 1}


def recipe(**training):
    return parse_recipe(
        {
            "size": 32,
            "data": {"dataset": "drawn", "options": {"empty": 0.0}},
            "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
            "heads": [{"plugin": "classify"}, {"plugin": "locate", "weight": 0.5}],
            "training": {"epochs": 1, "batch": 32, **training},
        },
        where="the test",
    )


@pytest.fixture(scope="module")
def home_of_all(tmp_path_factory):
    return tmp_path_factory.mktemp("tuned")


@pytest.fixture(autouse=True)
def installed(home_of_all, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(home_of_all / "home"))
    with installed_datasets(tmp_path / "site", monkeypatch, drawn="drawn_boxes:DrawnBoxes"):
        yield


@pytest.fixture(scope="module")
def tuned(home_of_all, tmp_path_factory):
    """An ablation of all variants from one seed, each with its own rate."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("ZOO_HOME", str(home_of_all / "home"))
        told = []
        with installed_datasets(tmp_path_factory.mktemp("site") / "site", patched, drawn="drawn_boxes:DrawnBoxes"):
            report = ablate(recipe(), home_of_all / "out", without="locate", seeds=1, tell=told.append, **GRID)
        return report, home_of_all / "out", told


@pytest.fixture
def copy(tuned, tmp_path):
    shutil.copytree(tuned[1], tmp_path / "copy")
    return tmp_path / "copy"


def test_the_rate_is_chosen_first_and_then_the_weight():
    asked = []

    def score(one):
        asked.append((one.rate, one.weight))
        return [abs(one.rate - 3) + abs((one.weight or 0) - 7), 0.0]

    grid = Grid(rates=(1.0, 3.0, 9.0), weights=(1.0, 7.0), seeds=2)
    chosen, trials = choose_candidate(Candidate(rate=5.0, weight=1.0), grid, score, better="lower")
    assert (chosen.rate, chosen.weight) == (3.0, 7.0)
    assert asked == [(1.0, 1.0), (3.0, 1.0), (9.0, 1.0), (3.0, 7.0)]  # nothing is trained twice
    assert [trial.values for trial in trials] == [(8.0, 0.0), (6.0, 0.0), (12.0, 0.0), (0.0, 0.0)]
    assert choose_candidate(Candidate(rate=5.0), grid, score, better="higher")[0] == Candidate(rate=9.0)


def test_every_variant_and_the_locator_get_their_own(tuned):
    _, folder, told = tuned
    found = read_tuned(folder)
    assert set(found) == {"with", "placebo", "without", "locator", "two-stage", "oracle"}
    for key, one in found.items():
        assert one.metric == ("iou" if key == "locator" else "log_loss")
        assert [trial.candidate.rate for trial in one.trials][:2] == list(RATES)
        weighed = key in ("with", "placebo")
        assert [trial.candidate.weight for trial in one.trials] == ([0.5, 0.5, *WEIGHTS] if weighed else [None] * 2)
        run = open_run(folder / key / "0")
        assert run.recipe.training.rate == one.chosen.rate
        head = {head.plugin: head.weight for head in run.recipe.heads}
        assert head.get("locate") == (one.chosen.weight if weighed else 1.0 if key == "locator" else None)
    assert any(line.startswith("classify + locate: rate ") for line in told)


def test_what_is_chosen_is_the_best_on_validation_and_its_run_is_the_variants(tuned):
    _, folder, _ = tuned
    for key, one in read_tuned(folder).items():
        values = {trial.candidate: trial.values for trial in one.trials}
        head = "locate" if key == "locator" else "classify"
        assert open_run(folder / key / "0").metrics["validation"][head][one.metric] == values[one.chosen][0]
        last = [trial for trial in one.trials if trial.candidate.weight in (None, *WEIGHTS)]
        pick = max if key == "locator" else min
        assert values[one.chosen] == pick(trial.values for trial in last)
    assert not list((folder / "tuning").glob("*/*"))


def test_json_and_table_say_what_was_chosen(tuned):
    _, folder, _ = tuned
    made = json.loads((folder / "ablation.json").read_text())["made"]["tuned"]
    text = (folder / "ablation.md").read_text()
    assert made["with"]["chosen"]["rate"] in RATES
    assert len(made["with"]["trials"]) == 4
    assert "### Rates and weights" in text
    assert "| locate alone | " in text
    assert f"{RATES[0]:g}, 0.5: {made['with']['trials'][0]['values'][0]:.3f}" in text


def test_the_same_call_trains_nothing_and_another_grid_is_refused(tuned, copy):
    told = []
    assert ablate(recipe(), copy, without="locate", seeds=1, tell=told.append, **GRID) == tuned[0]
    assert told == []
    for other in ({}, {**GRID, "rates": (1e-4,)}):
        with pytest.raises(UsageError, match=r"another ablation lies there \(other grid\)"):
            ablate(recipe(), copy, without="locate", seeds=1, **other)


def test_a_second_seed_takes_what_was_chosen(copy):
    ablate(recipe(), copy, without="locate", seeds=2, variants=["two-stage"], **GRID)
    tuned = read_tuned(copy)
    for key in ("without", "locator", "two-stage"):
        assert open_run(copy / key / "1").recipe.training.rate == tuned[key].chosen.rate


def test_a_tuning_that_is_stopped_goes_on_with_the_same_figures(tuned, tmp_path):
    calls = []

    def listen(what, done, total=None, note=""):
        calls.append(what)
        if calls.count("fine-tuning") == 8 and what == "fine-tuning":
            os.kill(os.getpid(), signal.SIGTERM)

    asked = recipe(checkpoint_seconds=0.0)
    with pytest.raises(StoppedError):
        ablate(asked, tmp_path / "out", without="locate", seeds=1, progress=listen, **GRID)
    assert ablate(asked, tmp_path / "out", without="locate", seeds=1, **GRID).splits == tuned[0].splits
    assert read_tuned(tmp_path / "out") == read_tuned(tuned[1])


def test_killed_between_choosing_and_moving_it_moves(copy, tuned):
    chosen = read_tuned(copy)["without"].chosen
    (copy / "tuning" / "without" / chosen.name).mkdir(parents=True)
    (copy / "without" / "0").rename(copy / "tuning" / "without" / chosen.name / "0")
    told = []
    assert ablate(recipe(), copy, without="locate", seeds=1, tell=told.append, **GRID) == tuned[0]
    assert told == []


def test_a_damaged_choice_is_said(copy):
    (copy / "tuning.json").write_text('{"with": {"chosen": 3}}')
    with pytest.raises(FileError, match=r"tuning\.json: it cannot be read .*Delete it, and rates"):
        ablate(recipe(), copy, without="locate", seeds=1, **GRID)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rates", "1e-4,fast"], "'1e-4,fast' is no list of numbers, such as 1e-4,3e-4,1e-3"),
        (["--rates", "0,1e-4"], "0 is no rate to try"),
        (["--head-weights", "nan"], "nan is no weight to try"),
        (["--rates", "1e-4,0.0001"], "A rate stands twice in 0.0001, 0.0001"),
    ],
)
def test_odd_grids_are_answered_in_one_line(words, message, tmp_path, monkeypatch, capsys):
    answer = CommandLine(monkeypatch, capsys)(
        *("ablate", "drawn", "--backbone", "vgg11", "--cut", "block2", "--weights", "random", "--size", 32),
        *("--head", "classify", "--head", "locate", "--without", "locate", *words, "--out", tmp_path / "out"),
    )
    assert message in answer.fault
    assert not (tmp_path / "out").exists()
