"""Features without a net: thirty by hand, and histograms of oriented gradients."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from zoo_probe.rivals import HAND_FEATURES, TOGETHER, hand_features

PLACE = Path(__file__).parents[3] / "benchmarks" / "hog.py"
spec = importlib.util.spec_from_file_location("hog_of_the_benchmarks", PLACE)
hog = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hog)
hog_features = hog.hog_features


def drawn(mask: np.ndarray, *, ink: tuple[int, int, int] = (200, 100, 50), ground: int = 10) -> np.ndarray:
    """One picture with a shape on a plain ground."""
    picture = np.full((*mask.shape, 3), ground, dtype=np.uint8)
    picture[mask] = ink
    return picture[None]


def rectangle(height: int, width: int, *, side: int = 64, top: int = 20, left: int = 12) -> np.ndarray:
    mask = np.zeros((side, side), dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


def named(picture: np.ndarray) -> dict[str, float]:
    return dict(zip(HAND_FEATURES, hand_features(picture)[0].tolist(), strict=True))


def test_there_are_thirty_finite_features_of_any_picture():
    noise = np.random.default_rng(0).integers(0, 256, (3, 33, 48, 3), dtype=np.uint8)
    plain = np.stack([np.full((33, 48, 3), level, dtype=np.uint8) for level in (0, 7, 255)])
    found = hand_features(np.concatenate([noise, plain]))
    assert found.shape == (6, 30) == (6, len(HAND_FEATURES))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_a_rectangle_has_the_size_and_shape_that_geometry_says():
    found = named(drawn(rectangle(8, 32)))
    assert found["share of foreground"] == pytest.approx(8 * 32 / 64**2)
    assert found["longer axis"] == pytest.approx(4 * ((32**2 - 1) / 12) ** 0.5 / 64)
    assert found["shorter axis"] == pytest.approx(4 * ((8**2 - 1) / 12) ** 0.5 / 64)
    assert found["eccentricity"] == pytest.approx((1 - 63 / 1023) ** 0.5)
    assert found["share of its rows and columns"] == 1
    assert found["compactness"] == pytest.approx((2 * 8 + 2 * 30) ** 2 / (4 * np.pi * 256))
    assert found["log |Hu 1|"] == pytest.approx(np.log10((63 + 1023) / 12 / 256))
    assert found["log |Hu 2|"] == pytest.approx(2 * np.log10((1023 - 63) / 12 / 256))


def test_colours_and_grey_levels_are_those_of_the_pixels():
    found, share = named(drawn(rectangle(16, 32))), 1 / 8
    assert found["red"] == pytest.approx((200 * share + 10 * (1 - share)) / 255)
    assert found["blue deviation"] == pytest.approx(40 / 255 * (share * (1 - share)) ** 0.5, rel=1e-3)
    assert [found["grey percentile 50"], found["grey border"]] == pytest.approx([10 / 255] * 2)
    assert found["contrast to the ground"] == pytest.approx((0.299 * 200 + 0.587 * 100 + 0.114 * 50 - 10) / 255)
    assert found["grey skewness"] == pytest.approx((1 - 2 * share) / (share * (1 - share)) ** 0.5, rel=1e-3)
    assert found["grey entropy"] == pytest.approx(-share * np.log2(share) - (1 - share) * np.log2(1 - share))


def test_a_dark_animal_on_a_bright_ground_has_the_same_shape():
    mask = rectangle(8, 32)
    bright, dark = hand_features(drawn(mask)), hand_features(drawn(mask, ink=(20, 20, 20), ground=230))
    assert bright[0, :13] == pytest.approx(dark[0, :13])
    assert named(drawn(mask, ink=(20, 20, 20), ground=230))["contrast to the ground"] < 0


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_the_animal_changes_no_feature(turns):
    mask = rectangle(8, 32) | rectangle(20, 5, top=24, left=15) | rectangle(3, 3, top=50, left=50)
    picture = drawn(mask)
    assert hand_features(np.rot90(picture, turns, axes=(1, 2)))[0] == pytest.approx(hand_features(picture)[0], abs=2e-4)


@pytest.mark.parametrize("describe", [hand_features, hog_features])
def test_pictures_are_described_one_by_one_whatever_the_batch(describe):
    pictures = np.random.default_rng(0).integers(0, 256, (TOGETHER + 3, 20, 24, 3), dtype=np.uint8)
    assert describe(pictures)[TOGETHER + 1] == pytest.approx(describe(pictures[TOGETHER + 1 :])[0], abs=1e-5)


def test_a_ramp_has_one_orientation_in_every_cell():
    """Grey rises by 2 a pixel across: four cells of a block with the same gradient in bin 0, (1/2, 1/2, 1/2, 1/2).

    L2-Hys: each is cut at 0.2 and brought to 1/2 again. The outer columns have no gradient there, the share of their
    cells is 7/8.
    """
    ramp = np.repeat((2 * np.arange(64, dtype=np.uint8))[None, None, :, None], 64, axis=1).repeat(3, axis=3)
    blocks = hog_features(ramp).reshape(7, 7, 4, 9)
    assert blocks[:, 1:-1, :, 0] == pytest.approx(0.5, abs=1e-4)
    assert np.abs(blocks[..., 1:]).max() == 0
    down = hog_features(ramp.transpose(0, 2, 1, 3)).reshape(7, 7, 4, 9)
    assert down[1:-1, :, :, 4] == pytest.approx(0.5, abs=1e-4)  # 90 degrees are in 80 to 100


def test_l2_hys_cuts_what_dominates_a_block():
    """One cell with gradients 3 of one orientation and 1 of another: (3, 1) / sqrt(10), cut at 0.2, to length 1."""
    picture = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    picture[0, 10:14, 11] = 90  # inside the cell in row 1, column 1
    block = hog_features(picture).reshape(7, 7, 4, 9)[0, 0]
    across, down = 8 * 90 / 64, 2 * 90 / 64  # the sides of the stroke, and its two ends
    lengths = np.minimum(np.array([across, down]) / np.hypot(across, down), 0.2)
    assert block[3, [0, 4]] == pytest.approx(lengths / np.hypot(*lengths), abs=1e-4)
    assert np.delete(block[3], [0, 4]).max() == 0
    assert block[:3].max() == 0


def test_pictures_of_other_sizes_are_shrunk_for_hog():
    def rings(side: int) -> np.ndarray:
        y, x = np.mgrid[:side, :side] / side - 0.4
        return np.repeat((127 + 120 * np.sin(25 * np.hypot(y, x)))[None, :, :, None], 3, axis=3).astype(np.uint8)

    small, large, wide = (hog_features(picture) for picture in (rings(64), rings(160), rings(160)[:, :, ::2]))
    assert small.shape == large.shape == (1, 1764)
    assert np.corrcoef(large, small)[0, 1] > 0.95
    assert np.corrcoef(large, wide)[0, 1] > 0.95
