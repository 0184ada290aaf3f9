"""Single cells, their chains and colonies, and what is left of all: pellets, flakes, artefacts."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator

from zoo_plankton.curves import TURN, arc, at, centred, lump, oval, part, ribbon, star, wander, wave
from zoo_plankton.kinds.kind import Kind
from zoo_plankton.sketch import Sketch

Range = tuple[float, float]


def chain_string(sketch: Sketch, rng: Generator) -> None:
    """Diatoms in a thin thread, slightly beaded."""
    thread = centred(wander(rng, 1.0, rng.uniform(0.1, 1.1), n=40))
    width = rng.uniform(0.011, 0.024)
    sketch.line(thread, rng.uniform(0.25, 0.5), width=width)
    beads = [
        oval(at(thread, t)[0], width * 2.2, width * 1.5, at(thread, t)[1], n=8)
        for t in np.linspace(0, 1, rng.integers(14, 34))
    ]
    sketch.fill(beads, rng.uniform(0.05, 0.3))


def chain_tube(sketch: Sketch, rng: Generator) -> None:
    """Diatoms in a tube: long cells with clear gaps between pale walls."""
    spine = centred(wander(rng, 1.0, rng.uniform(0.05, 0.7), n=40))
    width = rng.uniform(0.028, 0.06)
    sketch.body(ribbon(spine, width), rng.uniform(0.1, 0.3), edge=rng.uniform(0.15, 0.35), width=0.008)
    cells = int(rng.integers(6, 14))
    gap = rng.uniform(0.1, 0.3)
    sketch.fill(
        [ribbon(part(spine, (i + gap) / cells, (i + 1) / cells, n=6), width * 0.6) for i in range(cells)],
        rng.uniform(0.12, 0.35),
    )


def trichodesmium(
    sketch: Sketch, rng: Generator, *, fan: Range, waist: Range, length: Range, count: Range, radial: bool
) -> None:
    """A colony of filaments: radial (puff), parallel (tuft), or tied at the middle (bow tie)."""
    filaments = []
    open_, narrow = rng.uniform(*fan), rng.uniform(*waist)
    for _ in range(int(rng.integers(int(count[0]), int(count[1]) + 1))):
        reach = rng.uniform(*length)
        if radial:
            angle = rng.uniform(0, TURN)
            filaments.append(wander(rng, reach / 2, 0.45, start=rng.normal(0, 0.05, 2), angle=angle, n=7))
            continue
        angle = rng.normal(0, open_)
        middle = np.array([rng.normal(0, 0.05), rng.normal(0, narrow)])
        filament = wander(rng, reach, 0.3, angle=angle, n=9)
        filaments.append(filament - filament[4] + middle)
    for bundle in (filaments[::3], filaments[1::3], filaments[2::3]):
        sketch.line(bundle, rng.uniform(0.2, 0.36), width=rng.uniform(0.012, 0.024))
    core = rng.uniform(0.18, 0.34) if radial else rng.uniform(0.3, 0.55)
    sketch.fill(
        lump(rng, (0, 0), core, core if radial else 2.4 * narrow + 0.05, 0.2), rng.uniform(0.15, 0.5), soft=0.03
    )


def radiant(sketch: Sketch, rng: Generator, *, core: Range, spines: Range, halo: Range, jitter: float = 0.2) -> None:
    """A dark cell with spines around it; a halo of pale plasma where it has one."""
    count = int(rng.integers(int(spines[0]), int(spines[1]) + 1))
    middle = rng.uniform(*core)
    around = rng.uniform(*halo)
    if around > 0:
        sketch.body(
            lump(rng, (0, 0), around, around * rng.uniform(0.85, 1), 0.06),
            rng.uniform(0.06, 0.16),
            edge=rng.uniform(0.02, 0.12),
            width=0.02,
            soft=0.02,
        )
    angles = np.linspace(0, TURN, count, endpoint=False) + rng.normal(0, jitter, count)
    rays = [arc(rng.uniform(0.34, 0.52), rng.normal(0, 0.06), angle=float(angle), n=4) for angle in angles]
    if rays:
        sketch.line(rays, rng.uniform(0.25, 0.5), width=rng.uniform(0.012, 0.022))
    sketch.fill(lump(rng, (0, 0), middle, middle * rng.uniform(0.8, 1), 0.15), rng.uniform(0.45, 0.75), soft=0.02)
    sketch.fill(lump(rng, (0, 0), middle * 1.5, middle * 1.5, 0.2), rng.uniform(0.05, 0.2), soft=0.03)


def round_cell(sketch: Sketch, rng: Generator, *, nucleus: Range, wall: Range, flagellum: float) -> None:
    """A round cell: a wall, plasma strands, a nucleus in or beside the middle, in Noctiluca a tail."""
    sketch.body(
        lump(rng, (0, 0), 0.9, 0.9 * rng.uniform(0.85, 1), 0.04),
        rng.uniform(0.08, 0.26),
        edge=rng.uniform(*wall),
        width=rng.uniform(0.02, 0.045),
    )
    place = rng.normal(0, 0.08 + 0.12 * (flagellum > 0), 2)
    strands = [
        wander(rng, rng.uniform(0.2, 0.42), 0.9, start=place, angle=a, n=7)
        for a in rng.uniform(0, TURN, rng.integers(3, 9))
    ]
    sketch.line(strands, rng.uniform(0.06, 0.24), width=0.018)
    across = rng.uniform(*nucleus)
    sketch.fill(lump(rng, place, across, across * rng.uniform(0.7, 1), 0.2), rng.uniform(0.3, 0.65), soft=0.025)
    if rng.random() < flagellum:
        angle = rng.uniform(0, TURN)
        tail = wander(
            rng, rng.uniform(0.2, 0.5), 1.4, start=0.42 * np.array([np.cos(angle), np.sin(angle)]), angle=angle
        )
        sketch.line(tail, 0.4, width=0.035)


def star_cell(sketch: Sketch, rng: Generator) -> None:
    """A protist with a few broad, pointed arms."""
    tips = rng.uniform(0.34, 0.56, rng.integers(4, 8))
    sketch.body(star((0, 0), rng.uniform(0.1, 0.17), tips.tolist()), rng.uniform(0.3, 0.55), edge=0.1)
    sketch.fill(lump(rng, (0, 0), 0.22, 0.2, 0.15), rng.uniform(0.2, 0.5), soft=0.02)


def pellet(sketch: Sketch, rng: Generator) -> None:
    """A faecal pellet: a short dense rod, blunt or tapering."""
    spine = centred(arc(1.0, rng.normal(0, 0.5)))
    width = rng.uniform(0.14, 0.32)
    ends = rng.uniform(0.25, 0.8, 2)
    profile = (
        np.interp(
            np.linspace(0, 1, 24),
            [0, 0.12, 0.5, 0.88, 1],
            [0.4 * ends[0], ends[0] ** 0.4, 1, ends[1] ** 0.4, 0.4 * ends[1]],
        )
        * width
    )
    profile *= 1 + rng.normal(0, 0.05, 24)
    sketch.body(ribbon(spine, profile), rng.uniform(0.4, 0.7), edge=0.15)
    sketch.fill(
        [
            lump(rng, at(spine, t, rng.normal(0, 0.2) * width)[0], 0.1, 0.08, 0.2, n=12)
            for t in rng.uniform(0.1, 0.9, 5)
        ],
        rng.uniform(0.05, 0.25),
    )


def flake(sketch: Sketch, rng: Generator, *, lumps: Range, threads: Range, stretch: Range) -> None:
    """Marine snow: lumps and threads that hang together."""
    long, flat = rng.uniform(*stretch), rng.uniform(0.35, 0.9)
    for _ in range(int(rng.integers(int(lumps[0]), int(lumps[1]) + 1))):
        place = rng.normal(0, 0.17, 2) * (long, flat)
        across = rng.uniform(0.15, 0.5)
        sketch.fill(
            lump(rng, place, across, across * rng.uniform(0.4, 1), 0.4, rng.uniform(0, 6)),
            rng.uniform(0.08, 0.35),
            soft=rng.choice([0.0, 0.02]),
        )
    count = int(rng.integers(int(threads[0]), int(threads[1]) + 1))
    starts = rng.normal(0, 0.2, (count, 2)) * (long, flat)
    hanging = [wander(rng, rng.uniform(0.2, 0.8) * long, 2.0, start=s, angle=rng.uniform(0, TURN)) for s in starts]
    if hanging:
        sketch.line(hanging, rng.uniform(0.15, 0.4), width=rng.uniform(0.012, 0.03))
    dots = rng.normal(0, 0.2, (rng.integers(4, 14), 2)) * (long, flat)
    sketch.fill([oval(dot, 0.05, 0.04, n=8) for dot in dots], rng.uniform(0.1, 0.45))


def colony(sketch: Sketch, rng: Generator, *, chain: bool) -> None:
    """Radiolarians in a jelly: a string of dark cells, or a cloud of them."""
    if chain:
        spine = centred(wave(1.0, rng.uniform(0, 0.9), rng.uniform(0.4, 1.1), rng.uniform(0, 6.3)))
        sketch.fill(ribbon(spine, rng.uniform(0.1, 0.2)), rng.uniform(0.05, 0.16), soft=0.02)
        places = [at(spine, float(t), rng.normal(0, 0.01))[0] for t in np.linspace(0.03, 0.97, rng.integers(7, 15))]
    else:
        sketch.body(lump(rng, (0, 0), 0.95, rng.uniform(0.55, 0.9), 0.12), rng.uniform(0.05, 0.16), edge=0.1, soft=0.02)
        places = list(rng.normal(0, 0.17, (rng.integers(10, 32), 2)) * (1, 0.8))
    for place in places:
        sketch.fill(oval(place, rng.uniform(0.045, 0.09), rng.uniform(0.045, 0.08), n=12), rng.uniform(0.3, 0.65))


def edge(sketch: Sketch, rng: Generator) -> None:
    """An artefact: the dark, soft, straight edge of a frame or window that reaches through the picture."""
    sketch.frame = oval((0, 0), 1.0, rng.uniform(0.4, 0.9))
    middle = rng.normal(0, 0.12)
    thick = rng.choice([rng.uniform(0.08, 0.3), 3.0])
    for inset in (0.0, 0.03, 0.07)[: rng.integers(1, 4)]:
        block = np.array(
            [[-3, middle + inset], [3, middle + inset + rng.normal(0, 0.05)], [3, middle + thick], [-3, middle + thick]]
        )
        sketch.fill(block, rng.uniform(0.15, 0.4), soft=rng.uniform(0.0, 0.04))
    if rng.random() < 0.4:
        sketch.line(np.array([[-3, middle - 0.08], [3, middle - 0.08]]), rng.uniform(0.05, 0.25), width=0.02)


_tuft = partial(trichodesmium, length=(0.55, 1.0), count=(14, 34), radial=False)

COMMON = (
    Kind(
        name="trichodesmium_puff",
        artist=partial(_tuft, fan=(0, 0), waist=(0.05, 0.06), count=(36, 70), radial=True),
        size=48,
    ),
    Kind(
        name="detritus_other",
        artist=partial(flake, lumps=(2, 6), threads=(2, 5), stretch=(0.8, 1.4)),
        size=54,
        spread=0.35,
    ),
    Kind(name="acantharia_protist", artist=partial(radiant, core=(0.1, 0.22), spines=(8, 16), halo=(0, 0)), size=44),
    Kind(name="fecal_pellet", artist=pellet, size=38),
    Kind(name="trichodesmium_tuft", artist=partial(_tuft, fan=(0.03, 0.16), waist=(0.03, 0.07)), size=62),
    Kind(name="diatom_chain_string", artist=chain_string, size=96, spread=0.3),
    Kind(
        name="detritus_blob",
        artist=partial(flake, lumps=(4, 9), threads=(0, 1), stretch=(0.7, 1.2)),
        size=46,
        spread=0.35,
    ),
    Kind(
        name="protist_noctiluca",
        artist=partial(round_cell, nucleus=(0.12, 0.28), wall=(0.15, 0.4), flagellum=0.8),
        size=48,
    ),
    Kind(name="diatom_chain_tube", artist=chain_tube, size=88, spread=0.3),
    Kind(name="trichodesmium_bowtie", artist=partial(_tuft, fan=(0.2, 0.42), waist=(0.01, 0.035)), size=60),
    Kind(name="protist_star", artist=star_cell, size=40),
    Kind(
        name="acantharia_protist_halo",
        artist=partial(radiant, core=(0.1, 0.24), spines=(6, 16), halo=(0.5, 0.95)),
        size=50,
    ),
    Kind(
        name="protist_dark_center",
        artist=partial(round_cell, nucleus=(0.24, 0.46), wall=(0.0, 0.2), flagellum=0.0),
        size=42,
    ),
    Kind(
        name="acantharia_protist_big_center",
        artist=partial(radiant, core=(0.24, 0.4), spines=(8, 16), halo=(0, 0)),
        size=46,
    ),
)
OTHER = (
    Kind(name="radiolarian_chain", artist=partial(colony, chain=True), size=98),
    Kind(name="radiolarian_colony", artist=partial(colony, chain=False), size=84),
    Kind(
        name="detritus_filamentous",
        artist=partial(flake, lumps=(0, 3), threads=(5, 11), stretch=(0.9, 1.6)),
        size=62,
        spread=0.35,
    ),
    Kind(name="artifact_edge", artist=edge, size=80, spread=0.35),
)
