"""Glassy things: medusae, comb jellies, siphonophores, salps and doliolids."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator

from zoo_plankton.curves import TURN, Curve, arc, at, lump, oval, part, ribbon, taper, wander, wave, widths
from zoo_plankton.kinds.kind import Kind
from zoo_plankton.sketch import Sketch

Range = tuple[float, float]


def _dome(width: float, height: float, open_: float = 1.0, point: float = 2.2) -> Curve:
    """A bell's outline, its mouth at y = 0 towards +y, its top at y = -height."""
    round_ = np.linspace(np.pi, TURN, 30)
    x, y = np.cos(round_), np.sin(round_)
    squared = np.stack([np.sign(x) * np.abs(x) ** (2 / point), -(np.abs(y) ** (2 / point))], axis=1)
    squared[:, 0] *= 1 - (1 - open_) * (1 + squared[:, 1]) ** 2
    return squared * (width / 2, height)


def medusa(
    sketch: Sketch, rng: Generator, *, tentacles: Range, reach: Range, tall: Range, thick: Range = (0.6, 0.85)
) -> None:
    """A bell with its inner wall, a stomach hanging in it, tentacles from the rim."""
    tall_ = rng.uniform(*tall)
    bell = _dome(0.9, tall_, rng.uniform(0.75, 1.0), rng.uniform(1.9, 2.7))
    sketch.body(bell, rng.uniform(0.06, 0.2), edge=rng.uniform(0.2, 0.45), width=rng.uniform(0.015, 0.035))
    inner = _dome(0.9 * rng.uniform(*thick), tall_ * rng.uniform(*thick), 0.95)
    sketch.line(inner, rng.uniform(0.12, 0.35), width=0.018)
    stomach = arc(tall_ * rng.uniform(0.35, 0.8), rng.normal(0, 0.3), start=(0, -0.75 * tall_), angle=np.pi / 2)
    sketch.fill(ribbon(stomach, widths((0, 0.09), (0.6, 0.11), (1, 0.05))), rng.uniform(0.3, 0.6))
    if rng.random() < 0.6:
        canals = [np.array([[0, -0.75 * tall_], [x, -0.1 * tall_]]) for x in (-0.33, -0.12, 0.14, 0.35)]
        sketch.line(canals, rng.uniform(0.08, 0.22), width=0.012)
    rim = oval((0, 0), 0.86, rng.uniform(0.04, 0.16))
    sketch.line(np.concatenate([rim, rim[:1]]), rng.uniform(0.2, 0.45), width=0.02)
    count = int(rng.integers(int(tentacles[0]), int(tentacles[1]) + 1))
    lean = rng.normal(0, 0.35)
    threads = [
        wander(
            rng,
            rng.uniform(*reach),
            1.3,
            start=(0.4 * np.cos(angle), 0.03),
            angle=np.pi / 2 + lean - 0.4 * np.cos(angle),
        )
        for angle in np.linspace(0.1, np.pi - 0.1, max(count, 1))[:count]
    ]
    if threads:
        sketch.line(threads, rng.uniform(0.25, 0.5), width=rng.uniform(0.012, 0.02))


def disc_medusa(sketch: Sketch, rng: Generator, *, arms: Range, reach: Range) -> None:
    """A medusa from above: a pale disc, a broad stomach, stiff tentacles all around."""
    flat = rng.uniform(0.55, 1.0)
    count = int(rng.integers(int(arms[0]), int(arms[1]) + 1))
    threads = []
    for angle in np.linspace(0, TURN, count, endpoint=False) + rng.uniform(0, 1):
        foot = np.array([0.3 * np.cos(angle), 0.3 * flat * np.sin(angle)])
        threads.append(
            taper(
                wander(rng, rng.uniform(*reach), 0.7, start=foot, angle=angle + rng.normal(0, 0.12), n=9), 0.03, 0.008
            )
        )
    sketch.fill(threads, rng.uniform(0.3, 0.5))
    sketch.body(
        lump(rng, (0, 0), 0.66, 0.66 * flat, 0.05), rng.uniform(0.1, 0.25), edge=rng.uniform(0.15, 0.35), width=0.02
    )
    sketch.fill(lump(rng, (0, 0), 0.38, 0.38 * flat, 0.12), rng.uniform(0.12, 0.35), soft=0.02)
    for angle in np.linspace(0, TURN, count, endpoint=False):
        if rng.random() < 0.6:
            place = (0.22 * np.cos(angle), 0.22 * flat * np.sin(angle))
            sketch.fill(oval(place, 0.08, 0.06, angle, n=10), rng.uniform(0.08, 0.25))


