"""Saliency of finished runs compared: the share inside the box, over the same pictures and the same class.

    share = heat inside the box / all heat        even = the box's share of the area: what an even map would have

The intervals are over pictures, for other pictures of the same boats or cameras. Of trainings they say nothing: another
seed may differ, and a difference between two runs is one between two networks, not between two ways to train.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from zoo.data import DecodedDataset, OpenDataset, generator_for, sequential_batches
from zoo.progress import Progress, silent
from zoo.training import EVALUATION_BATCH, Arithmetic, Run, open_run, reopen_dataset
from zoo_saliency.grad_cam import PointingGameScores, compute_grad_cam, score_pointing_game
from zoo_saliency.runs import ExcludedImages, LoadedRun, check_classes, find_box, load_runs, shared_rows, usable_rows

ExplainedClass = Literal["true", "predicted"]
RESAMPLES = 4_999  # of the bootstrap
MOST_DRAWN = 2_000_000  # drawn numbers in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanEstimate:
    """A mean over pictures and its 95% interval, which is None where there is one picture or all are alike."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSaliency:
    """One run's heat maps of N pictures."""

    name: str
    folder: Path
    head: str
    size: int  # the side in pixels that it takes pictures at
    asked: np.ndarray  # int (N,), the class whose evidence the heat is
    heat: np.ndarray  # float32 (N, h, w), 0 or more
    inside: PointingGameScores
    share: MeanEstimate | None  # of the heat in the box; None where every map is blank
    pointing: MeanEstimate | None  # how often the greatest value lies in the box
    blank: int  # maps of nothing but zeros: nothing speaks for the class anywhere; they have no share

    @property
    def times_even(self) -> float | None:
        """How many times the share of even maps of the same pictures; None where every map is blank."""
        known = np.isfinite(self.inside.share)
        return self.share.mean / float(self.inside.even[known].mean()) if self.share else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaliencyDifference:
    """One run less another, over the pictures of which both have a share; None where there are none."""

    one: str
    other: str
    pictures: int
    share: MeanEstimate | None
    pointing: MeanEstimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saliency:
    """The saliency of runs in N pictures, which were drawn by the seed and stand in the drawn order."""

    dataset: OpenDataset
    split: str
    of: ExplainedClass
    box: str  # the target
    classes: tuple[str, ...]
    index: tuple[int, ...]  # (N,) the samples' indices in the dataset
    paths: tuple[str | None, ...]  # (N,)
    boxes: np.ndarray  # (N, 4) float, x1, y1, x2, y2 in 0 to 1
    results: tuple[RunSaliency, ...]
    differences: tuple[SaliencyDifference, ...]  # of every other run to the first
    left_out: ExcludedImages

    def __len__(self) -> int:
        return len(self.index)

    @property
    def even(self) -> float:
        """The mean share of an even map, which is also the chance of a random point to hit."""
        return float(self.results[0].inside.even.mean())

    def picture(self, number: int) -> Tensor:
        """One picture as the dataset has it, uint8 (3, H, W). Raises FileError where it has gone."""
        return self.dataset.dataset[self.index[number]].image


def saliency(
    runs: Run | Path | str | Sequence[Run | Path | str],
    *,
    head: str | None = None,
    box: str | None = None,
    split: str = "test",
    of: ExplainedClass = "true",
    pictures: int = 200,
    seed: int = 0,
    root: Path | str | None = None,
    device: str | None = None,
    progress: Progress = silent,
) -> Saliency:
    """Grad-CAM of finished runs on the same pictures, and how much of it lies inside the true box.

    Args:
        runs: one or several, of one dataset; each may take pictures at a size of its own.
        head: whose classes; each run's first head with classes by default.
        box: the dataset's target; the only one by default.
        split: `test`, `seen`, `val`, `train`. Where runs drew it differently, the pictures that all have in it.
        of: what speaks for the true class, so that all runs are asked the same, or for the class each predicts.
        pictures: at most, drawn at random; 0: all.
        seed: of that choice, and of the bootstrap.
        root: another folder of the same dataset.
        device: where; the GPU where there is one by default.
        progress: told how far the work is.

    Raises:
        FileError: a run that is not done.
        UnknownNameError: a run has no such head.
        UsageError: runs that cannot be compared; no box to compare with.
    """
    given = [runs] if isinstance(runs, (Run, Path, str)) else runs
    loaded_runs = load_runs([one if isinstance(one, Run) else open_run(one) for one in given], head)
    first = loaded_runs[0]
    data = reopen_dataset(first.run, root, progress=progress)
    box = find_box(data, box)
    check_classes(loaded_runs, data)
    decoded = _decode(loaded_runs, data, progress)
    table = decoded[first.model.size]
    shared, elsewhere = shared_rows(loaded_runs, data, decoded, split)
    label = first.target if of == "true" else None
    rows, left_out = usable_rows(shared, table, box=box, label=label, split=split, elsewhere=elsewhere)
    asked = _choose_images(table, rows, box=box, label=label, pictures=pictures, seed=seed)
    arithmetic = Arithmetic.on(device, "fp32")
    results = [
        _compute_run_saliency(one, decoded[one.model.size], asked, arithmetic=arithmetic, progress=progress)
        for one in loaded_runs
    ]
    return Saliency(
        dataset=data,
        split=split,
        of=of,
        box=box,
        classes=first.classes,
        index=tuple(asked.index.tolist()),
        paths=asked.paths,
        boxes=asked.boxes,
        results=tuple(results),
        differences=tuple(_compare_runs(one, results[0], seed) for one in results[1:]),
        left_out=left_out,
    )


