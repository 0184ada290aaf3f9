"""What benchmarks compute of their own: neighbours across groups, means over kinds, and the same logits elsewhere."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def alike() -> ModuleType:
    pytest.importorskip("zoo_filters")
    spec = importlib.util.spec_from_file_location("alike", BENCHMARKS / "alike.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["alike"] = module  # its dataclass looks there
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules["alike"]


def test_neighbours_are_of_other_groups_and_the_nearest_first(alike):
    vectors, groups = np.random.default_rng(0).normal(size=(60, 8)), np.arange(60) // 5
    near = alike.find_neighbours(vectors, groups)
    assert not (groups[near] == groups[:, None]).any()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in range(60):
        others = [one for one in np.argsort(-(unit @ unit[row])) if groups[one] != groups[row]]
        assert near[row].tolist() == others[:10]


def test_others_are_counted_across_groups(alike):
    pictures = SimpleNamespace(kinds=np.array(["a", "a", "b", "a", "b"]), groups=np.array([0, 0, 0, 1, 2]))
    apart, own = alike.count_others(pictures)
    assert apart.tolist() == [2, 2, 2, 4, 4]
    assert own.tolist() == [1, 1, 1, 2, 1]


def test_a_mean_over_kinds_weighs_every_kind_the_same(alike):
    pictures = SimpleNamespace(kinds=np.array(["a"] * 8 + ["b"] * 2), groups=np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 5]))
    right = np.array([1.0] * 8 + [0.0, 0.0])
    assert alike.measure_mean(right, pictures, over="kinds")["value"] == pytest.approx(0.5)
    assert alike.measure_mean(right, pictures, over="pictures")["value"] == pytest.approx(0.8)


def test_the_interval_of_a_mean_over_kinds_is_as_wide_as_it_varies_from_draw_to_draw(alike):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        groups = np.repeat(np.arange(30), rng.integers(1, 12, 30))
        kinds = np.where(rng.random(len(groups)) < 0.15, "rare", "common")
        right = (rng.random(len(groups)) < np.where(kinds == "rare", 0.3, 0.8) * rng.random(30)[groups]).astype(float)
        found.append(alike.measure_mean(right, SimpleNamespace(kinds=kinds, groups=groups), over="kinds"))
    held = [one["interval"][0] <= 0.5 * (0.15 + 0.4) <= one["interval"][1] for one in found]
    assert 0.9 <= np.mean(held) <= 0.99


@pytest.mark.slow
def test_what_is_pushed_gives_the_same_logits_in_another_environment():
    """`ZOO_OTHER_PYTHON` names a Python with another torch; without it a fresh process of this one is asked."""
    pytest.importorskip("zoo_filters")
    other = os.environ.get("ZOO_OTHER_PYTHON", sys.executable)
    command = [sys.executable, BENCHMARKS / "other_torch.py", "--other", other]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
