"""Vectors -> places on a map of two dimensions, and every picture's nearest among all of them.

By UMAP (McInnes, Healy and Melville 2018), or by the first two principal components. The page itself is ours. Two
kept libraries draw such maps, and neither can be used here: datamapplot's page takes its scripts and letters from the
network, and its offline mode downloads them when the page is made; embedding-atlas exports a web application that a
server has to serve, which a page on the disk has not.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.embedding import normalise_rows
from zoo.errors import UsageError
from zoo.progress import Progress, silent

METHODS = ("auto", "umap", "pca")
NEIGHBOURS = 12  # that the page shows of every picture
FEWEST_FOR_UMAP = 16  # pictures; of fewer UMAP makes no map worth the name
UMAP_NEIGHBOURS, UMAP_MIN_DIST = 30, 0.8  # more and wider than UMAP's own, so that thumbnails find room
ROWS_AT_ONCE = 1024  # pictures whose cosines with all others are in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLayout:
    """Where pictures lie on the map."""

    places: np.ndarray  # (N, 2) float32 in 0 to 1, right and down; the longer side of the map is 1
    method: str  # "UMAP" or "PCA"
    note: str  # what the map is, a sentence


def lay_out_map(vectors: np.ndarray, *, method: str = "auto", seed: int = 0, progress: Progress = silent) -> MapLayout:
    """Lay vectors out in two dimensions, by the angles between them.

    Args:
        vectors: (N, D) float.
        method: `umap`, `pca`, or `auto`: UMAP but for fewer than 16 vectors.
        seed: of UMAP; the same seed gives the same map.
        progress: told when it begins and ends.

    Raises:
        UsageError: no vectors; no such method; fewer than 16 for UMAP.
    """
    if vectors.ndim != 2 or not len(vectors):
        raise UsageError(f"A map needs vectors (N, D), but was given {vectors.shape}. Embed some pictures first.")
    chosen = _choose_method(method, len(vectors))
    progress("laying out the map", 0, 1, "UMAP" if chosen == "umap" else "PCA")
    units = normalise_rows(vectors)
    if chosen == "umap":
        flat, note = _umap(units, seed), "UMAP: pictures that lie close are alike; distances across the map say little."
    else:
        flat, share = _pca(units)
        note = f"PCA: the two directions of most variance, {100 * share:.0f}% of all."
    progress("laying out the map", 1, 1)
    return MapLayout(places=_scale_to_unit(flat), method="UMAP" if chosen == "umap" else "PCA", note=note)


def find_nearest_of_all(
    vectors: np.ndarray, k: int = NEIGHBOURS, *, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """Every picture's k nearest others by cosine, exactly; of equal ones the first.

    Args:
        vectors: (N, D) float.
        k: how many; N - 1 where there are not so many.
        progress: told how far it is.

    Returns:
        Rows int32 (N, k), the nearest first, and cosines float32 (N, k).
    """
    units, count = normalise_rows(vectors), len(vectors)
    k = max(0, min(k, count - 1))
    rows, cosines = np.zeros((count, k), dtype=np.int32), np.zeros((count, k), dtype=np.float32)
    for start in range(0, count if k else 0, ROWS_AT_ONCE):
        progress("finding neighbours", start, count)
        block = units[start : start + ROWS_AT_ONCE] @ units.T
        block[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        order = np.argsort(-block, axis=1, kind="stable")[:, :k]
        rows[start : start + ROWS_AT_ONCE] = order
        cosines[start : start + ROWS_AT_ONCE] = np.clip(np.take_along_axis(block, order, axis=1), -1, 1)
    progress("finding neighbours", count, count)
    return rows, cosines


def _choose_method(method: str, count: int) -> str:
    if method not in METHODS:
        raise UsageError(f"The map cannot be made by {method!r}. There is {', '.join(METHODS)}.")
    if method == "auto":
        return "umap" if count >= FEWEST_FOR_UMAP else "pca"
    return method


def _umap(units: np.ndarray, seed: int) -> np.ndarray:
    """(N, 2). On normalised vectors the Euclidean distance orders as the cosine does."""
    if len(units) < FEWEST_FOR_UMAP:
        raise UsageError(f"UMAP needs {FEWEST_FOR_UMAP} pictures or more, not {len(units)}. Pass --map pca.")
    import umap  # its import takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        factory: Any = umap.UMAP(
            n_components=2,
            n_neighbors=min(UMAP_NEIGHBOURS, len(units) - 1),
            min_dist=UMAP_MIN_DIST,
            random_state=seed,
            n_jobs=1,
        )
        flat = np.asarray(factory.fit_transform(units), dtype=np.float64)
    return flat[:, ::-1] if np.ptp(flat[:, 1]) > np.ptp(flat[:, 0]) else flat  # screens are wider than high


def _pca(units: np.ndarray) -> tuple[np.ndarray, float]:
    """(N, 2), and the share of the variance that they hold."""
    from sklearn.decomposition import PCA

    parts = min(2, *units.shape)
    if len(units) < 2 or not np.ptp(units, axis=0).any():
        return np.zeros((len(units), 2)), 1.0
    made = PCA(parts, svd_solver="auto", random_state=0)
    flat = made.fit_transform(units)
    return np.pad(flat, ((0, 0), (0, 2 - parts))), float(np.sum(made.explained_variance_ratio_))


def _scale_to_unit(flat: np.ndarray) -> np.ndarray:
    """Into 0 to 1, both axes alike."""
    flat = np.nan_to_num(np.asarray(flat, dtype=np.float64))
    least, reach = flat.min(axis=0), np.ptp(flat, axis=0).max()
    if not reach > 0:
        return np.full(flat.shape, 0.5, dtype=np.float32)
    return ((flat - least) / reach).astype(np.float32)
