"""One picture: a deck, what lies on it, the fish, who stands before it, and the camera's eye.

The scene, the fish and the camera have random streams of their own. What lies about, who stands where and
what hides the fish do not depend on its kind, and are the same where there is no fish at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from zoo_fisheries.art.boat import Boat
from zoo_fisheries.art.clutter import LOW, OVER, Maker
from zoo_fisheries.art.ground import on_deck, soil, todays_deck
from zoo_fisheries.art.light import Hour, add_glare, expose, hour, illuminate, look_through
from zoo_fisheries.art.people import person
from zoo_fisheries.art.placement import FINE, Fish, lay_fish, lay_out, seen_pixels
from zoo_fisheries.art.texture import tile, window
from zoo_fisheries.art.things import Thing, cast_shadows

Rectangle = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Photograph:
    """A picture, and where its fish is."""

    pixels: NDArray[np.uint8]  # (H, W, 3), RGB
    visible: NDArray[np.bool_]  # (H, W): what can be seen of the fish
    share: float  # of the picture, the box around the whole fish as if nothing hid it; 0 without a fish

    @property
    def box(self) -> Rectangle | None:
        """x, y, width and height of the visible fish in pixels; None: there is none."""
        rows, columns = np.flatnonzero(self.visible.any(axis=1)), np.flatnonzero(self.visible.any(axis=0))
        if not len(rows):
            return None
        left, top = int(columns[0]), int(rows[0])
        return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def photograph(kind: str, boat: Boat, rng: Generator, *, width: int = 320, hidden: float = 0.3) -> Photograph:
    """Photograph one individual, or an empty deck.

    Args:
        kind: one of `KINDS`.
        boat: where.
        rng: the picture's own.
        width: of the picture, pixels.
        hidden: 0 (nothing lies or stands before the fish but by chance) to 1.
    """
    scenery, life, lens = rng.spawn(3)
    size = (width * FINE, 2 * round(width * boat.aspect / 2) * FINE)
    unit = size[0] / 640
    when = hour(boat, scenery)
    canvas, beyond = todays_deck(boat, scenery, size)
    canvas = soil(canvas, scenery, unit)
    low = [_somewhere(LOW, boat, scenery, beyond, unit) for _ in range(int(scenery.poisson(boat.gear)))]
    canvas = _lay(canvas, low, when)
    fish = lay_out(kind, life, size, beyond)
    if fish.real:
        canvas = lay_fish(canvas, fish, when, unit)
    canvas = _lay(canvas, _over(boat, scenery, fish, unit, hidden), when)
    canvas = _lay(canvas, _people(boat, scenery, fish, beyond, unit, hidden), when)
    pixels = np.asarray(canvas.reduce(FINE), dtype=np.float32)
    pixels = pixels * (1 + 0.035 * window(tile(1.0), lens, *pixels.shape[:2]))[:, :, None]
    pixels = add_glare(illuminate(pixels, boat, when, lens), when, lens)
    taken = expose(look_through(pixels, boat, lens), boat, when, lens)
    return Photograph(pixels=taken, visible=seen_pixels(fish, size), share=fish.share if fish.real else 0.0)


def _lay(canvas: Image.Image, things: list[Thing], when: Hour) -> Image.Image:
    """Shadows first, then the things."""
    canvas = cast_shadows(canvas, things, when.towards, when.depth)
    pen = ImageDraw.Draw(canvas)
    for thing in things:
        thing.paint(pen)
    return canvas


def _somewhere(makers: Sequence[Maker], boat: Boat, rng: Generator, beyond: Image.Image, unit: float) -> Thing:
    """One of the things, somewhere on the deck, of any size."""
    own = np.random.default_rng(rng.integers(2**63))  # so that one more stroke of one thing moves no other
    factory = makers[int(rng.integers(len(makers)))]
    return factory(boat, own, on_deck(own, beyond), unit * float(rng.lognormal(0, 0.25)))


def _over(boat: Boat, rng: Generator, fish: Fish, unit: float, hidden: float) -> list[Thing]:
    """Gear that lies on the fish or near it."""
    things = []
    for _ in range(int(rng.poisson(1.2 * hidden))):
        own = np.random.default_rng(rng.integers(2**63))
        factory = OVER[int(rng.integers(len(OVER)))]
        thing = factory(
            boat, own, fish.anywhere(own) + rng.normal(0, 18 * unit, 2), unit * float(rng.lognormal(-0.1, 0.3))
        )
        if fish.hide(thing):
            things.append(thing)
    return things


def _people(boat: Boat, rng: Generator, fish: Fish, beyond: Image.Image, unit: float, hidden: float) -> list[Thing]:
    """The crew; some of them have their hands on the fish, or where one could be."""
    people = []
    for _ in range(min(int(rng.poisson(boat.crew)), 3)):
        own = np.random.default_rng(rng.integers(2**63))
        busy = own.random() < 0.1 + 0.5 * hidden
        for _ in range(4):
            goal = fish.anywhere(own) if busy else None
            heading = own.uniform(0, 2 * np.pi)
            away = own.uniform(70, 150) * unit * np.array([np.cos(heading), np.sin(heading)])
            centre = goal + away if goal is not None else on_deck(own, beyond)
            thing = person(boat, own, centre, unit * float(own.lognormal(0, 0.12)), goal)
            if fish.hide(thing):
                people.append(thing)
                break
    return people
