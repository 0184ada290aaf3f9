"""Drawn pictures: the systems are what they should be, and so are the pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from zoo_fractals import DeadLeaves, Fractals
from zoo_fractals.fractals import diamond_square, hsv_to_rgb
from zoo_fractals.systems import System, density, draw_mask, draw_system, iterate

import zoo
from zoo.plugins import find_plugin
from zoo.testing import check_dataset, check_plugin

DOT = np.eye(9, dtype=bool)[4].reshape(3, 3)
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


def test_systems_of_two_three_and_four_maps_with_and_without_mirrors_are_drawn(systems):
    assert {len(system.matrices) for system in systems} == {2, 3, 4}
    mirrored = np.mean([det < 0 for system in systems for det in np.linalg.det(system.matrices)])
    assert 0.4 < mirrored < 0.6


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


def test_systems_side_by_side_do_not_touch_each_other(systems):
    one, other = systems[0], systems[1]
    apart = iterate([one], np.random.default_rng(3))[0]
    both = iterate([one, other], np.random.default_rng(3))
    for places, expected in ((both[0], apart), (both[1], iterate([other], np.random.default_rng(4))[0])):
        middles = np.median(places, axis=1), np.median(expected, axis=1)
        assert np.abs(middles[0] - middles[1]).max() < 0.05 * np.ptp(expected)


def test_a_varied_system_never_stretches_and_mostly_differs_in_one_map(systems):
    rng = np.random.default_rng(0)
    varied = [system.varied(rng) for system in systems]
    assert max(np.linalg.svd(one.matrices, compute_uv=False).max() for one in varied) <= 1 + 1e-9
    changed = [int((a.matrices != b.matrices).any(axis=(1, 2)).sum()) for a, b in zip(systems, varied, strict=True)]
    assert set(changed) == {0, 1}
    assert np.mean(changed) > 0.6


def test_density_fills_its_box_is_at_most_1_and_a_larger_mask_covers_more(systems):
    places = iterate([systems[2]], np.random.default_rng(0))[0]
    seen = density(places, 32, DOT)
    assert seen.max() == 1
    assert all(edge.any() for edge in (seen[0], seen[-1], seen[:, 0], seen[:, -1]))
    assert (density(places, 32, np.ones((3, 3), bool)) > 0).sum() > (seen > 0).sum()


def test_masks_are_never_empty_and_of_every_size():
    masks = [draw_mask(np.random.default_rng(seed)) for seed in range(300)]
    assert {mask.shape for mask in masks} == {(3, 3)}
    assert {1, 4, 5, 8} <= {int(mask.sum()) for mask in masks}
    assert min(mask.sum() for mask in masks) >= 1


def test_backgrounds_are_rough_landscapes_without_seams():
    land = diamond_square(64, np.random.default_rng(0))
    assert (land.min(), land.max()) == (0, 1)
    inside = np.abs(np.diff(land, axis=1)).mean()
    assert inside < 0.2
    assert np.abs(land[:, 0] - land[:, -1]).mean() < 3 * inside


def test_colours_are_the_usual_ones():
    hues = np.array([0, 1 / 3, 2 / 3, 1 / 6])
    assert hsv_to_rgb(hues, 1.0, np.ones(4)).round(6).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]
    assert hsv_to_rgb(hues[:1], 0.0, np.array([0.5])).tolist() == [[0.5, 0.5, 0.5]]


def test_a_picture_has_one_to_five_fractals_and_says_which():
    dataset = Fractals(classes=30, pictures=200, side=32)
    counts = [int(dataset[index].targets["systems"].sum()) for index in range(200)]
    assert {*counts} == {1, 2, 3, 4, 5}


@BOTH
def test_pictures_are_drawn_by_their_number_and_the_seed(factory):
    one, again, other = (factory(classes=12, pictures=60, side=32, seed=seed) for seed in (0, 0, 1))
    for index in (0, 59, 7):
        assert torch.equal(one[index].image, again[index].image)
        assert not torch.equal(one[index].image, other[index].image)
    assert len({one[index].image.numpy().tobytes() for index in range(60)}) == 60


@BOTH
def test_pictures_are_no_blobs(factory):
    dataset = factory(classes=20, pictures=40)
    pictures = [dataset[index].image.float() for index in range(40)]
    assert all(picture.shape == (3, 64, 64) for picture in pictures)
    edges = [float((picture.diff(dim=2).abs().amax(dim=0) > 25).float().mean()) for picture in pictures]
    assert np.median(edges) > 0.05


@BOTH
def test_the_contract_is_kept(factory, tmp_path):
    assert "40 pictures" in check_dataset(factory(classes=4, pictures=40, side=32), tmp_path)
    assert not any(tmp_path.iterdir())


@BOTH
@pytest.mark.parametrize("wrong", [{"classes": 1}, {"pictures": 399}, {"side": 15}, {"seed": -1}])
def test_options_out_of_range_are_refused_with_the_range(factory, wrong):
    with pytest.raises(zoo.ZooError, match=f"{next(iter(wrong))}=.* cannot be drawn. Pass"):
        factory(**wrong)


@pytest.mark.parametrize(
    ("kind", "name"), [("dataset", "fractals"), ("dataset", "dead-leaves"), ("head", "multilabel")]
)
def test_the_plugins_are_found_and_keep_their_contracts(kind, name):
    assert list(check_plugin(find_plugin(kind, name)))


def test_views_of_a_scene_share_its_shapes_and_not_its_colours():
    dataset = DeadLeaves(classes=2, pictures=40, side=32)
    means = torch.stack([dataset[index].image.float().mean(dim=(1, 2)) for index in range(0, 40, 2)])
    assert means.std(dim=0).min() > 5
    assert [dataset[index].targets["scene"] for index in range(4)] == [0, 1, 0, 1]


def test_a_system_that_would_stretch_is_left_as_it_is():
    system = System(matrices=np.stack([np.eye(2)] * 2), offsets=np.zeros((2, 2)))
    varied = [replace(system).varied(np.random.default_rng(seed)).matrices.max() for seed in range(50)]
    assert max(varied) == 1
