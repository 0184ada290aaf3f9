"""What lies about on a deck: ropes, hoses, crates, gear, bait."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoo_fisheries.art.boat import Boat
from zoo_fisheries.art.curves import block, limb, lump, oval, turn, wander
from zoo_fisheries.art.things import Colour, Thing, tint

Maker = Callable[[Boat, Generator, NDArray, float], Thing]


def rope(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A rope that wanders over the deck, or lies in a coil."""
    thing, wide = Thing(height=3 * unit), rng.uniform(2.5, 6) * unit
    colour = tint(boat.ropes, rng.uniform(0.75, 1.1))
    if rng.random() < 0.3:
        turns = np.linspace(0, rng.uniform(4, 9) * np.pi, 90)
        radius = np.linspace(rng.uniform(12, 26), rng.uniform(40, 75), 90) * unit * rng.normal(1, 0.02, 90)
        curve = np.stack([np.cos(turns) * radius, np.sin(turns) * radius * rng.uniform(0.7, 1)], axis=1) + centre
    else:
        curve = wander(rng, centre, rng.uniform(150, 520) * unit, rng.uniform(1, 5), rng.uniform(0, 6.3), n=44)
    thing.line(curve, tint(colour, 0.6), wide)
    thing.line(curve - 0.6 * unit, colour, wide * 0.6)
    return thing


