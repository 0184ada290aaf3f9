"""Copepods: an oval body, a thin tail, two long antennae; some carry eggs."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator

from zoo_plankton.curves import Curve, arc, at, lump, oval, part, ribbon, taper, turn, widths
from zoo_plankton.kinds.kind import Kind
from zoo_plankton.sketch import Sketch

Range = tuple[float, float]


def copepod(
    sketch: Sketch,
    rng: Generator,
    *,
    antenna: Range,
    slim: Range = (0.3, 0.42),
    tail: Range = (0.2, 0.32),
    setae: int = 0,
    eggs: str = "",
    square: bool = False,
) -> None:
    """A prosome, a thin urosome, two long first antennae; eggs below one or beside both sides of the tail."""
    tail_length, broad = rng.uniform(*tail), rng.uniform(*slim)
    front = 1 - tail_length
    trunk = arc(front, rng.normal(0, 0.15), start=(-0.5, 0))
    rear, heading = at(trunk, 1)
    urosome = arc(tail_length, rng.normal(0, 0.5), start=rear - 0.02, angle=heading + rng.normal(0, 0.15))
    nose = 0.75 if square else 0.3
    profile = widths(
        (0, nose * broad), (0.12, 0.85 * broad), (rng.uniform(0.3, 0.5), broad), (0.85, 0.6 * broad), (1, 0.25 * broad)
    )
    ink = rng.uniform(0.35, 0.7)
    _antennae(sketch, rng, trunk, rng.uniform(*antenna), setae)
    _legs(sketch, rng, trunk, broad)
    sketch.body(ribbon(trunk, profile), ink, edge=rng.uniform(0.1, 0.3))
    sketch.fill(taper(urosome, 0.24 * broad, 0.14 * broad), ink * 1.1)
    tip, heading = at(urosome, 1)
    fork = [
        arc(rng.uniform(0.08, 0.18), rng.normal(0, 0.3), start=tip, angle=heading + side, n=6) for side in (-0.3, 0.3)
    ]
    sketch.line(fork, 0.5, width=0.012)
    gut = part(trunk, rng.uniform(0.1, 0.25), rng.uniform(0.6, 0.95), rng.normal(0, 0.05) * broad)
    sketch.fill(ribbon(gut, broad * rng.uniform(0.15, 0.4)), rng.uniform(0.1, 0.4), soft=0.015)
    if rng.random() < 0.4:
        place, _ = at(trunk, rng.uniform(0.35, 0.7), rng.normal(0, 0.15) * broad)
        sketch.clear(oval(place, 0.25 * front, 0.4 * broad, rng.uniform(0, 3)), 0.25, soft=0.02)
    _eggs(sketch, rng, urosome, broad, eggs)


def _antennae(sketch: Sketch, rng: Generator, trunk: Curve, length: float, setae: int) -> None:
    """Held out, swept back or one of them tucked against the body."""
    root, heading = at(trunk, 0.06)
    sweep = rng.uniform(0.9, 2.4)
    for side in (-1, 1):
        if rng.random() < 0.12:
            continue  # seen edge on, or lost
        swept = sweep + rng.normal(0, 0.2)
        reach = length * rng.uniform(0.75, 1.05)
        feeler = arc(reach, side * -rng.uniform(-0.2, 1.0), start=root, angle=heading + np.pi - side * (np.pi - swept))
        sketch.fill(taper(feeler, 0.024, 0.006), rng.uniform(0.3, 0.6))
        hairs = []
        for t in np.linspace(0.3, 1, setae):
            foot, along = at(feeler, float(t))
            hairs.append(arc(rng.uniform(0.05, 0.13), 0.2, start=foot, angle=along + side * rng.uniform(0.6, 1.2), n=4))
        if hairs:
            sketch.line(hairs, 0.32, width=0.006)


def _legs(sketch: Sketch, rng: Generator, trunk: Curve, broad: float) -> None:
    side = rng.choice([-1, 1])
    legs = []
    for t in np.linspace(rng.uniform(0.3, 0.5), 0.92, rng.integers(3, 7)):
        foot, heading = at(trunk, float(t), side * broad * 0.3)
        reach, lean = broad * rng.uniform(0.35, 0.75), side * rng.uniform(0.25, 1.0)
        legs.append(taper(arc(reach, 0.3, start=foot, angle=heading + lean, n=6), 0.03, 0.01))
    sketch.fill(legs, rng.uniform(0.2, 0.5))


def _eggs(sketch: Sketch, rng: Generator, urosome: Curve, broad: float, eggs: str) -> None:
    """`one`: a round sac of few eggs below; `two`: a long sac on either side."""
    if not eggs:
        return
    sides = [rng.choice([-1, 1])] if eggs == "one" else [-1, 1]
    if eggs == "two" and rng.random() < 0.2:
        sides = sides[:1]
    for side in sides:
        if eggs == "one":
            long, wide, grain = rng.uniform(0.16, 0.24), rng.uniform(0.14, 0.2), 0.035
        else:
            long, wide, grain = rng.uniform(0.2, 0.32), rng.uniform(0.07, 0.1), 0.025
        place, heading = at(urosome, rng.uniform(0.25, 0.6), side * (0.08 * broad + wide * 0.55))
        sketch.fill(lump(rng, place, long, wide, 0.12, heading + side * rng.uniform(0, 0.3)), rng.uniform(0.3, 0.6))
        spots = rng.normal(0, 0.24, (rng.integers(5, 11), 2)) * (long, wide)
        sketch.fill([oval(turn(spot[None], heading)[0] + place, grain, grain, n=8) for spot in spots], 0.35)


def copilia(sketch: Sketch, rng: Generator) -> None:
    """A flat, glassy leaf of a copepod with two lenses in front."""
    trunk = arc(0.7, 0.05, start=(-0.5, 0))
    broad = rng.uniform(0.36, 0.5)
    sketch.body(
        ribbon(trunk, widths((0, 0.8 * broad), (0.15, broad), (0.7, 0.6 * broad), (1, 0.2 * broad))),
        rng.uniform(0.1, 0.3),
        edge=rng.uniform(0.3, 0.5),
    )
    sketch.fill(taper(arc(0.3, rng.normal(0, 0.2), start=(0.2, 0.02)), 0.07, 0.03), 0.35)
    sketch.line([arc(0.2, 0.1, start=(0.5, 0.02), angle=side) for side in (-0.25, 0.25)], 0.4, width=0.01)
    for side in (-1, 1):
        sketch.fill(oval((-0.47, side * broad * 0.28), 0.07, 0.07, n=12), 0.5)
        sketch.line(arc(0.3, -side * 0.4, start=(-0.45, side * broad * 0.27), angle=-side * 0.4), 0.25, width=0.014)
    sketch.fill(ribbon(part(trunk, 0.25, 0.95), 0.05), rng.uniform(0.15, 0.4), soft=0.01)


_calanoid = partial(copepod, antenna=(0.55, 0.95))
_oithona = partial(copepod, antenna=(0.3, 0.6), slim=(0.22, 0.32), tail=(0.36, 0.48), setae=5)

COMMON = (
    Kind(name="copepod_calanoid", artist=_calanoid, size=50),
    Kind(name="copepod_calanoid_eggs", artist=partial(_calanoid, eggs="one"), size=50),
    Kind(name="copepod_calanoid_small_longantennae", artist=partial(copepod, antenna=(0.95, 1.5)), size=34),
    Kind(name="copepod_calanoid_flatheads", artist=partial(_calanoid, square=True), size=56),
    Kind(name="copepod_cyclopoid_oithona", artist=_oithona, size=42),
    Kind(name="copepod_cyclopoid_oithona_eggs", artist=partial(_oithona, eggs="two"), size=42),
)
OTHER = (Kind(name="copepod_cyclopoid_copilia", artist=copilia, size=60),)
