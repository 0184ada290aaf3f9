"""The prediction task that features are scored on: the pictures, the target, and the folds that all share."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from zoo import Categories, Target
from zoo.data import DecodedDataset, OpenDataset, generator_for
from zoo.errors import UsageError, ZooError

FEWEST_GROUPS = 10  # groups; with fewer the intervals are wide
MOST_NEIGHBOURS = 20
PER_CLASS = 100  # pictures are enough to distinguish cuts; a probe must stay far cheaper than a training


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeTask:
    """Pictures with their targets, and the folds; the test pictures are not among them."""

    target: str
    names: tuple[str, ...]  # the classes that occur, in the order of `labels`; empty for boxes and numbers
    rows: Tensor  # int64 (N,), of the decoded pictures
    labels: np.ndarray | None  # int64 (N,) from 0; None for boxes and numbers
    values: np.ndarray | None  # float64 (N, K): boxes, numbers; None for classes
    groups: np.ndarray  # int64 (N,) from 0; every picture its own where no groups are known
    grouped: bool
    fold: np.ndarray  # int64 (N,): the fold that holds the picture back
    neighbours: int  # k of k-NN; 0 for boxes and numbers
    notes: tuple[str, ...]  # what a reader must know, a line each

    @property
    def folds(self) -> int:
        """How many there are."""
        return int(self.fold.max()) + 1

    @property
    def measure(self) -> str:
        """What scores are: "accuracy" of classes, "R²" of boxes and numbers."""
        return "R²" if self.labels is None else "accuracy"

    @property
    def how(self) -> str:
        """The folds in words."""
        way = f"by group ({int(self.groups.max()) + 1} groups)" if self.grouped else "by class, no groups are known"
        return f"{self.folds}-fold cross-validation {way}"

    def at_random(self, seed: int) -> ProbeTask:
        """The same pictures in as many folds that ignore the groups."""
        fold = _draw_folds(self.labels, self.groups, folds=self.folds, grouped=False, seed=seed)
        return replace(self, fold=fold)


def pick_target(data: OpenDataset, name: str | None) -> str:
    """The target asked for, else the dataset's first.

    Raises:
        UsageError: it has no such target, or none at all.
        ZooError: the target has one class.
    """
    targets = data.targets
    listed = ", ".join(f"{known} ({type(target).__name__})" for known, target in targets.items())
    if not targets:
        raise UsageError(f"The dataset {data.name!r} has no targets: nothing is known of its pictures to score with.")
    chosen = name or next(iter(targets))
    if chosen not in targets:
        raise UsageError(f"The dataset {data.name!r} has no target {chosen!r}.", f"It has {listed}.")
    target = targets[chosen]
    if isinstance(target, Categories) and len(target.names) < 2:
        raise _one_class_error(chosen, target.names[0] if target.names else "none")
    return chosen


def make_probe_task(
    data: OpenDataset,
    decoded: DecodedDataset,
    *,
    target: str,
    per_class: int | None = PER_CLASS,
    folds: int = 5,
    neighbours: int | None = None,
    seed: int = 0,
) -> ProbeTask:
    """Choose the pictures and draw the folds.

    The pictures are those that `zoo train` with the same seed would train on or validate with: its test pictures
    are not used, so that the cut is not chosen by them.

    Args:
        data: the dataset.
        decoded: its pictures at any size.
        target: one of its targets.
        per_class: at most so many pictures of each class, drawn at random; None: all. Without classes all are taken.
        folds: of the cross-validation; fewer where a class has fewer pictures, or there are fewer groups.
        neighbours: k of k-NN; by default the root of the mean class's pictures in a training part, 1 to 20.
        seed: of the drawing.

    Raises:
        UsageError: `folds` under 2; more neighbours than a training part has.
        ZooError: one class, or too few pictures.
    """
    if folds < 2:
        raise UsageError(f"{folds} folds are too few: one part is trained on and another is tested.", "Pass 2 or more.")
    kind = data.targets[target]
    splits = data.split(decoded, seed=seed)
    rows = torch.cat([splits.train, splits.val]).sort().values
    rows = rows[decoded.known[target][rows]]
    notes: list[str] = []
    labels, values, names = None, None, tuple[str, ...]()
    if isinstance(kind, Categories):
        rows, labels, names = _choose_classes(kind, decoded.targets[target], rows, target, per_class, seed, notes)
    else:
        rows, values = _choose_values(decoded.targets[target], rows, target, kind, notes)
    groups, grouped = _number_groups(decoded, rows)
    fewest = _limit_folds(folds, labels, groups, names, grouped, notes)
    fold = _draw_folds(labels, groups, folds=fewest, grouped=grouped, seed=seed)
    if labels is not None and grouped:
        _note_single_group_classes(labels, groups, names, notes)
    trained = len(rows) - int(np.bincount(fold).max())
    return ProbeTask(
        target=target,
        names=names,
        rows=rows,
        labels=labels,
        values=values,
        groups=groups,
        grouped=grouped,
        fold=fold,
        neighbours=0 if labels is None else _choose_neighbours(neighbours, trained, len(names)),
        notes=tuple(notes),
    )


def _choose_classes(
    kind: Categories, column: Tensor, rows: Tensor, target: str, per_class: int | None, seed: int, notes: list[str]
) -> tuple[Tensor, np.ndarray, tuple[str, ...]]:
    """Rows, their labels counted from 0, and the names of the classes that have two pictures or more."""
    rows = rows[column[rows] >= 0]
    counts = column[rows].bincount(minlength=len(kind.names))
    single = [kind.names[one] for one in (counts == 1).nonzero().flatten().tolist()]
    if single:
        listed = ", ".join(single[:5]) + (", …" if len(single) > 5 else "")
        notes.append(f"{len(single)} classes have one picture beside the test pictures and are left out: {listed}.")
    left = (counts >= 2).nonzero().flatten()
    if len(left) < 2:
        raise _one_class_error(target, kind.names[int(left[0])] if len(left) else "none has two pictures")
    kept = []
    for one in left:
        members = rows[column[rows] == one]
        if per_class is not None and len(members) > per_class:
            members = members[torch.randperm(len(members), generator=generator_for(seed, int(one)))[:per_class]]
        kept.append(members)
    chosen = torch.cat(kept).sort().values
    if per_class is not None and int(counts.max()) > per_class:
        notes.append(f"{len(chosen)} of {int(counts[left].sum())} pictures, at most {per_class} of each class.")
    labels = torch.searchsorted(left, column[chosen])
    return chosen, labels.numpy(), tuple(kind.names[one] for one in left.tolist())


def _choose_values(
    column: Tensor, rows: Tensor, target: str, kind: Target, notes: list[str]
) -> tuple[Tensor, np.ndarray]:
    """Rows that have a box or a number, and those, without columns that never change."""
    table = column.double().reshape(len(column), -1)
    there = table[rows].isfinite().all(dim=1)
    if missing := int((~there).sum()):
        notes.append(f"{missing} pictures without a {type(kind).__name__.lower()} are left out.")
    rows = rows[there]
    values = table[rows].numpy()
    values = values[:, values.std(axis=0) > 0] if len(values) else values
    if len(rows) < 4 or not values.shape[1]:
        raise ZooError(
            f"The target {target!r} has {len(rows)} pictures with a value, or one value for all of them: "
            "there is nothing to predict.",
            "Add pictures, or name another `target=`.",
        )
    return rows, values


def _number_groups(decoded: DecodedDataset, rows: Tensor) -> tuple[np.ndarray, bool]:
    """Numbers from 0; a picture without a group is a group of its own. One group for all is as good as none."""
    names = [decoded.groups[row] for row in rows.tolist()]
    if len(set(names) - {None}) < 2:
        return np.arange(len(rows)), False
    texts = np.array([name if name is not None else f"\0{row}" for row, name in enumerate(names)])
    return np.unique(texts, return_inverse=True)[1].reshape(-1), True


def _limit_folds(
    folds: int, labels: np.ndarray | None, groups: np.ndarray, names: tuple[str, ...], grouped: bool, notes: list[str]
) -> int:
    """The folds that the data can bear; says so where they are fewer than were asked for."""
    possible, why = int(groups.max()) + 1, f"there are only {int(groups.max()) + 1} groups"
    if grouped and possible < FEWEST_GROUPS:
        notes.append(f"There are only {possible} groups: the intervals are wide.")
    if labels is not None:
        counts = np.bincount(labels)
        if counts.min() < possible:
            possible, rarest = int(counts.min()), names[int(counts.argmin())]
            why = f"the class {rarest!r} has only {possible} pictures"
    if possible < folds:
        notes.append(f"{possible} folds in place of {folds}: {why}.")
    return min(folds, possible)


def _draw_folds(labels: np.ndarray | None, groups: np.ndarray, *, folds: int, grouped: bool, seed: int) -> np.ndarray:
    from sklearn import model_selection

    nothing = np.zeros(len(groups))
    if labels is None and grouped:
        parts = model_selection.GroupKFold(folds).split(nothing, nothing, groups)
    elif labels is None:
        parts = model_selection.KFold(folds, shuffle=True, random_state=seed).split(nothing)
    elif grouped:
        factory = model_selection.StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        parts = factory.split(nothing, labels, groups)
    else:
        parts = model_selection.StratifiedKFold(folds, shuffle=True, random_state=seed).split(nothing, labels)
    fold = np.zeros(len(groups), dtype=np.int64)
    for number, (_, held) in enumerate(parts):
        fold[held] = number
    return np.unique(fold, return_inverse=True)[1].reshape(-1)  # a fold that came out empty is none


def _note_single_group_classes(
    labels: np.ndarray, groups: np.ndarray, names: tuple[str, ...], notes: list[str]
) -> None:
    lonely = [name for one, name in enumerate(names) if len(np.unique(groups[labels == one])) == 1]
    if lonely:
        listed = ", ".join(lonely[:5]) + (", …" if len(lonely) > 5 else "")
        notes.append(f"{len(lonely)} classes lie in one group each and can never be named right: {listed}.")


def _choose_neighbours(asked: int | None, trained: int, classes: int) -> int:
    if asked is None:
        return max(1, min(round((trained / classes) ** 0.5), MOST_NEIGHBOURS, trained))
    if not 1 <= asked <= trained:
        raise UsageError(
            f"k cannot be {asked}: the smallest training part has {trained} pictures.",
            f"Pass `neighbours=1` to {trained}.",
        )
    return asked


def _one_class_error(target: str, name: str) -> ZooError:
    return ZooError(
        f"The target {target!r} has one class only ({name}); there is nothing to distinguish.", "Add another."
    )
