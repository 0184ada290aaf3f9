"""Where to cut: every cut of a network scored on a dataset, and the cheapest that is as good as the best.

One pass over the pictures gives mean-pooled features at every cut, a second one those of the same network with
random weights. Every cut's features are standardised, reduced to 64 dimensions and scored by k-NN and shrinkage
LDA under cross-validation split by group; `zoo_probe.scores` says how. The score is the mean of both accuracies (R² of
ridge regression for boxes and numbers).

Recommended is the cheapest cut, by GFLOP, whose score is within one standard error of the best cut's; `choose_cut`
says which standard error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zoo import Cut, Dataset
from zoo.data import DecodedDataset, OpenDataset, as_open_dataset
from zoo.errors import UsageError, ZooError
from zoo.models import Filters, as_filters, build_filters
from zoo.networks import find_backbone
from zoo.progress import Progress, silent
from zoo_probe.candidates import (
    Candidate,
    CandidateComparison,
    CandidateScore,
    ProbeSetup,
    ScoreDifference,
    SelectionReport,
    describe_task,
    make_probe_setup,
    measure_leak,
    score_as_dict,
    score_cuts,
    score_without_filters,
)
from zoo_probe.features import measure_cut_costs, randomly_initialized
from zoo_probe.intervals import standard_error
from zoo_probe.summary import describe_baselines, explain_choice, training_command
from zoo_probe.tasks import PER_CLASS, ProbeTask, make_probe_task, pick_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe(SelectionReport):
    """The scores of a network's cuts on a dataset, and the recommended one."""

    filters: str  # the filters' name, or the backbone's with its weights
    size: int  # pixels
    cuts: tuple[CandidateScore, ...]  # the shallowest first
    baselines: tuple[CandidateScore, ...]  # random weights at every cut, raw pixels, hand features
    best: str  # the cut of the highest score
    recommended: str
    why: str  # one sentence
    gaps: tuple[ScoreDifference, ...]  # the recommended cut over the baselines and the deepest cut
    verdict: str  # whether it beats the baselines, in words
    leak: ScoreDifference | None  # what the recommended cut's score gains on folds that ignore the groups, if any
    train: str  # the command to copy

    def result(self, title: str) -> CandidateScore:
        """One row by its title. Raises KeyError."""
        return {one.title: one for one in (*self.cuts, *self.baselines)}[title]

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        gaps = [
            {"over": gap.over, "difference": gap.difference, "interval": [gap.low, gap.high], "beyond": gap.beyond}
            for gap in (*self.gaps, *([self.leak] if self.leak else []))
        ]
        said = ("filters", "size", "best", "recommended", "why", "verdict", "train")
        return {
            **SelectionReport.as_dict(self),
            "cuts": [score_as_dict(one) for one in self.cuts],
            "baselines": [score_as_dict(one) for one in self.baselines],
            "gaps": gaps[: len(self.gaps)],
            "leak": gaps[-1] if self.leak else None,
            **{name: getattr(self, name) for name in said},
        }


def probe(
    data: OpenDataset | Dataset | Path | str,
    filters: Filters | str | Path | None = None,
    *,
    backbone: str | None = None,
    weights: str = "imagenet",
    cuts: Sequence[str] | None = None,
    size: int | None = None,
    target: str | None = None,
    per_class: int | None = PER_CLASS,
    folds: int = 5,
    neighbours: int | None = None,
    seed: int = 0,
    device: str | None = None,
    precision: str = "auto",
    skip_unreadable: bool = False,
    progress: Progress = silent,
) -> Probe:
    """Score every cut without training, by k-NN and LDA on its features, and recommend the cheapest of the good ones.

    The test pictures of `zoo train` with the same seed are not used.

    Args:
        data: a dataset's name, a folder of pictures by class, from `zoo.open_dataset`, or a `Dataset` of your own.
        filters: published filters by name, or in hand; either these or a backbone.
        backbone: a network by name; all its cuts are scored.
        weights: the backbone's: `imagenet`, `random`, a safetensors file, a folder or an `hf://` source.
        cuts: only these, blocks or nodes' paths; all by default.
        size: the pictures' side in pixels; the network's own by default.
        target: one of the dataset's; its first by default.
        per_class: at most so many pictures of each class; None: all.
        folds: of the cross-validation; fewer where a class or the groups do not bear so many.
        neighbours: k of k-NN; by default the root of the mean class's pictures in a training part, 1 to 20.
        seed: of the folds and the random weights.
        device: where; the GPU where there is one by default.
        precision: `auto`, `bf16` or `fp32`.
        skip_unreadable: leave out pictures that cannot be read, instead of stopping.
        progress: called with how far the work is.

    Raises:
        UsageError: neither or both of filters and backbone; no such target; k larger than a training part.
        UnknownNameError: no such filters, backbone or cut.
        ZooError: one class only, too few pictures, unreadable ones, features that are not finite.
    """
    begun = time.perf_counter()
    opened = as_open_dataset(data)
    chosen = pick_target(opened, target)
    setup = make_probe_setup(device=device, precision=precision, seed=seed, progress=progress)
    network = _load_network(filters, backbone, weights, size=size, seed=seed, progress=progress)
    side = size or network.input.size
    priced = _measure_costs(network, cuts, side)
    decoded = opened.decode(side, skip_unreadable=skip_unreadable, progress=progress)
    asking: dict[str, Any] = {"per_class": per_class, "folds": folds, "neighbours": neighbours, "seed": seed}
    task = make_probe_task(opened, decoded, target=chosen, **asking)
    candidates, notes = _score_with_baselines(network, priced, decoded, task, setup)
    command = partial(training_command, opened, network, target=chosen, given=filters, size=size, seed=seed)
    title = network.name if backbone is None else f"{backbone} ({_short(network.weights)} weights)"
    told = describe_task(opened, decoded.skipped, task, begun, notes)
    table = CandidateComparison(candidates, task.groups)
    return _recommend(table, priced, task, command, seed=seed, filters=title, size=side, **told)


