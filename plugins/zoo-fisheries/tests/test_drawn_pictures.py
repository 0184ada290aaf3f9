"""The drawing: every kind, exact boxes, sizes, seeds, and no hint of the kind where none may be."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from zoo_fisheries.art.boat import boat
from zoo_fisheries.art.coats import worn
from zoo_fisheries.art.fish import Pose, colour, extent, show
from zoo_fisheries.art.kinds import ARTISTS, KINDS
from zoo_fisheries.art.scene import photograph
from zoo_fisheries.drawn.picture import draw

from zoo.errors import UnknownNameError


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_at_the_wanted_width(kind: str) -> None:
    taken = draw(kind, seed=1, width=128)
    assert taken.pixels.dtype == np.uint8
    assert taken.pixels.shape[1:] == (128, 3)
    assert taken.pixels.std() > 8


def test_an_empty_deck_has_no_box_and_every_fish_has_one() -> None:
    assert all(draw("NoF", seed=seed, width=96).box is None for seed in range(5))
    assert all(draw(kind, seed=seed, width=96).box for kind in ARTISTS for seed in range(5))


@pytest.mark.parametrize("seed", range(8))
def test_the_box_is_the_bounds_of_what_is_visible(seed: int) -> None:
    taken = draw("YFT", seed=seed, width=160)
    x, y, width, height = taken.box
    inside = taken.visible[y : y + height, x : x + width]
    assert inside.sum() == taken.visible.sum() > 0
    assert inside[0].any()
    assert inside[-1].any()
    assert inside[:, 0].any()
    assert inside[:, -1].any()


def test_the_box_is_where_the_pictures_with_and_without_the_fish_differ() -> None:
    whose = boat(5, 0)
    fish, none = (photograph(kind, whose, np.random.default_rng(11), hidden=0) for kind in ("LAG", "NoF"))
    strongly = np.abs(fish.pixels.astype(int) - none.pixels).sum(axis=2) > 60
    assert strongly[fish.visible].mean() > 0.6
    assert strongly[~fish.visible].mean() < 0.1  # but for its shadow


def test_sizes_go_from_under_two_to_thirty_percent_of_the_picture() -> None:
    shares = [draw("ALB", seed=seed, width=64).share for seed in range(150)]
    assert min(shares) < 0.02
    assert 0.25 < max(shares) <= 0.301


def test_hidden_takes_away_from_the_fish_but_never_all_of_it() -> None:
    def seen(hidden: float) -> float:
        areas = [draw("ALB", seed=seed, width=128, hidden=hidden).visible.mean() for seed in range(40)]
        return float(np.mean(areas))

    assert seen(1.0) < 0.95 * seen(0.0)
    assert all(draw("ALB", seed=seed, width=128, hidden=1).visible.sum() > 20 for seed in range(40))


@pytest.mark.parametrize("kind", ["ALB", "NoF", "OTHER"])
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(kind: str) -> None:
    first, again, other = (draw(kind, seed=seed, width=96) for seed in (3, 3, 4))
    assert np.array_equal(first.pixels, again.pixels)
    assert first.box == again.box
    assert first.pixels.shape != other.pixels.shape or not np.array_equal(first.pixels, other.pixels)


def test_what_lies_about_does_not_depend_on_the_kind() -> None:
    whose = boat(2, 3)
    taken = [photograph(kind, whose, np.random.default_rng(4), hidden=0).pixels.astype(int) for kind in ("NoF", "BET")]
    same = np.abs(taken[0] - taken[1]).max(axis=2) <= 6
    assert same.mean() > 0.6


def test_a_fish_lies_at_any_angle() -> None:
    boxes = [draw("SHARK", seed=seed, width=96).box for seed in range(60)]
    assert sum(box[2] > 1.5 * box[3] for box in boxes) > 5
    assert sum(box[3] > 1.5 * box[2] for box in boxes) > 5


def test_kinds_differ_where_they_should() -> None:
    rngs = [np.random.default_rng(seed) for seed in range(20)]
    depth = {kind: np.mean([np.ptp(ARTISTS[kind](rng)[0].outline()[:, 1]) for rng in rngs]) for kind in ARTISTS}
    assert depth["SHARK"] < depth["DOL"] < depth["ALB"] < depth["BET"] < depth["LAG"]
    pectoral = {
        kind: np.mean([np.ptp(ARTISTS[kind](rng)[0].before[0][0][:, 0]) for rng in rngs]) for kind in ("ALB", "YFT")
    }
    assert pectoral["ALB"] > 1.2 * pectoral["YFT"]


def test_a_posed_fish_fills_its_extent() -> None:
    anatomy, _ = ARTISTS["YFT"](np.random.default_rng(0))
    pose = Pose(x=200, y=150, length=180, angle=0.7, mirrored=True, roll=0.9, bend=0.05)
    low, high = extent(anatomy, pose)
    shown, (left, top) = show(anatomy, pose, (400, 300))
    rows, columns = np.nonzero(shown)
    found = [columns.min() + left, rows.min() + top, columns.max() + left, rows.max() + top]
    assert np.allclose(found, [*low, *high], atol=2)


def test_canvas_and_body_are_each_others_inverse() -> None:
    pose = Pose(x=200, y=150, length=180, angle=2.2, mirrored=True, roll=0.8, bend=-0.06)
    points = np.array([(0.0, 0.0), (0.4, -0.1), (1.1, 0.2)])
    placed = pose.place(points)
    x, y = pose.body_of(placed[:, 1], placed[:, 0])
    assert np.allclose(np.stack([x, y], axis=1), points, atol=1e-4)


def test_fish_of_one_kind_are_not_all_alike() -> None:
    pose = Pose(x=100, y=60, length=150, angle=0, mirrored=False, roll=1, bend=0)
    means = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        anatomy, coat = ARTISTS["ALB"](rng)
        shown, corner = show(anatomy, pose, (200, 120))
        means.append(colour(shown, corner, anatomy, pose, worn(coat, rng), rng)[shown > 0].mean())
    assert np.std(means) > 4


def test_an_unknown_kind_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=r"No kind of fish is called 'SHARKS'\. Did you mean 'SHARK'\?"):
        draw("SHARKS", seed=0)


def test_drawing_does_not_import_torch() -> None:
    code = "import sys, zoo_fisheries; zoo_fisheries.draw('ALB', seed=0, width=64); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
