"""People from above, in oilskins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoo_fisheries.art.boat import Boat
from zoo_fisheries.art.curves import limb, oval, turn, wander
from zoo_fisheries.art.things import Colour, Thing, tint

At = Callable[[float, float], NDArray]  # shares of the shoulders ahead and aside -> canvas pixels (2,)

SKIN: tuple[Colour, ...] = ((206, 160, 130), (150, 106, 78), (104, 72, 54), (182, 136, 104))
HATS: tuple[Colour, ...] = ((36, 36, 40), (196, 194, 186), (44, 60, 108), (160, 48, 42), (94, 74, 56), (220, 128, 40))


def person(boat: Boat, rng: Generator, centre: NDArray, unit: float, reach: NDArray | None = None) -> Thing:
    """Somebody who stands or bends over.

    Args:
        boat: whose crew.
        rng: the person's own.
        centre: of the shoulders, canvas pixels (2,).
        unit: canvas pixels of a 640th of its width.
        reach: what the hands go to, canvas pixels (2,); None: nothing.
    """
    wide = rng.uniform(78, 122) * unit
    jacket = tint(boat.oilskins[int(rng.integers(2))], rng.uniform(0.8, 1.1))
    trousers = tint(jacket if rng.random() < 0.6 else boat.oilskins[0], 0.75)
    facing = (
        rng.uniform(0, 2 * np.pi) if reach is None else float(np.arctan2(*(reach - centre)[::-1])) + rng.normal(0, 0.25)
    )
    thing = Thing(height=rng.uniform(40, 75) * unit)

    def at(ahead: float, aside: float) -> NDArray:
        return turn(np.array([[ahead * wide, aside * wide]]), facing)[0] + centre

    _legs(thing, rng, at, wide, trousers)
    thing.fill(oval(at(0, 0), 0.56 * wide, wide, facing, n=26), tint(jacket, 0.62))
    thing.fill(oval(at(0.02, 0), 0.44 * wide, 0.86 * wide, facing, n=26), tint(jacket, 0.9))
    thing.fill(oval(at(0.05, rng.normal(0, 0.1)), 0.2 * wide, 0.5 * wide, facing, n=20), tint(jacket, 1.12))
    _arms(thing, rng, at, wide, jacket, boat, reach)
    for _ in range(4):
        fold = wander(
            rng, at(rng.normal(0, 0.1), rng.normal(0, 0.22)), 0.28 * wide, 1.5, facing + rng.normal(0, 1), n=8
        )
        thing.line(fold, tint(jacket, rng.choice((0.55, 1.2))), 2.2 * unit)
    _head(thing, rng, at, wide, facing, jacket)
    return thing


def _legs(thing: Thing, rng: Generator, at: At, wide: float, colour: Colour) -> None:
    """Seen behind the shoulders, as the camera does not look straight down."""
    for side in (-1, 1):
        knee = at(-rng.uniform(0.15, 0.35), side * rng.uniform(0.2, 0.3))
        foot = at(-rng.uniform(0.45, 0.8), side * rng.uniform(0.16, 0.36))
        thing.fill(
            limb([at(0, side * 0.18), knee, foot], (0.34 * wide, 0.3 * wide, 0.22 * wide)),
            tint(colour, rng.uniform(0.7, 0.95)),
        )
        angle = rng.uniform(0, 6.3)
        thing.fill(
            oval(foot, 0.34 * wide, 0.2 * wide, angle, n=14), (34, 36, 38) if rng.random() < 0.6 else (206, 204, 196)
        )


def _arms(thing: Thing, rng: Generator, at: At, wide: float, jacket: Colour, boat: Boat, reach: NDArray | None) -> None:
    for side in (-1, 1):
        shoulder = at(0.02, side * 0.42)
        elbow = at(rng.uniform(0.1, 0.34), side * rng.uniform(0.4, 0.68))
        hand = at(rng.uniform(0.4, 0.75), side * rng.uniform(0.05, 0.55))
        if reach is not None:
            wanted = reach + rng.normal(0, 0.2 * wide, 2)
            far = np.hypot(*(wanted - shoulder)) / (1.05 * wide)
            hand = shoulder + (wanted - shoulder) / max(far, 1.0)
            elbow = (shoulder + hand) / 2 + (elbow - shoulder) * 0.35
        tone = rng.uniform(0.85, 1.0)
        thing.fill(limb([shoulder, elbow, hand], (0.28 * wide, 0.23 * wide, 0.17 * wide)), tint(jacket, 0.66 * tone))
        ahead = 0.025 * wide
        thing.fill(
            limb([shoulder - ahead, elbow - ahead, hand - ahead], (0.18 * wide, 0.14 * wide, 0.1 * wide)),
            tint(jacket, tone),
        )
        colour = boat.gloves if rng.random() < 0.8 else SKIN[int(rng.integers(len(SKIN)))]
        thing.fill(oval(hand, 0.22 * wide, 0.17 * wide, rng.uniform(0, 6.3), n=14), tint(colour, 0.75))
        thing.fill(oval(hand - ahead, 0.15 * wide, 0.11 * wide, n=12), tint(colour, 1.0))


def _head(thing: Thing, rng: Generator, at: At, wide: float, facing: float, jacket: Colour) -> None:
    place, across = at(rng.uniform(0.1, 0.26), rng.normal(0, 0.04)), rng.uniform(0.32, 0.4) * wide
    hat = jacket if rng.random() < 0.3 else HATS[int(rng.integers(len(HATS)))]
    if rng.random() < 0.5:  # a peak, or a face that looks ahead
        thing.fill(oval(place + (at(0.14, 0) - at(0, 0)), across * 0.7, across * 0.8, facing, n=14), tint(hat, 0.6))
    else:
        skin = SKIN[int(rng.integers(len(SKIN)))]
        thing.fill(oval(place + (at(0.1, 0) - at(0, 0)), across * 0.7, across * 0.75, facing, n=14), tint(skin, 0.85))
    thing.fill(oval(place, across * 1.05, across, facing, n=20), tint(hat, 0.7))
    thing.fill(oval(place - 0.05 * across, across * 0.84, across * 0.8, facing, n=20), tint(hat, 0.98))
    thing.fill(oval(place - 0.12 * across, across * 0.4, across * 0.38, facing, n=14), tint(hat, 1.2))