def cydippid(sketch: Sketch, rng: Generator, *, tentacles: int) -> None:
    """A comb jelly like a gooseberry: comb rows from pole to pole, two feathered tentacles where out."""
    wide = rng.uniform(0.55, 0.85)
    if tentacles:
        for side in (-1, 1):
            if rng.random() < 0.15:
                continue
            thread = wander(
                rng, rng.uniform(0.35, 1.2), 2.0, start=(0.3, side * 0.12), angle=side * rng.uniform(0, 0.9)
            )
            sketch.line(thread, rng.uniform(0.3, 0.55), width=0.018)
            hairs = []
            for t in np.linspace(0.2, 1, 7):
                foot, heading = at(thread, float(t))
                hairs.append(
                    wander(
                        rng, rng.uniform(0.06, 0.2), 0.9, start=foot, angle=heading + side * rng.uniform(0.4, 1.2), n=6
                    )
                )
            sketch.line(hairs, rng.uniform(0.15, 0.35), width=0.01)
    sketch.body(
        lump(rng, (0, 0), 0.9, 0.9 * wide, 0.05), rng.uniform(0.12, 0.35), edge=rng.uniform(0.2, 0.4), width=0.025
    )
    rows = []
    for share in np.linspace(-0.8, 0.8, rng.integers(4, 7)) + rng.normal(0, 0.06):
        run = np.linspace(-0.85, 0.85, 14)
        rows.append(np.stack([run * 0.45, share * 0.42 * wide * np.sqrt(1 - run**2)], axis=1))
    sketch.line(rows, rng.uniform(0.12, 0.4), width=rng.uniform(0.015, 0.03))
    sketch.fill(taper(arc(0.5, rng.normal(0, 0.2), start=(-0.35, 0)), 0.14, 0.05), rng.uniform(0.12, 0.4), soft=0.015)
    for side in (-1, 1):
        sketch.fill(oval((0.08, side * 0.17 * wide), 0.22, 0.08, side * 0.3), rng.uniform(0.08, 0.3), soft=0.01)


def lobate(sketch: Sketch, rng: Generator) -> None:
    """A comb jelly with two lobes around its mouth."""
    wide = rng.uniform(0.5, 0.7)
    sketch.body(
        lump(rng, (-0.15, 0), 0.65, wide, 0.06), rng.uniform(0.1, 0.25), edge=rng.uniform(0.15, 0.35), width=0.02
    )
    for side in (-1, 1):
        lobe = arc(
            rng.uniform(0.45, 0.65),
            -side * rng.uniform(0.2, 1.0),
            start=(0, side * wide * 0.3),
            angle=side * rng.uniform(0.1, 0.4),
        )
        sketch.body(
            ribbon(lobe, widths((0, 0.12), (0.5, 0.26), (0.85, 0.2), (1, 0.03))),
            rng.uniform(0.08, 0.22),
            edge=rng.uniform(0.15, 0.35),
            width=0.018,
        )
        sketch.line(part(lobe, 0, 0.85), rng.uniform(0.15, 0.4), width=0.022)
        sketch.line(
            arc(0.45, side * 0.5, start=(-0.42, side * 0.04), angle=side * 0.35), rng.uniform(0.15, 0.4), width=0.022
        )
    sketch.fill(taper(arc(0.45, 0.1, start=(-0.4, 0)), 0.07, 0.03), rng.uniform(0.15, 0.4))


