"""What is compared: cuts, the same cuts with random weights, bare pixels; and what came out for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from zoo.contracts import Cut, Dataset
from zoo.data.datasets import OpenDataset
from zoo.data.decoded import Decoded
from zoo.devices import pick_device, pick_precision
from zoo.filters import Filters
from zoo.probing.features import PIXELS, fetched_megabytes, pool_features, shrink_pixels
from zoo.probing.intervals import interval, resample_means, standard_error
from zoo.probing.questions import Question
from zoo.probing.scores import Marks, mark_features
from zoo.progress import Progress
from zoo.training.feeds import Arithmetic

RAW = f"raw pixels, {PIXELS} x {PIXELS}"
RANDOM = ", random weights"  # the end of an arm's title
Kind = Literal["cut", "random", "pixels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One set of features, and its marks."""

    title: str  # "block3", "block3, random weights", "raw pixels, 16 x 16"
    kind: Kind
    marks: Marks
    cut: Cut | None = None
    megabytes: float = 0.0  # of weights to fetch, 10^6 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One set of features as it is reported."""

    title: str
    kind: Kind
    score: float  # the mean of k-NN's and LDA's accuracy, or R²
    low: float  # 95% interval
    high: float
    logme: float
    knn: float | None
    lda: float | None
    r2: float | None
    cut: Cut | None
    fetch_megabytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How much better one set of features is than another, on the same pictures."""

    over: str  # the other's title
    difference: float
    low: float  # 95% interval of the paired difference
    high: float
    error: float  # its standard error

    @property
    def beyond(self) -> bool:
        """Whether the difference is above nothing beyond the interval."""
        return self.low > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and how features are computed and scored; the same for all that is compared."""

    arithmetic: Arithmetic
    seed: int
    progress: Progress


class Comparison:
    """Arms on the same pictures, with one set of bootstrap draws for all of them.

    Args:
        arms: with marks of the same pictures.
        groups: int (N,), what is drawn together.
        seed: of the draws.
    """

    def __init__(self, arms: Sequence[Arm], groups: np.ndarray, *, seed: int) -> None:
        self.arms, self.groups = list(arms), groups
        self.marks = np.column_stack([arm.marks.each for arm in arms])
        self.means = resample_means(self.marks, groups, seed=seed)

    def result(self, index: int) -> Result:
        """One arm with its interval."""
        arm = self.arms[index]
        low, high = interval(self.means[:, index])
        return Result(
            title=arm.title,
            kind=arm.kind,
            score=arm.marks.score,
            low=low,
            high=high,
            logme=arm.marks.logme,
            knn=arm.marks.knn,
            lda=arm.marks.lda,
            r2=arm.marks.r2,
            cut=arm.cut,
            fetch_megabytes=arm.megabytes,
        )

    def gap(self, better: int, other: int) -> Gap:
        """The paired difference of two arms."""
        difference = self.marks[:, better] - self.marks[:, other]
        low, high = interval(self.means[:, better] - self.means[:, other])
        return Gap(
            over=self.arms[other].title,
            difference=float(difference.mean()),
            low=low,
            high=high,
            error=standard_error(difference, self.groups),
        )


def make_bench(*, device: str | None, precision: str, seed: int, progress: Progress) -> Bench:
    """Raises UsageError for a device or a precision that is not there."""
    where = pick_device(device)
    arithmetic = Arithmetic(device=where, dtype=pick_precision(where, precision))
    return Bench(arithmetic=arithmetic, seed=seed, progress=progress)


def opened(data: OpenDataset | Dataset) -> OpenDataset:
    """A dataset in hand as one that was opened."""
    if isinstance(data, OpenDataset):
        return data
    from pathlib import Path

    name = type(data).__name__.lower()
    return OpenDataset(dataset=data, name=name, package="", version="", root=Path().resolve(), options={})


def mark_cuts(
    filters: Filters,
    cuts: Sequence[Cut],
    decoded: Decoded,
    question: Question,
    bench: Bench,
    *,
    kind: Kind = "cut",
) -> list[Arm]:
    """One pass over the pictures, then the marks of every cut.

    Args:
        filters: what runs.
        cuts: theirs.
        decoded: the pictures at the filters' size.
        question: which of them, with answers and folds.
        bench: where and how.
        kind: what the arms are.
    """
    whose = f" of {filters.name}" if kind == "cut" else " of random weights"
    features = pool_features(
        filters,
        cuts,
        decoded,
        question.rows,
        arithmetic=bench.arithmetic,
        progress=bench.progress,
        what=f"computing features{whose}",
    )
    marks = _mark_all(features, question, bench, what=f"scoring cuts{whose}")
    return [
        Arm(
            title=cut.name if kind == "cut" else cut.name + RANDOM,
            kind=kind,
            marks=marks[cut.name],
            cut=cut,
            megabytes=fetched_megabytes(filters, cut) if kind == "cut" else 0.0,
        )
        for cut in cuts
    ]


def mark_pixels(decoded: Decoded, question: Question, bench: Bench) -> Arm:
    """The floor: no filters at all."""
    marks = _mark_all({RAW: shrink_pixels(decoded, question.rows)}, question, bench, what="scoring raw pixels")
    return Arm(title=RAW, kind="pixels", marks=marks[RAW])


def _mark_all(features: Mapping[str, np.ndarray], question: Question, bench: Bench, *, what: str) -> dict[str, Marks]:
    done, total = 0, question.folds * len(features)

    def step() -> None:
        nonlocal done
        done += 1
        bench.progress(what, done, total)

    return {name: mark_features(found, question, seed=bench.seed, step=step) for name, found in features.items()}


def as_facts(result: Result) -> dict[str, Any]:
    """A result as JSON has it."""
    cut = result.cut
    costs = (
        {}
        if cut is None
        else {
            "node": cut.node,
            "channels": cut.channels,
            "stride": cut.stride,
            "parameters": cut.parameters,
            "megabytes": cut.megabytes,
            "gflop": cut.gflop,
            "fetch_megabytes": result.fetch_megabytes,
        }
    )
    scores = {name: value for name in ("knn", "lda", "r2") if (value := getattr(result, name)) is not None}
    return {
        "title": result.title,
        "kind": result.kind,
        "score": result.score,
        "interval": [result.low, result.high],
        **scores,
        "logme": result.logme,
        **costs,
    }