def _short(weights: str) -> str:
    return Path(weights).name if Path(weights).is_absolute() else weights


def _measure_costs(network: Filters, cuts: Sequence[str] | None, side: int) -> list[Cut]:
    priced = measure_cut_costs(network, cuts, size=side)
    if not priced:
        raise ZooError(f"{network.name!r} has no cuts.", "Name a node: `zoo info` and `zoo cuts` list them.")
    return priced


def _score_with_baselines(
    network: Filters, priced: Sequence[Cut], decoded: DecodedDataset, task: ProbeTask, setup: ProbeSetup
) -> tuple[list[Candidate], list[str]]:
    """The cuts, the same with random weights where the network's are not, what needs no net; and what to note."""
    candidates, notes = score_cuts(network, priced, decoded, task, setup), []
    if network.weights == "random":
        notes.append("The weights are random themselves: there is no baseline of random weights.")
    else:
        twin = randomly_initialized(network, seed=setup.seed)
        candidates += score_cuts(twin, priced, decoded, task, setup, kind="random")
    return [*candidates, *score_without_filters(decoded, task, setup)], notes


def _recommend(
    table: CandidateComparison,
    priced: Sequence[Cut],
    task: ProbeTask,
    command: Callable[[Cut], str],
    *,
    seed: int,
    **told: Any,
) -> Probe:
    """Choose a cut and say why; `told` are the fields of the report that need no choice."""
    count = len(priced)
    best, picked = choose_cut(table.feature_scores[:, :count], [cut.gflop for cut in priced], task.groups)
    gaps = _baseline_differences(table, picked, count)
    deepest = table.gap(picked, count - 1) if picked != count - 1 else None
    results = [table.result(index) for index in range(len(table.candidates))]
    return Probe(
        cuts=tuple(results[:count]),
        baselines=tuple(results[count:]),
        best=priced[best].name,
        recommended=priced[picked].name,
        why=explain_choice(priced[best].name, priced[picked].name, table.gap(best, picked), task.measure, count),
        gaps=(*gaps, *([deepest] if deepest else [])),
        verdict=describe_baselines(gaps, priced[picked].name, task.measure, deepest=deepest),
        leak=measure_leak(table.candidates[picked], task, seed=seed),
        train=command(priced[picked]),
        **told,
    )


def choose_cut(feature_scores: np.ndarray, costs: Sequence[float], groups: np.ndarray) -> tuple[int, int]:
    """The best cut, and the cheapest within one standard error of it.

    The standard error is that of the difference between the two cuts, over the same pictures: the scores of the best
    less those of the other, picture by picture, summed by group where groups are known. The error of either score
    alone would not do: most of it is that some pictures are hard for every cut, which says nothing of which cut is
    better, and it would let cuts pass that are worse on nearly every picture that tells them apart.

    Shapes: feature_scores (N, M) float, costs of M cuts, groups (N,) int from 0.

    Returns:
        (best, recommended), indices of cuts. Where two have the same score, the cheaper is the best.
    """
    scores = feature_scores.mean(axis=0)
    best = min(range(len(scores)), key=lambda cut: (-scores[cut], costs[cut]))
    near = [
        cut
        for cut in range(len(scores))
        if scores[best] - scores[cut] <= standard_error(feature_scores[:, best] - feature_scores[:, cut], groups)
    ]
    return best, min(near, key=lambda cut: costs[cut])


def _baseline_differences(table: CandidateComparison, picked: int, count: int) -> list[ScoreDifference]:
    """The chosen cut over random weights there, where there are any, and over what needs no net."""
    baselines = table.candidates[count:]
    against = [index for index, one in enumerate(baselines) if one.cut in (None, table.candidates[picked].cut)]
    return [table.gap(picked, count + index) for index in against]


def _load_network(
    filters: Filters | str | Path | None,
    backbone: str | None,
    weights: str,
    *,
    size: int | None,
    seed: int,
    progress: Progress,
) -> Filters:
    if (filters is None) == (backbone is None):
        raise UsageError("Say what to cut: either filters or a backbone, not both.")
    if backbone is None:
        return as_filters(filters or "")
    deepest = find_backbone(backbone).cuts()
    if not deepest:
        raise ZooError(f"The backbone {backbone!r} has no blocks.", "Cut it at a node, and probe the filters.")
    return build_filters(backbone, cut=deepest[-1].name, weights=weights, size=size, seed=seed, progress=progress)
