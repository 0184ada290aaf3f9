"""The experiment on cuts: what agrees with the worth after fine-tuning, and what a choice costs."""

from __future__ import annotations

import csv
import importlib
import json
import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType

import pytest

import zoo

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SETTINGS = {"size": 32, "kinds": 3, "per_class": 12, "val": 5, "test": 6}


@pytest.fixture
def cuts(monkeypatch) -> ModuleType:
    pytest.importorskip("zoo_filters")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("cuts", "franken", "rivals", "hog", "common"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module("cuts")


def rows_of(worth: list[float], **said: list[float]) -> dict[tuple[str, str], list[dict[str, float]]]:
    """A filter-cut for every value, one seed."""
    return {
        ("vgg16-imagenet", f"block{number + 1}"): [
            {"accuracy": value, **{name: column[number] for name, column in said.items()}}
        ]
        for number, value in enumerate(worth)
    }


def test_what_ranks_cuts_as_fine_tuning_does_agrees_and_the_reverse_disagrees(cuts):
    worth = [0.3, 0.5, 0.9, 0.7]
    said = {"probe": [3.0, 5.0, 9.0, 7.0], "logme": [-3.0, -5.0, -9.0, -7.0]}
    found = cuts.agreement(rows_of(worth, **said, depth=[1.0, 2.0, 3.0, 4.0], parameters=[1.0, 1.0, 1.0, 2.0]))
    assert found["probe"] == pytest.approx({"tau_b": 1, "spearman": 1})
    assert found["logme"] == pytest.approx({"tau_b": -1, "spearman": -1})
    assert found["depth"]["tau_b"] == pytest.approx(4 / 6)  # 5 pairs agree, 1 does not


def test_regret_is_what_the_chosen_cut_lacks(cuts):
    rows = rows_of([0.3, 0.5, 0.9, 0.7], logme=[0.0, 1.0, 0.5, 0.2])
    found = cuts.regret(rows, [{"vgg16-imagenet": "block3"}])["vgg16-imagenet"]
    assert found["best"] == "block3"
    assert found["recommended"] == 0
    assert found["logme"] == pytest.approx(0.4)
    assert found["deepest"] == pytest.approx(0.2)
    assert found["cuts"]["logme"] == ["block2"]


def test_no_group_is_on_two_sides_and_of_a_kind_there_are_as_many_as_asked_for(cuts, tmp_path):
    data = zoo.open_dataset("plankton", options={"kinds": "other", "pictures": 900})
    cuts.write_pictures(data, Namespace(**SETTINGS), 0, tmp_path / "dealt")
    with (tmp_path / "dealt" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sides: dict[str, set[str]] = {}
    for row in rows:
        sides.setdefault(row["group"], set()).add(row["split"])
        assert (tmp_path / "dealt" / row["image"]).is_file()
    assert {len(found) for found in sides.values()} == {1}
    counts = cuts.count_pictures(tmp_path / "dealt")
    assert counts["kinds"] == 3
    assert counts["train"] == 3 * 12
    assert counts["val"] <= 3 * 5
    assert counts["test"] <= 3 * 6
    opened = zoo.open_dataset("image-folder", tmp_path / "dealt", options={"labels": "labels.csv"})
    splits = opened.split(opened.decode(32), seed=0)
    assert [len(splits.train), len(splits.test)] == [counts["train"], counts["test"]]


def test_a_finished_row_is_not_computed_again(cuts, tmp_path):
    assert cuts.once(tmp_path / "row.json", lambda: {"accuracy": 0.5}) == {"accuracy": 0.5}
    assert cuts.once(tmp_path / "row.json", lambda: {"accuracy": 0.9}) == {"accuracy": 0.5}
    assert json.loads((tmp_path / "row.json").read_text()) == {"accuracy": 0.5}
