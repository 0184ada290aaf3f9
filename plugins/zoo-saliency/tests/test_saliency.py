"""Where a head looks, by numbers that are known: grad-CAM, shares inside boxes, intervals, the sheet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from zoo_saliency.comparison import estimate_mean
from zoo_saliency.grad_cam import compute_grad_cam, score_pointing_game
from zoo_saliency.plot import SIDE, HeatColumn, HeatRow, draw_saliency
from zoo_saliency.runs import distinct_names, find_box, usable_rows

import zoo
from zoo.builtin.classify import Classify
from zoo.contracts import Cut
from zoo.data import DecodedDataset, OpenDataset
from zoo.errors import UsageError
from zoo.networks import to_feature_map

SIZE = 64
TOP_LEFT, BOTTOM_RIGHT = (0.0, 0.0, 0.4, 0.4), (0.6, 0.6, 1.0, 1.0)
RED, BLUE = 0, 1


@pytest.fixture
def network():
    """Filters that average 8 x 8 pixels, and a head that calls red pictures red and blue ones blue."""
    head = Classify(zoo.FeatureShape(channels=3, height=8, width=8), zoo.Categories(("red", "blue")))
    with torch.no_grad():
        head.layers[-1].weight.copy_(torch.tensor([[1.0, 0.0, -1.0], [-1.0, 0.0, 1.0]]))
        head.layers[-1].bias.zero_()
    return nn.AvgPool2d(8), head.eval()


@pytest.fixture
def picture():
    """Red in the top left corner, blue in the bottom right one. float (1, 3, 64, 64)."""
    image = torch.zeros(1, 3, SIZE, SIZE)
    image[0, 0, :16, :16] = 1
    image[0, 2, -16:, -16:] = 1
    return image


def shares(heat, *boxes):
    """The share of one map in each of several boxes."""
    maps = np.repeat(np.asarray(heat, dtype=np.float32)[None], len(boxes), axis=0)
    return score_pointing_game(maps, np.array(boxes, dtype=np.float64), size=SIZE)


# ------------------------------------------------------------------------------------------------ grad-CAM


@pytest.mark.parametrize(("asked", "looked"), [(RED, TOP_LEFT), (BLUE, BOTTOM_RIGHT)])
def test_the_heat_lies_where_the_evidence_for_the_class_is(network, picture, asked, looked):
    filters, head = network
    heat, classes = compute_grad_cam(head, filters(picture), torch.tensor([asked]))
    found = shares(heat[0], TOP_LEFT, BOTTOM_RIGHT)
    expected = [1.0, 0.0] if looked == TOP_LEFT else [0.0, 1.0]
    assert found.share == pytest.approx(expected, abs=0.01)
    assert found.hit.tolist() == expected
    assert classes.tolist() == [asked]


def test_without_a_class_the_one_that_the_head_predicts_is_shown(network, picture):
    filters, head = network
    bluer = torch.cat([picture, picture.flip(1)])
    bluer[0, 2] *= 2
    bluer[1, 0] *= 2
    _, classes = compute_grad_cam(head, filters(bluer))
    assert classes.tolist() == [BLUE, RED]


def test_the_heat_is_the_map_weighted_by_mean_gradients_without_what_speaks_against():
    torch.manual_seed(0)
    shape = zoo.FeatureShape(channels=5, height=4, width=6)
    head = Classify(shape, zoo.Categories(("a", "b", "c")), pool="both", hidden=7).eval()
    features, classes = torch.randn(4, 5, 4, 6), torch.tensor([0, 2, 1, 0])
    leaf = features.clone().requires_grad_()
    logits = head(head.reduce(leaf))
    logits[torch.arange(4), classes].sum().backward()
    expected = ((leaf.grad.mean(dim=(2, 3), keepdim=True) * features).sum(1)).relu()
    assert torch.allclose(compute_grad_cam(head, features, classes)[0], expected, atol=1e-6)


def test_a_head_that_was_asked_is_as_it_was(network, picture):
    filters, head = network
    head.train()
    compute_grad_cam(head, filters(picture), torch.tensor([RED]))
    assert head.training
    assert all(parameter.grad is None for parameter in head.parameters())


def test_tokens_have_heat_on_their_grid_without_the_class_token():
    cut = Cut(name="block1", node="encoder", channels=8, stride=16, layout="NLC")
    tokens = torch.zeros(1, 1 + 4 * 4, 8)
    tokens[0, 0] = 9.0
    tokens[0, 1 + 4 * 2 + 3, 0] = 1.0  # the third row, the last column
    head = Classify(zoo.FeatureShape(channels=8, height=4, width=4), zoo.Categories(("a", "b"))).eval()
    with torch.no_grad():
        head.layers[-1].weight.copy_(torch.eye(2, 8))
    heat = compute_grad_cam(head, to_feature_map(tokens, cut), torch.tensor([0]))[0]
    assert heat[0].nonzero().tolist() == [[2, 3]]


def test_one_vector_a_picture_has_no_saliency():
    head = Classify(zoo.FeatureShape(channels=3, height=1, width=1), zoo.Categories(("a", "b")))
    with pytest.raises(UsageError, match=r"one vector a picture, which lies nowhere in it.* Cut them earlier"):
        compute_grad_cam(head, torch.randn(2, 3, 1, 1))


# ------------------------------------------------------------------------------------------------ shares


@pytest.mark.parametrize(
    "box", [(0, 0, 1, 1), (0.25, 0.5, 0.75, 1), (0.111, 0.222, 0.3333, 0.91), (0.5, 0.5, 0.501, 1)]
)
def test_an_even_map_has_the_boxs_share_of_the_area(box):
    found = shares(np.full((5, 7), 0.3), box)
    area = (box[2] - box[0]) * (box[3] - box[1])
    assert found.share[0] == pytest.approx(area, abs=1e-12)
    assert found.even[0] == pytest.approx(area, abs=1e-12)


def test_the_map_is_enlarged_as_torch_does_it():
    heat = torch.rand(4, 3, generator=torch.Generator().manual_seed(1))
    fine = functional.interpolate(heat[None, None], size=(SIZE, SIZE), mode="bilinear", align_corners=False)[0, 0]
    box = (8 / SIZE, 16 / SIZE, 40 / SIZE, 56 / SIZE)
    assert shares(heat.numpy(), box).share[0] == pytest.approx(float(fine[16:56, 8:40].sum() / fine.sum()), abs=1e-6)


def test_no_map_has_more_in_the_box_than_its_best_cell_alone():
    rng = np.random.default_rng(0)
    maps = rng.random((50, 4, 4)) ** 8
    corners = np.sort(rng.random((50, 2, 2)), axis=1)
    found = score_pointing_game(maps, corners.reshape(50, 4), size=SIZE)
    assert (found.share <= found.most + 1e-12).all()
    alone = np.zeros((4, 4))
    alone[1, 1] = 1
    inner = shares(alone, (0.3, 0.3, 0.45, 0.45))
    assert inner.share[0] == pytest.approx(inner.most[0])
    assert inner.most[0] < 0.5


def test_a_blank_map_has_no_share_and_points_nowhere():
    found = shares(np.zeros((4, 4)), TOP_LEFT)
    assert np.isnan(found.share[0])
    assert np.isnan(found.hit[0])
    assert found.even[0] == pytest.approx(0.16)


def test_several_greatest_values_point_by_parts():
    heat = np.zeros((4, 4))
    heat[0, 0] = heat[3, 3] = 1.0
    assert shares(heat, TOP_LEFT, (0, 0, 1, 1)).hit == pytest.approx([0.5, 1.0])


# ------------------------------------------------------------------------------------------------ intervals


def test_an_interval_holds_the_mean_and_leaves_out_what_is_not_known():
    values = np.random.default_rng(0).normal(0.4, 0.1, 60)
    known, more = estimate_mean(values), estimate_mean(np.append(values, np.nan))
    assert known == more
    assert known.mean == pytest.approx(values.mean())
    assert known.low < known.mean < known.high
    assert known.high - known.low == pytest.approx(2 * 1.96 * 0.1 / 60**0.5, rel=0.3)


@pytest.mark.parametrize("values", [[0.3], [1.0, 1.0, 1.0]])
def test_one_picture_or_pictures_that_are_alike_have_no_interval(values):
    found = estimate_mean(np.array(values))
    assert found.mean == pytest.approx(values[0])
    assert found.low is found.high is None


def test_nothing_known_is_no_estimate():
    assert estimate_mean(np.array([np.nan, np.nan])) is None


# ------------------------------------------------------------------------------------------------ which pictures


def table(boxes, known, labels):
    count = len(labels)
    return DecodedDataset(
        images=torch.zeros(count, 3, 4, 4, dtype=torch.uint8),
        targets={"box": torch.tensor(boxes), "label": torch.tensor(labels)},
        known={"box": torch.tensor(known), "label": torch.tensor(labels) >= 0},
        groups=(None,) * count,
        paths=(None,) * count,
        index=torch.arange(count),
        skipped=(),
        fingerprint="",
    )


def test_pictures_without_a_box_or_a_class_are_left_out_and_counted():
    nothing = [float("nan")] * 4
    boxes = [[0.1, 0.1, 0.5, 0.5], nothing, nothing, [0.5, 0.5, 0.4, 0.6], [-0.2, 0.1, 0.5, 1.4], [0.1, 0.1, 0.5, 0.5]]
    decoded = table(boxes, [True, True, False, True, True, True], [0, 0, 0, 0, 1, -1])
    rows, left_out = usable_rows(torch.arange(6), decoded, box="box", label="label", split="test")
    assert rows.tolist() == [0, 4]
    assert (left_out.empty, left_out.unboxed, left_out.unlabelled) == (1, 2, 1)
    rows, left_out = usable_rows(torch.arange(6), decoded, box="box", label=None, split="test")
    assert rows.tolist() == [0, 4, 5]
    assert left_out.unlabelled == 0


class TwoBoxes(zoo.Dataset):
    """Two boxes a picture."""

    targets = {"head": zoo.Box(), "tail": zoo.Box(), "label": zoo.Categories(("a", "b"))}  # noqa: RUF012

    def prepare(self, root, progress=None):
        """Nothing to fetch."""

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return zoo.Sample(image=torch.zeros(3, 8, 8, dtype=torch.uint8))


def test_of_several_boxes_one_must_be_named():
    data = OpenDataset(dataset=TwoBoxes(), name="fish", package="", version="", root=Path(), options={})
    assert find_box(data, "tail") == "tail"
    with pytest.raises(UsageError, match=r"several boxes: say which by `box=`.*head \(Box\), tail \(Box\)"):
        find_box(data, None)
    with pytest.raises(UsageError, match=r"has no box called 'label'.*label \(Categories\)"):
        find_box(data, "label")


# ------------------------------------------------------------------------------------------------ the sheet


@pytest.fixture
def row():
    heat = np.zeros((4, 4), np.float32)
    heat[3, 3] = 2.0
    picture = np.full((60, 120, 3), 128, np.uint8)
    return HeatRow(picture=picture, box=TOP_LEFT, caption="YFT", heat=(heat, 0 * heat), captions=("0.02", "nothing"))


COLUMNS = (HeatColumn(title="plain", note="0.20"), HeatColumn(title="both", note="0.30"))


def test_a_sheet_keeps_proportions_and_shows_heat_where_it_is(row):
    sheet = np.asarray(draw_saliency([row, row], COLUMNS, title="Where?", note="a note")).astype(int)
    reach = sheet.max(axis=2) - sheet.min(axis=2)
    down, across = np.nonzero(reach > 60)  # the only colours on it: the heat of the first net
    assert across.min() > 28 + SIDE + 20 + SIDE / 2
    assert across.max() < 28 + 2 * SIDE + 20
    assert len(set(down)) < SIDE  # two flat pictures, half of each
    assert sheet.shape[0] < 2 * SIDE + 160


def test_captions_may_hold_anything(row):
    odd = replace(row, caption="a\nb\x1b[31m" + "x" * 400)
    assert draw_saliency([odd], COLUMNS, title="t" * 400).width == 2 * 28 + 3 * SIDE + 2 * 20


@pytest.mark.parametrize("columns", [(), COLUMNS[:1]])
def test_a_sheet_needs_a_map_for_every_net(row, columns):
    with pytest.raises(UsageError, match="every picture a map and a caption for each net"):
        draw_saliency([row], columns, title="Where?")


def test_runs_are_called_by_the_parts_of_their_paths_that_differ(tmp_path):
    folders = [tmp_path / arm / seed for arm in ("with", "without") for seed in ("0", "1")]
    assert distinct_names(folders) == ["with/0", "with/1", "without/0", "without/1"]
    assert distinct_names(folders[:2]) == ["0", "1"]
