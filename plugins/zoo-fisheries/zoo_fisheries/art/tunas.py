"""The three tunas, which are easily taken for each other."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from zoo_fisheries.art.coats import Coat
from zoo_fisheries.art.fins import blade, fin, fork, gill, mouth
from zoo_fisheries.art.fish import BRIGHT, FIN, LINE, Anatomy


def tuna(
    rng: Generator, *, depth: float, pectoral: tuple[float, float], sickle: tuple[float, float], eye: float
) -> Anatomy:
    """A tuna: torpedo, lunate tail, two dorsals, finlets.

    Args:
        rng: the individual's own.
        depth: the median of its depth, body lengths.
        pectoral: shortest and longest pectoral fin.
        sickle: lowest and highest second dorsal and anal fin.
        eye: its diameter.
    """
    half = depth * rng.normal(1, 0.06) / 2
    widest = rng.uniform(0.38, 0.46)
    made = Anatomy(
        back=((0, 0.008), (0.08, half * 0.5), (0.2, half * 0.84), (widest, half), (0.7, half * 0.6), (1, 0.016)),
        belly=((0, 0.008), (0.08, half * 0.52), (0.2, half * 0.88), (widest, half), (0.7, half * 0.58), (1, 0.016)),
        eye=(rng.uniform(0.075, 0.09), -half * 0.15, eye * rng.normal(1, 0.08)),
    )
    high = rng.uniform(*sickle)
    folded = rng.uniform(0.2, 1)  # the first dorsal may lie in its groove
    long_ = rng.uniform(*pectoral)
    made.behind = [
        (fork(rng.uniform(0.27, 0.36), rng.uniform(0.1, 0.15), 0.7), FIN),
        (fin(0.3, 0.52, -half * 0.92, 0.09 * folded, 0.04, 0.5), FIN),
        (fin(0.54, 0.62, -half * 0.8, high, high * 0.8 + 0.02), BRIGHT),
        (fin(0.57, 0.65, half * 0.78, high, high * 0.8 + 0.02), BRIGHT),
        (fin(0.29, 0.35, half * 0.9, rng.uniform(0.04, 0.09), 0.05), FIN),
    ]
    for x in np.linspace(0.67, 0.93, 7):
        edge = half * float(np.interp(x, (0.65, 1), (0.66, 0.1)))
        made.behind += [(fin(x, x + 0.025, side * edge, 0.022, 0.025, 0.1), BRIGHT) for side in (-1, 1)]
    made.before = [(blade(0.27, half * 0.1, long_, 0.045, rng.normal(0.05, 0.12)), FIN)]
    made.strokes = [(gill(0.245, half * 0.7), LINE, 0.008), (mouth(half), LINE, 0.006)]
    return made


def albacore(rng: Generator) -> tuple[Anatomy, Coat]:
    """Known by its very long pectoral fin."""
    coat = Coat(back=(36, 52, 98), flank=(120, 144, 178), belly=(216, 222, 230), fin=(38, 46, 76), bright=(58, 70, 92))
    return tuna(rng, depth=0.27, pectoral=(0.33, 0.42), sickle=(0.06, 0.09), eye=0.036), coat


def bigeye(rng: Generator) -> tuple[Anatomy, Coat]:
    """Deeper than the others, a large eye, a sheen of bronze."""
    coat = Coat(
        back=(48, 38, 58),
        flank=(146, 112, 92),
        belly=(206, 188, 170),
        fin=(84, 64, 48),
        bright=(150, 116, 52),
        pattern="lines",
    )
    return tuna(rng, depth=0.32, pectoral=(0.22, 0.29), sickle=(0.07, 0.11), eye=0.056), coat


def yellowfin(rng: Generator) -> tuple[Anatomy, Coat]:
    """Sickles of second dorsal and anal fins, yellow like the finlets."""
    coat = Coat(
        back=(40, 54, 84),
        flank=(162, 158, 124),
        belly=(218, 214, 196),
        fin=(150, 136, 52),
        bright=(232, 190, 30),
        pattern="band" if rng.random() < 0.6 else "lines",
        mark=(214, 184, 70),
    )
    return tuna(rng, depth=0.265, pectoral=(0.22, 0.29), sickle=(0.11, 0.22), eye=0.037), coat