def physonect(sketch: Sketch, rng: Generator) -> None:
    """A siphonophore: a float, two rows of swimming bells, a stem with stinging threads."""
    spine = wave(1.0, rng.uniform(0.1, 0.7), rng.uniform(0.3, 1.0), rng.uniform(0, 6.3), n=48) - (0.5, 0)
    bells = int(rng.integers(3, 8))
    share = rng.uniform(0.3, 0.5)
    for t in np.linspace(0.06, share, bells):
        for side in (-1, 1):
            place, heading = at(spine, float(t), side * 0.055)
            sketch.body(
                lump(rng, place, 0.12, 0.08, 0.1, heading + side * 0.7, n=14),
                rng.uniform(0.08, 0.2),
                edge=0.2,
                width=0.01,
            )
    sketch.line(spine, rng.uniform(0.3, 0.5), width=rng.uniform(0.015, 0.03))
    sketch.fill(oval(spine[0], 0.08, 0.05, at(spine, 0)[1]), rng.uniform(0.4, 0.7))
    for t in np.linspace(share + 0.06, 1, rng.integers(5, 11)):
        place, heading = at(spine, float(t), rng.normal(0, 0.015))
        sketch.fill(
            lump(rng, place, rng.uniform(0.05, 0.11), 0.04, 0.2, heading + rng.normal(0, 0.5), n=12),
            rng.uniform(0.25, 0.5),
        )
        if rng.random() < 0.75:
            sketch.line(
                wander(
                    rng,
                    rng.uniform(0.08, 0.35),
                    1.4,
                    start=place,
                    angle=heading + rng.choice([-1, 1]) * rng.uniform(0.7, 1.9),
                ),
                0.25,
                width=0.008,
            )


def rocketship(sketch: Sketch, rng: Generator, *, tail: Range) -> None:
    """A siphonophore's pointed bell with its deep cavity and oil sac, a stem trailing behind."""
    broad = rng.uniform(0.26, 0.36)
    trunk = arc(0.72, rng.normal(0, 0.1), start=(-0.5, 0))
    sketch.body(
        ribbon(trunk, widths((0, 0), (0.3, 0.62 * broad), (0.75, broad), (1, 0.85 * broad))),
        rng.uniform(0.1, 0.28),
        edge=rng.uniform(0.2, 0.45),
        width=0.018,
    )
    cavity = ribbon(part(trunk, rng.uniform(0.3, 0.45), 0.98), widths((0, 0.1), (0.4, 0.5), (1, 0.55)) * broad)
    sketch.line(np.concatenate([cavity, cavity[:1]]), rng.uniform(0.12, 0.3), width=0.014)
    sketch.fill(ribbon(part(trunk, 0.2, rng.uniform(0.4, 0.6), 0.25 * broad), 0.035), rng.uniform(0.25, 0.5))
    stem = wander(rng, rng.uniform(*tail), 1.5, start=(0.2, 0.02), n=24)
    sketch.line(stem, rng.uniform(0.25, 0.45), width=0.018)
    for t in np.linspace(0.1, 1, rng.integers(3, 9)):
        place, heading = at(stem, float(t))
        sketch.fill(lump(rng, place, 0.06, 0.035, 0.2, heading, n=10), rng.uniform(0.2, 0.5))


def barrel(
    sketch: Sketch, rng: Generator, *, bands: Range, broad: Range, nucleus: float, tail: float = 0.0, start: float = 0.0
) -> None:
    """A salp or doliolid: an open barrel with hoops of muscle, a gut, in salps a dark nucleus."""
    wide = rng.uniform(*broad)
    spine = arc(0.9, rng.normal(0, 0.15), start=(-0.45 + start, 0))
    profile = widths((0, 0.55 * wide), (0.15, 0.9 * wide), (0.5, wide), (0.85, 0.85 * wide), (1, 0.5 * wide))
    sketch.body(ribbon(spine, profile), rng.uniform(0.06, 0.22), edge=rng.uniform(0.2, 0.45), width=0.02)
    hoops = []
    for t in np.linspace(0.07, 0.93, rng.integers(int(bands[0]), int(bands[1]) + 1)):
        half = float(np.interp(t, np.linspace(0, 1, len(profile)), profile)) / 2
        bulge = rng.normal(0.02, 0.02)
        hoops.append(
            np.array([at(spine, t + bulge * (1 - (s / half) ** 2), s)[0] for s in np.linspace(-half, half, 9)])
        )
    sketch.line(hoops, rng.uniform(0.15, 0.4), width=rng.uniform(0.012, 0.028))
    sketch.line(part(spine, 0.2, 0.75, rng.normal(0, 0.12) * wide), rng.uniform(0.1, 0.3), width=0.03)
    if rng.random() < 0.15 + nucleus:
        place, heading = at(spine, rng.uniform(0.75, 0.88), rng.uniform(0.1, 0.3) * wide)
        sketch.fill(lump(rng, place, 0.13, 0.1, 0.12, heading), nucleus * rng.uniform(0.5, 0.8) + 0.15)
    if tail:
        run, heading = at(spine, 1)
        cord = wander(rng, rng.uniform(0.5, 1.0) * tail, 0.6, start=run, angle=heading)
        sketch.line(cord, 0.35, width=0.035)
        for t in np.linspace(0.2, 1, 6):
            sketch.fill(oval(at(cord, float(t), rng.normal(0, 0.02))[0], 0.07, 0.05, n=10), rng.uniform(0.2, 0.4))


