"""Boxes of drawn fish can be learnt: the head `locate` from random weights, on boats that it has seen."""

from __future__ import annotations

import pytest

import zoo
from zoo.data.datasets import open_dataset
from zoo.model import HeadSpec


@pytest.mark.slow
def test_boxes_on_seen_boats_reach_a_mean_iou_of_60_percent(tmp_path):
    pytest.importorskip("zoo_boxes")
    data = open_dataset("fisheries", tmp_path / "fish", options={"pictures": 5600, "width": 192, "seen": 0.08})
    heads = [HeadSpec(plugin="locate")]
    model = zoo.assemble("resnet18", cut="block3", weights="random", heads=heads, dataset=data.dataset, size=96)
    run = zoo.train(model, data, out=tmp_path / "run", epochs=14, batch=32, rate=2e-3, patience=14)
    assert run.metrics["seen"]["locate"]["iou"] >= 0.6
    assert run.metrics["seen"]["locate"]["presence_accuracy"] >= 0.85
