"""Exact search by cosine, a block of vectors at a time: what is in memory does not grow with the set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import UsageError
from zoo.progress import Progress, silent

TILE = 2048  # rows and columns of the cosines that are computed at once
OUTER = 1 << 27  # bytes of vectors that every other block is compared with in one pass
ROUNDING = 1e-6  # cosines of equal float32 vectors may lie under 1 by as much
LOWEST_THRESHOLD = 1e-9  # a threshold must be above the zeros of pairs that are left out

VectorBlocks = Callable[[int], Iterator[tuple[int, np.ndarray]]]
"""From a row on: (number of the first row, vectors (n, D) float32), one block after another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateGroup:
    """Pictures that are joined by near-duplicates among them."""

    rows: tuple[int, ...]  # in order, two or more
    cosines: tuple[float, ...]  # of each with the most similar one of the others


def array_blocks(vectors: np.ndarray, step: int = 8192) -> VectorBlocks:
    """The blocks of an array (N, D), mapped or in memory."""

    def blocks(start: int) -> Iterator[tuple[int, np.ndarray]]:
        for first in range(start, len(vectors), step):
            yield first, vectors[first : first + step]

    return blocks


def normalise_rows(vectors: np.ndarray) -> np.ndarray:
    """Each row at length 1; rows of zeros, or with numbers that are not finite, are zeros.

    Shapes: vectors (N, D) float -> (N, D) float32.
    """
    vectors = np.asarray(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    good = np.isfinite(lengths) & (lengths > 0)
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=good).astype(np.float32)
    return np.where(good[:, None], vectors, np.float32(0)) * scale[:, None]


def find_nearest(
    blocks: VectorBlocks, query: np.ndarray, k: int, *, leave_out: int | None = None
) -> list[tuple[int, float]]:
    """The k rows with the highest cosine; of equal ones the first.

    Args:
        blocks: of the set.
        query: (D,) float.
        k: how many; as many as there are, at most.
        leave_out: a row to skip, the query's own.

    Returns:
        (row, cosine in -1 to 1), the nearest first.
    """
    wanted = normalise_rows(query.reshape(1, -1))[0]
    rows, best = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    for first, block in blocks(0):
        cosines = normalise_rows(block) @ wanted
        numbers = np.arange(first, first + len(block))
        if leave_out is not None and first <= leave_out < first + len(block):
            numbers, cosines = (np.delete(one, leave_out - first) for one in (numbers, cosines))
        rows, best = np.concatenate([rows, numbers]), np.concatenate([best, cosines])
        order = np.argsort(-best, kind="stable")[:k]
        rows, best = rows[order], best[order]
    return [(int(row), float(np.clip(cosine, -1, 1))) for row, cosine in zip(rows, best, strict=True)]


