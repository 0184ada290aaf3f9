"""Long bodies: arrow worms, fish larvae, tadpole-like appendicularians, bristle worms."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.random import Generator

from zoo_plankton.curves import arc, at, centred, lump, oval, part, ribbon, taper, turn, wander, wave, widths
from zoo_plankton.kinds.kind import Kind
from zoo_plankton.sketch import Sketch

Range = tuple[float, float]


def arrow_worm(sketch: Sketch, rng: Generator, *, bend: Range, broad: Range) -> None:
    """A glassy rod with a dark head, two pairs of pale fins and a tail fin."""
    turned = rng.uniform(*bend) * rng.choice([-1, 1])
    spine = centred(arc(1.0, turned, n=40) + wave(0.02, 0.3 * rng.random(), 1.0, rng.uniform(0, 6)))
    thick = rng.uniform(*broad)
    ink = rng.uniform(0.22, 0.5)
    for begin, end, wide in ((0.38, 0.55, 2.0), (0.62, 0.82, 2.2), (0.88, 1.0, 3.0)):
        fin = ribbon(part(spine, begin, end), widths((0, 0.8), (0.6, 1), (1, 0.9 if end == 1 else 0.6)) * thick * wide)
        sketch.fill(fin, rng.uniform(0.04, 0.16))
    sketch.body(
        ribbon(
            spine,
            widths((0, 0.7 * thick), (0.05, 1.1 * thick), (0.1, 0.8 * thick), (0.5, thick), (1, 0.35 * thick), n=40),
        ),
        ink,
        edge=0.15,
        width=0.006,
    )
    sketch.fill(oval(at(spine, 0.03)[0], thick * 1.5, thick, at(spine, 0.03)[1]), rng.uniform(0.15, 0.4))
    sketch.line(part(spine, 0.08, 0.72), rng.uniform(0.1, 0.35), width=thick * 0.25)
    if rng.random() < 0.5:
        sketch.fill(ribbon(part(spine, 0.5, rng.uniform(0.6, 0.72)), thick * 0.8), rng.uniform(0.1, 0.35))


def fish(sketch: Sketch, rng: Generator, *, broad: Range, fins: float = 0.5, gut: Range = (0.35, 0.5)) -> None:
    """A fish larva: eye, gut, a row of muscle blocks and a pale fin fold to the tail's end."""
    spine = centred(wave(1.0, rng.uniform(0, 0.45), rng.uniform(0.3, 0.9), rng.uniform(0, 6.3)))
    thick = rng.uniform(*broad)
    vent = rng.uniform(*gut)
    ink = rng.uniform(0.25, 0.55)
    sketch.fill(
        ribbon(part(spine, vent, 1.0, n=24), widths((0, 1.2), (0.7, 1.5), (1, 0.9)) * thick * (0.6 + fins)),
        rng.uniform(0.04, 0.15),
    )
    profile = widths(
        (0, 0.35 * thick),
        (0.06, 0.9 * thick),
        (0.2, thick),
        (vent, 0.75 * thick),
        (0.9, 0.25 * thick),
        (1, 0.12 * thick),
        n=40,
    )
    sketch.body(ribbon(spine, profile), ink, edge=0.12, width=0.006)
    eye = max(0.03, thick * rng.uniform(0.35, 0.5))
    sketch.fill(oval(at(spine, 0.06, thick * 0.12)[0], eye, eye, n=14), rng.uniform(0.45, 0.8))
    sketch.fill(
        ribbon(part(spine, 0.14, vent, -thick * 0.22), thick * rng.uniform(0.25, 0.5)),
        rng.uniform(0.15, 0.4),
        soft=0.008,
    )
    blocks = [
        np.array([at(spine, t, -profile[0] / 2)[0], at(spine, t + 0.012, profile[0] / 2)[0]])
        for t in np.linspace(0.25, 0.9, 14)
    ]
    sketch.line(blocks, rng.uniform(0.03, 0.14), width=0.006)


def appendicularian(sketch: Sketch, rng: Generator, *, swing: Range, turns: Range) -> None:
    """A small dark trunk and a long pale tail with a darker cord along it."""
    tail = wave(1.0, rng.uniform(*swing), rng.uniform(*turns), rng.choice([0, np.pi]) + rng.normal(0, 0.25))
    broad = rng.uniform(0.09, 0.17)
    tail = centred(tail)
    ink = rng.uniform(0.18, 0.45)
    sketch.body(
        ribbon(tail, widths((0, 0.4 * broad), (0.15, broad), (0.7, 0.9 * broad), (1, 0.15 * broad))),
        ink,
        edge=0.15,
        width=0.01,
    )
    sketch.line(part(tail, 0.0, 0.95, n=30), rng.uniform(0.15, 0.4), width=rng.uniform(0.015, 0.035))
    root, heading = at(tail, 0.0)
    trunk_length = rng.uniform(0.2, 0.3)
    tilt = heading + np.pi + rng.normal(0, 0.6)
    place = root + 0.35 * trunk_length * np.array([np.cos(tilt), np.sin(tilt)])
    sketch.body(
        lump(rng, place, trunk_length, trunk_length * rng.uniform(0.5, 0.75), 0.08, tilt),
        rng.uniform(0.35, 0.6),
        edge=0.1,
    )
    for _ in range(rng.integers(1, 4)):
        sketch.fill(oval(place + rng.normal(0, 0.035, 2), 0.07, rng.uniform(0.04, 0.07), n=12), rng.uniform(0.2, 0.45))


