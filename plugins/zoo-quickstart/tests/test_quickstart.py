"""The first minute: one command tells the whole story, honestly, and leaves what it says it leaves."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from zoo_quickstart import COMPARED_NETWORKS, HAND_TITLE, run_quickstart
from zoo_quickstart.by_hand import PENALTIES, score_by_hand

import zoo
from zoo.errors import FileError


def test_the_story_overwrites_nothing(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileError, match="is not empty"):
        run_quickstart(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_filters_that_pip_installed_are_fetched_verified_and_loaded():
    published = zoo.fetch("vgg16-imagenet", cut="block1")
    assert published.manifest.lineage.weights != "random"
    filters = zoo.load("vgg16-imagenet", cut="block1")
    assert filters["features.0"].shape == (64, 3, 3, 3)


@pytest.mark.parametrize("name", ["vgg16-imagenet", "vgg16-plankton"])
def test_the_core_registry_and_the_package_agree(name):
    entry = zoo.find(name)
    assert entry.manifest == zoo.fetch(name).digest
    assert not entry.shadows


def test_features_by_hand_tell_real_digits_apart_and_give_a_class_without_pictures_nothing():
    data = zoo.open_dataset("digits")
    decoded = data.decode(32)
    splits = data.split(decoded, seed=0, limit=200)
    labels = decoded.targets["label"]
    without = replace(splits, train=splits.train[labels[splits.train] != 9])
    score, other = (score_by_hand(decoded, one, "label") for one in (splits, without))
    assert score.metrics["accuracy"] > 3 * commonest(score.metrics)
    assert score.penalty in PENALTIES
    assert score.parameters == 10 * 31
    assert other.metrics["recall"][9] == 0
    assert other.parameters == 9 * 31


def commonest(metrics: dict) -> float:
    """What is right by always saying the commonest class."""
    counts = [sum(row) for row in metrics["confusion"]]
    return max(counts) / sum(counts)


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    out = tmp_path_factory.mktemp("story") / "quickstart"
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "quickstart", "-o", str(out), "--pictures", "220", "--epochs", "2", "--json"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), out, done.stderr


@pytest.mark.slow
def test_every_row_is_there_and_learnt_filters_are_above_chance(story):
    told, _, _ = story
    arms = {arm["title"]: arm for arm in told["arms"]}
    assert {*arms} == {HAND_TITLE, *(network.title for network in COMPARED_NETWORKS)}
    pictures = {sum(map(sum, arm["confusion"])) for arm in arms.values()}
    assert len(pictures) == 1  # all answered for the same
    for network in COMPARED_NETWORKS:
        arm = arms[network.title]
        assert arm["rate"] == (None if network.retrain == "none" else network.rate)
        if not network.filters.is_random:
            assert arm["accuracy"] > 2 * commonest(arm)
    assert told["neighbours_agree"] > 2 * commonest(told["arms"][0])


@pytest.mark.slow
def test_the_report_stands_by_itself_and_says_what_is_real(story):
    told, out, said = story
    page = (out / "report.html").read_text()
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "<script" not in page
    assert said.count("\n") > 9
    for text in (page, said):
        assert "Real: the weights" in html.unescape(text)
        assert "Drawn: every picture" in text
        assert all(arm["title"] in html.unescape(text) for arm in told["arms"])


@pytest.mark.slow
def test_what_was_published_verifies(story):
    told, _, _ = story
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "verify", told["published"]], capture_output=True, text=True, check=True
    )
    assert "golden features: recomputed" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Debian's chromium")
def test_a_browser_shows_the_report_without_a_network(story, tmp_path):
    _, out, _ = story
    picture = tmp_path / "page.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=390,900"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    place = [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}"]
    page = (Path(out) / "report.html").as_uri()
    subprocess.run(["chromium", *flags, *place, page], check=True, capture_output=True, timeout=120)
    assert picture.stat().st_size > 10_000
