"""Larvae of echinoderms and their like, and the winged snails."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator

from zoo_plankton.curves import TURN, arc, at, lump, oval, part, ribbon, star, taper, wander, widths
from zoo_plankton.kinds.kind import Kind
from zoo_plankton.sketch import Sketch

Range = tuple[float, float]


def pluteus(sketch: Sketch, rng: Generator, *, spread: Range, long: Range, short: Range, inner: Range) -> None:
    """An easel: a small conical body with stiff arms on skeletal rods."""
    open_, reach = rng.uniform(*spread), rng.uniform(*long)
    ink = rng.uniform(0.2, 0.45)
    arms = [(side * open_, reach * rng.uniform(0.85, 1.1)) for side in (-1, 1)]
    between = int(rng.integers(int(inner[0]), int(inner[1]) + 1))
    arms += [(rng.uniform(-0.75, 0.75) * open_, rng.uniform(*short)) for _ in range(between)]
    membranes, rods = [], []
    for angle, length in arms:
        rod = arc(
            length, rng.normal(0, 0.12) + 0.25 * np.sign(angle), start=(-0.32, 0.02 * np.sign(angle)), angle=angle, n=14
        )
        membranes.append(taper(rod, 0.12, 0.03))
        rods.append(rod)
    sketch.fill(membranes, ink)
    sketch.line(rods, rng.uniform(0.2, 0.45), width=0.016)
    sketch.body(lump(rng, (-0.27, 0), 0.26, 0.2 + 0.12 * open_, 0.1), ink, edge=0.15)
    sketch.fill(lump(rng, (-0.2, 0), 0.14, 0.11, 0.1), rng.uniform(0.15, 0.4), soft=0.01)


def ciliated(sketch: Sketch, rng: Generator, *, lobes: Range, arms: Range, folds: int) -> None:
    """A soft larva with a looping ciliary band, a gut, and lobes or long arms along its sides."""
    trunk = arc(0.85, rng.normal(0, 0.25), start=(-0.42, 0))
    broad = rng.uniform(0.34, 0.48)
    ink = rng.uniform(0.14, 0.35)
    for t in np.linspace(0.12, 0.9, int(rng.integers(int(lobes[0]), int(lobes[1]) + 1))):
        for side in (-1, 1):
            foot, heading = at(trunk, float(t), side * broad * 0.36)
            arm = arc(
                rng.uniform(*arms),
                side * rng.normal(0.3, 0.4),
                start=foot,
                angle=heading + side * rng.uniform(0.7, 1.5),
                n=10,
            )
            sketch.body(taper(arm, 0.09, 0.03), ink, edge=0.14, width=0.012)
    sketch.body(
        ribbon(trunk, widths((0, 0.5), (0.2, 1), (0.5, 0.72), (0.8, 1), (1, 0.4)) * broad),
        ink,
        edge=rng.uniform(0.15, 0.3),
        width=0.018,
    )
    for fold in range(folds):
        aside = broad * (0.3 - 0.28 * fold)
        sketch.line(
            [part(trunk, 0.1, 0.92, side * aside * rng.uniform(0.8, 1.1)) for side in (-1, 1)],
            rng.uniform(0.12, 0.3),
            width=0.018,
        )
    sketch.fill(
        ribbon(part(trunk, 0.25, 0.85), widths((0, 0.3), (0.4, 0.25), (0.6, 0.55), (1, 0.2)) * broad * 0.8),
        rng.uniform(0.15, 0.38),
        soft=0.012,
    )


def tornaria(sketch: Sketch, rng: Generator) -> None:
    """A gooseberry of a larva: a dark girdle near one end, wavy bands, an eye spot at the other."""
    wide = rng.uniform(0.65, 0.9)
    sketch.body(
        lump(rng, (0, 0), 0.9, 0.9 * wide, 0.05), rng.uniform(0.15, 0.35), edge=rng.uniform(0.2, 0.4), width=0.025
    )
    girdle = np.linspace(-0.4, 0.4, 12) * wide
    bow = rng.normal(0.06, 0.04)
    sketch.line(np.stack([0.22 + bow * (1 - (girdle / 0.4) ** 2), girdle], axis=1), rng.uniform(0.3, 0.55), width=0.05)
    for side in (-1, 1):
        band = np.linspace(-0.4, 0.12, 18)
        sketch.line(
            np.stack([band, side * wide * (0.2 + 0.08 * np.sin(band * rng.uniform(20, 32)))], axis=1),
            rng.uniform(0.15, 0.35),
            width=0.022,
        )
    sketch.fill(oval((-0.4, 0), 0.06, 0.06, n=10), rng.uniform(0.4, 0.7))
    sketch.fill(taper(arc(0.6, rng.normal(0, 0.3), start=(-0.15, 0)), 0.1, 0.2), rng.uniform(0.12, 0.3), soft=0.015)


def butterfly(sketch: Sketch, rng: Generator) -> None:
    """A swimming snail: two wings, a bottle-shaped or coiled body between them."""
    beat = rng.uniform(-0.5, 0.9)
    for side in (-1, 1):
        wing = arc(
            rng.uniform(0.4, 0.55),
            side * rng.uniform(-0.5, 0.8),
            start=(-0.2, side * 0.05),
            angle=side * (np.pi / 2 - beat),
        )
        sketch.body(
            ribbon(wing, widths((0, 0.1), (0.6, rng.uniform(0.22, 0.34)), (1, 0.1))), rng.uniform(0.18, 0.42), edge=0.15
        )
    trunk = arc(rng.uniform(0.5, 0.7), rng.normal(0, 0.5), start=(-0.28, 0))
    sketch.body(ribbon(trunk, widths((0, 0.1), (0.3, 0.17), (0.6, 0.2), (1, 0.04))), rng.uniform(0.4, 0.7), edge=0.12)


def cone_snail(sketch: Sketch, rng: Generator) -> None:
    """A pteropod in a straight or bent conical shell, dark inside, small wings at its mouth."""
    shell = arc(0.9, rng.normal(0, 0.4), start=(-0.4, 0))
    broad = rng.uniform(0.24, 0.4)
    sketch.body(taper(shell, broad, 0.01), rng.uniform(0.25, 0.45), edge=0.25, width=0.02)
    sketch.fill(taper(part(shell, 0.05, rng.uniform(0.5, 0.8)), 0.7 * broad, 0.05), rng.uniform(0.25, 0.5), soft=0.012)
    if rng.random() < 0.75:
        for side in (-1, 1):
            sketch.fill(
                lump(rng, (-0.46, side * broad * 0.5), 0.22, 0.12, 0.2, side * rng.uniform(0.5, 1.7)),
                rng.uniform(0.15, 0.4),
            )


def ephyra(sketch: Sketch, rng: Generator) -> None:
    """A young jellyfish: a disc with eight cleft arms."""
    flat = rng.uniform(0.6, 1.0)
    arms = int(rng.choice([6, 7, 8, 8, 8]))
    disc = np.array([1, flat])
    spokes = []
    for angle in np.linspace(0, TURN, arms, endpoint=False):
        arm = arc(rng.uniform(0.42, 0.5), rng.normal(0, 0.3), angle=angle, n=10)
        spokes.append(ribbon(arm, widths((0, 0.14), (0.7, 0.13), (1, 0.11))) * disc)
        tip, heading = at(arm, 1.0)
        spokes += [taper(arc(0.11, 0, start=tip, angle=heading + s, n=4), 0.06, 0.02) * disc for s in (-0.45, 0.45)]
    sketch.fill(spokes, rng.uniform(0.22, 0.45))
    sketch.body(lump(rng, (0, 0), 0.46, 0.46 * flat, 0.05), rng.uniform(0.12, 0.3), edge=0.12)
    sketch.fill(star((0, 0), 0.06, [0.15] * 4, rng.uniform(0, 1)) * disc, rng.uniform(0.2, 0.45), soft=0.01)


def heteropod(sketch: Sketch, rng: Generator) -> None:
    """A glassy swimming snail: a trunk with a snout, one ventral fin, a dark visceral knot, a tail."""
    spine = arc(1.0, rng.normal(0.4, 0.5), start=(-0.5, 0))
    thick = rng.uniform(0.13, 0.2)
    sketch.body(
        ribbon(spine, widths((0, 0.35), (0.15, 0.6), (0.35, 1), (0.6, 0.85), (1, 0.1)) * thick),
        rng.uniform(0.14, 0.35),
        edge=0.2,
        width=0.014,
    )
    place, heading = at(spine, rng.uniform(0.35, 0.5), thick * 0.5)
    sketch.body(
        ribbon(arc(0.24, 0.3, start=place, angle=heading + 1.4), widths((0, 0.1), (0.6, 0.2), (1, 0.08))),
        0.2,
        edge=0.15,
    )
    knot, _ = at(spine, rng.uniform(0.6, 0.72), -thick * 0.4)
    sketch.fill(lump(rng, knot, 0.15, 0.1, 0.2), rng.uniform(0.4, 0.7))
    sketch.fill(oval(at(spine, 0.16)[0], 0.05, 0.05, n=10), 0.6)
    sketch.line(wander(rng, 0.2, 1.2, start=spine[-1], angle=at(spine, 1)[1]), 0.3, width=0.015)


COMMON = (
    Kind(
        name="echinoderm_pluteus_brittlestar",
        artist=partial(pluteus, spread=(0.55, 1.0), long=(0.85, 1.1), short=(0.25, 0.5), inner=(2, 4)),
        size=58,
    ),
    Kind(
        name="echinoderm_pluteus_urchin",
        artist=partial(pluteus, spread=(0.25, 0.6), long=(0.6, 0.95), short=(0.45, 0.85), inner=(2, 5)),
        size=50,
    ),
)
OTHER = (
    Kind(
        name="echinoderm_seastar_bipinnaria",
        artist=partial(ciliated, lobes=(2, 4), arms=(0.08, 0.18), folds=2),
        size=66,
    ),
    Kind(
        name="echinoderm_seastar_brachiolaria",
        artist=partial(ciliated, lobes=(4, 6), arms=(0.2, 0.42), folds=1),
        size=70,
    ),
    Kind(name="tornaria", artist=tornaria, size=60),
    Kind(name="pteropod_butterfly", artist=butterfly, size=54),
    Kind(name="pteropod_triangle", artist=cone_snail, size=56),
    Kind(name="ephyra", artist=ephyra, size=72),
    Kind(name="heteropod", artist=heteropod, size=86),
)