def fritillaria(sketch: Sketch, rng: Generator) -> None:
    """A long waisted trunk; a broad tail with a notch at its end."""
    broad = rng.uniform(0.13, 0.2)
    tail = arc(0.68, rng.normal(0, 0.7), angle=rng.normal(0, 0.3))
    ink = rng.uniform(0.14, 0.35)
    sketch.body(
        ribbon(tail, widths((0, 0.3 * broad), (0.2, broad), (0.85, broad), (1, 0.75 * broad))),
        ink,
        edge=0.18,
        width=0.01,
    )
    tip, heading = at(tail, 1.0)
    notch = turn(np.array([[0.0, -0.3], [0.0, 0.3], [-0.7, 0.0]]) * broad, heading) + tip
    sketch.clear(notch, 0.9)
    sketch.line(part(tail, 0, 0.85), rng.uniform(0.15, 0.35), width=0.022)
    trunk = arc(rng.uniform(0.32, 0.45), rng.normal(0, 0.3), angle=np.pi + rng.normal(0, 0.4))
    sketch.body(
        ribbon(trunk, widths((0, 0.09), (0.25, 0.13), (0.5, 0.07), (0.8, 0.12), (1, 0.05))),
        rng.uniform(0.3, 0.55),
        edge=0.12,
    )
    for t in (0.25, 0.8):
        sketch.fill(oval(at(trunk, t)[0], 0.08, 0.06), rng.uniform(0.2, 0.4))


def polychaete(sketch: Sketch, rng: Generator) -> None:
    """A segmented worm with a row of bristled feet on either side."""
    spine = centred(wave(1.0, rng.uniform(0, 0.9), rng.uniform(0.4, 1.3), rng.uniform(0, 6.3), n=48))
    thick = rng.uniform(0.06, 0.11)
    count = int(rng.integers(11, 24))
    feet, bristles = [], []
    for t in np.linspace(0.08, 0.97, count):
        for side in (-1, 1):
            foot, heading = at(spine, float(t), side * thick * 0.4)
            lean = heading + side * rng.uniform(1.0, 1.6)
            reach = thick * rng.uniform(0.6, 1.1) * (1.1 - 0.6 * t)
            feet.append(taper(arc(reach, 0, start=foot, angle=lean, n=4), thick * 0.35, thick * 0.12))
            bristles.append(arc(reach * 1.9, 0.2, start=foot, angle=lean, n=4))
    sketch.line(bristles, rng.uniform(0.1, 0.3), width=0.005)
    sketch.fill(feet, rng.uniform(0.3, 0.5))
    sketch.body(
        ribbon(spine, widths((0, 0.6), (0.1, 1), (0.6, 0.9), (1, 0.2), n=48) * thick), rng.uniform(0.35, 0.6), edge=0.1
    )
    head, heading = at(spine, 0)
    sketch.line(
        [
            wander(rng, rng.uniform(0.08, 0.2), 0.5, start=head, angle=heading + np.pi + lean, n=8)
            for lean in (-0.5, 0.5)
        ],
        0.4,
        width=0.01,
    )


COMMON = (
    Kind(name="chaetognath_sagitta", artist=partial(arrow_worm, bend=(0.0, 0.45), broad=(0.03, 0.05)), size=118),
    Kind(name="chaetognath_other", artist=partial(arrow_worm, bend=(0.35, 2.4), broad=(0.032, 0.055)), size=108),
    Kind(name="chaetognath_non_sagitta", artist=partial(arrow_worm, bend=(0.0, 0.5), broad=(0.048, 0.085)), size=88),
    Kind(name="fish_larva_thin_body", artist=partial(fish, broad=(0.05, 0.085), gut=(0.55, 0.75)), size=108),
    Kind(name="fish_larva_medium_body", artist=partial(fish, broad=(0.08, 0.15)), size=92),
    Kind(
        name="appendicularian_s_shape", artist=partial(appendicularian, swing=(0.6, 1.15), turns=(0.75, 1.1)), size=66
    ),
    Kind(
        name="appendicularian_slight_curve",
        artist=partial(appendicularian, swing=(0.35, 0.8), turns=(0.3, 0.55)),
        size=66,
    ),
    Kind(name="appendicularian_straight", artist=partial(appendicularian, swing=(0.0, 0.3), turns=(0.3, 0.9)), size=66),
    Kind(name="appendicularian_fritillaria", artist=fritillaria, size=62),
)
OTHER = (
    Kind(name="polychaete", artist=polychaete, size=84),
    Kind(
        name="fish_larva_leptocephalus", artist=partial(fish, broad=(0.11, 0.17), fins=0.1, gut=(0.85, 0.95)), size=132
    ),
    Kind(name="fish_larva_deep_body", artist=partial(fish, broad=(0.24, 0.38), fins=0.2), size=76),
)
