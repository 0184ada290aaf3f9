"""Which filters to take: several, each at its best cut, on the same pictures and folds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zoo.contracts import Cut, Dataset
from zoo.data.datasets import OpenDataset
from zoo.data.decoded import Decoded
from zoo.errors import UsageError, ZooError
from zoo.files import write_whole
from zoo.filters import Filters, load
from zoo.probing.advice import verdict_on
from zoo.probing.arms import (
    RANDOM,
    Arm,
    Bench,
    Comparison,
    Gap,
    Result,
    as_facts,
    make_bench,
    mark_cuts,
    mark_pixels,
    opened,
)
from zoo.probing.features import price_cuts, random_twin
from zoo.probing.questions import PER_CLASS, Question, ask, pick_target
from zoo.progress import Progress, silent
from zoo.registry import all_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One set of filters in the ranking."""

    rank: int  # 1 is the best; ties share one
    filters: str
    size: int  # pixels
    best: Result  # at the best cut
    behind: Gap | None  # the leader's lead over it; None for the leader
    cuts: Mapping[str, float]  # the score at every cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Filters by what their features are worth on a dataset."""

    dataset: str
    target: str
    measure: str  # "accuracy" or "R²"
    pictures: int
    classes: int
    folds: str
    neighbours: int
    places: tuple[Place, ...]  # the best first
    floor: tuple[Result, ...]  # random weights of every network among them, raw pixels
    passed_over: Mapping[str, str]  # filters that were not ranked, and why
    verdict: str
    notes: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        plain = ("dataset", "target", "measure", "pictures", "classes", "folds", "neighbours", "verdict", "seconds")
        return {
            **{name: getattr(self, name) for name in plain},
            "places": [_place_facts(place) for place in self.places],
            "floor": [as_facts(one) for one in self.floor],
            "passed_over": dict(self.passed_over),
            "notes": list(self.notes),
        }

    def save(self, path: Path | str) -> Path:
        """Write it as JSON."""
        write_whole(Path(path), json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n")
        return Path(path)


def rank(
    data: OpenDataset | Dataset,
    filters: Sequence[Filters | str | Path] | None = None,
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
    """Score several filters as `probe` does, each at its best cut, and say which differences are differences.

    All see the same pictures and folds, each at its own size. Two share a rank where the 95% bootstrap interval of
    their paired difference contains 0: the best of those not ranked yet leads a rank, and all that are tied with it
    share it. The best of several cuts is taken on the pictures that it is scored on, so that filters with many cuts
    are a little favoured.

    Args:
        data: from `zoo.open_dataset`, or a prepared `Dataset` of your own.
        filters: names, folders, `owner/name`, `hf://…`, or filters in hand; by default all names of `zoo list`
            whose filters lie on this disk: nothing is downloaded.
        size: one size for all, in pixels; each its own by default.
        target, per_class, folds, neighbours, seed, device, precision, skip_unreadable, progress: as `probe` has them.

    Raises:
        The errors of `probe`; UsageError where no filters are here.
    """
    begun = time.perf_counter()
    opened_data = opened(data)
    chosen = pick_target(opened_data, target)
    bench = make_bench(device=device, precision=precision, seed=seed, progress=progress)
    passed_over: dict[str, str] = {}
    entrants = _Entrants(
        data=opened_data,
        bench=bench,
        size=size,
        skip_unreadable=skip_unreadable,
        asking={"target": chosen, "per_class": per_class, "folds": folds, "neighbours": neighbours, "seed": seed},
    )
    for title, network in _networks(filters, passed_over):
        entrants.enter(title, network)
    question = entrants.question
    if question is None:
        raise UsageError(
            "There are no filters to rank on this disk.", "Name some with `filters=`, or run `pip install zoo-filters`."
        )
    measure = "accuracy" if question.labels is not None else "R²"
    places, floor, verdict = entrants.settle(measure)
    notes = list(question.notes)
    if skipped := entrants.skipped:
        notes.append(f"{len(skipped)} unreadable pictures were left out, the first: {skipped[0]}")
    return Ranking(
        dataset=opened_data.name,
        target=chosen,
        measure=measure,
        pictures=len(question.rows),
        classes=len(question.names),
        folds=question.how,
        neighbours=question.neighbours,
        places=tuple(places),
        floor=tuple(floor),
        passed_over=passed_over,
        verdict=verdict,
        notes=tuple(notes),
        seconds=time.perf_counter() - begun,
    )


class _Entrants:
    """Filters as they come in, one after the other; only their marks are kept."""

    def __init__(
        self, *, data: OpenDataset, bench: Bench, size: int | None, skip_unreadable: bool, asking: Mapping[str, Any]
    ) -> None:
        self.data, self.bench, self.size, self.skip_unreadable, self.asking = data, bench, size, skip_unreadable, asking
        self.question: Question | None = None
        self.skipped: tuple[str, ...] = ()
        self.index = torch.empty(0, dtype=torch.int64)
        self.sides: list[int] = []
        self.best: list[Arm] = []
        self.scores: list[dict[str, float]] = []
        self.floor: dict[tuple[Any, ...], Arm] = {}

    def enter(self, title: str, network: Filters) -> None:
        """Score one set of filters, and its network with random weights at the same cut."""
        side = self.size or network.input.size
        decoded = self.data.decode(side, skip_unreadable=self.skip_unreadable, progress=self.bench.progress)
        question = self._question(decoded)
        priced = price_cuts(network, size=side)
        arms = mark_cuts(network, priced, decoded, question, self.bench)
        best = max(arms, key=lambda arm: arm.marks.score)
        self.sides.append(side)
        self.best.append(replace(best, title=title))
        self.scores.append({arm.title: arm.marks.score for arm in arms})
        if best.cut is not None:
            self._lay_floor(network, best.cut, decoded, question, side)

    def settle(self, measure: str) -> tuple[list[Place], list[Result], str]:
        """Places, floor, and what is to be said."""
        if self.question is None:
            raise ValueError("nothing was entered")
        arms = [*self.best, *self.floor.values()]
        table = Comparison(arms, self.question.groups, seed=self.bench.seed)
        count = len(self.best)
        order = sorted(range(count), key=lambda index: -arms[index].marks.score)
        ranks = share_ranks(order, table)
        places = [
            Place(
                rank=ranks[index],
                filters=arms[index].title,
                size=self.sides[index],
                best=table.result(index),
                behind=table.gap(order[0], index) if index != order[0] else None,
                cuts=self.scores[index],
            )
            for index in order
        ]
        lowest = range(count, len(arms))
        verdict = verdict_on([table.gap(order[0], index) for index in lowest], arms[order[0]].title, measure)
        return places, [table.result(index) for index in lowest], verdict

    def _question(self, decoded: Decoded) -> Question:
        if self.question is None:
            self.question = ask(self.data, decoded, **self.asking)
            self.index, self.skipped = decoded.index, decoded.skipped
        elif not torch.equal(self.index, decoded.index):
            raise ZooError(
                f"At {decoded.size} pixels other pictures can be read than at the first size, so that the filters "
                "cannot be compared.",
                "Run `zoo data check` and remove those that cannot be read.",
            )
        return self.question

    def _lay_floor(self, network: Filters, cut: Cut, decoded: Decoded, question: Question, side: int) -> None:
        if not self.floor:
            self.floor[("pixels",)] = mark_pixels(decoded, question, self.bench)
        key = (network.backbone, cut.node, side, network.input.mean, network.input.std)
        if key not in self.floor and network.weights != "random":
            twin = random_twin(network, seed=self.bench.seed)
            (arm,) = mark_cuts(twin, [cut], decoded, question, self.bench, kind="random")
            name = network.backbone.rpartition("/")[2]
            self.floor[key] = replace(arm, title=f"{name}, {cut.name}, {side} px{RANDOM}")


def share_ranks(order: Sequence[int], table: Comparison) -> dict[int, int]:
    """Ranks by index: whoever is tied with the best of those left shares its rank, as in sports (1, 1, 3).

    Args:
        order: indices of arms, the best first.
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


def _networks(
    filters: Sequence[Filters | str | Path] | None, passed_over: dict[str, str]
) -> Iterator[tuple[str, Filters]]:
    """Titles and filters, loaded one at a time."""
    if filters is not None:
        if not filters:
            raise UsageError("No filters were named.", "Leave the list out to rank all that lie on this disk.")
        for one in dict.fromkeys(filters):
            yield (one.name, one) if isinstance(one, Filters) else (str(one), load(str(one)))
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


def _place_facts(place: Place) -> dict[str, Any]:
    behind = place.behind
    gap = None if behind is None else {"difference": behind.difference, "interval": [behind.low, behind.high]}
    return {
        "rank": place.rank,
        "filters": place.filters,
        "size": place.size,
        "cut": place.best.cut.name if place.best.cut else None,
        **{**as_facts(place.best), "title": place.filters},
        "behind": gap,
        "cuts": dict(place.cuts),
    }
