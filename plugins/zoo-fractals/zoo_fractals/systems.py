"""Iterated function systems: drawn by their singular values, varied, and iterated.

Improving Fractal Pre-training, Anderson and Farrell, 2022: a system looks like something where its singular values
sum up, as sigma1 + 2 sigma2 over its maps, to a number between (5 + n) / 2 and (6 + n) / 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

CHAINS, BURN_IN, STEPS = 512, 20, 40  # points that walk at once; steps that are thrown away; steps that are drawn
MOST_MAPS = 4
RAREST = 0.01  # the least weight of a map, before the weights are divided by their sum


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """n affine maps, x -> A x + b, of which one is chosen at every step."""

    matrices: np.ndarray  # float64 (n, 2, 2)
    offsets: np.ndarray  # float64 (n, 2)

    @property
    def chances(self) -> np.ndarray:
        """By map, float64 (n,): in proportion to how much area it keeps, and never quite 0."""
        weights = np.maximum(np.abs(np.linalg.det(self.matrices)), RAREST)
        return weights / weights.sum()

    def varied(self, rng: np.random.Generator) -> System:
        """One map scaled by 0.8 to 1.1; as it is where that would let the map stretch."""
        matrices = self.matrices.copy()
        matrices[rng.integers(len(matrices))] *= rng.uniform(0.8, 1.1)
        stretches = np.linalg.svd(matrices, compute_uv=False).max() > 1
        return self if stretches else replace(self, matrices=matrices)


def draw_singular_values(maps: int, rng: np.random.Generator) -> np.ndarray:
    """Pairs 0 <= sigma2 <= sigma1 <= 1, float64 (maps, 2), whose sigma1 + 2 sigma2 sum up to (5 + n)/2 to (6 + n)/2."""
    left = rng.uniform((5 + maps) / 2, (6 + maps) / 2)  # for this map and all that follow
    owed = left - 3 * maps + 3  # by this map, if all that follow gave their most, 3
    pairs = []
    for _ in range(maps - 1):
        first = rng.uniform(max(0.0, owed / 3), min(1.0, left))
        left, owed = left - first, owed - first
        second = rng.uniform(max(0.0, owed / 2), min(first, left / 2))
        left, owed = left - 2 * second, owed + 3 - 2 * second
        pairs.append((first, second))
    second = rng.uniform(max(0.0, (left - 1) / 2), left / 3)
    return np.array([*pairs, (left - 2 * second, second)])


def draw_system(rng: np.random.Generator) -> System:
    """Two to four maps: a rotation, signs, singular values, another rotation, signs; offsets in -1 to 1."""
    maps = int(rng.integers(2, MOST_MAPS + 1))
    values = draw_singular_values(maps, rng)
    cosines, sines = np.cos(angles := rng.uniform(-np.pi, np.pi, (2, maps))), np.sin(angles)
    turns = np.stack([cosines, -sines, sines, cosines], axis=-1).reshape(2, maps, 2, 2)
    signs = rng.choice([-1.0, 1.0], (2, maps, 2))
    matrices = (turns[0] * (signs[0] * values)[:, None, :]) @ turns[1] * signs[1][:, None, :]
    return System(matrices=matrices, offsets=rng.uniform(-1, 1, (maps, 2)))


def iterate(systems: Sequence[System], rng: np.random.Generator, *, steps: int = STEPS) -> np.ndarray:
    """Where `CHAINS` points come by in every system, all at once: float32 (systems, 2, steps * CHAINS), x and y."""
    count = len(systems)
    table = np.zeros((count, MOST_MAPS, 6), np.float32)
    bounds = np.ones((count, MOST_MAPS), np.float32)
    for number, system in enumerate(systems):
        maps = len(system.matrices)
        table[number, :maps] = np.concatenate([system.matrices.reshape(maps, 4), system.offsets], axis=1)
        bounds[number, : maps - 1] = system.chances.cumsum()[:-1]
    drawn = rng.random((BURN_IN + steps, count, CHAINS), np.float32)
    chosen = np.repeat(MOST_MAPS * np.arange(count)[:, None], CHAINS, axis=1)[None]
    for bound in bounds.T[:-1]:
        chosen = chosen + (drawn >= bound[:, None])
    a, b, c, d, e, f = np.take(table.reshape(-1, 6).T, chosen, axis=1)  # (steps, systems, chains) each
    x = y = np.zeros((count, CHAINS), np.float32)
    places = np.empty((2, steps, count, CHAINS), np.float32)
    for step in range(BURN_IN + steps):
        x, y = a[step] * x + b[step] * y + e[step], c[step] * x + d[step] * y + f[step]
        if step >= BURN_IN:
            places[:, step - BURN_IN] = x, y
    return places.transpose(2, 0, 1, 3).reshape(count, 2, -1)


def density(places: np.ndarray, side: int, mask: np.ndarray) -> np.ndarray:
    """How often points came by, in 0 to 1, the picture's borders at the outermost points.

    Shapes: places (2, N), mask bool (3, 3) with any bit set, which every point is drawn as -> float32 (side, side).
    """
    low, high = places.min(axis=1, keepdims=True), places.max(axis=1, keepdims=True)
    x, y = ((places - low) * ((side - 1e-3) / np.maximum(high - low, 1e-6))).astype(np.int32)
    counts = np.bincount(y * side + x, minlength=side * side).reshape(side, side)
    padded = np.pad(counts, 1)
    splat = np.zeros((side, side), np.float32)
    for row, column in np.argwhere(mask):
        splat += padded[row : row + side, column : column + side]
    return splat / splat.max()


def draw_mask(rng: np.random.Generator) -> np.ndarray:
    """A random 3x3 dot with at least one bit, bool (3, 3)."""
    return (int(rng.integers(1, 512)) >> np.arange(9) & 1).astype(bool).reshape(3, 3)
