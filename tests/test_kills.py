"""SIGKILL at random moments of a fetch or push: never a half file in place, never a repository in a half state."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub_server import HubServer
from published_folder import write_published

from zoo.models.fetching import fetch
from zoo.store.artifact import open_artifact, read_backbone_tensors
from zoo.training.finetune import train_recipe
from zoo.training.recipe import parse_recipe, recipe_text

KILLING = Path(__file__).with_name("killing.py")
REPO = "tester/filters"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub", storage=True) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def write_filters(folder: Path, *, seed: int) -> Path:
    """Published filters of 2 MB, as a stranger has them."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {f"features.{layer}.weight": torch.randn(128, 1000, generator=generator) for layer in range(4)}
    write_published(folder, tensors, license="apache-2.0")
    return folder


def kill(kind: str, job: dict[str, object], tmp_path: Path) -> dict[str, int]:
    """Run `killing.py` and give back its counts."""
    path = tmp_path / f"{kind}.json"
    path.write_text(json.dumps(job))
    done = subprocess.run(
        [sys.executable, str(KILLING), kind, str(path)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts


@pytest.mark.slow
def test_two_hundred_kills_during_a_fetch_leave_no_half_file(hub: HubServer, tmp_path: Path) -> None:
    folder = write_filters(tmp_path / "filters", seed=0)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    hub.add(REPO, files)
    hub.fail("slow", 4e6, path="lfs", times=None)
    sha256 = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
    job: dict[str, object] = {"times": 200, "longest": 0.6, "seed": 0, "name": REPO, "sha256": sha256}
    counts = kill("fetch", job | {"cache": str(tmp_path / "cache")}, tmp_path)
    assert counts["finished"] >= 5  # each one after some that were killed: it went on where they were
    assert fetch(REPO, cache_dir=tmp_path / "fresh").manifest.name == "vgg16-minnows"


@pytest.mark.slow
def test_kills_during_a_partial_fetch_leave_no_wrong_part(hub: HubServer, tmp_path: Path) -> None:
    folder = write_filters(tmp_path / "filters", seed=0)
    hub.add(REPO, {path.name: path.read_bytes() for path in folder.iterdir()})
    hub.fail("slow", 4e6, path="lfs", times=None)
    tensors = ["features.0.weight", "features.2.weight"]
    job: dict[str, object] = {"times": 60, "longest": 0.4, "seed": 1, "name": REPO, "tensors": tensors}
    counts = kill("cut", job | {"cache": str(tmp_path / "cache")}, tmp_path)
    assert counts["finished"] >= 5


@pytest.mark.slow
def test_a_hundred_kills_during_a_push_leave_no_half_repository(hub: HubServer, tmp_path: Path) -> None:
    hub.fail("slow", 4e6, path="lfs", times=None, method="PUT")
    folders = [write_filters(tmp_path / f"version-{seed}", seed=seed) for seed in (0, 1)]
    job: dict[str, object] = {"times": 100, "longest": 1.2, "seed": 2, "repo": REPO, "token": "hf_any"}
    counts = kill("push", job | {"folders": [str(folder) for folder in folders]}, tmp_path)
    assert counts["finished"] >= 5
    published = open_artifact(REPO)
    assert len(read_backbone_tensors(published)) == 4


@pytest.mark.slow
def test_trainings_killed_before_their_first_checkpoint_are_gone_on_with(shapes: Path, tmp_path: Path) -> None:
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": {"backbone": "vgg11", "cut": "block1", "weights": "random"},
        "training": {"epochs": 1},
    }
    recipe = parse_recipe(content, where="the test")
    (tmp_path / "recipe.toml").write_text(recipe_text(recipe))
    whole = train_recipe(recipe, tmp_path / "whole").folder / "filters.safetensors"
    job: dict[str, object] = {"times": 4, "longest": 0.01, "seed": 3, "recipe": str(tmp_path / "recipe.toml")}
    job |= {"folder": str(tmp_path), "sha256": hashlib.sha256(whole.read_bytes()).hexdigest()}
    assert kill("train", job, tmp_path)["before a checkpoint"] >= 1
