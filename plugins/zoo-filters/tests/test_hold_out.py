"""What filters learn from, and what they never see."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path

import pytest

RECIPES = Path(__file__).parent.parent / "recipes"
KINDS = ("copepod", "jelly", "larva")


@pytest.fixture
def hold_out(monkeypatch):
    monkeypatch.syspath_prepend(RECIPES)
    return importlib.import_module("hold_out")


@pytest.fixture
def folder(tmp_path) -> Path:
    with (tmp_path / "groups.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", "group", "time"])
        writer.writerows([f"{kind}/{n}.png", kind, f"day{n % 10}", n] for kind in KINDS for n in range(40))
    return tmp_path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_held_out_groups_and_kinds_are_in_no_picture_that_is_learnt_from(hold_out, folder, capsys):
    assert hold_out.main([str(folder), "--kinds", "jelly", "--share", "0.3", "--out", str(folder)]) == 0
    learn, groups, kinds = (read(folder / name) for name in ("learn.csv", "new-groups.csv", "new-kinds.csv"))
    trained = [row for row in learn if row["split"] == "train"]
    assert {row["label"] for row in learn} == {"copepod", "larva"}
    assert {row["label"] for row in kinds} == {"jelly"}
    assert len({row["group"] for row in groups}) == 3
    assert not {row["group"] for row in groups} & {row["group"] for row in trained}
    assert {row["image"] for row in groups} == {row["image"] for row in learn if row["split"] == "test"}
    assert len(learn) + len(kinds) == 120
    assert "80 pictures, 2 kinds, 10 groups" in capsys.readouterr().out


def test_the_same_seed_holds_the_same_groups_out_and_another_one_others(hold_out, folder):
    rows = read(folder / "groups.csv")
    held = [
        {row["group"] for row in hold_out.hold_out(rows, {"jelly"}, 0.3, seed)["new-groups.csv"]} for seed in (0, 0, 1)
    ]
    assert held[0] == held[1] != held[2]


def test_a_kind_that_is_not_there_is_said(hold_out, folder, capsys):
    assert hold_out.main([str(folder), "--kinds", "jely", "--out", str(folder / "out")]) == 1
    assert capsys.readouterr().err == "no picture is called jely; check --kinds.\n"
    assert not (folder / "out").exists()
