"""The head that says where: it sees, it learns, it leaves out what is not known, and its figures are right."""

from __future__ import annotations

import math

import pytest
import torch
from drawn_boxes import DrawnBoxes
from zoo_boxes import Locate
from zoo_boxes.metrics import box_metrics, paired_iou

import zoo
from zoo.models.model import HeadSpec
from zoo.testing import check_head

NAN = float("nan")
NOTHING = [NAN, NAN, NAN, NAN]


def head_for(height: int = 8, width: int = 8, **options) -> Locate:
    torch.manual_seed(0)
    return Locate(zoo.FeatureShape(channels=6, height=height, width=width), zoo.Box(), **options)


def spots(count: int, side: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Feature maps with a bright rectangle of cells, and where it is, in 0 to 1."""
    generator = torch.Generator().manual_seed(seed)
    maps = 0.1 * torch.rand(count, 6, side, side, generator=generator)
    boxes = torch.empty(count, 4)
    for index in range(count):
        low = torch.randint(0, side - 3, (2,), generator=generator)
        high = low + torch.randint(2, 7, (2,), generator=generator).clamp_max(side - low)
        maps[index, :3, low[1] : high[1], low[0] : high[0]] += 1
        boxes[index] = torch.cat([low, high]) / side
    return maps, boxes


def test_it_keeps_the_contract_for_heads():
    assert "learns Box" in check_head(Locate)


@pytest.mark.parametrize("size", [(1, 1), (4, 4), (5, 7), (28, 28), (56, 14)])
def test_maps_of_any_size_give_one_box_a_picture(size):
    head = head_for(*size).eval()
    reduced = head.reduce(torch.randn(3, 6, *size))
    assert max(reduced.shape[2:]) <= 16
    assert head.predict(head(reduced)).shape == (3, 5)


def test_boxes_and_presence_lie_in_0_to_1_with_the_corners_in_order():
    answers = head_for().eval().predict(torch.randn(50, 5) * 3)
    assert bool(((answers >= 0) & (answers <= 1)).all())
    x1, y1, x2, y2, _ = head_for().eval().predict(head_for().eval()(torch.randn(50, 6, 8, 8))).unbind(dim=1)
    assert bool(((x1 < x2) & (y1 < y2)).all())


def test_it_sees_where_and_finds_spots_it_has_not_seen():
    head = head_for(12, 12)
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3)
    maps, boxes = spots(256)
    for step in range(100):
        rows = torch.randperm(256, generator=torch.Generator().manual_seed(step))[:32]
        optimizer.zero_grad()
        head.loss(head(maps[rows]), boxes[rows]).backward()
        optimizer.step()
    maps, boxes = spots(64, seed=1)
    with torch.no_grad():
        found = head.eval().predict(head(maps))
    assert paired_iou(found[:, :4], boxes).mean() > 0.7


@pytest.mark.parametrize("nothing", [NOTHING, [0.2, 0.2, 0.2, 0.5], [1.0, 0.3, 1.0, 0.6]])
def test_a_picture_without_a_box_teaches_presence_only(nothing):
    head = head_for()
    output = torch.randn(4, 5, requires_grad=True)
    boxes = torch.tensor([[0.1, 0.1, 0.5, 0.6]] * 3 + [nothing])
    head.loss(output, boxes).backward()
    assert output.grad[3, :4].abs().sum() == 0
    assert output.grad[3, 4] != 0
    assert bool((output.grad[:3, :4] != 0).any())


def test_a_batch_without_any_box_has_a_finite_loss_and_a_gradient_for_every_parameter():
    head = head_for()
    loss = head.loss(head(torch.randn(4, 6, 8, 8)), torch.tensor([NOTHING] * 4))
    loss.backward()
    assert bool(loss.isfinite())
    assert all(parameter.grad is not None and bool(parameter.grad.isfinite().all()) for parameter in head.parameters())


def test_options_weigh_the_parts():
    output, boxes = torch.randn(4, 5), torch.tensor([[0.1, 0.1, 0.5, 0.6]] * 4)
    parts = [
        head_for(l1=1, giou=0, presence=0).loss(output, boxes),
        head_for(l1=0, giou=1, presence=0).loss(output, boxes),
        head_for(l1=1, giou=1, presence=1).loss(output, boxes) - head_for(l1=1, giou=1, presence=0).loss(output, boxes),
    ]
    whole = head_for(l1=2, giou=3, presence=5).loss(output, boxes)
    assert float(whole) == pytest.approx(float(2 * parts[0] + 3 * parts[1] + 5 * parts[2]), rel=1e-5)


def test_presence_that_is_not_learnt_is_said_to_be_there():
    head = head_for(presence=0.0)
    assert head.predict(torch.full((3, 5), -4.0))[:, 4].tolist() == [1, 1, 1]
    assert head_for().predict(torch.full((3, 5), -4.0))[:, 4].max() < 0.1


def test_a_perfect_box_costs_nothing_but_presence():
    head, boxes = head_for(presence=0.0), torch.tensor([[0.1, 0.2, 0.5, 0.6]] * 2)
    assert float(head.loss(torch.cat([boxes, torch.zeros(2, 1)], dim=1), boxes)) == pytest.approx(0, abs=1e-6)


def test_figures_are_over_the_pictures_with_a_box_and_presence_is_over_all():
    truth = torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.5], NOTHING])
    said = torch.tensor([[0.0, 0.0, 0.5, 0.5, 0.9], [0.25, 0.0, 0.75, 0.5, 0.4], [0.0, 0.0, 1.0, 1.0, 0.2]])
    metrics = box_metrics()
    metrics.update(said[:2], truth[:2])
    metrics.update(said[2:], truth[2:])
    figures = {name: float(value) for name, value in metrics.compute().items()}
    assert figures == pytest.approx({"iou": (1 + 1 / 3) / 2, "iou_over_half": 0.5, "presence_accuracy": 2 / 3})


def test_boxes_apart_or_of_no_size_do_not_overlap():
    one = torch.tensor([[0.0, 0.0, 0.2, 0.2], [0.3, 0.3, 0.3, 0.3]])
    other = torch.tensor([[0.5, 0.5, 0.9, 0.9], [0.3, 0.3, 0.3, 0.3]])
    assert paired_iou(one, other).tolist() == [0, 0]


def test_without_any_box_there_is_no_figure_but_presence():
    metrics = box_metrics()
    metrics.update(torch.zeros(2, 5), torch.tensor([NOTHING] * 2))
    figures = metrics.compute()
    assert math.isnan(figures["iou"])
    assert float(figures["presence_accuracy"]) == 1


@pytest.mark.slow
def test_boxes_of_drawn_shapes_reach_an_iou_of_60_percent(tmp_path):
    dataset = DrawnBoxes(pictures=240)
    model = zoo.assemble("vgg16-plankton", heads=[HeadSpec(plugin="locate")], dataset=dataset)
    run = zoo.train(model, dataset, out=tmp_path / "run", head_epochs=20, epochs=0, batch=32)
    assert run.metrics["test"]["locate"]["iou"] > 0.6
    assert run.metrics["test"]["locate"]["presence_accuracy"] > 0.85
