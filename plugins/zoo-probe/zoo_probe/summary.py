"""The result of a probe in sentences, and the training command to copy."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from zoo import Categories, Cut
from zoo.data import OpenDataset
from zoo.files import zoo_home
from zoo.models import Filters, find_heads
from zoo_probe.candidates import RANDOM_SUFFIX, ScoreDifference


def format_points(value: float, measure: str) -> str:
    """`3.1 points` of accuracy, `0.031` of R²."""
    return f"{100 * value:.1f} points" if measure == "accuracy" else f"{value:.3f}"


def explain_choice(best: str, picked: str, gap: ScoreDifference, measure: str, count: int) -> str:
    """Why this cut, in one sentence. The gap is the best's over the chosen one."""
    if count == 1:
        return f"{picked} is the only cut."
    if picked == best:
        return f"{picked} scores best, and no cheaper cut is within one standard error of it."
    return (
        f"{picked} is the cheapest cut within one standard error of the best, {best}: it is "
        f"{format_points(gap.difference, measure)} below, and the paired standard error is "
        f"{format_points(gap.error, measure)}."
    )


def describe_baselines(
    gaps: Sequence[ScoreDifference], picked: str, measure: str, *, deepest: ScoreDifference | None = None
) -> str:
    """Whether the chosen cut beats its baselines, in a sentence.

    Args:
        gaps: its lead over random weights, raw pixels and hand features.
        picked: what it is called.
        measure: "accuracy" or "R²".
        deepest: its lead over the deepest cut, where it is another.
    """
    won = [_describe_difference(gap, measure) for gap in gaps if gap.beyond]
    lost = [_describe_difference(gap, measure) for gap in gaps if not gap.beyond]
    parts = [f"{picked} beats {' and '.join(won)}." if won else ""]
    if lost:
        parts.append(f"{picked} does NOT beat {' or '.join(lost)} beyond the 95% interval.")
    if deepest:
        parts.append(f"Against the deepest cut: {_describe_difference(deepest, measure)}.")
    return " ".join(part for part in parts if part)


def describe_leak(leak: ScoreDifference, picked: str, score: float, measure: str) -> str:
    """What the recommended cut would seem to be worth were groups ignored, in a sentence."""
    gap = _describe_difference(leak, measure)
    return f"On folds that ignore the groups {picked} would score {score + leak.difference:.3f}, against {gap}."


def _describe_difference(gap: ScoreDifference, measure: str) -> str:
    scale, digits = (100, 1) if measure == "accuracy" else (1, 3)
    low, high = (f"{scale * value:+.{digits}f}" for value in (gap.low, gap.high))
    unit = " points" if measure == "accuracy" else ""
    at = gap.over.removesuffix(RANDOM_SUFFIX)
    over = gap.over if at == gap.over else f"random weights at {at}"
    return f"{over} ({scale * gap.difference:+.{digits}f}{unit}, {low} to {high})"


def training_command(
    data: OpenDataset,
    filters: Filters,
    cut: Cut,
    *,
    target: str,
    given: Filters | str | Path | None,
    size: int | None,
    seed: int,
) -> str:
    """The command that fine-tunes the chosen cut; in Python where no plugin brings the dataset."""
    if not data.package:
        return f"zoo.train(filters.truncate({cut.name!r}), dataset, out='runs/{data.name}')"
    options: list[tuple[str, object]] = []
    if data.dataset.needs_folder or _is_outside_zoo_home(data):
        options.append(("data", data.root))
    options += [("set", f"{name}={value}") for name, value in data.options.items()]
    if given is None:
        options += [("backbone", filters.backbone.removeprefix("torchvision/")), ("cut", cut.name)]
        options.append(("weights", filters.initialization.text if filters.initialization else "random"))
    else:
        options += [("filters", filters.weights if isinstance(given, Filters) else given), ("cut", cut.name)]
    if head := _head_of(data, target):
        options.append(("head", head))
    options += [(name, value) for name, value in (("size", size), ("seed", seed)) if value]
    words = [word for name, value in options for word in (f"--{name}", str(value))]
    return shlex.join(["zoo", "train", data.name, *words])


def _is_outside_zoo_home(data: OpenDataset) -> bool:
    return not data.root.is_relative_to((zoo_home() / "datasets").resolve())


def _head_of(data: OpenDataset, target: str) -> str:
    """`NAME:target=…`, nothing where the default head learns it."""
    kind = data.targets[target]
    fitting = [name for name, other in data.targets.items() if type(other) is type(kind)]
    if isinstance(kind, Categories):
        return "" if len(fitting) == 1 else f"classify:target={target}"
    heads = find_heads({type(kind)})
    if heads and len(fitting) == 1:
        return heads[0]
    return f"{heads[0] if heads else 'NAME'}:target={target}"