def hose(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A thick hose."""
    colours: tuple[Colour, ...] = ((78, 98, 128), (78, 112, 94), (54, 54, 58), (176, 158, 104), (124, 82, 76))
    colour = colours[int(rng.integers(len(colours)))]
    thing, wide = Thing(height=6 * unit), rng.uniform(7, 13) * unit
    curve = wander(rng, centre, rng.uniform(250, 700) * unit, rng.uniform(0.6, 2.5), rng.uniform(0, 6.3), n=40)
    thing.line(curve, tint(colour, 0.65), wide)
    thing.line(curve - 0.15 * wide, tint(colour, 1.2), wide * 0.35)
    return thing


def crate(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """An open fish crate, empty, or with ice or bait."""
    long_ = rng.uniform(60, 130) * unit
    wide, angle = long_ * rng.uniform(0.55, 0.8), rng.uniform(0, np.pi)
    colour = tint(boat.crates, rng.uniform(0.8, 1.1))
    thing = Thing(height=rng.uniform(16, 30) * unit)
    thing.fill(block(centre, long_, wide, angle), tint(colour, 0.75))
    thing.fill(block(centre, long_ * 0.96, wide * 0.93, angle), colour)
    inside = ((40, 42, 46), (196, 204, 208), tint(colour, 0.45))[int(rng.integers(3))]
    thing.fill(block(centre, long_ * 0.84, wide * 0.78, angle), inside)
    if rng.random() < 0.55:
        for _ in range(int(rng.integers(5, 16))):
            spot = turn(rng.uniform(-0.36, 0.36, (1, 2)) * (long_, wide), angle)[0] + centre
            _small_fish(thing, rng, spot, rng.uniform(0.2, 0.34) * long_)
    return thing


def bait(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A few small fish on the deck, which nobody counts."""
    thing = Thing(height=2.5 * unit)
    for _ in range(int(rng.integers(1, 6))):
        _small_fish(thing, rng, centre + rng.normal(0, 26 * unit, 2), rng.uniform(18, 52) * unit)
    return thing


def _small_fish(thing: Thing, rng: Generator, centre: NDArray, length: float) -> None:
    angle, silver = rng.uniform(0, 2 * np.pi), int(rng.integers(120, 190))
    body = oval((0, 0), 0.8 * length, rng.uniform(0.17, 0.25) * length, n=14)
    tail = np.array([(-0.36, 0), (-0.54, -0.1), (-0.48, 0), (-0.54, 0.1)]) * length
    grey = (silver - 6, silver, silver + 4)
    thing.fill(turn(tail, angle) + centre, tint(grey, 0.6))
    thing.fill(turn(body, angle) + centre, tint(grey, 0.72))
    belly = oval((0.02 * length, 0.03 * length), 0.66 * length, 0.1 * length, n=12)
    thing.fill(turn(belly, angle) + centre, tint(grey, 1.2))
    thing.fill(
        oval(turn(np.array([[0.3 * length, -0.01 * length]]), angle)[0] + centre, 0.06 * length, 0.06 * length, n=8),
        (20, 20, 22),
    )


def pole(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A gaff, a broom or a boat hook."""
    angle, long_ = rng.uniform(0, np.pi), rng.uniform(140, 380) * unit
    colour: Colour = ((158, 136, 104), (190, 190, 186), (180, 156, 98), (64, 66, 70))[int(rng.integers(4))]
    thing, wide = Thing(height=5 * unit), rng.uniform(4, 7.5) * unit
    thing.fill(block(centre, long_, wide, angle), tint(colour, 0.7))
    thing.fill(block(centre - 0.2 * wide, long_, wide * 0.5, angle), tint(colour, 1.1))
    end = turn(np.array([[long_ / 2, 0]]), angle)[0] + centre
    if rng.random() < 0.5:
        thing.line(oval(end, 16 * unit, 20 * unit, n=12)[:8], (120, 122, 124), 3 * unit)
    else:
        thing.fill(block(end, 16 * unit, 50 * unit, angle), tint(colour, 0.5))
    return thing


def bucket(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A bucket from above."""
    across = rng.uniform(34, 62) * unit
    colour = tint(((210, 208, 200), boat.crates, (44, 46, 50))[int(rng.integers(3))], rng.uniform(0.8, 1.1))
    thing = Thing(height=24 * unit)
    thing.fill(oval(centre, across, across * 0.95), tint(colour, 0.8))
    thing.fill(oval(centre, across * 0.88, across * 0.83), tint(colour, 1.1))
    thing.fill(oval(centre + 0.04 * across, across * 0.74, across * 0.7), tint(colour, 0.4))
    return thing


def buoy(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A float."""
    across = rng.uniform(26, 70) * unit
    colour: Colour = ((204, 112, 66), (200, 178, 96), (208, 206, 198), (52, 54, 58))[int(rng.integers(4))]
    thing = Thing(height=across * 0.6)
    thing.fill(oval(centre, across, across), tint(colour, 0.62))
    thing.fill(oval(centre - 0.06 * across, across * 0.84, across * 0.84), tint(colour, 0.9))
    thing.fill(oval(centre - 0.14 * across, across * 0.42, across * 0.42), tint(colour, 1.2))
    return thing


def board(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A cutting or a measuring board."""
    long_, wide, angle = rng.uniform(110, 260) * unit, rng.uniform(34, 70) * unit, rng.uniform(0, np.pi)
    colour: Colour = ((210, 208, 200), (164, 142, 112), (118, 136, 152))[int(rng.integers(3))]
    thing = Thing(height=7 * unit)
    thing.fill(block(centre, long_, wide, angle), tint(colour, 0.7))
    thing.fill(block(centre, long_ - 4 * unit, wide - 4 * unit, angle), tint(colour, rng.uniform(0.85, 1)))
    for share in np.linspace(-0.45, 0.45, 10) if rng.random() < 0.5 else ():
        place = turn(np.array([[share * long_, -wide * 0.3]]), angle)[0] + centre
        thing.fill(block(place, 2 * unit, wide * 0.3, angle), (50, 50, 50))
    return thing


def glove(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A glove that somebody dropped."""
    thing, angle = Thing(height=4 * unit), rng.uniform(0, 6.3)
    colour = tint(boat.gloves, rng.uniform(0.7, 1))
    thing.fill(turn(oval((0, 0), 26, 18), angle) * unit + centre, colour)
    for lean in (-0.5, -0.15, 0.2, 0.9):
        tip = turn(np.array([[24.0, 0]]), angle + lean)[0] * unit
        thing.line(np.stack([centre, centre + tip]), tint(colour, 0.9), 6 * unit)
    return thing


def tarpaulin(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A heap of sheet or net."""
    across = rng.uniform(60, 150) * unit
    colour = tint(
        ((72, 92, 122), (84, 104, 94), (130, 124, 112), (52, 54, 58))[int(rng.integers(4))], rng.uniform(0.8, 1.2)
    )
    thing = Thing(height=14 * unit)
    thing.fill(lump(rng, centre, across, 0.3), tint(colour, 0.7))
    for _ in range(5):
        thing.fill(
            lump(rng, centre + rng.normal(0, 0.14 * across, 2), across * rng.uniform(0.2, 0.5), 0.35),
            tint(colour, rng.uniform(0.6, 1.25)),
        )
    for _ in range(6):
        thing.line(
            wander(rng, centre + rng.normal(0, 0.15 * across, 2), 0.5 * across, 2, rng.uniform(0, 6.3), n=9),
            tint(colour, 0.5),
            2 * unit,
        )
    return thing


def fender(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    """A long dark thing, which is no fish though it looks like one from afar."""
    long_, angle = rng.uniform(70, 220) * unit, rng.uniform(0, 6.3)
    wide = long_ * rng.uniform(0.16, 0.28)
    tone = int(rng.integers(40, 150))
    colour = (tone, int(tone * 1.03), int(tone * 1.08))
    ends = turn(np.array([[-long_ / 2, 0], [0, rng.normal(0, 0.04) * long_], [long_ / 2, 0]]), angle) + centre
    thing = Thing(height=wide * 0.4)
    knots: list = list(ends)
    thing.fill(limb(knots, (wide * 0.5, wide, wide * 0.35)), tint(colour, 0.65))
    thing.fill(limb([knot - 0.12 * wide for knot in knots], (wide * 0.3, wide * 0.6, wide * 0.2)), colour)
    thing.fill(limb([knot - 0.2 * wide for knot in knots], (wide * 0.1, wide * 0.2, wide * 0.05)), tint(colour, 1.4))
    return thing


COMMON: tuple[Maker, ...] = (rope, hose, pole, bait, crate, bucket)
LOW: tuple[Maker, ...] = (*COMMON, *COMMON, rope, glove, board, buoy, tarpaulin, fender)
OVER: tuple[Maker, ...] = (rope, hose, pole, crate, bucket, tarpaulin, glove, buoy)  # what may hide a part of a fish