def _decode(loaded_runs: Sequence[LoadedRun], data: OpenDataset, progress: Progress) -> dict[int, DecodedDataset]:
    """The dataset at every size that a run takes pictures at."""
    decoded = {}
    for one in loaded_runs:
        skip = one.run.recipe.data.skip_unreadable
        decoded[one.model.size] = data.decode(one.model.size, skip_unreadable=skip, progress=progress)
    return decoded


@dataclass(frozen=True, slots=True, kw_only=True)
class _SharedImages:
    """The pictures, boxes and classes that all runs are compared on."""

    index: Tensor  # int64 (N,), the samples'
    paths: tuple[str | None, ...]  # (N)
    boxes: np.ndarray  # float (N, 4)
    truth: Tensor | None  # int64 (N,); None: each run's own answer
    seed: int


def _choose_images(
    table: DecodedDataset, rows: Tensor, *, box: str, label: str | None, pictures: int, seed: int
) -> _SharedImages:
    """At most so many of the rows, in a drawn order."""
    rows = rows[torch.randperm(len(rows), generator=generator_for(seed))][: pictures or None]
    return _SharedImages(
        index=table.index[rows],
        paths=tuple(table.paths[row] for row in rows.tolist()),
        boxes=table.targets[box][rows].clamp(0, 1).double().numpy(),
        truth=table.targets[label][rows] if label else None,
        seed=seed,
    )


def _compute_run_saliency(
    loaded_run: LoadedRun,
    decoded: DecodedDataset,
    asked: _SharedImages,
    *,
    arithmetic: Arithmetic,
    progress: Progress,
) -> RunSaliency:
    """One run's heat maps, in float32, and how much of them lies inside the boxes."""
    place = {number: row for row, number in enumerate(decoded.index.tolist())}
    rows = torch.tensor([place[number] for number in asked.index.tolist()])
    device = arithmetic.device
    filters = arithmetic.frozen(loaded_run.model.filters)
    head = loaded_run.model.head(loaded_run.head).to(device)
    maps, classes, done = [], [], 0
    for batch in sequential_batches(rows, EVALUATION_BATCH):
        with torch.no_grad():
            images = arithmetic.ready(decoded.images[batch].to(device) / 255)
            features = arithmetic.run(filters, images).float()
        truth = None if asked.truth is None else asked.truth[done : done + len(batch)].to(device)
        heat, answered = compute_grad_cam(head, features, truth)
        maps.append(heat.cpu().numpy())
        classes.append(answered.cpu().numpy())
        done += len(batch)
        progress(f"computing the saliency of {loaded_run.name}", done, len(rows))
    heat_maps = np.concatenate(maps)
    inside = score_pointing_game(heat_maps, asked.boxes, size=loaded_run.model.size)
    return RunSaliency(
        name=loaded_run.name,
        folder=loaded_run.run.folder,
        head=loaded_run.head,
        size=loaded_run.model.size,
        asked=np.concatenate(classes),
        heat=heat_maps,
        inside=inside,
        share=estimate_mean(inside.share, seed=asked.seed),
        pointing=estimate_mean(inside.hit, seed=asked.seed),
        blank=int(np.isnan(inside.share).sum()),
    )


def _compare_runs(one: RunSaliency, other: RunSaliency, seed: int) -> SaliencyDifference:
    """Picture by picture; what one of them has no share of is left out."""
    share = one.inside.share - other.inside.share
    return SaliencyDifference(
        one=one.name,
        other=other.name,
        pictures=int(np.isfinite(share).sum()),
        share=estimate_mean(share, seed=seed),
        pointing=estimate_mean(one.inside.hit - other.inside.hit, seed=seed),
    )


def estimate_mean(values: np.ndarray, *, seed: int = 0) -> MeanEstimate | None:
    """The mean, and its interval by the bias-corrected and accelerated bootstrap (Efron 1987).

    Shapes: values (N,) float; NaN is left out -> None where nothing else is there.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    mean = float(known.mean())
    if len(known) < 2 or float(np.ptp(known)) < 1e-12:
        return MeanEstimate(mean=mean, low=None, high=None)
    drawn = stats.bootstrap(
        (known,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, MOST_DRAWN // len(known)),
        random_state=np.random.default_rng(seed),
    )
    low, high = (float(end) for end in drawn.confidence_interval)
    finite = np.isfinite(low) and np.isfinite(high)
    return MeanEstimate(mean=mean, low=low if finite else None, high=high if finite else None)
