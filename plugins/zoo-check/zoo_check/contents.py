"""Pictures that cannot be read, impossible boxes, small classes, classes that are groups, and odd pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from zoo import Categories
from zoo.data import shorten
from zoo_check.duplicates import PLAIN
from zoo_check.report import Finding, count_of
from zoo_check.survey import Survey

FEW = 10  # pictures of a class; with fewer there is a warning
MANY = 3  # groups a class; where there are more it is of no account that each holds one class
MOST_ODD = 20  # pictures that are called odd
FAR = 7.0  # robust standard deviations (1.4826 of the median distance to the median)
LONG = 4.0  # the longer side over the shorter
COMMON = 0.95  # of the pictures, so that the others are odd
TINTED = 6  # grey levels between the colours of a picture that is not grey


def count_classes(survey: Survey) -> dict[str, dict[str, int]]:
    """Pictures a class, by classified target."""
    counts = {}
    for target, column in survey.labels.items():
        kind = survey.data.targets[target]
        if isinstance(kind, Categories):
            found = np.bincount(column[column >= 0], minlength=len(kind.names)).tolist()
            counts[target] = dict(zip(kind.names, found, strict=True))
    return counts


def find_unreadable(survey: Survey) -> Iterator[Finding]:
    """What could not be decoded."""
    if survey.unreadable:
        names = tuple(name for name, _ in survey.unreadable)
        lines = [line.removeprefix(f"{survey.data.root}{os.sep}").rstrip(".") for _, line in survey.unreadable]
        yield Finding(
            kind="unreadable",
            severity="fault",
            count=len(names),
            text=f"{count_of(len(names), 'picture', 'pictures')} cannot be read: {'; '.join(lines[:MOST_ODD])}"
            f"{'; …' if len(names) > MOST_ODD else ''}.",
            remedy="Replace them, or leave them out.",
            sets=tuple((name,) for name in names),
            drop=names,
        )


def find_impossible_boxes(survey: Survey) -> Iterator[Finding]:
    """Boxes without extent, outside their picture, or of no numbers."""
    if survey.boxes:
        names = tuple(dict.fromkeys(name for name, _ in survey.boxes))
        name, fault = survey.boxes[0]
        number = count_of(len(names), "picture has", "pictures have")
        yield Finding(
            kind="box",
            severity="fault",
            count=len(names),
            text=f"{number} an impossible box ({name}: {fault}{', …' if len(names) > 1 else ''}).",
            remedy="Correct the boxes, or leave the pictures out.",
            sets=tuple((name,) for name in names),
            drop=names,
        )


def find_small_classes(classes: Mapping[str, Mapping[str, int]]) -> Iterator[Finding]:
    """Classes of fewer than two pictures, which stop a training, and of fewer than ten."""
    for target, counts in classes.items():
        of = f" of {target!r}" if len(classes) > 1 else ""
        single = [one for one, count in counts.items() if count < 2]
        few = [f"{one} ({count})" for one, count in counts.items() if 2 <= count < FEW]
        if single:
            yield Finding(
                kind="class-single",
                severity="fault",
                count=len(single),
                text=f"classes{of} with fewer than two pictures: {shorten(single)}.",
                remedy="Add pictures, or remove these classes: none can be both trained on and tested.",
            )
        if few:
            yield Finding(
                kind="class-few",
                severity="warning",
                count=len(few),
                text=f"classes{of} with fewer than {FEW} pictures: {shorten(few)}.",
                remedy="What is said of them stands on very few: add pictures, or merge classes.",
            )


def find_classes_by_group(survey: Survey) -> Iterator[Finding]:
    """Groups that tell the class, and classes that one group has alone: a split by group parts what it must not."""
    several = [group for group, count in Counter(filter(None, survey.groups)).items() if count > 1]
    for target, column in survey.labels.items():
        kind = survey.data.targets[target]
        names = kind.names if isinstance(kind, Categories) else ()
        pairs = {(group, int(one)) for group, one in zip(survey.groups, column, strict=True) if one >= 0}
        of_groups, of_classes = Counter(group for group, _ in pairs), Counter(one for _, one in pairs)
        where = {one: group for group, one in pairs}
        pure = [group for group in several if of_groups[group] == 1]
        if len(pure) > len(several) / 2 and len(several) <= MANY * len(of_classes):
            yield Finding(
                kind="group-of-one-class",
                severity="note",
                count=len(pure),
                text=f"{len(pure)} of {len(several)} groups hold one class of {target!r} only: {shorten(pure, 4)}.",
                remedy="Where the groups are the classes themselves, name others or none.",
            )
        alone = [names[one] for one, count in of_classes.items() if count == 1 and where[one]]
        if alone:
            yield Finding(
                kind="class-of-one-group",
                severity="warning",
                count=len(alone),
                text=f"classes of one group only: {shorten(sorted(alone))}.",
                remedy="A split by group either trains on them or tests them: add pictures of other groups.",
            )


# ------------------------------------------------------------------------------------------------ odd pictures


def find_odd(survey: Survey) -> Iterator[Finding]:
    """Blank, far from the others in size, shape or light, grey among coloured: few of them, the oddest first."""
    if len(survey) < FEW:
        return
    oddest: dict[int, tuple[float, str]] = {}
    for reason, scores in _score_oddities(survey):
        for row in np.flatnonzero(scores > 0):
            if scores[row] > oddest.get(int(row), (0.0, ""))[0]:
                oddest[int(row)] = (float(scores[row]), reason)
    ranked = sorted(oddest, key=lambda row: (-oddest[row][0], row))
    if not ranked:
        return
    said = "; ".join(f"{survey.name(row)}: {oddest[row][1]}" for row in ranked[:3])
    yield Finding(
        kind="odd",
        severity="note",
        count=len(ranked),
        text=f"{count_of(len(ranked), 'odd picture', 'odd pictures')} ({said}{'; …' if len(ranked) > 3 else ''}).",
        remedy="Look at them; none need be wrong.",
        sets=tuple((survey.name(row),) for row in ranked[:MOST_ODD]),
    )


def _score_oddities(survey: Survey) -> Iterator[tuple[str, np.ndarray]]:
    """A reason, and of each picture how far beyond the limit it is, 0 where it is not. Shapes: (N,) each."""
    yield "blank", np.where(survey.contrast < PLAIN / 2, 1000.0, 0.0)
    area = np.log(np.maximum(survey.sizes.prod(axis=1), 1))
    far = _distance(area)
    yield "very small", np.where(area < np.median(area), far, 0.0)
    yield "very large", np.where(area > np.median(area), far, 0.0)
    shape = np.abs(np.log(survey.sizes[:, 0] / np.maximum(survey.sizes[:, 1], 1)))
    yield "very long", np.where(shape > np.log(LONG), _distance(shape), 0.0)
    light = survey.brightness
    far = _distance(light)
    yield "very dark", np.where(light < np.median(light), far, 0.0)
    yield "very bright", np.where(light > np.median(light), far, 0.0)
    tint = survey.colours.astype(np.int64)
    tint = (tint.max(axis=3) - tint.min(axis=3)).max(axis=(1, 2))
    if COMMON <= (tint > TINTED).mean() < 1:
        yield "grey among coloured ones", np.where(tint <= TINTED / 2, 2 * FAR, 0.0)
    if COMMON <= (tint <= TINTED).mean() < 1:
        yield "coloured among grey ones", np.where(tint > 4 * TINTED, 2 * FAR, 0.0)


def _distance(values: np.ndarray) -> np.ndarray:
    """Robust standard deviations from the median, 0 up to `FAR`. Shapes: (N,) -> (N,)."""
    away = np.abs(values - np.median(values))
    scale = 1.4826 * np.median(away)
    if scale == 0:  # most are the same
        scale = max(float(away.mean()), 1e-9)
    score = away / scale
    return np.where(score > FAR, score, 0.0)
