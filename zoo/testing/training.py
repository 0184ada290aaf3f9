"""Checks of what is trained: heads and balancers."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from zoo.contracts import TARGETS, Balancer, Box, Categories, FeatureShape, Head, Multilabel, Number, Target
from zoo.testing.checks import call_plugin, check_own_options, require

SHAPE = FeatureShape(channels=8, height=5, width=6)
EXTREMES = (0.0, 1e-6, 1e4)  # what features are multiplied with
STEPS = 100
FALL = 0.2  # the share of its first loss that a head must lose on a problem that a linear layer solves


def check_head(factory: type[Head]) -> list[str]:
    """Build a head with its defaults, train it on small problems, let it predict; a line for each thing that holds."""
    require(factory.learns in TARGETS.values(), f"learns is {factory.learns!r}, no kind of target")
    check_own_options(factory)
    target, features, values = _small_problem(factory.learns, 6)
    head = _build(factory, target)
    reduced = call_plugin("reduce", head.reduce, features)
    require(len(reduced) == 6, "reduce does not keep one row a picture")
    output = call_plugin("forward", head, reduced)
    answer = call_plugin("predict", head.eval().predict, output.detach())
    head.train()
    expected = {Box: (6, 4), Number: (6,)}.get(factory.learns, (6, 3))
    with_presence = factory.learns is Box and answer.shape == (6, 5)
    squeeze = "; squeeze(1) it" * (answer.shape == (6, 1))
    right = answer.shape == expected or with_presence
    require(right, f"predict gives {tuple(answer.shape)} where {expected} is due{squeeze}")
    with warnings.catch_warnings():  # torch compares (6, 1) with (6,) as (6, 6), and only warns
        warnings.filterwarnings("error", message="Using a target size")
        what = f"loss, given an output {tuple(output.shape)} and a target {tuple(values.shape)},"
        loss = call_plugin(what, head.loss, output, values)
    require(loss.ndim == 0 and bool(torch.isfinite(loss)), "loss is no finite scalar")
    loss.backward()
    reached = all(parameter.grad is not None for parameter in head.parameters() if parameter.requires_grad)
    require(reached, "some parameters get no gradient")
    metrics = call_plugin("metrics", head.metrics)
    call_plugin("updating the metrics", metrics.update, answer, values)
    names = list(call_plugin("computing the metrics", metrics.compute))
    require(bool(names), "metrics is empty")
    watch = f"watch is {factory.watch!r}, which is none of the metrics: {', '.join(names)}"
    require(factory.watch in ("", *names), watch)
    _check_extremes(head.eval(), features, values)
    same = torch.equal(_train(factory, 2)[-1], _train(factory, 2)[-1])
    require(same, "built and trained again from the same seed it has another loss")
    first, *_, last = _train(factory, STEPS)
    learns = f"{STEPS} steps of Adam on a small problem leave its loss at {float(last):.3g}, from {float(first):.3g}"
    require(bool(last < first - FALL * first.abs()), learns)
    held = [f"learns {factory.learns.__name__}", "loss and gradients are finite, at extremes too"]
    return [*held, "a small problem is learnt, and the same again from a seed", f"metrics: {', '.join(names)}"]


def check_balancer(factory: type[Balancer]) -> list[str]:
    """Let a balancer make a step of two heads on shared features; a line for each thing that holds."""
    balancer = call_plugin("building it", factory, {"a": 1.0, "b": 0.5})
    shared = torch.nn.Parameter(torch.ones(3))
    heads = {name: torch.nn.Parameter(torch.full((3,), aim)) for name, aim in (("a", 0.3), ("b", -0.2))}
    features = (shared * 2)[None, :, None, None]
    losses = {name: (features.flatten() * head - 1).square().mean() for name, head in heads.items()}
    far = {"a": losses["a"] * 1e6, "b": losses["b"] * 1e-6}
    for chosen in (losses, {"a": losses["a"]}, far):
        combined = call_plugin("combine", balancer.combine, chosen)
        require(combined.ndim == 0 and bool(torch.isfinite(combined)), "combine gives no finite scalar")
        again = call_plugin("combine", balancer.combine, chosen)
        require(torch.equal(combined, again), "combine gives another scalar for the same losses")
    call_plugin("backward", balancer.backward, losses, features, [shared])
    graded = [shared, *heads.values(), *balancer.parameters()]
    whole = all(one.grad is not None and bool(one.grad.isfinite().all()) for one in graded)
    require(whole, "backward leaves a shared parameter, a head's or its own without a finite gradient")
    return ["combines two losses, or one, of any size", "all gradients are there and finite"]


def _build(factory: type[Head], target: Target) -> Head:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return call_plugin("building it with its defaults", factory, SHAPE, target)


def _check_extremes(head: Head, features: Tensor, values: Tensor) -> None:
    """Tiny and huge features, numbers to match, and pictures without a box: loss and gradients stay finite."""
    cases = [(scale, values * scale if head.learns is Number else values) for scale in EXTREMES]
    if head.learns is Box:
        cases.append((1.0, torch.full_like(values, torch.nan)))
    for scale, truth in cases:
        head.zero_grad()
        loss = call_plugin("loss", head.loss, head(head.reduce(features * scale)), truth)
        what = "of pictures without a box" if truth.isnan().any() else f"of features times {scale:g}"
        require(bool(loss.isfinite()), f"the loss {what} is {float(loss.detach())}")
        loss.backward()
        whole = all(bool(one.grad.isfinite().all()) for one in head.parameters() if one.grad is not None)
        require(whole, f"the loss {what} has a gradient that is not finite")


def _train(factory: type[Head], steps: int) -> list[Tensor]:
    """The losses, scalars, while a fresh head is trained on a small problem from a seed."""
    target, features, values = _small_problem(factory.learns, 24)
    head = _build(factory, target)
    losses = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
        reduced = head.reduce(features)
        for _ in range(steps):
            optimizer.zero_grad()
            loss = call_plugin("loss", head.loss, head(reduced), values)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    return losses


def _small_problem(kind: type[Target], count: int) -> tuple[Target, Tensor, Tensor]:
    """A target, features (count, 8, 5, 6) that tell it linearly, and its values."""
    draws = torch.Generator().manual_seed(0)
    features = torch.randn(count, 8, 5, 6, generator=draws) * 0.3
    labels = torch.arange(count) % 3
    if kind in (Categories, Multilabel):
        of_class = torch.eye(3)[labels]
        features[:, :3] += 2 * of_class[:, :, None, None]
        names = ("a", "b", "c")
        return (Categories(names), features, labels) if kind is Categories else (Multilabel(names), features, of_class)
    if kind is Box:
        corner = torch.rand(count, 2, generator=draws) * 0.5
        boxes = torch.cat([corner, corner + 0.2 + torch.rand(count, 2, generator=draws) * 0.3], dim=1)
        features[:, :4] += 2 * boxes[:, :, None, None]
        return Box(), features, boxes
    values = torch.linspace(0, 1, count)
    features[:, 0] += 2 * values[:, None, None]
    return Number("m"), features, values