def salp_chain(sketch: Sketch, rng: Generator) -> None:
    """Salps of one brood, side by side in a chain."""
    spine = wave(1.1, rng.uniform(0, 0.5), rng.uniform(0.3, 0.9), rng.uniform(0, 6.3))
    count = int(rng.integers(4, 8))
    for t in np.linspace(0, 1, count):
        place, heading = at(spine, float(t), 0.05 * (-1) ** round(t * (count - 1)))
        lean = heading + rng.normal(0.9, 0.15)
        sketch.body(
            lump(rng, place, rng.uniform(0.24, 0.32), 0.14, 0.08, lean, n=20),
            rng.uniform(0.08, 0.2),
            edge=rng.uniform(0.2, 0.4),
            width=0.014,
        )
        nucleus = place + 0.08 * np.array([np.cos(lean), np.sin(lean)])
        sketch.fill(oval(nucleus, 0.055, 0.045, n=10), rng.uniform(0.4, 0.65))


_cydippid = partial(cydippid, tentacles=0)

COMMON = (
    Kind(
        name="hydromedusa_bell", artist=partial(medusa, tentacles=(0, 2), reach=(0.05, 0.16), tall=(0.5, 0.85)), size=62
    ),
    Kind(
        name="hydromedusa_bell_and_tentacles",
        artist=partial(medusa, tentacles=(4, 10), reach=(0.2, 0.9), tall=(0.4, 0.75)),
        size=58,
    ),
    Kind(
        name="hydromedusa_haliscera",
        artist=partial(medusa, tentacles=(2, 5), reach=(0.08, 0.3), tall=(0.4, 0.6), thick=(0.35, 0.55)),
        size=66,
    ),
    Kind(name="hydromedusa_solmaris", artist=partial(disc_medusa, arms=(9, 16), reach=(0.15, 0.4)), size=74),
    Kind(name="hydromedusa_solmundella", artist=partial(disc_medusa, arms=(2, 5), reach=(0.3, 0.75)), size=62),
    Kind(name="ctenophore_cydippid_no_tentacles", artist=_cydippid, size=64),
    Kind(name="ctenophore_cydippid_tentacles", artist=partial(cydippid, tentacles=2), size=60),
    Kind(name="siphonophore_physonect", artist=physonect, size=112),
    Kind(name="siphonophore_rocketship_adult", artist=partial(rocketship, tail=(0.35, 0.9)), size=82),
    Kind(name="siphonophore_rocketship_young", artist=partial(rocketship, tail=(0.05, 0.4)), size=52),
    Kind(name="tunicate_doliolid", artist=partial(barrel, bands=(6, 9), broad=(0.42, 0.6), nucleus=0.1), size=66),
    Kind(name="tunicate_salp", artist=partial(barrel, bands=(4, 7), broad=(0.34, 0.52), nucleus=0.8), size=84),
)
OTHER = (
    Kind(name="ctenophore_lobate", artist=lobate, size=84),
    Kind(
        name="tunicate_doliolid_nurse",
        artist=partial(barrel, bands=(6, 9), broad=(0.42, 0.62), nucleus=0.1, tail=0.9),
        size=58,
    ),
    Kind(name="tunicate_salp_chain", artist=salp_chain, size=104),
)
