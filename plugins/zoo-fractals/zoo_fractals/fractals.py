"""Pictures of several fractals before a rough background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo_fractals.systems import STEPS, System, density, draw_mask, iterate

MOST_STEPS = 200  # 100,000 points a fractal, as in the paper at 224 pixels
SMALLEST, LARGEST = 0.15, 0.6  # of the canvas


def draw_picture(systems: Sequence[System], side: int, rng: np.random.Generator) -> np.ndarray:
    """Every system once, varied, turned over, at any place and size, the later ones in front: uint8 (side, side, 3)."""
    canvas = colour(diamond_square(side, rng), rng)
    steps = min(MOST_STEPS, max(STEPS, round(STEPS * (side / 64) ** 2)))
    for places in iterate([system.varied(rng) for system in systems], rng, steps=steps):
        own = max(4, round(side * rng.uniform(SMALLEST, LARGEST)))
        seen = density(places, own, draw_mask(rng))
        seen = seen.T if rng.random() < 0.5 else seen
        seen = seen[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        top, left = rng.integers(0, side - own + 1, 2)
        part = canvas[top : top + own, left : left + own]
        part[seen > 0] = colour(seen ** rng.uniform(0.2, 0.6), rng)[seen > 0]
    return np.rint(canvas * 255).astype(np.uint8)


def diamond_square(side: int, rng: np.random.Generator) -> np.ndarray:
    """A rough landscape in 0 to 1 without seams, float (side, side) (Fournier, Fussell and Carpenter, 1982)."""
    cells = 1 << max(2, (side - 1).bit_length())
    fall = rng.uniform(0.45, 0.8)  # of the roughness, at every halving
    grid, rough = rng.random((2, 2)), 0.5
    while len(grid) < cells:
        size, rough = len(grid), rough * fall
        noise = rng.uniform(-rough, rough, (3, size, size))
        right, below = np.roll(grid, -1, 1), np.roll(grid, -1, 0)
        centres = (grid + right + below + np.roll(right, -1, 0)) / 4 + noise[0]
        finer = np.empty((2 * size, 2 * size))
        finer[::2, ::2], finer[1::2, 1::2] = grid, centres
        finer[::2, 1::2] = (grid + right + centres + np.roll(centres, 1, 0)) / 4 + noise[1]
        finer[1::2, ::2] = (grid + below + centres + np.roll(centres, 1, 1)) / 4 + noise[2]
        grid = finer
    grid = grid[:side, :side]
    return (grid - grid.min()) / max(float(np.ptp(grid)), 1e-6)


def colour(heights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random scale of colours: the hue turns and the light grows, or falls, with the height.

    Shapes: heights float (H, W) in 0 to 1 -> float (H, W, 3) in 0 to 1.
    """
    hue = (rng.random() + rng.uniform(-0.6, 0.6) * heights) % 1
    dark, bright = rng.uniform(0, 0.6), rng.uniform(0.6, 1)
    light = dark + (bright - dark) * (heights if rng.random() < 0.5 else 1 - heights)
    return hsv_to_rgb(hue, rng.uniform(0.2, 1), light)


def hsv_to_rgb(hue: np.ndarray, saturation: float, value: np.ndarray) -> np.ndarray:
    """Shapes: hue and value float (...) in 0 to 1 -> float (..., 3) in 0 to 1."""
    place = (np.array([5.0, 3.0, 1.0]) + 6 * hue[..., None]) % 6
    away = np.clip(np.minimum(place, 4 - place), 0, 1)
    return value[..., None] * (1 - saturation * away)
