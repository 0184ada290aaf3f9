"""Curves and outlines: the geometry that the kinds are composed of.

A curve is a float array of points (N, 2), x then y, in body lengths: about 1 from head to tail. An outline is
a closed curve. Angles are radians. Nothing here knows about pixels or ink.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Curve = NDArray[np.float64]
Point = tuple[float, float] | NDArray[np.float64]

TURN = 2 * np.pi


def walk(headings: NDArray[np.float64], length: float, start: Point = (0.0, 0.0)) -> Curve:
    """The path of N-1 equal steps with the given headings (N-1,) -> (N, 2)."""
    step = length / len(headings)
    moves = np.stack([np.cos(headings), np.sin(headings)], axis=1) * step
    return np.concatenate([np.zeros((1, 2)), np.cumsum(moves, axis=0)]) + np.asarray(start)


def arc(length: float = 1.0, bend: float = 0.0, *, start: Point = (0.0, 0.0), angle: float = 0.0, n: int = 24) -> Curve:
    """A curve that sets out at `angle` and has turned by `bend` at its end, (n, 2)."""
    return walk(angle + bend * np.linspace(0, 1, n - 1), length, start)


def wave(length: float = 1.0, swing: float = 0.5, turns: float = 1.0, phase: float = 0.0, n: int = 40) -> Curve:
    """A curve whose heading swings to both sides `turns` times, (n, 2): an S where `turns` is 1."""
    return walk(swing * np.cos(TURN * turns * np.linspace(0, 1, n - 1) + phase), length)


def wander(
    rng: Generator, length: float, curl: float, *, start: Point = (0, 0), angle: float = 0, n: int = 16
) -> Curve:
    """A curve whose heading drifts at random by about `curl` radians over its length, (n, 2)."""
    return walk(angle + np.cumsum(rng.normal(0, curl / np.sqrt(n), n - 1)), length, start)


def centred(curve: Curve) -> Curve:
    """The same curve about (0, 0), its ends on the x axis, the first on the left."""
    chord = curve[-1] - curve[0]
    turned = turn(curve, -float(np.arctan2(chord[1], chord[0])))
    return turned - (turned.min(axis=0) + turned.max(axis=0)) / 2


def turn(curve: Curve, angle: float, about: Point = (0.0, 0.0)) -> Curve:
    """The curve turned by `angle` about a point."""
    cos, sin = np.cos(angle), np.sin(angle)
    pivot = np.asarray(about)
    return (curve - pivot) @ np.array([[cos, sin], [-sin, cos]]) + pivot


def at(curve: Curve, t: float, aside: float = 0.0) -> tuple[NDArray[np.float64], float]:
    """The point at the fraction `t` of the curve, moved `aside` to its left, and the heading there."""
    place = min(max(t, 0.0), 1.0) * (len(curve) - 1)
    low = min(int(place), len(curve) - 2)
    step = curve[low + 1] - curve[low]
    heading = float(np.arctan2(step[1], step[0]))
    return curve[low] + step * (place - low) + aside * np.array([-np.sin(heading), np.cos(heading)]), heading


def part(curve: Curve, begin: float, end: float, aside: float = 0.0, n: int = 16) -> Curve:
    """The stretch between two fractions of the curve, moved `aside` to its left, (n, 2)."""
    return np.array([at(curve, t, aside)[0] for t in np.linspace(begin, end, n)])


def widths(*knots: tuple[float, float], n: int = 24) -> NDArray[np.float64]:
    """A smooth width profile (n,) through knots (fraction of the length, width)."""
    places, values = zip(*knots, strict=True)
    profile = np.interp(np.linspace(0, 1, n), places, values)
    for _ in range(n // 5):
        profile[1:-1] = profile[:-2] * 0.25 + profile[1:-1] * 0.5 + profile[2:] * 0.25
    return profile


def ribbon(spine: Curve, width: NDArray[np.float64] | float) -> Curve:
    """The outline (2N, 2) of a body `width` wide along its spine; widths (N,), or as many as interpolate to N."""
    profile = np.broadcast_to(np.atleast_1d(np.asarray(width, dtype=float)), (np.size(width) or 1,))
    if len(profile) != len(spine):
        profile = np.interp(np.linspace(0, 1, len(spine)), np.linspace(0, 1, len(profile)), profile)
    slope = np.gradient(spine, axis=0)
    normal = np.stack([-slope[:, 1], slope[:, 0]], axis=1) / (np.hypot(slope[:, 0], slope[:, 1])[:, None] + 1e-9)
    aside = normal * profile[:, None] / 2
    return np.concatenate([spine + aside, (spine - aside)[::-1]])


def taper(spine: Curve, base: float, tip: float = 0.0) -> Curve:
    """The outline of a spine, arm or tentacle that thins from `base` to `tip`."""
    return ribbon(spine, np.linspace(base, tip, len(spine)))


def oval(centre: Point, length: float, width: float, angle: float = 0.0, n: int = 28) -> Curve:
    """An ellipse (n, 2) by its two diameters."""
    round_ = np.linspace(0, TURN, n, endpoint=False)
    return turn(np.stack([np.cos(round_) * length / 2, np.sin(round_) * width / 2], axis=1), angle) + np.asarray(centre)


def lump(
    rng: Generator, centre: Point, length: float, width: float, rough: float = 0.15, angle: float = 0, n: int = 36
) -> Curve:
    """An ellipse with dents and bulges (n, 2); `rough` is their share of the radius."""
    round_ = np.linspace(0, TURN, n, endpoint=False)
    radius = np.ones(n)
    for order in range(2, 8):
        radius += rough * rng.normal() / order**0.7 * np.cos(order * round_ + rng.uniform(0, TURN))
    points = np.stack([np.cos(round_) * length / 2, np.sin(round_) * width / 2], axis=1)
    return turn(points * np.clip(radius, 0.35, 1.8)[:, None], angle) + np.asarray(centre)


def star(centre: Point, inner: float, tips: Sequence[float], angle: float = 0.0) -> Curve:
    """An outline with one point a tip radius and valleys at `inner` between them."""
    count = len(tips)
    angles = angle + np.linspace(0, TURN, 2 * count, endpoint=False)
    radius = np.full(2 * count, inner)
    radius[::2] = tips
    return np.stack([np.cos(angles) * radius, np.sin(angles) * radius], axis=1) + np.asarray(centre)
