"""One picture twice, to the last pixel or nearly: resized, compressed again, brighter or darker.

Every pair is looked at, by one matrix product of small thumbnails, a block at a time. What is alike there is compared
part by part, for two plankters in one pose, or two frames of one camera with another fish, are alike and not the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.progress import Progress, silent
from zoo_check.shrinking import SIDE
from zoo_check.survey import Survey

PLAIN = 2.0  # grey levels: what deviates less, once slow gradients are gone, shows nothing that could be compared
TILE = 2048  # rows and columns of the cosines that are computed at once
CANDIDATES = 32  # a picture, at most, that are compared more closely
COSINE = 0.97  # of two pictures' details
SHAPES = 0.04  # how far the logarithms of two widths over heights may differ
RESIDUAL = 0.35  # of the details' deviation, in any of 64 parts, after the light was fitted
LEVELS = 8.0  # grey levels, likewise: what is left inside of two bright silhouettes is more
HALF, PARTS = SIDE // 2, 8  # pixels that are compared along a side, and parts of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """Pictures that are one."""

    rows: tuple[int, ...]  # of the survey, two or more
    exact: bool  # to the last pixel, all of them


def find_copies(survey: Survey, *, progress: Progress = silent) -> list[Copies]:
    """Sets of pictures that are the same, exactly or nearly, in the order of their first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, first, digest = np.unique(survey.digests.view("V16"), return_index=True, return_inverse=True)
    pairs = find_near_pairs(survey.thumbnails[first], survey.sizes[first], progress=progress)
    edges = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(len(first), len(first)))
    _, component = connected_components(edges, directed=False)
    number = component[digest.reshape(-1)]
    order = np.argsort(number, kind="stable")
    sets = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
    several = [rows for rows in sets if len(rows) > 1]
    exact = [len(np.unique(survey.digests[rows])) == 1 for rows in several]
    found = [Copies(rows=tuple(rows.tolist()), exact=same) for rows, same in zip(several, exact, strict=True)]
    return sorted(found, key=lambda one: one.rows)


def find_near_pairs(thumbnails: np.ndarray, sizes: np.ndarray, *, progress: Progress = silent) -> np.ndarray:
    """Pairs of pictures that are nearly the same.

    Args:
        thumbnails: uint8 (N, 32, 32).
        sizes: int (N, 2), width and height of the pictures.

    Returns:
        int64 (P, 2), the smaller row first. Of a picture with more than 32 candidates only the nearest are compared.
    """
    details, deviation = find_details(thumbnails)
    shown = np.flatnonzero(deviation >= PLAIN)
    vectors = details[shown] / deviation[shown, None]
    shapes = np.log(sizes[shown, 0] / np.maximum(sizes[shown, 1], 1))
    found = []
    for top in range(0, len(shown), TILE):
        for left in range(top, len(shown), TILE):
            near, across = _find_candidates(vectors[top : top + TILE], vectors[left : left + TILE], same=top == left)
            near, across = near + top, across + left
            alike = np.abs(shapes[near] - shapes[across]) <= SHAPES
            near, across = near[alike], across[alike]
            for start in range(0, len(near), TILE):
                part = slice(start, start + TILE)
                some, others = near[part], across[part]
                limits = np.minimum(RESIDUAL, LEVELS / deviation[shown])
                same = measure_difference(vectors[some], vectors[others]) <= limits[others]
                same |= measure_difference(vectors[others], vectors[some]) <= limits[some]
                found.append(shown[np.stack([near[part][same], across[part][same]], axis=1)])
        progress("finding near duplicates", min(top + TILE, len(shown)), len(shown))
    return np.concatenate([np.empty((0, 2), dtype=np.int64), *found])


def find_details(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """16 x 16 without what light falling off over the picture explains, a quadratic surface; and its deviation.

    Shapes: uint8 (N, 32, 32) -> float32 (N, 256), float32 (N,) in grey levels.
    """
    small = thumbnails.reshape(-1, HALF, 2, HALF, 2).mean(axis=(2, 4), dtype=np.float32).reshape(-1, HALF * HALF)
    y, x = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-1, 1, HALF)] * 2, indexing="ij"))
    surface, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))
    surface = surface.astype(np.float32)
    small -= (small @ surface) @ surface.T
    return small, np.sqrt(np.einsum("nd,nd->n", small, small) / small.shape[1])


def _find_candidates(upper: np.ndarray, lower: np.ndarray, *, same: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both whose cosine is high, each pair once; of a row the nearest `CANDIDATES`."""
    cosines = upper @ lower.T
    cosines /= upper.shape[1]
    if same:
        cosines[np.tri(len(upper), dtype=bool)] = -1
    near = cosines >= COSINE
    crowded = np.flatnonzero(near.sum(axis=1) > CANDIDATES)
    if len(crowded):
        kept = np.argpartition(-cosines[crowded], CANDIDATES, axis=1)[:, :CANDIDATES]
        near[crowded] = False
        near[crowded[:, None], kept] = True
    rows, columns = np.nonzero(near)
    return rows, columns


def measure_difference(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How much of the others no tone curve of the first ones explains, in the part where it is most.

    The curve is quadratic: brighter, darker, more contrast, highlights that were cut off.

    Shapes: float32 (P, 256) twice, of mean 0 and deviation 1 -> (P,).
    """
    curve = some * some
    curve -= curve.mean(axis=1, keepdims=True)
    rest = others - some * _dot(some, others)
    curve -= some * _dot(some, curve)
    rest -= curve * (_dot(curve, rest) / np.maximum(_dot(curve, curve), 1e-3))
    step = HALF // PARTS
    parts = (rest.reshape(-1, PARTS, step, PARTS, step) ** 2).mean(axis=(2, 4))
    return np.sqrt(parts.reshape(len(parts), -1).max(axis=1))


def _dot(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The mean product, row by row. Shapes: (P, D), (P, D) -> (P, 1)."""
    return np.einsum("pd,pd->p", some, others)[:, None] / some.shape[1]
