"""The candidates of a probe (cuts, the same cuts with random weights, features without a net), and their scores."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zoo import Cut
from zoo.data import DecodedDataset, OpenDataset, sequential_batches
from zoo.files import check_output, write_json
from zoo.models import Filters
from zoo.progress import Progress
from zoo.training import Arithmetic
from zoo_probe.features import PIXEL_SIDE, download_megabytes, pool_features, shrink_pixels
from zoo_probe.intervals import mean_interval, share_interval, standard_error
from zoo_probe.rivals import HAND_FEATURES, hand_features
from zoo_probe.scores import FeatureScores, score_features
from zoo_probe.tasks import ProbeTask

RAW_PIXELS = f"raw pixels, {PIXEL_SIDE} x {PIXEL_SIDE}"
HAND_TITLE = f"hand features ({len(HAND_FEATURES)})"
RANDOM_SUFFIX = ", random weights"  # the end of a candidate's title
CandidateKind = Literal["cut", "random", "pixels", "hand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One set of features, and its per-sample scores."""

    title: str  # "block3", "block3, random weights", "raw pixels, 16 x 16", "hand features (30)"
    kind: CandidateKind
    feature_scores: FeatureScores
    features: np.ndarray | None = None  # float32 (N, C), of a cut of the filters: for other folds
    cut: Cut | None = None
    megabytes: float = 0.0  # of weights to fetch, 10^6 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateScore:
    """One set of features as it is reported."""

    title: str
    kind: CandidateKind
    score: float  # the mean of k-NN's and LDA's accuracy, or R²
    low: float  # 95% interval over groups, or pictures
    high: float
    logme: float
    knn: float | None
    lda: float | None
    r2: float | None
    cut: Cut | None
    fetch_megabytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDifference:
    """How much better one set of features is than another, on the same pictures."""

    over: str  # the other's title
    difference: float
    low: float  # 95% interval of the paired difference
    high: float
    error: float  # its standard error

    @property
    def beyond(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.low > 0

    @classmethod
    def of(cls, values: np.ndarray, groups: np.ndarray, *, over: str) -> ScoreDifference:
        """Of the pictures' differences. Shapes: values (N,) float, groups (N,) int from 0."""
        low, high = mean_interval(values, groups)
        error = standard_error(values, groups)
        return cls(over=over, difference=float(values.mean()), low=low, high=high, error=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSetup:
    """Where and how features are computed and scored; the same for all that is compared."""

    arithmetic: Arithmetic
    seed: int
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionReport:
    """What a probe and a ranking both say: on which pictures and folds the scores were measured."""

    dataset: str  # the plugin's name
    title: str = ""  # what the pictures are called where that name says nothing
    target: str
    measure: str  # "accuracy" or "R²"
    pictures: int
    classes: int  # 0 for boxes and numbers
    folds: str  # in words
    intervals: str  # of what: "95% over groups", "95% over pictures"
    neighbours: int  # k of k-NN
    notes: tuple[str, ...]
    seconds: float  # of all of it, decoding included

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {field.name: getattr(self, field.name) for field in fields(SelectionReport)}

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write it as JSON."""
        check_output(Path(path), overwrite=overwrite, argument="path")
        write_json(Path(path), self.as_dict())
        return Path(path)


def describe_task(
    data: OpenDataset, skipped: Sequence[str], task: ProbeTask, begun: float, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """The fields of a `SelectionReport`; `begun` is what the clock, `time.perf_counter`, showed at first."""
    left_out = [f"{len(skipped)} unreadable pictures were left out, the first: {skipped[0]}"] if skipped else []
    return {
        "dataset": data.name,
        "title": data.title,
        "target": task.target,
        "measure": task.measure,
        "pictures": len(task.rows),
        "classes": len(task.names),
        "folds": task.how,
        "intervals": f"95% over {'groups' if task.grouped else 'pictures'}",
        "neighbours": task.neighbours,
        "notes": (*task.notes, *left_out, *notes),
        "seconds": time.perf_counter() - begun,
    }


class CandidateComparison:
    """Candidates on the same pictures.

    Args:
        candidates: with scores of the same pictures.
        groups: int (N,) from 0, of the pictures.
    """

    def __init__(self, candidates: Sequence[Candidate], groups: np.ndarray) -> None:
        self.candidates, self.groups = list(candidates), groups
        self.feature_scores = np.column_stack([candidate.feature_scores.per_sample for candidate in candidates])

    def result(self, index: int) -> CandidateScore:
        """One candidate with its interval."""
        candidate = self.candidates[index]
        interval = mean_interval if candidate.feature_scores.knn is None else share_interval  # R² is no share
        low, high = interval(candidate.feature_scores.per_sample, self.groups)
        return CandidateScore(
            title=candidate.title,
            kind=candidate.kind,
            score=candidate.feature_scores.score,
            low=low,
            high=high,
            logme=candidate.feature_scores.logme,
            knn=candidate.feature_scores.knn,
            lda=candidate.feature_scores.lda,
            r2=candidate.feature_scores.r2,
            cut=candidate.cut,
            fetch_megabytes=candidate.megabytes,
        )

    def gap(self, better: int, other: int) -> ScoreDifference:
        """The paired difference of two candidates."""
        difference = self.feature_scores[:, better] - self.feature_scores[:, other]
        return ScoreDifference.of(difference, self.groups, over=self.candidates[other].title)


def make_probe_setup(*, device: str | None, precision: str, seed: int, progress: Progress) -> ProbeSetup:
    """Raises UsageError for a device or a precision that is not there."""
    return ProbeSetup(arithmetic=Arithmetic.on(device, precision), seed=seed, progress=progress)


def score_cuts(
    filters: Filters,
    cuts: Sequence[Cut],
    decoded: DecodedDataset,
    task: ProbeTask,
    setup: ProbeSetup,
    *,
    kind: CandidateKind = "cut",
) -> list[Candidate]:
    """One pass over the pictures, then the scores of every cut.

    Args:
        filters: what runs.
        cuts: of these filters.
        decoded: the pictures at the filters' size.
        task: which of them, with targets and folds.
        setup: where and how.
        kind: what the candidates are.
    """
    whose = f" of {filters.name}" if kind == "cut" else " of random weights"
    features = pool_features(
        filters,
        cuts,
        decoded,
        task.rows,
        arithmetic=setup.arithmetic,
        progress=setup.progress,
        what=f"computing features{whose}",
    )
    feature_scores = _score_all(features, task, setup, what=f"scoring cuts{whose}")
    return [
        Candidate(
            title=cut.name if kind == "cut" else cut.name + RANDOM_SUFFIX,
            kind=kind,
            feature_scores=feature_scores[cut.name],
            features=features[cut.name] if kind == "cut" else None,
            cut=cut,
            megabytes=download_megabytes(filters, cut) if kind == "cut" else 0.0,
        )
        for cut in cuts
    ]


def score_without_filters(decoded: DecodedDataset, task: ProbeTask, setup: ProbeSetup) -> list[Candidate]:
    """The baselines without any net: the pixels themselves, and features made by hand."""
    pictures = (decoded.images[batch].permute(0, 2, 3, 1).numpy() for batch in sequential_batches(task.rows, 256))
    by_hand = np.concatenate([hand_features(part) for part in pictures])
    features = {RAW_PIXELS: shrink_pixels(decoded, task.rows), HAND_TITLE: by_hand}
    pixels, hand = _score_all(features, task, setup, what="scoring features without a net").values()
    return [
        Candidate(title=RAW_PIXELS, kind="pixels", feature_scores=pixels),
        Candidate(title=HAND_TITLE, kind="hand", feature_scores=hand),
    ]


def measure_leak(candidate: Candidate, task: ProbeTask, *, seed: int) -> ScoreDifference | None:
    """How much more the same features score on folds that ignore the groups; None where no groups are known."""
    if not task.grouped or candidate.features is None:
        return None
    at_random = score_features(candidate.features, task.at_random(seed), seed=seed)
    difference = at_random.per_sample - candidate.feature_scores.per_sample
    return ScoreDifference.of(difference, task.groups, over="folds by group")


def _score_all(
    features: Mapping[str, np.ndarray], task: ProbeTask, setup: ProbeSetup, *, what: str
) -> dict[str, FeatureScores]:
    done, total = 0, task.folds * len(features)

    def step() -> None:
        nonlocal done
        done += 1
        setup.progress(what, done, total)

    return {name: score_features(found, task, seed=setup.seed, step=step) for name, found in features.items()}


def score_as_dict(result: CandidateScore) -> dict[str, Any]:
    """A result as JSON has it."""
    cut = result.cut
    costs: dict[str, Any] = {}
    if cut is not None:
        costs = {one: getattr(cut, one) for one in ("node", "channels", "stride", "parameters", "megabytes", "gflop")}
        costs["fetch_megabytes"] = result.fetch_megabytes
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
