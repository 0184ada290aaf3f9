"""Shrimps and their like: a carapace, a jointed abdomen, eyes and many legs."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator

from zoo_plankton.curves import Curve, arc, at, lump, oval, part, ribbon, taper, wander, widths
from zoo_plankton.kinds.kind import Kind
from zoo_plankton.sketch import Sketch

Range = tuple[float, float]


def shrimp(
    sketch: Sketch,
    rng: Generator,
    *,
    head: Range,
    bend: Range,
    eye: float,
    rostrum: Range,
    feelers: int,
    legs: int,
    broad: Range,
) -> None:
    """A carapace, a jointed abdomen that ends in a fan, stalked eyes, legs below."""
    head_share, thick = rng.uniform(*head), rng.uniform(*broad)
    spine = arc(1.0, rng.uniform(*bend), start=(-0.5, 0), n=40)
    ink = rng.uniform(0.28, 0.62)
    profile = widths(
        (0, 0.5 * thick),
        (0.1, thick),
        (head_share, 0.95 * thick),
        (head_share + 0.06, 0.66 * thick),
        (0.85, 0.38 * thick),
        (1, 0.2 * thick),
        n=40,
    )
    _limbs(sketch, rng, spine, head_share, thick, legs)
    sketch.body(ribbon(spine, profile), ink, edge=rng.uniform(0.08, 0.25), width=0.01)
    places = np.linspace(head_share + 0.05, 0.92, 6)
    joints = [np.array([at(spine, t, side * thick)[0] for side in (-0.25, 0.25)]) for t in places]
    sketch.line(joints, 0.18, width=0.008)
    organs = ribbon(part(spine, 0.08, head_share, -0.05 * thick), thick * rng.uniform(0.3, 0.6))
    sketch.fill(organs, rng.uniform(0.15, 0.4), soft=0.02)
    tip, heading = at(spine, 1)
    fan = [arc(0.1, start=tip, angle=heading + lean, n=5) for lean in (-0.35, -0.1, 0.15, 0.4)]
    sketch.fill([taper(blade, 0.015, 0.04) for blade in fan], ink * 0.8)
    for side in (-1, 1):
        place, _ = at(spine, 0.03, side * thick * rng.uniform(0.2, 0.4))
        sketch.fill(oval(place, eye, eye, n=12), rng.uniform(0.5, 0.8))
    nose, heading = at(spine, 0.0, -0.15 * thick)
    ahead = heading + np.pi
    sketch.fill(taper(arc(rng.uniform(*rostrum), rng.normal(0, 0.2), start=nose, angle=ahead), 0.03, 0.005), ink)
    leans = rng.uniform(-0.6, 0.6, feelers)
    threads = [wander(rng, rng.uniform(0.25, 0.8), 0.9, start=nose, angle=ahead + lean) for lean in leans]
    sketch.line(threads, rng.uniform(0.25, 0.45), width=0.008)


def _limbs(sketch: Sketch, rng: Generator, spine: Curve, head: float, thick: float, legs: int) -> None:
    """Walking legs below the carapace, five paddles below the abdomen."""
    limbs = []
    for t in np.linspace(0.08, head, legs):
        foot, heading = at(spine, float(t), thick * 0.35)
        leg = wander(rng, rng.uniform(0.1, 0.26), 0.8, start=foot, angle=heading + rng.uniform(0.6, 1.7), n=7)
        limbs.append(taper(leg, 0.022, 0.008))
    for t in np.linspace(head + 0.1, 0.85, 5):
        foot, heading = at(spine, float(t), thick * 0.22)
        paddle = arc(rng.uniform(0.05, 0.1), 0.3, start=foot, angle=heading + rng.uniform(0.7, 1.3), n=5)
        limbs.append(taper(paddle, 0.03, 0.01))
    sketch.fill(limbs, rng.uniform(0.25, 0.5))


def zoea(sketch: Sketch, rng: Generator) -> None:
    """A crab's larva: a helmet with a long spine above and in front, a thin abdomen curled below, big eyes."""
    helmet = lump(rng, (-0.12, 0), rng.uniform(0.38, 0.5), rng.uniform(0.3, 0.4), 0.06)
    ink = rng.uniform(0.35, 0.65)
    lean = rng.uniform(-0.2, 0.8) - np.pi / 2
    back = arc(rng.uniform(0.25, 0.5), rng.uniform(-0.6, 0.2), start=(-0.08, -0.14), angle=lean)
    beak = arc(rng.uniform(0.15, 0.4), 0.2, start=(-0.3, 0.05), angle=np.pi - rng.uniform(0.3, 1.2))
    sketch.fill([taper(back, 0.06, 0.006), taper(beak, 0.05, 0.006)], ink)
    abdomen = arc(rng.uniform(0.5, 0.75), rng.uniform(-0.4, 2.2), start=(0.05, 0.08), angle=rng.uniform(0.1, 0.7))
    sketch.fill(ribbon(abdomen, widths((0, 0.12), (0.8, 0.07), (1, 0.1))), ink * 0.9)
    tip, heading = at(abdomen, 1)
    sketch.line([arc(0.13, 0, start=tip, angle=heading + side, n=4) for side in (-0.4, 0.4)], 0.5, width=0.015)
    sketch.body(helmet, ink, edge=0.2)
    sketch.fill(oval((-0.25, 0.02), 0.1, rng.uniform(0.07, 0.1)), 0.5)
    feet = [
        wander(
            rng, rng.uniform(0.15, 0.35), 0.8, start=(rng.uniform(-0.25, 0.05), 0.14), angle=rng.uniform(0.9, 2.3), n=8
        )
        for _ in range(rng.integers(3, 7))
    ]
    sketch.line(feet, 0.4, width=0.02)


