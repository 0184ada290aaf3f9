"""All that are no tunas: dolphinfish, moonfish, sharks, and whatever else is hauled up."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from zoo_fisheries.art.coats import Coat
from zoo_fisheries.art.fins import blade, fin, fork, gill, mouth
from zoo_fisheries.art.fish import BRIGHT, FIN, LINE, Anatomy


def dolphinfish(rng: Generator) -> tuple[Anatomy, Coat]:
    """A blunt head, a body that tapers, one fin along the whole back, gold with blue dots."""
    half = rng.uniform(0.1, 0.135)
    brow = rng.uniform(0.7, 1.1)  # bulls are blunter
    made = Anatomy(
        back=(
            (0, 0.02),
            (0.035, half * 0.8 * brow),
            (0.14, half * (0.85 + 0.25 * brow)),
            (0.5, half * 0.66),
            (1, 0.016),
        ),
        belly=((0, 0.02), (0.06, half * 0.6), (0.22, half * 0.95), (0.55, half * 0.6), (1, 0.016)),
        eye=(0.075, half * 0.1, 0.03),
    )
    crest = rng.uniform(0.03, 0.085)
    x = np.linspace(0.1, 0.92, 12)
    above, below = made.heights(x)
    top = -above - crest * np.interp(x, (0.1, 0.25, 0.7, 0.92), (0.3, 1, 0.55, 0.3))
    made.behind = [
        (fork(rng.uniform(0.26, 0.36), rng.uniform(0.17, 0.24), 0.8), FIN),
        (np.concatenate([np.stack([x, top], 1), np.stack([x, -above + 0.02], 1)[::-1]]), BRIGHT),
        (np.concatenate([np.stack([x, below + crest * 0.4], 1)[6:], np.stack([x, below - 0.02], 1)[6:][::-1]]), FIN),
        (fin(0.24, 0.3, half * 0.9, 0.1, 0.1), FIN),
    ]
    made.before = [(blade(0.2, half * 0.25, rng.uniform(0.11, 0.15), 0.04, rng.normal(0.2, 0.15)), FIN)]
    made.strokes = [(gill(0.18, half * 0.75), LINE, 0.008), (mouth(half), LINE, 0.006)]
    coat = Coat(
        back=(38, 112, 88),
        flank=(160, 176, 48),
        belly=(222, 210, 104),
        fin=(150, 160, 60),
        bright=(52, 96, 112),
        pattern="dots",
        mark=(52, 88, 112),
    )
    return made, coat


def moonfish(rng: Generator) -> tuple[Anatomy, Coat]:
    """The opah: a disc, rosy with pale spots, red fins."""
    half = rng.uniform(0.28, 0.33)
    made = Anatomy(
        back=(
            (0, 0.02),
            (0.1, half * 0.56),
            (0.3, half * 0.95),
            (0.5, half),
            (0.75, half * 0.68),
            (0.92, 0.05),
            (1, 0.035),
        ),
        belly=(
            (0, 0.02),
            (0.1, half * 0.5),
            (0.3, half * 0.92),
            (0.5, half),
            (0.75, half * 0.7),
            (0.92, 0.05),
            (1, 0.035),
        ),
        eye=(0.14, -half * 0.12, 0.06),
    )
    made.behind = [
        (fork(rng.uniform(0.34, 0.42), rng.uniform(0.13, 0.17), 0.55), FIN),
        (fin(0.28, 0.42, -half * 0.86, rng.uniform(0.12, 0.22), 0.16, 0.6), FIN),
        (fin(0.45, 0.86, -half * 0.8, 0.04, 0.2, 0.0), FIN),
        (fin(0.52, 0.86, half * 0.82, 0.05, 0.2, 0.0), FIN),
        (fin(0.36, 0.44, half * 0.92, rng.uniform(0.1, 0.18), 0.12), FIN),
    ]
    made.before = [(blade(0.34, 0.0, rng.uniform(0.2, 0.26), 0.06, rng.normal(-0.5, 0.2)), FIN)]
    made.strokes = [(gill(0.29, half * 0.55), LINE, 0.008), (mouth(0.1), LINE, 0.008)]
    coat = Coat(
        back=(84, 70, 104),
        flank=(174, 108, 108),
        belly=(212, 140, 124),
        fin=(186, 54, 40),
        bright=(186, 54, 40),
        pattern="spots",
        iris=(200, 170, 110),
    )
    return made, coat


def shark(rng: Generator) -> tuple[Anatomy, Coat]:
    """Slim and grey, a tail whose upper lobe is long, wide pectorals, five gill slits."""
    half = rng.uniform(0.085, 0.105)
    made = Anatomy(
        back=((0, 0.006), (0.06, half * 0.5), (0.22, half * 0.9), (0.4, half), (0.7, half * 0.5), (1, 0.018)),
        belly=((0, 0.01), (0.06, half * 0.42), (0.2, half * 0.85), (0.4, half * 0.9), (0.7, half * 0.5), (1, 0.018)),
        eye=(0.085, -half * 0.2, 0.016),
    )
    reach = rng.uniform(0.15, 0.22)
    tail = fork(rng.uniform(0.18, 0.24), rng.uniform(0.11, 0.14), 0.45, upper=rng.uniform(1.6, 2.1))
    made.behind = [
        (tail, FIN),
        (fin(0.38, 0.5, -half * 0.95, rng.uniform(0.08, 0.12), 0.1, 0.5), FIN),
        (fin(0.76, 0.82, -half * 0.42, 0.03, 0.05), FIN),
        (fin(0.6, 0.67, half * 0.6, 0.045, 0.06), FIN),
        (fin(0.26, 0.37, half * 0.5, reach, reach * 0.75, 0.5), FIN),
    ]
    made.strokes = [(gill(x, half * 0.35), LINE, 0.005) for x in np.linspace(0.19, 0.25, 5)]
    made.strokes.append((np.array([(0.05, half * 0.4), (0.1, half * 0.55)]), LINE, 0.006))
    blue = rng.random()
    coat = Coat(
        back=(66 - 16 * blue, 76, 84 + 18 * blue),
        flank=(94 - 12 * blue, 106, 112 + 12 * blue),
        belly=(204, 206, 202),
        fin=(72, 80, 88),
        bright=(72, 80, 88),
        border=0.1,
        iris=(60, 60, 60),
    )
    return made, coat


def other(rng: Generator) -> tuple[Anatomy, Coat]:
    """Whatever else is hauled up: mostly dark fish, an escolar or a pomfret, sometimes a billfish or a wahoo."""
    return (escolar, escolar, escolar, pomfret, pomfret, billfish, wahoo)[int(rng.integers(7))](rng)


def _long_fish(rng: Generator, half: float, *, high: float, tail: float, snout: float = 0.008) -> Anatomy:
    """A long fish with a first dorsal `high` over half of the back, and the fins that most have."""
    made = Anatomy(
        back=((0, snout), (0.08, half * 0.6), (0.22, half * 0.92), (0.45, half), (0.75, half * 0.68), (1, 0.018)),
        belly=((0, snout), (0.08, half * 0.6), (0.22, half * 0.95), (0.45, half), (0.75, half * 0.62), (1, 0.018)),
        eye=(0.09, -half * 0.2, 0.3 * half + 0.012),
    )
    made.behind = [
        (fork(tail, tail * 0.4, 0.65), FIN),
        (fin(0.22, 0.6, -half * 0.9, high, 0.1, 0.0), FIN),
        (fin(0.66, 0.8, -half * 0.72, 0.045, 0.05), FIN),
        (fin(0.66, 0.8, half * 0.7, 0.045, 0.05), FIN),
        (fin(0.28, 0.33, half * 0.9, 0.05, 0.05), FIN),
    ]
    made.before = [(blade(0.24, half * 0.2, rng.uniform(0.1, 0.16), 0.035, rng.normal(0.15, 0.12)), FIN)]
    made.strokes = [(gill(0.21, half * 0.75), LINE, 0.007), (mouth(half), LINE, 0.006)]
    return made


def billfish(rng: Generator) -> tuple[Anatomy, Coat]:
    """A marlin: the upper jaw is a spear."""
    half = rng.uniform(0.075, 0.095)
    made = _long_fish(rng, half, high=rng.uniform(0.05, 0.1), tail=rng.uniform(0.3, 0.38), snout=0.012)
    spear = rng.uniform(0.16, 0.26)
    made.behind.append((np.array([(0.06, -half * 0.42), (-spear, 0.004), (0.05, half * 0.3)]), FIN))
    coat = Coat(
        back=(38, 50, 82),
        flank=(128, 138, 150),
        belly=(206, 208, 208),
        fin=(46, 54, 76),
        bright=(46, 54, 76),
        border=-0.15,
    )
    return made, coat


def wahoo(rng: Generator) -> tuple[Anatomy, Coat]:
    """Slim, barred."""
    made = _long_fish(rng, rng.uniform(0.07, 0.085), high=rng.uniform(0.02, 0.05), tail=rng.uniform(0.17, 0.22))
    coat = Coat(
        back=(44, 64, 86),
        flank=(142, 154, 162),
        belly=(208, 212, 214),
        fin=(58, 68, 82),
        bright=(58, 68, 82),
        pattern="bars",
        mark=(56, 74, 102),
    )
    return made, coat


def escolar(rng: Generator) -> tuple[Anatomy, Coat]:
    """Dark brown all over, green-eyed."""
    made = _long_fish(rng, rng.uniform(0.085, 0.11), high=rng.uniform(0.01, 0.03), tail=rng.uniform(0.2, 0.26))
    dark = (62, 46, 36)
    coat = Coat(back=dark, flank=(78, 60, 48), belly=(96, 76, 62), fin=(44, 34, 28), bright=dark, iris=(150, 170, 110))
    return made, coat


def pomfret(rng: Generator) -> tuple[Anatomy, Coat]:
    """A dark oval with long fins above and below."""
    half = rng.uniform(0.2, 0.25)
    made = Anatomy(
        back=((0, 0.02), (0.1, half * 0.6), (0.35, half), (0.7, half * 0.55), (0.93, 0.04), (1, 0.03)),
        belly=((0, 0.02), (0.1, half * 0.55), (0.35, half * 0.95), (0.7, half * 0.55), (0.93, 0.04), (1, 0.03)),
        eye=(0.11, -half * 0.05, 0.06),
    )
    made.behind = [
        (fork(rng.uniform(0.34, 0.42), rng.uniform(0.14, 0.2), 0.75), FIN),
        (fin(0.34, 0.8, -half * 0.85, rng.uniform(0.06, 0.12), 0.12, 0.7), FIN),
        (fin(0.38, 0.8, half * 0.8, rng.uniform(0.05, 0.1), 0.12, 0.7), FIN),
    ]
    made.before = [(blade(0.27, half * 0.15, rng.uniform(0.2, 0.3), 0.05, rng.normal(-0.15, 0.15)), FIN)]
    made.strokes = [(gill(0.24, half * 0.7), LINE, 0.008), (mouth(half * 0.5), LINE, 0.008)]
    coat = Coat(back=(48, 42, 42), flank=(72, 62, 58), belly=(92, 80, 74), fin=(42, 36, 34), bright=(42, 36, 34))
    return made, coat
