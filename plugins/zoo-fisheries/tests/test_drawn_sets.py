"""Drawn sets: the plan, the files, splits by boat, the dial between deck and kind."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from zoo_fisheries import KINDS, Fisheries
from zoo_fisheries.drawn.making import BOATS, FINISHED, UNFINISHED, _run_workers, draw_set, draw_share
from zoo_fisheries.drawn.plan import plan

from zoo.errors import FileError, UsageError
from zoo.testing import check_dataset

SMALL = {"pictures": 64, "boats": 6, "width": 64}
OPTIONS = Fisheries(**SMALL).options


def _digest(root: Path) -> dict[str, str]:
    files = [*root.rglob("*.jpg"), *root.rglob("*.csv"), *root.rglob("*_labels.json")]
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)}


def _dependence(confound: float) -> float:
    """Cramér's V of boat and kind: 0 where they have nothing to do with each other, 1 where one gives the other."""
    planned = plan(replace(OPTIONS, pictures=3000, boats=12, confound=confound))
    table = np.zeros((12, len(KINDS)))
    for one in planned:
        table[one.boat, KINDS.index(one.kind)] += 1
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return float(np.sqrt(((table - expected) ** 2 / expected).sum() / (table.sum() * (min(table.shape) - 1))))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn")
    Fisheries(**SMALL).prepare(root)
    return root


# ------------------------------------------------------------------------------------------------ the plan


def test_no_boat_is_on_two_sides() -> None:
    boats: dict[str, set[int]] = {}
    for one in plan(replace(OPTIONS, pictures=1200, boats=12)):
        boats.setdefault(one.split, set()).add(one.boat)
    assert (len(boats["test"]), len(boats["val"]), len(boats["train"])) == (3, 2, 7)
    assert not boats["train"] & boats["test"]
    assert not boats["train"] & boats["val"]
    assert not boats["val"] & boats["test"]


@pytest.mark.parametrize("confound", [0.0, 1.0])
def test_every_kind_can_be_learnt(confound: float) -> None:
    planned = plan(replace(OPTIONS, pictures=600, boats=12, confound=confound))
    counts = Counter(one.kind for one in planned if one.split == "train")
    assert min(counts[kind] for kind in KINDS) >= 2


def test_the_dial_says_how_far_deck_and_kind_go_together() -> None:
    loose, half, tight = (_dependence(confound) for confound in (0.0, 0.5, 1.0))
    assert loose < 0.1
    assert loose + 0.08 < half < tight - 0.08
    assert tight > 0.5


def test_kinds_are_as_unequal_as_the_roots_of_the_competitions_numbers() -> None:
    counts = Counter(one.kind for one in plan(replace(OPTIONS, pictures=3000, boats=12)))
    assert sum(counts.values()) == 3000
    assert counts["ALB"] / counts["LAG"] == pytest.approx((1719 / 67) ** 0.5, rel=0.05)


