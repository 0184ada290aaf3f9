"""A boat: its deck, camera, light and habits, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator

from zoo_fisheries.art.things import Colour

Floor = Literal["planks", "paint", "plates", "mat"]

WOOD: tuple[Colour, ...] = ((132, 114, 94), (120, 110, 100), (146, 132, 114), (108, 96, 84))
PAINT: tuple[Colour, ...] = ((112, 124, 118), (124, 130, 134), (106, 118, 130), (162, 160, 154), (126, 116, 110))
METAL: tuple[Colour, ...] = ((128, 130, 128), (108, 114, 118), (144, 140, 132))
RUBBER: tuple[Colour, ...] = ((66, 68, 70), (66, 82, 76), (72, 76, 84))
RAIL: tuple[Colour, ...] = (
    (200, 198, 192),
    (176, 178, 176),
    (88, 106, 126),
    (134, 96, 88),
    (98, 116, 106),
    (150, 148, 140),
)
OILSKIN: tuple[Colour, ...] = (
    (214, 112, 44),
    (206, 176, 62),
    (58, 92, 76),
    (52, 66, 100),
    (156, 62, 56),
    (98, 102, 100),
)
SEA: tuple[Colour, ...] = ((52, 72, 88), (58, 82, 88), (74, 90, 98), (48, 62, 70))
ASPECTS = (9 / 16, 9 / 16, 9 / 16, 0.54, 0.62, 3 / 4)  # height over width; most cameras give 16:9


@dataclass(frozen=True, slots=True, kw_only=True)
class Boat:
    """What stays the same from picture to picture."""

    number: int
    seed: int  # of its deck
    aspect: float  # of its camera's pictures, height over width
    floor: Floor
    floor_colour: Colour
    along: float  # radians, where the deck's seams run in the picture
    worn: float  # 0 to 1
    rail_colour: Colour
    rails: tuple[str, ...]  # sides of the picture where the boat ends
    sea: Colour
    oilskins: tuple[Colour, ...]
    gloves: Colour
    crates: Colour
    ropes: Colour
    crew: float  # people a picture
    gear: float  # things a picture
    night: float  # the share of its pictures that are taken at night
    cast: tuple[float, float, float]  # gains of red, green and blue
    exposure: float
    contrast: float
    vignette: float  # 0 to 1
    softness: float  # blur, pixels of a picture 320 wide
    grain: float  # grey levels of the noise by day
    quality: int  # of the JPEG
    drops: float  # how dirty the lens is, 0 to 1
    sun: float  # radians, where shadows fall


def boat(seed: int, number: int) -> Boat:
    """The boat `number` of the set `seed`."""
    rng = np.random.default_rng([seed, number, 0xB0A7])
    floor, colours = _floor(rng)
    sides = ("top", "bottom", "left", "right")
    count = int(rng.choice((1, 1, 2, 2, 0)))
    first = int(rng.integers(4))
    rails = tuple(sides[(first + step) % 4] for step in (0, 2)[:count]) if rng.random() < 0.5 else None
    rails = rails if rails is not None else tuple(str(side) for side in rng.permutation(sides)[:count])
    warm = rng.normal(0, 0.05)
    return Boat(
        number=number,
        seed=int(rng.integers(2**31)),
        aspect=ASPECTS[int(rng.integers(len(ASPECTS)))],
        floor=floor,
        floor_colour=_pick(rng, colours),
        along=float(rng.choice((0, np.pi / 2)) + rng.normal(0, 0.25)),
        worn=float(rng.uniform(0.2, 1)),
        rail_colour=_pick(rng, RAIL),
        rails=rails,
        sea=_pick(rng, SEA),
        oilskins=(_pick(rng, OILSKIN), _pick(rng, OILSKIN)),
        gloves=_pick(rng, ((220, 218, 210), (74, 96, 130), (190, 120, 74), (50, 50, 50))),
        crates=_pick(rng, ((84, 102, 128), (198, 198, 190), (158, 92, 78), (90, 116, 98), (186, 168, 104))),
        ropes=_pick(rng, ((190, 180, 152), (94, 118, 148), (96, 128, 108), (176, 128, 92), (216, 214, 206))),
        crew=float(rng.uniform(0.3, 1.3)),
        gear=float(rng.uniform(1, 4)),
        night=float(rng.choice((0.05, 0.15, 0.35), p=(0.5, 0.35, 0.15))),
        cast=(1 + warm + rng.normal(0, 0.02), 1 + rng.normal(0, 0.03), 1 - warm + rng.normal(0, 0.02)),
        exposure=float(rng.uniform(0.92, 1.12)),
        contrast=float(rng.uniform(0.82, 1.12)),
        vignette=float(rng.uniform(0.0, 0.35)),
        softness=float(rng.uniform(0.2, 0.5)),
        grain=float(rng.uniform(1.2, 3.2)),
        quality=int(rng.integers(66, 90)),
        drops=float(rng.choice((0.03, 0.15, 0.6), p=(0.5, 0.35, 0.15))),
        sun=float(rng.uniform(0, 2 * np.pi)),
    )


def _floor(rng: Generator) -> tuple[Floor, tuple[Colour, ...]]:
    floors: tuple[tuple[Floor, tuple[Colour, ...]], ...] = (
        ("planks", WOOD),
        ("paint", PAINT),
        ("plates", METAL),
        ("mat", RUBBER),
        ("paint", PAINT),
    )
    return floors[int(rng.integers(len(floors)))]


def _pick(rng: Generator, colours: tuple[Colour, ...]) -> Colour:
    """One of the colours, not quite."""
    chosen = np.asarray(colours[int(rng.integers(len(colours)))]) * rng.normal(1, 0.07) + rng.normal(0, 5, 3)
    red, green, blue = np.clip(chosen, 8, 245).astype(int).tolist()
    return red, green, blue
