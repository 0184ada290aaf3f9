"""Fins, tails and the lines of a head, in body lengths (see `fish.py`)."""

from __future__ import annotations

import numpy as np

from zoo_fisheries.art.curves import Curve, ribbon, turn


def fin(start: float, end: float, edge: float, height: float, sweep: float, hollow: float = 0.35) -> Curve:
    """An upright fin.

    Args:
        start: x of its front.
        end: x of its back.
        edge: y of its root; below 0 it stands on the back, above 0 it hangs from the belly.
        height: body lengths.
        sweep: how far its tip lies behind its front, body lengths.
        hollow: 0 (straight) to 1, how deeply the back edge is cut.
    """
    out = -1 if edge < 0 else 1
    root = edge - out * 0.02
    tip = (start + sweep, edge + out * height)
    inner = (start + (end - start) * 0.55, edge + out * height * (1 - hollow) * 0.4)
    front = (start + sweep * 0.35, edge + out * height * 0.62)
    return np.array([(start, root), front, tip, inner, (end, root)])


def fork(span: float, sweep: float, hollow: float, upper: float = 1.0) -> Curve:
    """A tail at x = 1: `span` from tip to tip, tips swept back by `sweep`, `hollow` the share of it that is cut in."""
    half = span / 2
    return np.array(
        [
            (0.965, -0.016),
            (1 + sweep * 0.3, -half * 0.6 * upper),
            (1 + sweep * upper, -half * upper),
            (1 + sweep * (1 - hollow) * 0.8, -half * 0.35),
            (1 + sweep * (1 - hollow), 0),
            (1 + sweep * (1 - hollow) * 0.8, half * 0.35),
            (1 + sweep, half),
            (1 + sweep * 0.3, half * 0.6),
            (0.965, 0.016),
        ]
    )


def blade(x: float, y: float, length: float, width: float, lean: float) -> Curve:
    """A pectoral fin on the flank, from (x, y) backwards, leaning by `lean` radians towards the belly."""
    places = np.linspace(0, 1, 8)
    spine = np.stack([x + length * places, y + 0.1 * length * places**2], axis=1)
    return turn(ribbon(spine, width * np.array([0.7, 1, 1, 0.9, 0.75, 0.55, 0.35, 0.1])), lean, about=(x, y))


def gill(x: float, reach: float) -> Curve:
    """The edge of the gill cover."""
    places = np.linspace(-1, 1, 7)
    return np.stack([x - 0.035 * places**2, reach * places], axis=1)


def mouth(half: float) -> Curve:
    """From the snout backwards."""
    return np.array([(0.0, 0.01), (0.05, half * 0.22)])
