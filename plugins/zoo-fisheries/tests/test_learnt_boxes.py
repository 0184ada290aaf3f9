"""Boxes of drawn fish can be learnt: the head `locate` from random weights, on boats that it has seen."""

from __future__ import annotations

import pytest

import zoo
from zoo.data.datasets import open_dataset
from zoo.models.model import HeadSpec


@pytest.mark.slow
@pytest.mark.timeout(7200)  # 25 minutes of a core without AMX
def test_boxes_on_seen_boats_reach_a_mean_iou_of_60_percent(tmp_path, monkeypatch):
    pytest.importorskip("zoo_boxes")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    options = {"pictures": 4200, "width": 192, "hidden": 0.1, "groups": "none"}  # no groups: every boat is learnt from
    data = open_dataset("fisheries", options=options)
    heads = [HeadSpec(plugin="locate")]
    model = zoo.assemble("resnet18", cut="block3", weights="random", heads=heads, dataset=data.dataset, size=96)
    run = zoo.train(model, data, out=tmp_path / "run", epochs=26, batch=16, rate=2e-3, patience=26)
    assert run.metrics["test"]["locate"]["iou"] >= 0.6
    assert run.metrics["test"]["locate"]["presence_accuracy"] >= 0.85
