"""Whether brightness, size or border alone tells the class: what a network would learn in place of the thing itself.

A shallow decision tree is given nothing but such numbers, and is tested on groups that it was not trained on. What it
gets right beyond chance has a 95% interval over groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from zoo_probe.intervals import mean_interval

from zoo import Categories
from zoo.data import shorten
from zoo_check.folds import FOLDS, balanced_weights, common_labels, draw_folds, number_groups
from zoo_check.report import Finding
from zoo_check.survey import Survey

FEWEST = 10  # pictures of a class that is asked about
BEYOND = 0.10  # of the way from chance to perfect: the interval must lie above it
TOLD = 0.50  # of a class's pictures are named by it, less the share of others that are: the interval must lie above it
NAMED = 0.20  # likewise of classes that are named where others, or all together, are told
DEPTH, LEAF = 6, 5  # of a tree; pictures of a leaf, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """What one sort of numbers alone says of a target."""

    cue: str  # "brightness"
    target: str
    score: float  # balanced accuracy, 0 to 1
    low: float
    high: float
    chance: float
    classes: tuple[str, ...]  # those that it tells from all others, the clearest first
    rates: tuple[float, ...]  # of each: the share of its pictures named right, less that of others named so
    clearest: float  # where the interval of the highest rate begins

    @property
    def told(self) -> bool:
        """Whether it tells the class, or some class, beyond doubt and by much."""
        return self.clearest > TOLD or self.low > self.chance + BEYOND * (1 - self.chance)


def measure_cues(survey: Survey) -> dict[str, np.ndarray]:
    """The numbers of each sort, by name: (N, D) float.

    A border's are relative to the picture's own light and contrast, so that a brighter picture has no other border.
    """
    mean, spread = survey.brightness[:, None], np.maximum(survey.contrast[:, None], 1.0)
    half = survey.borders.shape[1] // 2
    sides = np.log2(np.maximum(survey.sizes, 1))
    median = np.median(survey.thumbnails.reshape(len(survey), -1), axis=1)[:, None]
    return {
        "brightness": np.hstack([mean, median]),
        "size": np.hstack([sides, sides[:, :1] - sides[:, 1:]]),
        "border": np.hstack([(survey.borders[:, :half] - mean) / spread, survey.borders[:, half:] / spread]),
    }


def find_shortcuts(survey: Survey, *, seed: int = 0) -> list[Shortcut]:
    """Every sort of numbers with every classified target that has two classes of ten pictures or more."""
    found = []
    groups = number_groups(survey.groups)
    grouped = len(set(survey.groups) - {""}) > 1
    for target, labels in survey.labels.items():
        rows = np.flatnonzero(common_labels(labels, groups, fewest=FEWEST, fewest_groups=2 if grouped else 1))
        if len(np.unique(labels[rows])) < 2:
            continue
        kind = survey.data.targets[target]
        names = kind.names if isinstance(kind, Categories) else ()
        kept, column = np.unique(labels[rows], return_inverse=True)
        some = np.unique(groups[rows], return_inverse=True)[1].reshape(-1)
        for cue, numbers in measure_cues(survey).items():
            found.append(
                _score_cue(
                    cue, target, numbers[rows], column.reshape(-1), some, tuple(names[one] for one in kept), seed
                )
            )
    return found


def _score_cue(
    cue: str,
    target: str,
    numbers: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    names: tuple[str, ...],
    seed: int,
) -> Shortcut:
    said = _cross_validate(numbers, labels, draw_folds(groups, seed=seed), seed)
    right = (said == labels) * balanced_weights(labels)
    low, high = mean_interval(right, groups)
    rates = [_rate_of(said == one, labels == one, groups) for one in range(len(names))]
    told = sorted((one for one in range(len(names)) if rates[one][1] > NAMED), key=lambda one: -rates[one][0])
    return Shortcut(
        cue=cue,
        target=target,
        score=float(right.mean()),
        low=max(low, 0.0),
        high=min(high, 1.0),
        chance=1 / len(names),
        classes=tuple(names[one] for one in told),
        rates=tuple(rates[one][0] for one in told),
        clearest=max(low for _, low in rates),
    )


def _cross_validate(numbers: np.ndarray, labels: np.ndarray, fold: np.ndarray, seed: int) -> np.ndarray:
    """The class that is said of each picture by a tree that did not see its group. Shapes: (N, D), (N,) -> (N,)."""
    from sklearn.tree import DecisionTreeClassifier

    said = np.full(len(labels), -1)
    for number in range(FOLDS):
        held = fold == number
        if held.any() and not held.all():
            tree = DecisionTreeClassifier(
                max_depth=DEPTH, min_samples_leaf=LEAF, class_weight="balanced", random_state=seed
            )
            said[held] = tree.fit(numbers[~held], labels[~held]).predict(numbers[held])
    return said


def _rate_of(said: np.ndarray, true: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """The share of a class's pictures named right less that of the others named so, and where its interval begins."""
    share = true.mean()
    values = said * np.where(true, 1 / share, -1 / (1 - share))
    return float(values.mean()), mean_interval(values, groups)[0]


def describe_shortcuts(found: list[Shortcut]) -> Iterator[Finding]:
    """A warning for each that tells the class."""
    for one in found:
        if not one.told:
            continue
        classes = f", {shorten(one.classes, 5)} above all" if one.classes else ""
        yield Finding(
            kind=f"shortcut-{one.cue}",
            severity="warning",
            count=len(one.classes),
            text=f"{one.cue} alone tells {one.target!r} apart{classes}: balanced accuracy {one.score:.2f} "
            f"[{one.low:.2f}, {one.high:.2f}] on groups left out, by chance {one.chance:.2f}.",
            remedy=REMEDIES[one.cue],
            numbers={"score": one.score, "low": one.low, "high": one.high, "chance": one.chance}
            | dict(zip(one.classes, one.rates, strict=True)),
        )


REMEDIES = {
    "brightness": "Is it the things, or how they were lit? If the light, train with `augment='strong'`, or take "
    "pictures of all classes in the same light.",
    "size": "Is it the things, or how they were cut out? All pictures are resized alike for training; a network sees "
    "how sharp they are.",
    "border": "Look for frames, rulers, stamps or padding that only some classes have, and crop them off.",
}
