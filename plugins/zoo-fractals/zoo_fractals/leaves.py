"""Dead leaves: shapes of all sizes that hide each other, with colours and textures.

Learning to See by Looking at Noise, Baradad et al., 2021; sizes as in Lee, Mumford and Huang, 2001: the density of a
leaf's radius falls as its third power, which makes pictures that look alike at every scale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from zoo_fractals.fractals import diamond_square, hsv_to_rgb

LEAVES = 500
SMALLEST, LARGEST = 0.02, 0.35  # radius, of the scene's side
VIEW = 0.35, 0.75  # side of a view, of the scene's


def draw_scene(side: int, rng: np.random.Generator) -> np.ndarray:
    """A scene of discs, squares, triangles and stars, each stretched, turned and textured: uint8 (side, side, 3)."""
    canvas = np.empty((side, side, 3))
    canvas[:] = _draw_colours(rng, 1)[0]
    radii = side * (SMALLEST**-2 - rng.random(LEAVES) * (SMALLEST**-2 - LARGEST**-2)) ** -0.5
    shares = rng.dirichlet(np.full(4, 0.6))
    kinds, colours = rng.choice(4, LEAVES, p=shares), _draw_colours(rng, LEAVES)
    noise, rough = diamond_square(side, rng) - 0.5, rng.uniform(0, 1.2)
    for radius, kind, own in zip(radii, kinds, colours, strict=True):
        centre, reach = rng.uniform(0, side, 2), 1.5 * radius
        top, left = np.maximum(centre - reach, 0).astype(int)
        bottom, right = np.minimum(np.ceil(centre + reach), side).astype(int)
        rows, columns = np.arange(top, bottom)[:, None] - centre[0], np.arange(left, right) - centre[1]
        angle, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1)
        u = (np.cos(angle) * columns + np.sin(angle) * rows) / radius
        v = (np.cos(angle) * rows - np.sin(angle) * columns) / (radius * stretch)
        inside = _SHAPES[kind](u, v)
        texture = noise[top:bottom, left:right] * rough
        if rng.random() < 0.4:
            texture = texture + 0.25 * np.sin(rng.uniform(3, 0.8 * radius + 4) * u + rng.uniform(0, 6))
        lit = np.clip(own * (1 + texture[..., None]), 0, 1)
        canvas[top:bottom, left:right][inside] = lit[inside]
    return np.rint(canvas * 255).astype(np.uint8)


def draw_view(scene: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A part of a scene, turned, mirrored and with other colours: uint8 (side, side, 3)."""
    whole = len(scene)
    wide = whole * rng.uniform(*VIEW)
    left, top = rng.uniform(0, whole - wide, 2)
    box = (left, top, left + wide, top + wide)
    view = np.asarray(Image.fromarray(scene).resize((side, side), Image.Resampling.BILINEAR, box=box))
    view = np.rot90(view, rng.integers(4))
    view = view[:, :: rng.choice([-1, 1]), rng.permutation(3)]
    mean = view.mean(axis=(0, 1))
    changed = (view - mean) * rng.uniform(0.6, 1.3) + mean * rng.uniform(0.7, 1.2, 3) + rng.uniform(-20, 20)
    return np.rint(np.clip(changed, 0, 255)).astype(np.uint8)


def _draw_colours(rng: np.random.Generator, count: int) -> np.ndarray:
    hues = (rng.random() + rng.normal(0, rng.uniform(0.05, 0.4), count)) % 1
    return hsv_to_rgb(hues, rng.uniform(0.2, 0.9), rng.uniform(0.1, 1, count))


_SHAPES: Sequence[Callable[[np.ndarray, np.ndarray], np.ndarray]] = (
    lambda u, v: u * u + v * v < 1,  # a disc
    lambda u, v: (np.abs(u) < 0.9) & (np.abs(v) < 0.9),  # a square
    lambda u, v: (v > -0.6) & (1.73 * np.abs(u) + v < 1.2),  # a triangle
    lambda u, v: np.hypot(u, v) < 0.85 + 0.4 * np.cos(5 * np.arctan2(v, u)),  # a star
)
