"""Drawn pictures: the systems are what they should be, and so are the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from zoo_fractals import DeadLeaves, Fractals
from zoo_fractals.fractals import hsv_to_rgb
from zoo_fractals.systems import System, density, draw_system, iterate

import zoo
from zoo.plugins import find_plugin
from zoo.testing import check_plugin

DOT = np.eye(9, dtype=bool)[4].reshape(3, 3)


def drawn(factory, **options):
    dataset = factory(**options)
    dataset.prepare(Path())
    return dataset


BOTH = pytest.mark.parametrize("factory", [Fractals, DeadLeaves])


@pytest.fixture(scope="module")
def systems() -> list[System]:
    rng = np.random.default_rng(5)
    return [draw_system(rng) for _ in range(200)]


def test_all_of_200_systems_meet_the_constraints(systems):
    for system in systems:
        values = np.linalg.svd(system.matrices, compute_uv=False)
        maps = len(values)
        assert 2 <= maps <= 4
        assert (5 + maps) / 2 - 1e-9 <= (values @ [1, 2]).sum() <= (6 + maps) / 2 + 1e-9
        assert values.min() >= 0
        assert values.max() <= 1 + 1e-9
        assert np.abs(system.offsets).max() <= 1
        assert system.chances.sum() == pytest.approx(1)
        assert system.chances.min() > 0


def test_the_points_cover_some_28_percent_of_64_pixels_squared_in_the_middle(systems):
    rng = np.random.default_rng(0)
    covered = [(density(iterate([system], rng)[0], 64, DOT) > 0).mean() for system in systems]
    assert 0.24 < np.median(covered) < 0.31


def test_the_points_of_the_sierpinski_triangle_are_those_of_the_sierpinski_triangle():
    corners = np.array([[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]])
    system = System(matrices=np.stack([np.eye(2) / 2] * 3), offsets=corners)
    x, y = iterate([system], np.random.default_rng(0))[0].astype(float)
    bits = (np.floor(x * 2**12).astype(int) & np.floor(y * 2**12).astype(int)) >> 2  # no bit that both have
    assert (bits == 0).mean() > 0.99
    assert np.mean(x < 0.5) == pytest.approx(2 / 3, abs=0.02)


def test_maps_are_chosen_by_the_area_that_they_keep():
    matrices = np.stack([0.6 * np.eye(2), 0.3 * np.eye(2)])
    x, _ = iterate([System(matrices=matrices, offsets=np.array([[0.0, 0], [10, 0]]))], np.random.default_rng(0))[0]
    assert np.mean(x > 9.9) == pytest.approx(0.09 / 0.45, abs=0.02)


def test_a_varied_system_never_stretches_and_mostly_differs_in_one_map(systems):
    rng = np.random.default_rng(0)
    varied = [system.varied(rng) for system in systems]
    assert max(np.linalg.svd(one.matrices, compute_uv=False).max() for one in varied) <= 1 + 1e-9
    changed = [int((a.matrices != b.matrices).any(axis=(1, 2)).sum()) for a, b in zip(systems, varied, strict=True)]
    assert set(changed) == {0, 1}


def test_colours_are_the_usual_ones():
    hues = np.array([0, 1 / 3, 2 / 3, 1 / 6])
    assert hsv_to_rgb(hues, 1.0, np.ones(4)).round(6).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    assert hsv_to_rgb(hues[:1], 0.0, np.array([0.5])).tolist() == [[0.5, 0.5, 0.5]]


def test_a_picture_has_one_to_five_fractals_and_says_which():
    dataset = drawn(Fractals, classes=30, pictures=60, side=32)
    counts = [int(dataset[index].targets["systems"].sum()) for index in range(60)]
    assert {*counts} == {1, 2, 3, 4, 5}


@BOTH
def test_pictures_are_drawn_by_their_number_and_the_seed(factory):
    one, again, other = (drawn(factory, classes=12, pictures=60, side=32, seed=seed) for seed in (0, 0, 1))
    for index in (0, 59, 7):
        assert torch.equal(one[index].image, again[index].image)
        assert not torch.equal(one[index].image, other[index].image)
    assert len({one[index].image.numpy().tobytes() for index in range(60)}) == 60


@BOTH
def test_pictures_are_no_blobs(factory):
    dataset = drawn(factory, classes=6, pictures=20)
    pictures = [dataset[index].image.float() for index in range(20)]
    assert all(picture.shape == (3, 64, 64) for picture in pictures)
    edges = [float((picture.diff(dim=2).abs().amax(dim=0) > 25).float().mean()) for picture in pictures]
    assert np.median(edges) > 0.05


@BOTH
@pytest.mark.parametrize("wrong", [{"classes": 1}, {"pictures": 399}, {"side": 15}, {"seed": -1}])
def test_options_out_of_range_are_refused_with_the_range(factory, wrong):
    with pytest.raises(zoo.ZooError, match=f"{next(iter(wrong))}=.* cannot be drawn. Pass"):
        factory(**wrong)


@pytest.mark.parametrize("name", ["fractals", "dead-leaves"])
def test_the_plugins_are_found_and_keep_their_contracts(name):
    assert list(check_plugin(find_plugin("dataset", name)))
