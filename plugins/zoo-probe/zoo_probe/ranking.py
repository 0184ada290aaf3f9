"""Which filters to take: several, each at its best cut, on the same pictures and folds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zoo import Cut, Dataset
from zoo.data import DecodedDataset, OpenDataset, as_open_dataset
from zoo.errors import UsageError, ZooError
from zoo.models import Filters, as_filters, load
from zoo.progress import Progress, silent
from zoo.store import all_entries
from zoo_probe.candidates import (
    RANDOM_SUFFIX,
    Candidate,
    CandidateComparison,
    CandidateScore,
    ProbeSetup,
    ScoreDifference,
    SelectionReport,
    describe_task,
    make_probe_setup,
    score_as_dict,
    score_cuts,
    score_without_filters,
)
from zoo_probe.features import measure_cut_costs, randomly_initialized
from zoo_probe.summary import describe_baselines
from zoo_probe.tasks import PER_CLASS, ProbeTask, make_probe_task, pick_target


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedFilters:
    """One set of filters in the ranking."""

    rank: int  # 1 is the best; ties share one
    filters: str
    size: int  # pixels
    best: CandidateScore  # at the best cut
    behind: ScoreDifference | None  # the leader's lead over it; None for the leader
    cuts: Mapping[str, float]  # the score at every cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking(SelectionReport):
    """Filters by what their features are worth on a dataset."""

    places: tuple[RankedFilters, ...]  # the best first
    floor: tuple[CandidateScore, ...]  # random weights of every network among them, raw pixels, hand features
    passed_over: Mapping[str, str]  # filters that were not ranked, and why
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            **SelectionReport.as_dict(self),
            "verdict": self.verdict,
            "places": [_rank_as_dict(place) for place in self.places],
            "floor": [score_as_dict(one) for one in self.floor],
            "passed_over": dict(self.passed_over),
        }


def rank(
    data: OpenDataset | Dataset | Path | str,
    filters: Filters | str | Path | Sequence[Filters | str | Path] | None = None,
    *,
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
) -> Ranking:
    """Score several filters as `probe` does, each at its best cut, and say which differences are significant.

    All see the same pictures and folds, each at its own size. Two share a rank where the 95% interval of
    their paired difference contains 0: the best of those not ranked yet leads a rank, and all that are tied with it
    share it. The best of several cuts is taken on the pictures that it is scored on, so that filters with many cuts
    are a little favoured.

    Args:
        data: a dataset's name, a folder of pictures by class, from `zoo.open_dataset`, or a `Dataset` of your own.
        filters: names, folders, `owner/name`, `hf://…`, or filters in hand; by default all names of `zoo list`
            whose filters lie on this disk: nothing is downloaded.
        size: one size for all, in pixels; each its own by default.
        target, per_class, folds, neighbours, seed, device, precision, skip_unreadable, progress: as `probe` has them.

    Raises:
        The errors of `probe`; UsageError where no filters are here.
    """
    begun = time.perf_counter()
    opened_data = as_open_dataset(data)
    chosen = pick_target(opened_data, target)
    setup = make_probe_setup(device=device, precision=precision, seed=seed, progress=progress)
    passed_over: dict[str, str] = {}
    entrants = _RankingCandidates(
        data=opened_data,
        setup=setup,
        size=size,
        skip_unreadable=skip_unreadable,
        asking={"target": chosen, "per_class": per_class, "folds": folds, "neighbours": neighbours, "seed": seed},
    )
    for title, network in _load_networks(filters, passed_over):
        entrants.enter(title, network)
    task = entrants.task
    if task is None:
        raise UsageError(
            "There are no filters to rank on this disk.", "Name some with `filters=`, or run `pip install zoo-filters`."
        )
    places, floor, verdict = entrants.settle(task.measure)
    told = describe_task(opened_data, entrants.skipped, task, begun)
    return Ranking(places=tuple(places), floor=tuple(floor), passed_over=passed_over, verdict=verdict, **told)


class _RankingCandidates:
    """Filters as they are scored, one after the other; only their scores are kept."""

    def __init__(
        self,
        *,
        data: OpenDataset,
        setup: ProbeSetup,
        size: int | None,
        skip_unreadable: bool,
        asking: Mapping[str, Any],
    ) -> None:
        self.data, self.setup, self.size, self.skip_unreadable, self.asking = data, setup, size, skip_unreadable, asking
        self.task: ProbeTask | None = None
        self.skipped: tuple[str, ...] = ()
        self.index = torch.empty(0, dtype=torch.int64)
        self.sides: list[int] = []
        self.best: list[Candidate] = []
        self.scores: list[dict[str, float]] = []
        self.floor: dict[tuple[Any, ...], Candidate] = {}

    def enter(self, title: str, network: Filters) -> None:
        """Score one set of filters, and its network with random weights at the same cut."""
        side = self.size or network.input.size
        decoded = self.data.decode(side, skip_unreadable=self.skip_unreadable, progress=self.setup.progress)
        task = self._question(decoded)
        priced = measure_cut_costs(network, size=side)
        candidates = score_cuts(network, priced, decoded, task, self.setup)
        best = max(candidates, key=lambda candidate: candidate.feature_scores.score)
        self.sides.append(side)
        self.best.append(replace(best, title=title, features=None))
        self.scores.append({candidate.title: candidate.feature_scores.score for candidate in candidates})
        if best.cut is not None:
            self._lay_floor(network, best.cut, decoded, task, side)

    def settle(self, measure: str) -> tuple[list[RankedFilters], list[CandidateScore], str]:
        """The ranking, the baselines, and the verdict."""
        if self.task is None:
            raise ValueError("nothing was entered")
        candidates = [*self.best, *self.floor.values()]
        table = CandidateComparison(candidates, self.task.groups)
        count = len(self.best)
        order = sorted(range(count), key=lambda index: -candidates[index].feature_scores.score)
        ranks = share_ranks(order, table)
        places = [
            RankedFilters(
                rank=ranks[index],
                filters=candidates[index].title,
                size=self.sides[index],
                best=table.result(index),
                behind=table.gap(order[0], index) if index != order[0] else None,
                cuts=self.scores[index],
            )
            for index in order
        ]
        lowest = range(count, len(candidates))
        verdict = describe_baselines([table.gap(order[0], one) for one in lowest], candidates[order[0]].title, measure)
        return places, [table.result(index) for index in lowest], verdict

    def _question(self, decoded: DecodedDataset) -> ProbeTask:
        if self.task is None:
            self.task = make_probe_task(self.data, decoded, **self.asking)
            self.index, self.skipped = decoded.index, decoded.skipped
        elif not torch.equal(self.index, decoded.index):
            raise ZooError(
                f"At {decoded.size} pixels other pictures can be read than at the first size, so that the filters "
                "cannot be compared.",
                "Run `zoo data check` and remove those that cannot be read.",
            )
        return self.task

    def _lay_floor(self, network: Filters, cut: Cut, decoded: DecodedDataset, task: ProbeTask, side: int) -> None:
        if not self.floor:
            self.floor = {(one.kind,): one for one in score_without_filters(decoded, task, self.setup)}
        key = (network.backbone, cut.node, side, network.input.mean, network.input.std)
        if key not in self.floor and network.weights != "random":
            twin = randomly_initialized(network, seed=self.setup.seed)
            (candidate,) = score_cuts(twin, [cut], decoded, task, self.setup, kind="random")
            name = network.backbone.rpartition("/")[2]
            self.floor[key] = replace(candidate, title=f"{name}, {cut.name}, {side} px{RANDOM_SUFFIX}")


def share_ranks(order: Sequence[int], table: CandidateComparison) -> dict[int, int]:
    """Ranks by index: whoever is tied with the best of those left shares its rank, as in sports (1, 1, 3).

    Args:
        order: indices of candidates, the best first.
        table: gives the intervals of the paired differences.
    """
    ranks: dict[int, int] = {}
    left = list(order)
    while left:
        number = len(ranks) + 1
        leader = left[0]
        tied = [index for index in left if index == leader or not table.gap(leader, index).beyond]
        ranks.update(dict.fromkeys(tied, number))
        left = [index for index in left if index not in ranks]
    return ranks


def _load_networks(
    filters: Filters | str | Path | Sequence[Filters | str | Path] | None, passed_over: dict[str, str]
) -> Iterator[tuple[str, Filters]]:
    """Titles and filters, loaded one at a time."""
    if filters is not None:
        if not filters:
            raise UsageError("No filters were named.", "Leave the list out to rank all that lie on this disk.")
        for one in dict.fromkeys([filters] if isinstance(filters, (str, Path, Filters)) else filters):
            yield one.name if isinstance(one, Filters) else str(one), as_filters(one)
        return
    problems: list[ZooError] = []
    for name in all_entries(problems=problems):
        try:
            network = load(name, offline=True)
        except ZooError as error:
            passed_over[name] = str(error)
            continue
        yield name, network
    passed_over.update({f"a registry, {number}": str(problem) for number, problem in enumerate(problems, start=1)})


def _rank_as_dict(place: RankedFilters) -> dict[str, Any]:
    behind = place.behind
    gap = None if behind is None else {"difference": behind.difference, "interval": [behind.low, behind.high]}
    return {
        "rank": place.rank,
        "filters": place.filters,
        "size": place.size,
        "cut": place.best.cut.name if place.best.cut else None,
        **{**score_as_dict(place.best), "title": place.filters},
        "behind": gap,
        "cuts": dict(place.cuts),
    }
