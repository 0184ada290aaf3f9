"""UPGrad: the weighted sum where heads agree, a step that harms none where they do not."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from drawn_boxes import DrawnBoxes
from safetensors.torch import load_file
from torch import nn
from zoo_torchjd import UPGrad

import zoo
from zoo.models.model import HeadSpec
from zoo.training.finetune import resume
from zoo.training.loop import StoppedError

SMALL = {"epochs": 2, "batch": 32, "checkpoint_seconds": 0.0, "balance": "upgrad"}


def step(aims: list[list[float]], weights: list[float]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """The shared gradient, and the heads' own, of linear heads that want the features to go along their aims."""
    shared = nn.Parameter(torch.zeros(2))
    heads = [nn.Parameter(torch.tensor(aim)) for aim in aims]
    features = shared[None, :, None, None] * 1
    losses = {str(place): (features.flatten() * head).sum() + head.sum() for place, head in enumerate(heads)}
    balancer = UPGrad({str(place): weight for place, weight in enumerate(weights)})
    balancer.backward(losses, features, [shared])
    return shared.grad, [head.grad for head in heads]


def test_heads_that_agree_give_the_weighted_sum():
    shared, own = step([[1.0, 0.0], [1.0, 1.0]], [1.0, 0.5])
    torch.testing.assert_close(shared, torch.tensor([1.5, 0.5]), atol=1e-3, rtol=0)
    assert [grad.tolist() for grad in own] == [[1.0, 1.0], [0.5, 0.5]]


def test_heads_that_disagree_get_a_step_that_harms_none():
    aims = [[1.0, 0.2], [-3.0, 0.2]]
    shared, _ = step(aims, [1.0, 1.0])
    summed = torch.tensor(aims).sum(dim=0)
    assert float(summed @ torch.tensor(aims[0])) < 0  # the plain sum harms the first
    assert all(float(shared @ torch.tensor(aim)) > -1e-3 for aim in aims)


def test_one_head_alone_is_no_conflict():
    shared, _ = step([[2.0, 1.0]], [0.5])
    assert shared.tolist() == [1.0, 0.5]


def heads_of(dataset):
    heads = [HeadSpec(plugin="classify"), HeadSpec(plugin="locate", weight=0.3)]
    return zoo.assemble("vgg11", cut="block2", weights="random", size=32, heads=heads, dataset=dataset)


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path):
    dataset = DrawnBoxes()
    whole = zoo.train(heads_of(dataset), dataset, out=tmp_path / "whole", **SMALL)

    def stop(what, done, total=None, note=""):
        if what == "fine-tuning" and done == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError):
        zoo.train(heads_of(dataset), dataset, out=tmp_path / "stopped", progress=stop, **SMALL)
    gone_on = resume(tmp_path / "stopped", dataset=dataset)
    for file in ("filters.safetensors", "heads.safetensors"):
        one, other = load_file(whole.folder / file), load_file(gone_on.folder / file)
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert gone_on.history[-1]["cosines"] == whole.history[-1]["cosines"]


def test_frozen_filters_share_nothing_and_train_all_the_same(tmp_path):
    dataset = DrawnBoxes()
    heads = [HeadSpec(plugin="classify"), HeadSpec(plugin="locate", weight=0.3)]
    model = zoo.assemble("vgg16-plankton", size=32, heads=heads, dataset=dataset)
    run = zoo.train(model, dataset, out=tmp_path / "run", head_epochs=2, **{**SMALL, "epochs": 0})
    assert run.metrics["test"].keys() == {"classify", "locate"}
