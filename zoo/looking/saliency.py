"""Where finished runs look: the share of their saliency inside the box, over the same pictures and the same question.

    share = heat inside the box / all heat        even = the box's share of the area: what an even map would have

The intervals are over pictures, for other pictures of the same boats or cameras. Of trainings they say nothing: another
seed may look elsewhere, and a difference between two runs is one between two nets, not between two ways to train.
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

from zoo.data.batches import generator_for, plain_batches
from zoo.data.datasets import OpenDataset
from zoo.data.decoded import Decoded
from zoo.devices import pick_device
from zoo.looking.heat import Inside, find_heat, require_captum, share_inside
from zoo.looking.viewers import LeftOut, Viewer, check_classes, find_box, load_viewers, shared_rows, usable_rows
from zoo.progress import Progress, silent
from zoo.training.feeds import EVALUATED, Arithmetic
from zoo.training.reopening import reopen_dataset
from zoo.training.runs import Run, open_run

Asked = Literal["true", "predicted"]
RESAMPLES = 4_999  # of the bootstrap
AT_ONCE = 2_000_000  # drawn numbers in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over pictures and its 95% interval, which is None where there is one picture or all are alike."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One run's heat maps of N pictures."""

    name: str
    folder: Path
    head: str
    size: int  # the side in pixels that it takes pictures at
    asked: np.ndarray  # int (N,), the class whose evidence the heat is
    heat: np.ndarray  # float32 (N, h, w), 0 or more
    inside: Inside
    share: Estimate | None  # of the heat in the box; None where every map is blank
    pointing: Estimate | None  # how often the greatest value lies in the box
    blank: int  # maps of nothing but zeros: nothing speaks for the class anywhere; they have no share

    @property
    def times_even(self) -> float | None:
        """How many times the share of even maps of the same pictures; None where every map is blank."""
        known = np.isfinite(self.inside.share)
        return self.share.mean / float(self.inside.even[known].mean()) if self.share else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One run less another, over the pictures of which both have a share; None where there are none."""

    one: str
    other: str
    pictures: int
    share: Estimate | None
    pointing: Estimate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saliency:
    """Where runs look in N pictures, which were drawn by the seed and stand in the drawn order."""

    dataset: OpenDataset
    split: str
    of: Asked
    box: str  # the target
    classes: tuple[str, ...]
    index: tuple[int, ...]  # (N,) the samples' indices in the dataset
    paths: tuple[str | None, ...]  # (N,)
    boxes: np.ndarray  # (N, 4) float, x1, y1, x2, y2 in 0 to 1
    looks: tuple[Look, ...]
    differences: tuple[Difference, ...]  # of every other run to the first
    left_out: LeftOut

    def __len__(self) -> int:
        return len(self.index)

    @property
    def even(self) -> float:
        """The mean share of an even map, which is also the chance of a random point to hit."""
        return float(self.looks[0].inside.even.mean())

    def picture(self, number: int) -> Tensor:
        """One picture as the dataset has it, uint8 (3, H, W). Raises FileError where it has gone."""
        return self.dataset.dataset[self.index[number]].image


def compare_saliency(
    runs: Run | Path | str | Sequence[Run | Path | str],
    *,
    head: str | None = None,
    box: str | None = None,
    split: str = "test",
    of: Asked = "true",
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
        UsageError: runs that cannot be compared; no box to compare with; captum is not installed.
    """
    require_captum()
    given = [runs] if isinstance(runs, (Run, Path, str)) else runs
    viewers = load_viewers([one if isinstance(one, Run) else open_run(one) for one in given], head)
    first = viewers[0]
    data = reopen_dataset(first.run, root, progress=progress)
    box = find_box(data, box)
    check_classes(viewers, data)
    decoded = {}
    for one in viewers:
        skip = one.run.recipe.data.skip_unreadable
        decoded[one.model.size] = data.decode(one.model.size, skip_unreadable=skip, progress=progress)
    table = decoded[first.model.size]
    shared, elsewhere = shared_rows(viewers, data, decoded, split)
    label = first.target if of == "true" else None
    rows, left_out = usable_rows(shared, table, box=box, label=label, split=split, elsewhere=elsewhere)
    rows = rows[torch.randperm(len(rows), generator=generator_for(seed))][: pictures or None]
    asked = _Question(
        index=table.index[rows],
        boxes=table.targets[box][rows].clamp(0, 1).double().numpy(),
        truth=table.targets[label][rows] if label else None,
        seed=seed,
    )
    where = pick_device(device)
    looks = [_look(one, decoded[one.model.size], asked, device=where, progress=progress) for one in viewers]
    return Saliency(
        dataset=data,
        split=split,
        of=of,
        box=box,
        classes=first.classes,
        index=tuple(asked.index.tolist()),
        paths=tuple(table.paths[row] for row in rows.tolist()),
        boxes=asked.boxes,
        looks=tuple(looks),
        differences=tuple(_difference(one, looks[0], seed) for one in looks[1:]),
        left_out=left_out,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What all runs are asked."""

    index: Tensor  # int64 (N,), the samples'
    boxes: np.ndarray  # float (N, 4)
    truth: Tensor | None  # int64 (N,); None: each run's own answer
    seed: int


def _look(viewer: Viewer, decoded: Decoded, asked: _Question, *, device: torch.device, progress: Progress) -> Look:
    """One run's heat maps, in float32, and how much of them lies inside the boxes."""
    place = {number: row for row, number in enumerate(decoded.index.tolist())}
    rows = torch.tensor([place[number] for number in asked.index.tolist()])
    arithmetic = Arithmetic(device=device, dtype=torch.float32)
    filters = arithmetic.frozen(viewer.model.filters)
    head = viewer.model.head(viewer.head).to(device)
    maps, classes, done = [], [], 0
    for batch in plain_batches(rows, EVALUATED):
        with torch.no_grad():
            images = arithmetic.ready(decoded.images[batch].to(device) / 255)
            features = arithmetic.run(filters, images).float()
        truth = None if asked.truth is None else asked.truth[done : done + len(batch)].to(device)
        heat, answered = find_heat(head, features, truth)
        maps.append(heat.cpu().numpy())
        classes.append(answered.cpu().numpy())
        done += len(batch)
        progress(f"looking with {viewer.name}", done, len(rows))
    heat_maps = np.concatenate(maps)
    inside = share_inside(heat_maps, asked.boxes, size=viewer.model.size)
    return Look(
        name=viewer.name,
        folder=viewer.run.folder,
        head=viewer.head,
        size=viewer.model.size,
        asked=np.concatenate(classes),
        heat=heat_maps,
        inside=inside,
        share=estimate(inside.share, seed=asked.seed),
        pointing=estimate(inside.hit, seed=asked.seed),
        blank=int(np.isnan(inside.share).sum()),
    )


def _difference(one: Look, other: Look, seed: int) -> Difference:
    """Picture by picture; what one of them has no share of is left out."""
    share = one.inside.share - other.inside.share
    return Difference(
        one=one.name,
        other=other.name,
        pictures=int(np.isfinite(share).sum()),
        share=estimate(share, seed=seed),
        pointing=estimate(one.inside.hit - other.inside.hit, seed=seed),
    )


def estimate(values: np.ndarray, *, seed: int = 0) -> Estimate | None:
    """The mean, and its interval by the bias-corrected and accelerated bootstrap (Efron 1987).

    Shapes: values (N,) float; NaN is left out -> None where nothing else is there.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    mean = float(known.mean())
    if len(known) < 2 or float(np.ptp(known)) < 1e-12:
        return Estimate(mean=mean, low=None, high=None)
    drawn = stats.bootstrap(
        (known,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, AT_ONCE // len(known)),
        random_state=np.random.default_rng(seed),
    )
    low, high = (float(end) for end in drawn.confidence_interval)
    finite = np.isfinite(low) and np.isfinite(high)
    return Estimate(mean=mean, low=low if finite else None, high=high if finite else None)
