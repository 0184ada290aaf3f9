"""`zoo verify --reproduce` and `zoo reproduce` on real runs: the verdict, the exit status, what is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import CommandLine
from published_folder import write_published

import zoo
from zoo.files import sha256_of
from zoo.training import parse_recipe, train_recipe

START = {"backbone": "vgg11", "cut": "block2", "weights": "random"}


def train(shapes, out, *, seed=0):
    content = {
        "size": 32,
        "seed": seed,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": START,
        "training": {"head_epochs": 1, "epochs": 1, "batch": 16},
    }
    return train_recipe(parse_recipe(content, where="the test"), out)


@pytest.fixture(scope="module")
def published(shapes, tmp_path_factory) -> Path:
    """Filters of three seeds, published."""
    place = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(place / "home"))
        first, *others = (train(shapes, place / f"seed-{seed}", seed=seed) for seed in range(3))
        zoo.push(first, to=place / "shapes", license="mit", repeats=tuple(others))
    return place / "shapes"


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    return CommandLine(monkeypatch, capsys)


def edited(folder, to, edit):
    """A copy of published filters with other metrics, which the manifest promises."""
    shutil.copytree(folder, to)
    metrics, manifest = (json.loads((to / name).read_text()) for name in ("metrics.json", "config.json"))
    edit(metrics)
    (to / "metrics.json").write_text(json.dumps(metrics))
    entry = {"size": (to / "metrics.json").stat().st_size, "sha256": sha256_of(to / "metrics.json")}
    manifest["files"]["metrics.json"] = entry
    (to / "config.json").write_text(json.dumps(manifest))
    return to


def test_the_same_recipe_gives_the_published_metrics_and_exits_0(command, published, shapes):
    answer = command("verify", "--reproduce", published, "--data", shapes)
    assert answer.status == 0, answer.err
    heading, *rows = ([cell for cell in line.split("  ") if cell] for line in answer.out.splitlines())
    assert [cell.strip() for cell in heading] == ["test", "published", "over 3 seeds", "95%", "now", "verdict"]
    assert len(rows) >= 3
    for _, said, _, _, now, verdict in rows:
        assert (now.strip(), verdict) == (said.strip(), "within")
    assert "is reproduced" in answer.err
    assert list(Path().iterdir()) == []


def test_as_json_with_another_seed_the_run_stays_in_out_and_is_not_trained_twice(command, published, shapes):
    words = ("reproduce", published, "--data", shapes, "--out", "again", "--json")
    found = json.loads(command(*words, "--seed", 7).out)
    run = zoo.open_run("again")
    assert (found["seed"], run.recipe.seed) == (7, 7)
    (accuracy,) = (one for one in found["metrics"] if one["metric"] == "accuracy")
    assert accuracy["now"] == run.metrics["test"]["classify"]["accuracy"]
    assert (accuracy["seeds"], found["differences"]) == (3, [])
    stamp = (run.folder / "filters.safetensors").stat().st_mtime_ns
    assert json.loads(command(*words).out) == found
    assert (run.folder / "filters.safetensors").stat().st_mtime_ns == stamp


def test_a_metric_outside_the_spread_exits_1_and_is_named_in_the_table(command, published, shapes, tmp_path):
    def inflate(metrics):
        for one in (metrics, *metrics["repeats"]):
            one["figures"]["test"]["classify"]["log_loss"] -= 5

    boast = edited(published, tmp_path / "boast", inflate)
    answer = command("verify", boast, "--reproduce", "--data", shapes)
    assert answer.status == 1
    assert [row.endswith("OUTSIDE") for row in answer.out.splitlines()[1:]].count(True) == 1
    assert "is not reproduced: a metric lies outside" in answer.err


def test_without_repeats_it_says_that_the_interval_is_that_of_the_pictures(command, published, shapes, tmp_path):
    alone = edited(published, tmp_path / "alone", lambda metrics: metrics.pop("repeats"))
    answer = command("verify", "--reproduce", alone, "--data", shapes)
    assert "No repeats were published: compared with the binomial interval of the test pictures." in answer.err
    verdicts = {row.split("  ")[0]: row.split()[-1] for row in answer.out.splitlines()[1:]}
    assert verdicts["classify accuracy"] == "within"
    assert verdicts["classify log loss"] != "within"


def test_other_pictures_are_said_before_the_training(command, published, shapes, tmp_path):
    other = shutil.copytree(shapes, tmp_path / "other")
    next(other.rglob("disc-*.png")).unlink()
    answer = command("verify", "--reproduce", published, "--data", other)
    assert "was trained on other pictures than those in" in answer.err.splitlines()[0]
    assert "--data names another folder" in answer.err


def test_pictures_that_are_not_here_are_asked_for(command, published):
    assert "reads a folder of pictures. Name it with --data DIR" in command("verify", "--reproduce", published).fault


def test_filters_that_no_training_made_say_so(command, tmp_path):
    import torch

    write_published(tmp_path / "converted", {"features.0.weight": torch.zeros(2, 3, 3, 3)}, name="converted")
    fault = command("verify", "--reproduce", tmp_path / "converted").fault
    assert "converted has no training recipe: it was converted from" in fault


def test_a_run_of_another_recipe_is_not_gone_on_with(command, published, shapes):
    content = {"data": {"dataset": "image-folder", "root": str(shapes)}, "filters": START, "size": 48}
    train_recipe(parse_recipe({**content, "training": {"head_epochs": 1, "epochs": 0}}, where="the test"), "other")
    fault = command("reproduce", published, "--data", shapes, "--out", "other").fault
    assert "other holds a run of another recipe. Choose another --out." in fault


def test_a_run_has_nothing_to_be_compared_with(command, shapes, tmp_path):
    train(shapes, tmp_path / "run")
    assert "metrics.json: it cannot be read" in command("reproduce", tmp_path / "run").fault
