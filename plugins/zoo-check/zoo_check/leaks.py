"""Groups that stand in several splits, and how much folds that ignore groups would flatter.

A picture's nearest neighbour, by nothing but its pixels at a small size, is looked for among all pictures, among those
of other folds, and among those of other folds where no fold divides a group. Where pictures of one track or day are
alike, the first is of the same group far more often than chance would have it, and the second names the class better
than the third.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from zoo_probe.intervals import mean_interval

from zoo.data import shorten
from zoo.progress import Progress, silent
from zoo_check.folds import balanced_weights, common_labels, draw_folds, number_groups
from zoo_check.groupings import Grouping, find_groupings
from zoo_check.report import Finding
from zoo_check.survey import Survey

MOST_COMPARED = 6000  # pictures whose neighbours are looked for, whole groups drawn at random
BLOCK = 1024  # pictures whose distances are in memory at once
ALIKE = 0.10  # of neighbours of the same group beyond chance: the interval must lie above it
FLATTERED = 0.01  # of accuracy: likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLikeness:
    """How alike pictures of one group are, by their nearest neighbours, all 0 to 1."""

    pictures: int
    groups: int
    same: float  # nearest neighbours that are of the same group
    by_chance: float  # likewise of a neighbour drawn from the same class
    same_low: float  # where the 95% interval of the difference of these two begins
    at_random: float  # balanced accuracy of the nearest neighbour, folds at random
    apart: float  # likewise, folds by group
    low: float  # 95% interval over groups of the difference of these two
    high: float

    @property
    def leaks(self) -> bool:
        """Whether folds that divide groups flatter, beyond the intervals."""
        return self.same_low > ALIKE and self.low > FLATTERED


def find_leaks(survey: Survey, *, seed: int = 0, progress: Progress = silent) -> Iterator[Finding]:
    """Of every way of grouping: groups that own splits divide, and whether dividing them would flatter."""
    groupings = find_groupings(survey)
    for number, grouping in enumerate(groupings):
        progress("looking for leaks", number, len(groupings))
        likeness = measure_likeness(survey, grouping, seed=seed)
        leaks = likeness is not None and likeness.leaks
        yield from _find_divided(survey, grouping, leaks=leaks)
        if likeness is not None and leaks:
            yield _describe_likeness(grouping, likeness)
    progress("looking for leaks", len(groupings), len(groupings))


def _find_divided(survey: Survey, grouping: Grouping, *, leaks: bool) -> Iterator[Finding]:
    """Groups in several of the dataset's own splits; a column that is no group of the dataset's counts if it leaks."""
    if not (grouping.own or leaks):
        return
    members: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, (group, split) in enumerate(zip(grouping.values, survey.splits.tolist(), strict=True)):
        if group and split:
            members[group][split].append(row)
    divided = {group: splits for group, splits in members.items() if len(splits) > 1}
    if not divided:
        return
    sets, drop = [], []
    for splits in divided.values():
        order = sorted(splits, key=lambda name: (len(splits[name]), name != "train"))  # the fewest first: they go
        sets.append(tuple(survey.name(row) for name in order for row in splits[name]))
        drop += [survey.name(row) for name in order[:-1] for row in splits[name]]
    yield Finding(
        kind="leak-groups" if grouping.own else "leak-columns",
        severity="fault" if grouping.own else "warning",
        count=len(divided),
        text=f"{len(divided)} of {len(members)} {grouping.name} stand in several splits ({shorten(divided, 3)}): "
        "what is tested was seen in training.",
        remedy="Move each group to one split, or leave the splits out and let `zoo train` draw them by group.",
        sets=tuple(sets),
        drop=tuple(drop),
    )


def measure_likeness(survey: Survey, grouping: Grouping, *, seed: int = 0) -> GroupLikeness | None:
    """How alike pictures of a group are, beside what a split can divide: single pictures, or the dataset's own groups.

    None where nothing can be told: no classes that come in several groups, or no group with two pictures.
    """
    groups = number_groups(grouping.values)
    units = np.arange(len(survey)) if grouping.own else number_groups(survey.groups)  # what is never divided anyway
    labels = next(iter(survey.labels.values()), np.full(len(survey), -1))
    named = np.array([bool(value) for value in grouping.values])
    rows = np.flatnonzero(common_labels(labels, groups, fewest=4) & named)
    rows = rows[_some_groups(groups[rows], seed=seed)]
    groups = np.unique(groups[rows], return_inverse=True)[1].reshape(-1)
    units = np.unique(units[rows], return_inverse=True)[1].reshape(-1)
    labels = np.unique(labels[rows], return_inverse=True)[1].reshape(-1)
    if len(np.unique(labels)) < 2 or len(np.unique(groups)) < 5 or np.bincount(groups).max() < 2:
        return None
    pixels = _describe_pixels(survey, rows)
    nearest = _find_nearest(pixels, [units, draw_folds(units, seed=seed), draw_folds(groups, seed=seed)])
    same = (groups[nearest[0]] == groups).astype(np.float64)
    chance = _chance_of_same_group(labels, groups, units)
    weights = balanced_weights(labels)
    at_random, apart = (weights * (labels[found] == labels) for found in nearest[1:])
    low, high = mean_interval(at_random - apart, groups)
    return GroupLikeness(
        pictures=len(rows),
        groups=int(groups.max()) + 1,
        same=float(same.mean()),
        by_chance=float(chance.mean()),
        same_low=mean_interval(same - chance, groups)[0],
        at_random=float(at_random.mean()),
        apart=float(apart.mean()),
        low=low,
        high=high,
    )


def _some_groups(groups: np.ndarray, *, seed: int) -> np.ndarray:
    """Whole groups drawn at random, up to `MOST_COMPARED` pictures. Shapes: int64 (N,) -> int64 (M,), sorted."""
    if len(groups) <= MOST_COMPARED:
        return np.arange(len(groups))
    numbers = np.random.default_rng(seed).permutation(int(groups.max()) + 1)
    filled = np.cumsum(np.bincount(groups, minlength=len(numbers))[numbers])
    return np.flatnonzero(np.isin(groups, numbers[: max(1, int(np.searchsorted(filled, MOST_COMPARED, "right")))]))


def _describe_pixels(survey: Survey, rows: np.ndarray) -> np.ndarray:
    """The picture at 16 x 16 in grey and 8 x 8 in colour, 0 to 1. Shapes: (M,) -> float32 (M, 448)."""
    grey = survey.thumbnails[rows].reshape(len(rows), 16, 2, 16, 2).mean(axis=(2, 4), dtype=np.float32)
    colour = survey.colours[rows].astype(np.float32)
    return np.hstack([grey.reshape(len(rows), -1), colour.reshape(len(rows), -1)]) / 255


def _find_nearest(vectors: np.ndarray, folds: list[np.ndarray]) -> list[np.ndarray]:
    """For each set of folds the nearest vector that is of another fold. Shapes: float32 (N, D), [(N,)] -> [(N,)]."""
    lengths = np.einsum("nd,nd->n", vectors, vectors)
    nearest = [np.zeros(len(vectors), dtype=np.int64) for _ in folds]
    for start in range(0, len(vectors), BLOCK):
        part = slice(start, start + BLOCK)
        distances = lengths[None, :] - 2 * (vectors[part] @ vectors.T)
        for found, fold in zip(nearest, folds, strict=True):
            found[part] = np.where(fold[part, None] == fold[None, :], np.inf, distances).argmin(axis=1)
    return nearest


def _chance_of_same_group(labels: np.ndarray, groups: np.ndarray, units: np.ndarray) -> np.ndarray:
    """How likely a picture of the same class and another unit is of the same group. Shapes: (N,) each -> (N,)."""

    def count(*columns: np.ndarray) -> np.ndarray:
        _, place, counts = np.unique(np.stack(columns), axis=1, return_inverse=True, return_counts=True)
        return counts[place.reshape(-1)]

    alike = count(labels, groups) - count(labels, groups, units)
    return alike / np.maximum(count(labels) - count(labels, units), 1)


def _describe_likeness(grouping: Grouping, found: GroupLikeness) -> Finding:
    difference = found.at_random - found.apart
    own = "`zoo train` and `zoo probe` never divide groups: keep the column, and divide them nowhere else."
    column = f"Make them groups: `options={{'group': '{grouping.column}'}}`."
    bursts = "Make a column of them, one name a burst, and call it `group`."
    return Finding(
        kind="likeness",
        severity="warning",
        count=found.groups,
        text=f"{grouping.name} leak: the picture most alike is of the same one for {found.same:.0%} "
        f"({found.by_chance:.0%} by chance), and by it folds that divide them score {100 * found.at_random:.1f}%, "
        f"folds that do not {100 * found.apart:.1f}% (+{100 * difference:.1f} points, {100 * found.low:+.1f} to "
        f"{100 * found.high:+.1f}).",
        remedy=own if grouping.own else column if grouping.column else bursts,
        numbers={
            "same": found.same,
            "by_chance": found.by_chance,
            "at_random": found.at_random,
            "apart": found.apart,
            "difference": difference,
            "low": found.low,
            "high": found.high,
        },
    )