def find_duplicates(
    blocks: VectorBlocks, count: int, *, width: int, threshold: float = 0.99, progress: Progress = silent
) -> list[DuplicateGroup]:
    """Groups of pictures that are joined by pairs whose cosine is at least the threshold.

    Every pair is looked at; in memory are two blocks and a tile of their cosines.

    Args:
        blocks: of the set.
        count: N, how many there are.
        width: D.
        threshold: a cosine in 0 to 1, not 0.
        progress: called with how far it is, in rows.

    Returns:
        The largest group first.

    Raises:
        UsageError: the threshold is no cosine that makes sense.
    """
    if not 0 < threshold <= 1:
        raise UsageError(
            f"The threshold cannot be {threshold}: a cosine above 0 and up to 1, 0.99 for near-duplicates."
        )
    groups = _DisjointSets(count)
    best = np.zeros(count, dtype=np.float32)
    outer = max(TILE, OUTER // (4 * width))
    for start in range(0, count, outer):
        progress("finding near-duplicates", start, count)
        mine = _gather_rows(blocks, start, min(start + outer, count), width)
        for first, block in blocks(start):
            other = normalise_rows(block)
            _compare_blocks(
                mine,
                start,
                other,
                first,
                threshold=max(threshold - ROUNDING, LOWEST_THRESHOLD),
                groups=groups,
                best=best,
            )
    progress("finding near-duplicates", count, count)
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(best):
        members.setdefault(groups.root(int(row)), []).append(int(row))
    found = [
        DuplicateGroup(rows=tuple(rows), cosines=tuple(float(best[row]) for row in rows)) for rows in members.values()
    ]
    return sorted(found, key=lambda group: (-len(group.rows), group.rows))


def find_odd_one_out(vectors: np.ndarray) -> int:
    """The row furthest from the mean of the others, each normalised before.

    As gensim's `doesnt_match` (Řehůřek and Sojka 2010), but a row does not count towards the mean that it is compared
    with.

    Shapes: vectors (N, D) float, N of 3 or more.

    Raises:
        UsageError: fewer than three.
    """
    if len(vectors) < 3:
        raise UsageError(f"The odd one out of {len(vectors)} pictures is not defined.", "Give at least three.")
    units = normalise_rows(vectors)
    others = normalise_rows((units.sum(axis=0) - units) / (len(units) - 1))
    return int(np.argmin(np.einsum("nd,nd->n", units, others)))


class _DisjointSets:
    """Disjoint sets of rows."""

    def __init__(self, count: int) -> None:
        self._parent = np.arange(count)

    def root(self, row: int) -> int:
        """The row that stands for the set."""
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = int(self._parent[row])
        return row

    def join(self, rows: Sequence[int]) -> None:
        """Make one set of the sets of these rows."""
        first = min(self.root(row) for row in rows)
        for row in rows:
            self._parent[self.root(row)] = first


def _gather_rows(blocks: VectorBlocks, start: int, stop: int, width: int) -> np.ndarray:
    """Rows start to stop, normalised."""
    gathered = np.empty((stop - start, width), dtype=np.float32)
    for first, block in blocks(start):
        if first >= stop:
            break
        part = block[: stop - first]
        gathered[first - start : first - start + len(part)] = normalise_rows(part)
    return gathered


def _compare_blocks(
    mine: np.ndarray,
    start: int,
    other: np.ndarray,
    first: int,
    *,
    threshold: float,
    groups: _DisjointSets,
    best: np.ndarray,
) -> None:
    """Join what is near among all pairs of two blocks, a tile at a time; each pair is looked at once."""
    for top in range(0, len(mine), TILE):
        left = mine[top : top + TILE]
        for begin in range(0, len(other), TILE):
            right = other[begin : begin + TILE]
            row, column = start + top, first + begin
            if column + len(right) - 1 <= row:
                continue  # all of it lies below the diagonal
            cosines = left @ right.T
            if column <= row + len(left) - 1:
                below = (column + np.arange(len(right)))[None, :] <= (row + np.arange(len(left)))[:, None]
                cosines[below] = 0
            _join_similar(cosines, row, column, threshold=threshold, groups=groups, best=best)


def _join_similar(
    cosines: np.ndarray, row: int, column: int, *, threshold: float, groups: _DisjointSets, best: np.ndarray
) -> None:
    """Join the rows of a tile that are near: its connected components first, so that dense tiles cost little more."""
    near = cosines >= threshold
    if not near.any():
        return
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    kept = np.where(near, np.clip(cosines, 0, 1), 0)
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    np.maximum.at(best, row + rows, kept[rows].max(axis=1))
    np.maximum.at(best, column + columns, kept[:, columns].max(axis=0))
    at_row, at_column = np.nonzero(near[np.ix_(rows, columns)])
    size = len(rows) + len(columns)
    edges = coo_array((np.ones(len(at_row), dtype=bool), (at_row, len(rows) + at_column)), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    numbers = np.concatenate([row + rows, column + columns])
    order = np.argsort(component, kind="stable")
    for several in np.split(numbers[order], np.flatnonzero(np.diff(component[order])) + 1):
        groups.join(several.tolist())
