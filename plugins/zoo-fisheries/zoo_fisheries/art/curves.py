"""Points, outlines and how they are moved. A curve is a float array (N, 2), x then y; angles are radians."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Curve = NDArray[np.float64]
Point = tuple[float, float] | NDArray[np.float64]


def turn(curve: Curve, angle: float, about: Point = (0.0, 0.0)) -> Curve:
    """The curve turned by `angle` about a point."""
    cos, sin = np.cos(angle), np.sin(angle)
    pivot = np.asarray(about, dtype=float)
    return (np.asarray(curve, dtype=float) - pivot) @ np.array([[cos, sin], [-sin, cos]]) + pivot


def oval(centre: Point, length: float, width: float, angle: float = 0.0, n: int = 20) -> Curve:
    """An ellipse (n, 2) by its two diameters."""
    round_ = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return turn(np.stack([np.cos(round_) * length / 2, np.sin(round_) * width / 2], axis=1), angle) + np.asarray(centre)


def block(centre: Point, length: float, width: float, angle: float = 0.0) -> Curve:
    """A rectangle (4, 2)."""
    x, y = length / 2, width / 2
    return turn(np.array([[-x, -y], [x, -y], [x, y], [-x, y]]), angle) + np.asarray(centre)


def lump(rng: Generator, centre: Point, across: float, rough: float = 0.2, n: int = 24) -> Curve:
    """A round thing with dents and bulges (n, 2)."""
    round_ = np.linspace(0, 2 * np.pi, n, endpoint=False)
    radius = np.ones(n)
    for order in range(1, 6):
        radius += rough * rng.normal() / order**0.7 * np.cos(order * round_ + rng.uniform(0, 6.3))
    radius = np.clip(radius, 0.35, 1.8) * across / 2
    return np.stack([np.cos(round_) * radius, np.sin(round_) * radius], axis=1) + np.asarray(centre)


def wander(rng: Generator, start: Point, length: float, curl: float, angle: float, n: int = 30) -> Curve:
    """A line that drifts to and fro by about `curl` radians over its length, (n, 2)."""
    drift = np.cumsum(rng.normal(0, curl / np.sqrt(n), n - 1))
    headings = angle + np.convolve(drift, np.full(5, 0.2), mode="same")
    moves = np.stack([np.cos(headings), np.sin(headings)], axis=1) * length / (n - 1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)]) + np.asarray(start, dtype=float)


def ribbon(spine: Curve, widths: NDArray[np.float64] | float) -> Curve:
    """The outline (2N, 2) of something `widths` wide along its spine (N, 2)."""
    slope = np.gradient(spine, axis=0)
    normal = np.stack([-slope[:, 1], slope[:, 0]], axis=1) / (np.hypot(slope[:, 0], slope[:, 1])[:, None] + 1e-9)
    aside = normal * np.broadcast_to(np.asarray(widths, dtype=float), (len(spine),))[:, None] / 2
    return np.concatenate([spine + aside, (spine - aside)[::-1]])


def limb(joints: list[Point], widths: tuple[float, ...]) -> Curve:
    """A bent limb through its joints, as wide at each as is said; rounded by interpolation."""
    places = np.linspace(0, len(joints) - 1, 4 * len(joints))
    knots = np.asarray(joints, dtype=float)
    spine = np.stack([np.interp(places, range(len(knots)), knots[:, axis]) for axis in (0, 1)], axis=1)
    spine[1:-1] = (spine[:-2] + 2 * spine[1:-1] + spine[2:]) / 4
    return ribbon(spine, np.interp(places, range(len(widths)), widths))
