"""The first minute: one command tells the whole story, honestly, and leaves what it says it leaves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from zoo_quickstart import COMPARED_NETWORKS, run_quickstart

import zoo
from zoo.errors import FileError


def test_the_story_overwrites_nothing(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileError, match="is not empty"):
        run_quickstart(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_filters_that_pip_installed_are_fetched_verified_and_loaded():
    published = zoo.fetch("vgg16-plankton")
    assert published.manifest.lineage.weights == "random"
    filters = zoo.load("vgg16-plankton", cut="block1")
    assert filters["features.0"].shape == (64, 3, 3, 3)
    assert published.manifest.files["model.safetensors"].size < 4_000_000


def test_the_core_registry_and_the_package_agree():
    entry = zoo.find("vgg16-plankton")
    assert entry.manifest == zoo.fetch("vgg16-plankton").digest
    assert not entry.shadows


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    out = tmp_path_factory.mktemp("story") / "quickstart"
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "quickstart", "-o", str(out), "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), out, done.stderr


@pytest.mark.slow
def test_learnt_filters_beat_the_nets_from_scratch(story):
    told, _, _ = story
    accuracies = [arm["accuracy"] for arm in told["arms"]]
    assert len(accuracies) == len(COMPARED_NETWORKS)
    assert accuracies[0] > max(accuracies[1:])
    assert told["neighbours_agree"] > 0.4


@pytest.mark.slow
def test_the_report_stands_by_itself(story):
    _, out, said = story
    page = (out / "report.html").read_text()
    assert not re.search(r"(?:src|href)=\"(?!data:|#)", page)
    assert "<script" not in page
    assert said.count("\n") > 7


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
