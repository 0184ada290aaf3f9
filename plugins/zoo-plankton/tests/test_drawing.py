"""The drawing: every kind, its size, its contrast, its seed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from zoo_plankton.drawing import draw
from zoo_plankton.kinds import COMMON, KINDS, OTHER
from zoo_plankton.sketch import Sketch

from zoo.errors import UnknownNameError


def test_the_two_sets_share_no_kind_and_are_large_enough() -> None:
    common, other = {kind.name for kind in COMMON}, {kind.name for kind in OTHER}
    assert not common & other
    assert len(common) >= 24
    assert len(other) >= 12
    assert set(KINDS) == common | other


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_kind_is_dark_on_light_and_of_plausible_size(kind: str) -> None:
    for seed in range(6):
        picture = draw(kind, seed=seed)
        assert picture.dtype == np.uint8
        assert all(26 <= side <= 168 for side in picture.shape)
        water, darkest = np.percentile(picture, [90, 1])
        assert water > 150
        assert water - darkest > 15


@pytest.mark.parametrize("kind", ["copepod_calanoid", "artifact_edge", "detritus_other"])
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(kind: str) -> None:
    first, again, other = draw(kind, seed=3), draw(kind, seed=3), draw(kind, seed=4)
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_organisms_lie_at_any_angle() -> None:
    shapes = [draw("chaetognath_sagitta", seed=seed).shape for seed in range(40)]
    assert sum(height > 1.5 * width for height, width in shapes) > 5
    assert sum(width > 1.5 * height for height, width in shapes) > 5


def test_sizes_tell_small_kinds_from_large_ones() -> None:
    def median(kind: str) -> float:
        return float(np.median([max(draw(kind, seed=seed).shape) for seed in range(15)]))

    assert median("fecal_pellet") < median("hydromedusa_solmaris") < median("chaetognath_sagitta")


@pytest.mark.parametrize(
    ("without", "with_"),
    [
        ("copepod_calanoid", "copepod_calanoid_eggs"),
        ("copepod_cyclopoid_oithona", "copepod_cyclopoid_oithona_eggs"),
        ("ctenophore_cydippid_no_tentacles", "ctenophore_cydippid_tentacles"),
        ("hydromedusa_bell", "hydromedusa_bell_and_tentacles"),
        ("tunicate_doliolid", "tunicate_doliolid_nurse"),
    ],
)
def test_near_alike_kinds_differ_by_the_part_that_names_them(without: str, with_: str) -> None:
    assert _shapes(with_) > 1.1 * _shapes(without)


def _shapes(kind: str) -> float:
    """The mean number of shapes in a sketch of a kind."""
    total = 0
    for seed in range(30):
        sketch = Sketch()
        KINDS[kind].artist(sketch, np.random.default_rng(seed))
        total += sum(len(layer.shapes) for layer in sketch.layers)
    return total / 30


def test_an_unknown_kind_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match=r"No kind of plankton is called 'copepod_calanoids'\. Did you mean"):
        draw("copepod_calanoids", seed=0)


def test_drawing_does_not_import_torch() -> None:
    code = "import sys, zoo_plankton; zoo_plankton.draw('protist_star', seed=0); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_sketch_adds_layers_up_and_takes_cleared_ink_away() -> None:
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    sketch = Sketch()
    sketch.fill(square, 0.3)
    sketch.fill(square, 0.4)
    sketch.clear(square * 0.5, 0.2)
    held = sketch.rasterise((40, 40), 40.0, np.zeros(2))
    assert held[30, 30] == pytest.approx(0.7, abs=0.01)
    assert held[10, 10] == pytest.approx(0.5, abs=0.01)