def test_every_kind_has_at_least_four_pictures() -> None:
    assert min(Counter(one.kind for one in plan(replace(OPTIONS, pictures=32, boats=4))).values()) >= 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pictures": 20}, r"pictures=20 is too few for boats=12: pass 60 or more"),
        ({"boats": 3}, r"boats=3 is not in 4 to 200"),
        ({"width": 33}, r"width=33 is no even number in 64 to 1280"),
        ({"confound": 1.5}, r"confound=1.5 is not in 0 to 1"),
        ({"hidden": -0.1}, r"hidden=-0.1 is not in 0 to 1"),
        ({"hidden": float("nan")}, r"hidden=nan is not in 0 to 1"),
        ({"seen": 1.0}, r"seen=1 is no share under 1"),
        ({"seed": -1}, r"seed=-1 is negative: pass 0 or more"),
        ({"boats": 3, "seed": -1}, r"boats=3 .*; seed=-1"),
    ],
)
def test_options_that_cannot_be_drawn_are_an_error_that_says_all_of_them(options: dict, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Fisheries(**options)


# ------------------------------------------------------------------------------------------------ the files


def test_an_empty_folder_is_filled_and_read(drawn: Path) -> None:
    fish = Fisheries(**SMALL)
    fish.prepare(drawn)
    assert len(fish) == 64
    assert fish.targets["label"].names == KINDS
    assert fish.license == "cc0-1.0"
    assert fish.problems == ()
    for index in range(64):
        sample = fish[index]
        kind = KINDS[sample.targets["label"]]
        assert Path(sample.path).parent.name == kind
        assert sample.group.startswith("boat-")
        assert (sample.targets["box"] is None) == (kind == "NoF")


def test_boxes_read_back_are_the_boxes_drawn(drawn: Path, tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / "train" / kind).mkdir(parents=True)
    known = dict(draw_share(tmp_path, OPTIONS, 0, 1))
    fish = Fisheries(**SMALL)
    fish.prepare(drawn)
    for index in range(64):
        sample = fish[index]
        expected = known[int(Path(sample.path).stem.removeprefix("img_")) - 1]
        if expected is not None:
            x, y, width, height = expected
            assert torch.equal(sample.targets["box"], torch.tensor([x, y, x + width, y + height]).float())


def test_splits_are_complete_and_disjoint(drawn: Path) -> None:
    fish = Fisheries(**SMALL)
    fish.prepare(drawn)
    rows = [row for split in fish.splits.values() for row in split]
    assert set(fish.splits) == {"train", "val", "test"}
    assert sorted(rows) == list(range(64))


def test_pictures_of_training_boats_can_be_held_out_as_seen(drawn: Path) -> None:
    whole, fish, again = Fisheries(**SMALL), Fisheries(**SMALL, seen=0.25), Fisheries(**SMALL, seen=0.25)
    for one in (whole, fish, again):
        one.prepare(drawn)
    assert set(fish.splits["seen"]) | set(fish.splits["train"]) == set(whole.splits["train"])
    assert not set(fish.splits["seen"]) & set(fish.splits["train"])
    assert len(fish.splits["seen"]) == pytest.approx(0.25 * len(whole.splits["train"]), abs=4)
    assert {fish[row].group for row in fish.splits["seen"]} <= {fish[row].group for row in fish.splits["train"]}
    assert fish.splits == again.splits


def test_the_second_call_draws_nothing(drawn: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in drawn.rglob("*")}
    said: list[str] = []
    Fisheries(**SMALL).prepare(drawn, lambda what, *_: said.append(what))
    assert "drawing fish" not in said
    assert {path: path.stat().st_mtime_ns for path in drawn.rglob("*")} == before


def test_the_same_options_give_the_same_bytes_whatever_the_shares(drawn: Path, tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / "train" / kind).mkdir(parents=True)
    for share in (2, 0, 1):
        for _ in draw_share(tmp_path, OPTIONS, share, 3):
            pass
    assert _digest(tmp_path).items() <= _digest(drawn).items()
    assert len(_digest(tmp_path)) == 64


def test_other_processes_draw_the_same_as_this_one(drawn: Path, tmp_path: Path) -> None:
    for kind in KINDS:
        (tmp_path / "train" / kind).mkdir(parents=True)
    told: dict = {}
    assert _run_workers(tmp_path, OPTIONS, 2, told.__setitem__) == []
    assert told == dict(draw_share(tmp_path, OPTIONS, 0, 1))
    assert _digest(tmp_path).items() <= _digest(drawn).items()


def test_what_failing_processes_leave_undone_is_drawn_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo_fisheries.drawn.making.os.cpu_count", lambda: 2)
    monkeypatch.setattr("zoo_fisheries.drawn.making.WORTHWHILE", 30)
    monkeypatch.setattr("zoo_fisheries.drawn.making.sys.executable", "/bin/false")
    draw_set(tmp_path, OPTIONS)
    assert len(list(tmp_path.rglob("*.jpg"))) == 64


def test_another_seed_gives_other_pictures(drawn: Path, tmp_path: Path) -> None:
    Fisheries(**SMALL, seed=1).prepare(tmp_path)
    pictures = [
        {digest for name, digest in _digest(root).items() if name.endswith("jpg")} for root in (tmp_path, drawn)
    ]
    assert not pictures[0] & pictures[1]


def test_a_half_drawn_folder_is_drawn_again(drawn: Path, tmp_path: Path) -> None:
    Fisheries(**SMALL).prepare(tmp_path)
    (tmp_path / FINISHED).rename(tmp_path / UNFINISHED)
    pictures = sorted(tmp_path.rglob("*.jpg"))
    pictures[0].write_bytes(b"torn")
    pictures[1].unlink()
    (tmp_path / BOATS).unlink()
    Fisheries(**SMALL).prepare(tmp_path)
    assert _digest(tmp_path) == _digest(drawn)
    assert not (tmp_path / UNFINISHED).exists()


def test_a_folder_half_drawn_with_other_options_leaves_nothing_behind(drawn: Path, tmp_path: Path) -> None:
    Fisheries(pictures=80, boats=6, width=64, seed=9).prepare(tmp_path)
    (tmp_path / FINISHED).rename(tmp_path / UNFINISHED)
    Fisheries(**SMALL).prepare(tmp_path)
    assert _digest(tmp_path) == _digest(drawn)


def test_a_set_drawn_with_other_options_is_an_error_that_names_both(drawn: Path) -> None:
    with pytest.raises(FileError, match=r"drawn with pictures=64 boats=6 .* not pictures=1200 boats=12"):
        Fisheries().prepare(drawn)


def test_missing_drawn_pictures_are_an_error(tmp_path: Path) -> None:
    Fisheries(**SMALL).prepare(tmp_path)
    next(tmp_path.rglob("*.jpg")).unlink()
    with pytest.raises(FileError, match=r"1 of its 64 drawn pictures are missing .* Delete the folder"):
        Fisheries(**SMALL).prepare(tmp_path)


def test_a_damaged_record_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FINISHED).write_text('{"pictures": 12}')
    with pytest.raises(FileError, match=r"drawn\.json: not a record of a drawn set"):
        Fisheries().prepare(tmp_path)