def amphipod(sketch: Sketch, rng: Generator) -> None:
    """A bent, segmented, flattened body with a large eye and many short legs."""
    spine = arc(1.0, rng.uniform(0.8, 2.6), start=(-0.5, 0), n=32)
    thick = rng.uniform(0.2, 0.3)
    limbs = []
    for t in np.linspace(0.12, 0.9, 9):
        foot, heading = at(spine, float(t), thick * 0.35)
        limbs.append(
            taper(
                arc(
                    rng.uniform(0.1, 0.24),
                    rng.uniform(0.4, 1.6),
                    start=foot,
                    angle=heading + rng.uniform(0.9, 1.7),
                    n=8,
                ),
                0.035,
                0.012,
            )
        )
    sketch.fill(limbs, rng.uniform(0.3, 0.5))
    sketch.body(
        ribbon(spine, widths((0, 0.7 * thick), (0.1, thick), (0.6, 0.9 * thick), (1, 0.15 * thick), n=32)),
        rng.uniform(0.35, 0.65),
        edge=0.15,
    )
    ribs = [np.array([at(spine, t, -thick * 0.4)[0], at(spine, t, thick * 0.4)[0]]) for t in np.linspace(0.2, 0.9, 8)]
    sketch.line(ribs, 0.15, width=0.01)
    sketch.fill(oval(at(spine, 0.05)[0], thick * 0.6, thick * 0.6), rng.uniform(0.2, 0.45))


COMMON = (Kind(name="shrimp_zoea", artist=zoea, size=52),)
OTHER = (
    Kind(
        name="euphausiid",
        artist=partial(
            shrimp,
            head=(0.3, 0.38),
            bend=(-0.2, 0.6),
            eye=0.075,
            rostrum=(0.02, 0.08),
            feelers=3,
            legs=8,
            broad=(0.12, 0.17),
        ),
        size=95,
    ),
    Kind(
        name="shrimp_caridean",
        artist=partial(
            shrimp,
            head=(0.36, 0.46),
            bend=(0.3, 1.5),
            eye=0.06,
            rostrum=(0.1, 0.22),
            feelers=4,
            legs=6,
            broad=(0.16, 0.23),
        ),
        size=90,
    ),
    Kind(
        name="shrimp_sergestidae",
        artist=partial(
            shrimp,
            head=(0.3, 0.4),
            bend=(-0.1, 0.9),
            eye=0.045,
            rostrum=(0.01, 0.05),
            feelers=6,
            legs=5,
            broad=(0.09, 0.14),
        ),
        size=100,
    ),
    Kind(name="amphipod", artist=amphipod, size=62),
)
