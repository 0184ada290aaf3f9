"""What needs a CUDA device: the same answers as on the CPU, and learning at all."""

from __future__ import annotations

import pytest
import torch

import zoo
from zoo.models.building import build_filters
from zoo.training.finetune import train_recipe
from zoo.training.recipe import parse_recipe

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def test_a_net_learns_shapes_on_the_gpu(shapes, tmp_path):
    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
        "training": {"epochs": 15, "batch": 16, "rate": 1e-3},
    }
    run = train_recipe(parse_recipe(content, where="the test"), tmp_path / "run", device="cuda")
    assert run.metrics["test"]["classify"]["accuracy"] > 0.8
    assert "cpu" not in run.record.device


def test_vectors_from_the_gpu_point_where_those_from_the_cpu_point(shapes):
    filters = build_filters("vgg11", cut="block3", weights="random", size=64)
    there = torch.from_numpy(zoo.embed(filters, shapes / "bar", device="cuda").vectors)
    here = torch.from_numpy(zoo.embed(filters, shapes / "bar", device="cpu", precision="fp32").vectors)
    assert torch.cosine_similarity(here, there).min() > 0.999


def test_a_run_stopped_on_the_gpu_goes_on_there(shapes, tmp_path):
    import os
    import signal

    from zoo.training.finetune import resume
    from zoo.training.loop import StoppedError

    def stop(what, done, total=None, note=""):
        if what == "fine-tuning" and done == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    content = {
        "size": 32,
        "data": {"dataset": "image-folder", "root": str(shapes)},
        "filters": {"backbone": "vgg11", "cut": "block2", "weights": "random"},
        "training": {"epochs": 3, "batch": 16},
    }
    with pytest.raises(StoppedError):
        train_recipe(parse_recipe(content, where="the test"), tmp_path / "run", device="cuda", progress=stop)
    assert resume(tmp_path / "run").done