def test_the_record_says_how_the_set_was_drawn(drawn: Path) -> None:
    assert json.loads((drawn / FINISHED).read_text())["boats"] == 6


def test_a_boats_pictures_have_one_size(drawn: Path) -> None:
    fish = Fisheries(**SMALL)
    fish.prepare(drawn)
    sizes: dict[str, set] = {}
    for index in range(len(fish)):
        sample = fish[index]
        sizes.setdefault(sample.group, set()).add(Image.open(sample.path).size)
    assert all(len(some) == 1 for some in sizes.values())


# ------------------------------------------------------------------------------------------------ the plugin


def test_the_dataset_keeps_the_contract(tmp_path: Path) -> None:
    assert "64 pictures" in check_dataset(Fisheries(**SMALL), tmp_path)


def test_the_entry_point_leads_to_the_dataset() -> None:
    from zoo.plugins import find_plugin

    assert find_plugin("dataset", "zoo-fisheries:fisheries").load() is Fisheries


def test_the_command_line_makes_and_checks_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.cli.main import cli

    options = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    made = CliRunner().invoke(cli, ["data", "make", "fisheries", "--out", str(tmp_path / "fish"), *options])
    assert made.exit_code == 0, made.output
    checked = CliRunner().invoke(cli, ["data", "check", "fisheries", "--data", str(tmp_path / "fish"), *options])
    assert checked.exit_code == 0, checked.output
    assert "64 pictures, 6 groups" in checked.output


def test_a_contact_sheet_shows_every_kind(drawn: Path, tmp_path: Path) -> None:
    from zoo_fisheries.sheet import CELL, draw_sheet, main

    sheet = draw_sheet(drawn, rows=2)
    assert sheet.size == (CELL[0] * 8, CELL[1] * 2 + 14)
    assert (255, 236, 60) in {colour for _, colour in sheet.getcolors(2**20)}
    main([str(drawn), str(tmp_path / "sheet.png")])
    assert Image.open(tmp_path / "sheet.png").format == "PNG"
