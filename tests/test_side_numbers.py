"""Numbers beside the features: what a table says of a picture helps to name it, in training and afterwards."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import torch
from command_line import CommandLine
from PIL import Image

import zoo
from zoo.errors import UsageError
from zoo.models.side_numbers import fit_side_numbers, join_side_maps, side_maps
from zoo.store.manifest import SideNumber
from zoo.training.finetune import resume, train_recipe
from zoo.training.loop import StoppedError
from zoo.training.recipe import parse_recipe


@pytest.fixture(scope="module")
def hauls(tmp_path_factory):
    """The same grey picture again and again, of two kinds by depth; one has no depth written down."""
    place, rng = tmp_path_factory.mktemp("hauls"), np.random.default_rng(0)
    rows = []
    for number in range(80):
        kind = "deep" if number % 2 else "shallow"
        Image.new("RGB", (32, 32), (120, 120, 120)).save(place / f"{number}.png")
        depth = rng.uniform(200, 900) if kind == "deep" else rng.uniform(2, 60)
        rows.append((f"{number}.png", kind, "" if number == 10 else f"{depth:.1f}"))
    with (place / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "label", "depth"), *rows])
    return place


@pytest.fixture
def train(hauls, tmp_path):
    def work(name, *, numbers=("depth",), tell=lambda text: None, **training):
        content = {
            "size": 32,
            "data": {"dataset": "image-folder", "root": str(hauls), "options": {"labels": "labels.csv"}},
            "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
            "heads": [{"plugin": "classify", "numbers": list(numbers)}],
            "training": {"epochs": 20, "batch": 8, "rate": 1e-2, "patience": 20, "precision": "fp32", **training},
        }
        return train_recipe(parse_recipe(content, where="the test"), tmp_path / name, device="cpu", tell=tell)

    return work


def test_numbers_become_maps_that_a_mean_gives_back():
    columns = {"depth": torch.tensor([10.0, 100.0, math.nan, 1000.0]), "width": torch.full((4,), 64.0)}
    numbers = fit_side_numbers(["depth", "width"], columns, torch.tensor([0, 1, 2, 3]))
    assert numbers[1].std == 1.0  # a constant says nothing, and is divided by nothing
    maps = side_maps(numbers, columns, head="classify")
    assert maps.shape == (4, 2)
    assert maps[2, 0] == 0.0  # unknown: the mean
    assert maps[[0, 1, 3], 0].mean().abs() < 1e-6
    assert maps[0, 0] < maps[1, 0] < maps[3, 0]
    joined = join_side_maps(torch.randn(4, 3, 2, 5), maps)
    torch.testing.assert_close(joined.mean(dim=(2, 3))[:, 3:], maps)


def test_a_head_learns_from_a_number_what_no_picture_shows(train):
    told, blind = train("told"), train("blind", numbers=())
    assert told.metrics["test"]["classify"]["accuracy"] == 1.0
    assert blind.metrics["test"]["classify"]["accuracy"] < 0.9
    said = told.record.model.heads[0].numbers[0]
    assert said.name == "depth"
    assert 3 < said.mean < 6  # of the logarithm


def test_heads_on_frozen_filters_learn_from_it_too(train):
    run = train("frozen", retrain="none", head_epochs=20)
    assert run.metrics["test"]["classify"]["accuracy"] == 1.0


def test_new_pictures_bring_the_number_in_their_table(train, hauls, tmp_path, monkeypatch, capsys):
    run = train("run")
    published = zoo.push(run, to=tmp_path / "published", license="mit", pictures="none")
    model = zoo.load_model(published.folder)
    answers = zoo.predict(model, zoo.open_dataset("image-folder", hauls, options={"labels": "labels.csv"}))
    given = [row.rpartition("/")[2] for row in answers.images]
    kinds = ["deep" if int(name.partition(".")[0]) % 2 else "shallow" for name in given]
    right = [kind == said for kind, said in zip(kinds, answers.summaries["classify"]["class"], strict=True)]
    assert sum(right) >= 79  # all but, it may be, the one of unknown depth
    command = CommandLine(monkeypatch, capsys)
    done = command("predict", str(published.folder), str(hauls / "labels.csv"), "-o", str(tmp_path / "a.csv"))
    assert done.status == 0, done.err
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert rows["1.png"]["class"] == "deep"
    assert rows["2.png"]["class"] == "shallow"


def test_pictures_without_the_number_are_refused_by_its_name(train, hauls):
    model = train("run").load_model()
    with pytest.raises(UsageError, match=r"trained with the numbers depth, and of these pictures depth is not known"):
        zoo.predict(model, hauls)
    with pytest.raises(UsageError, match="depth is not known"):
        model.predict(torch.full((1, 3, 32, 32), 120, dtype=torch.uint8))
    deep, shallow = (
        model.predict(torch.full((1, 3, 32, 32), 120, dtype=torch.uint8), {"depth": torch.tensor([depth])})["classify"]
        for depth in (500.0, 5.0)
    )
    assert deep.argmax() != shallow.argmax()


def test_a_pictures_own_size_is_a_number_of_every_picture(tmp_path):
    rng = np.random.default_rng(0)
    for kind, side in (("small", 40), ("large", 90)):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(20):
            size = side + int(rng.integers(-5, 6))
            pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((32, 32)).resize((size, size)).save(
                tmp_path / "photos" / kind / f"{number}.png"
            )
    decoded = zoo.open_dataset("image-folder", tmp_path / "photos").decode(32)
    assert set(decoded.numbers) == {"width", "height"}
    assert sorted(decoded.numbers["width"].tolist())[0] < 50
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(tmp_path / "photos")},
        "filters": {"backbone": "vgg11", "cut": "block1", "weights": "random"},
        "heads": [{"plugin": "classify", "numbers": ["width", "height"]}],
        "training": {"retrain": "none", "head_epochs": 20, "batch": 16},
    }
    run = train_recipe(parse_recipe(content, where="the test"), tmp_path / "run", device="cpu")
    assert run.metrics["test"]["classify"]["accuracy"] == 1.0
    answers = zoo.predict(run.load_model(), tmp_path / "photos")  # whose sizes are read with them
    assert set(answers.summaries["classify"]["class"]) == {"small", "large"}


def test_a_stopped_run_goes_on_with_its_numbers(train, tmp_path):
    import signal

    def stop(text):
        if "fine-tuning 2/" in text:
            signal.raise_signal(signal.SIGTERM)

    whole = train("whole")
    with pytest.raises(StoppedError):
        train("stopped", tell=stop)
    going_on = resume(tmp_path / "stopped", device="cpu")
    assert going_on.record.model.heads == whole.record.model.heads
    for name in ("filters.safetensors", "heads.safetensors"):
        assert (whole.folder / name).read_bytes() == (going_on.folder / name).read_bytes()


def test_a_number_that_nothing_says_is_refused_before_anything_is_written(train, tmp_path):
    with pytest.raises(UsageError, match=r"no number 'salinity'. Known of them: depth, height, width"):
        train("run", numbers=("salinity",))
    assert not (tmp_path / "run").exists()


def test_the_command_line_says_it_with_plus(hauls, tmp_path, monkeypatch, capsys):
    command = CommandLine(monkeypatch, capsys)
    words = ["--head", "classify:with=depth+width,hidden=8", "--backbone", "vgg11", "--cut", "block1"]
    words += ["--weights", "random", "--size", "32", "--retrain", "none", "--head-epochs", "1"]
    done = command(
        "train", "image-folder", "--data", str(hauls), "--set", "labels=labels.csv", *words, "-o", str(tmp_path / "run")
    )
    assert done.status == 0, done.err
    recipe = (tmp_path / "run" / "recipe.toml").read_text()
    assert 'numbers = ["depth", "width"]' in recipe
    assert "hidden" in recipe


def test_manifests_without_numbers_are_as_before(train, tmp_path):
    folder = zoo.push(train("run", numbers=()), to=tmp_path / "plain", license="mit", pictures="none").folder
    assert '"numbers"' not in (folder / "config.json").read_text()
    with pytest.raises(ValueError, match="greater than 0"):
        SideNumber(name="depth", mean=0.0, std=0.0)
