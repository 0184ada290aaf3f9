"""Folds of a cross-validation that keep groups together, and balanced scores out of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FOLDS = 5


def number_groups(groups: Sequence[str]) -> np.ndarray:
    """Numbers from 0; a picture without a group is a group of its own. Shapes: (N,) -> int64 (N,)."""
    texts = np.array([group or f"\0{row}" for row, group in enumerate(groups)], dtype=object)
    return np.unique(texts.astype(str), return_inverse=True)[1].reshape(-1)


def draw_folds(groups: np.ndarray, *, seed: int, folds: int = FOLDS) -> np.ndarray:
    """The fold of each picture, whole groups drawn at random, folds about equal. Shapes: int64 (N,) -> int64 (N,)."""
    sizes = np.bincount(groups)
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]  # large groups first, as nothing evens them out later
    filled, fold = np.zeros(folds), np.zeros(len(sizes), dtype=np.int64)
    for group in order:
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return fold[groups]


def balanced_weights(labels: np.ndarray) -> np.ndarray:
    """Weights with mean 1 by which the mean over pictures is the mean over classes. Shapes: int64 (N,) -> (N,)."""
    counts = np.bincount(labels)
    return len(labels) / ((counts > 0).sum() * counts[labels])


def common_labels(labels: np.ndarray, groups: np.ndarray, *, fewest: int, fewest_groups: int = 2) -> np.ndarray:
    """Which pictures are of classes with so many pictures, of so many groups. Shapes: (N,), (N,) -> bool (N,)."""
    known = labels >= 0
    if not known.any():
        return known
    counts = np.bincount(labels[known], minlength=1)
    pairs = np.unique(np.stack([labels[known], groups[known]]), axis=1)
    spread = np.bincount(pairs[0], minlength=len(counts))
    enough = (counts >= fewest) & (spread >= fewest_groups)
    return known & enough[np.maximum(labels, 0)]
