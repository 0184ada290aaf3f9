"""Noise: one tile of every roughness, made once, from which everything that is not flat takes a window."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Field = NDArray[np.float32]

SIDE = 512  # of a tile, in pixels; it repeats without a seam


@cache
def tile(blur: float) -> Field:
    """Noise of mean 0 and deviation 1 that is correlated over `blur` pixels, float32 (512, 512); periodic."""
    rng = np.random.default_rng([0x7E, int(blur * 16)])
    noise = rng.standard_normal((SIDE, SIDE), dtype=np.float32)
    if blur > 0:
        noise = ndimage.gaussian_filter(noise, blur, mode="wrap", truncate=3)
    noise -= noise.mean()
    noise /= noise.std()
    noise.setflags(write=False)
    return noise


@cache
def cloud() -> Field:
    """Noise with as much in the large as in the small, float32 (512, 512), deviation 1."""
    mixed = tile(1.0) * 0.35 + tile(4.0) * 0.6 + tile(14.0) + tile(40.0)
    mixed = (mixed / mixed.std()).astype(np.float32)
    mixed.setflags(write=False)
    return mixed


def window(source: Field, rng: Generator, height: int, width: int) -> Field:
    """A (height, width) window of a tile, at a place of its own; the tile is repeated where that is too small."""
    top, left = (int(place) for place in rng.integers(0, SIDE, 2))
    if top + height <= SIDE and left + width <= SIDE:
        return source[top : top + height, left : left + width]
    rows, columns = (np.arange(top, top + height) % SIDE, np.arange(left, left + width) % SIDE)
    return source[rows[:, None], columns]


def stretched(cells: NDArray, height: int, width: int) -> Field:
    """A coarse field smoothly enlarged to float32 (height, width)."""
    coarse = Image.fromarray(np.ascontiguousarray(cells, dtype=np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def row(values: Sequence[float]) -> Field:
    """A colour or another few numbers as float32 (N,)."""
    return np.array(values, dtype=np.float32)
