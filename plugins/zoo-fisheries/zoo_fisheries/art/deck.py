"""The deck of a boat as its camera sees it when nobody is there: drawn once a boat, then kept."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from zoo_fisheries.art.boat import Boat
from zoo_fisheries.art.curves import Curve, block, oval, turn
from zoo_fisheries.art.texture import Field, cloud, row, stretched, tile, window
from zoo_fisheries.art.things import Thing, cast_shadows, tint

MARGIN = 0.02  # of the canvas a side, which the camera's shaking may show


@lru_cache(maxsize=4)  # a large deck is some megabytes; a set is drawn boat by boat
def deck(boat: Boat, width: int, height: int) -> tuple[Image.Image, Image.Image]:
    """A boat's deck with what is fixed to it.

    Args:
        boat: whose.
        width: of the canvas, pixels; the deck is larger by MARGIN on every side.
        height: likewise.

    Returns:
        The deck, RGB, and where the sea is beyond its rails, mode L.
    """
    rng = np.random.default_rng(boat.seed)
    size = (round(width * (1 + 2 * MARGIN)), round(height * (1 + 2 * MARGIN)))
    unit = width / 640
    image = _floor(boat, rng, size, unit)
    towards = np.array([np.cos(boat.sun), np.sin(boat.sun)])
    rails, sea = _rails(boat, rng, size, unit)
    fixed = [*_fixtures(boat, rng, size, unit), *rails]
    image = cast_shadows(image, fixed, towards, 0.5)
    pen = ImageDraw.Draw(image)
    for thing in fixed:
        thing.paint(pen)
    beyond = Image.new("L", size)
    sea_pen = ImageDraw.Draw(beyond)
    for curve in sea:
        sea_pen.polygon(curve.ravel().tolist(), fill=255)
    return image, beyond


def _floor(boat: Boat, rng: Generator, size: tuple[int, int], unit: float) -> Image.Image:
    """The floor: laid along x, then turned as it lies in the picture."""
    side = int(np.hypot(*size)) + 4
    down, across = np.mgrid[0:side, 0:side].astype(np.float32) / unit
    tone = {"planks": _planks, "plates": _plates, "mat": _mat, "paint": _paint}[boat.floor](rng, across, down)
    wear = window(cloud(), rng, side, side)
    spots = window(tile(4.0), rng, side, side)
    worn = np.clip(boat.worn * (0.5 * wear + 0.35 * spots) - 0.25, 0, 1)[:, :, None]
    base = row(boat.floor_colour) * tone[:, :, None]
    below = row((112, 84, 62) if boat.floor in ("plates", "paint") else (96, 90, 82))
    pixels = base + (below * tone[:, :, None] - base) * np.minimum(worn, 0.75)
    pixels *= (1 + 0.07 * window(cloud(), rng, side, side) + 0.035 * window(tile(1.0), rng, side, side))[:, :, None]
    laid = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    turned = laid.rotate(np.degrees(boat.along), Image.Resampling.BICUBIC)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2  # the floor's side is the canvas' diagonal
    return turned.crop((left, top, left + size[0], top + size[1]))


def _planks(rng: Generator, across: Field, down: Field) -> Field:
    wide = rng.uniform(22, 44)
    rows = np.floor(down / wide)
    tones = rng.normal(1, 0.07, 4096).astype(np.float32)
    joints = rng.uniform(0, 400, 4096)
    plank = rows.astype(int) % 4096
    seam = np.minimum(down % wide, 600) < 1.8
    butt = (across + joints[plank]) % 400 < 1.8
    grain = stretched(rng.normal(0, 1, (down.shape[0] // 2, max(down.shape[1] // 60, 2))), *down.shape)
    return tones[plank] * (1 + 0.07 * grain) * np.where(seam | butt, 0.65, 1)


def _paint(rng: Generator, across: Field, down: Field) -> Field:
    weld = rng.uniform(150, 320)
    seam = (np.abs(down % weld - 2) < 2) | (np.abs(across % (weld * 1.6) - 2) < 2)
    return 1 - 0.16 * seam.astype(np.float32)


def _plates(rng: Generator, across: Field, down: Field) -> Field:
    """Steel with raised lozenges, crossed by turns."""
    step = rng.uniform(9, 14)
    one, other = (across + down) / step, (across - down) / step
    odd = (np.floor(one) + np.floor(other)) % 2
    raised = np.where(odd > 0, np.abs(one % 1 - 0.5) < 0.14, np.abs(other % 1 - 0.5) < 0.14)
    return _paint(rng, across, down) * (1 + 0.08 * raised.astype(np.float32))


def _mat(rng: Generator, across: Field, down: Field) -> Field:
    """Rubber with round holes, in mats."""
    step = rng.uniform(13, 20)
    hole = ((across % step - step / 2) ** 2 + (down % step - step / 2) ** 2) < (0.3 * step) ** 2
    edge = (down % (step * 11) < 2.5) | (across % (step * 17) < 2.5)
    return np.where(hole, 0.75, 1.0).astype(np.float32) * np.where(edge, 0.65, 1).astype(np.float32)


def _rails(boat: Boat, rng: Generator, size: tuple[int, int], unit: float) -> tuple[list[Thing], list[Curve]]:
    """Where the boat ends: bulwarks as things, and the sea beyond them as outlines."""
    rails, sea = [], []
    for side in boat.rails:
        reach = (size[1] if side in ("top", "bottom") else size[0]) * rng.uniform(0.04, 0.2)
        slant = rng.normal(0, 0.06)
        wide = rng.uniform(9, 22) * unit
        line = _edge(side, size, reach, slant)
        inner = _edge(side, size, reach + wide, slant)
        outer = _edge(side, size, -4 * size[0], 0)
        sea.append(np.concatenate([line, outer[::-1]]))
        thing = Thing(height=rng.uniform(14, 34) * unit)
        thing.fill(np.concatenate([line, inner[::-1]]), boat.rail_colour)
        thing.line(inner, tint(boat.rail_colour, 0.6), 2 * unit)
        thing.line((line + inner) / 2, tint(boat.rail_colour, 1.15), 2 * unit)
        for share in np.linspace(0.05, 0.95, int(rng.integers(3, 9))):
            post = line[0] + (line[1] - line[0]) * share
            thing.fill(oval(post, wide * 1.2, wide * 1.2), tint(boat.rail_colour, 0.82))
        rails.append(thing)
    return rails, sea


def _edge(side: str, size: tuple[int, int], reach: float, slant: float) -> Curve:
    """A line from corner to corner along a side of the picture, `reach` inside it."""
    width, height = size
    lean = slant * (width if side in ("top", "bottom") else height) / 2
    ends = {
        "top": ((-9, reach - lean), (width + 9, reach + lean)),
        "bottom": ((-9, height - reach - lean), (width + 9, height - reach + lean)),
        "left": ((reach - lean, -9), (reach + lean, height + 9)),
        "right": ((width - reach - lean, -9), (width - reach + lean, height + 9)),
    }
    return np.array(ends[side], dtype=float)


def _fixtures(boat: Boat, rng: Generator, size: tuple[int, int], unit: float) -> list[Thing]:
    """What is bolted down: hatches, pipes, posts, boxes, a winch; most of it away from the middle."""
    things = []
    makers = (_hatch, _pipe, _post, _box, _winch, _drain)
    for _ in range(int(rng.integers(3, 8))):
        away = rng.uniform(0.55, 1.05) * np.array(size) / 2
        heading = rng.uniform(0, 2 * np.pi)
        centre = np.array(size) / 2 + away * np.array([np.cos(heading), np.sin(heading)])
        factory = makers[int(rng.integers(len(makers)))]
        things.append(factory(boat, rng, centre, unit))
    return things


def _hatch(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    long_, wide = rng.uniform(80, 190) * unit, rng.uniform(60, 120) * unit
    colour = tint(boat.floor_colour, rng.uniform(0.75, 1.25))
    thing = Thing(height=8 * unit)
    thing.fill(block(centre, long_, wide, boat.along), tint(colour, 0.7))
    thing.fill(block(centre, long_ - 7 * unit, wide - 7 * unit, boat.along), colour)
    for share in (-0.3, 0.3):
        middle = turn(np.array([[share * long_, 0]]), boat.along)[0] + centre
        thing.fill(block(middle, 12 * unit, 5 * unit, boat.along + 1.57), tint(colour, 0.5))
    return thing


def _pipe(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    colour = tint(boat.rail_colour, rng.uniform(0.6, 1))
    angle = boat.along + (np.pi / 2 if rng.random() < 0.5 else 0)
    ends = turn(np.array([[-600.0, 0], [600, 0]]) * unit, angle) + centre
    thing, wide = Thing(height=10 * unit), rng.uniform(6, 13) * unit
    thing.line(ends, tint(colour, 0.7), wide)
    thing.line(ends - (1, 1), tint(colour, 1.15), wide * 0.45)
    return thing


def _post(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    across = rng.uniform(16, 40) * unit
    colour = tint(boat.rail_colour, rng.uniform(0.6, 1.1))
    thing = Thing(height=rng.uniform(20, 60) * unit)
    thing.fill(oval(centre, across * 1.3, across * 1.3), tint(colour, 0.55))
    thing.fill(oval(centre, across, across), colour)
    thing.fill(oval(centre - across * 0.12, across * 0.5, across * 0.5), tint(colour, 1.2))
    return thing


def _box(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    long_, wide = rng.uniform(60, 150) * unit, rng.uniform(45, 90) * unit
    colour = tint(boat.rail_colour, rng.uniform(0.5, 1.1))
    thing = Thing(height=rng.uniform(25, 50) * unit)
    angle = boat.along + rng.normal(0, 0.05)
    thing.fill(block(centre, long_, wide, angle), tint(colour, 0.65))
    thing.fill(block(centre - 3 * unit, long_ * 0.93, wide * 0.88, angle), colour)
    return thing


def _winch(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    long_, wide = rng.uniform(70, 130) * unit, rng.uniform(40, 70) * unit
    colour = tint(boat.rail_colour, rng.uniform(0.45, 0.9))
    angle = boat.along + np.pi / 2
    thing = Thing(height=rng.uniform(30, 50) * unit)
    thing.fill(block(centre, long_, wide, angle), tint(boat.ropes, 0.6))
    for share in np.linspace(-0.42, 0.42, 9):
        middle = turn(np.array([[share * long_, 0]]), angle)[0] + centre
        thing.fill(block(middle, long_ * 0.05, wide * 0.94, angle), tint(boat.ropes, rng.uniform(0.75, 1)))
    for share in (-0.5, 0.5):
        middle = turn(np.array([[share * long_, 0]]), angle)[0] + centre
        thing.fill(block(middle, 12 * unit, wide * 1.35, angle), colour)
    return thing


def _drain(boat: Boat, rng: Generator, centre: NDArray, unit: float) -> Thing:
    thing, angle = Thing(), boat.along
    long_ = rng.uniform(40, 120) * unit
    thing.fill(block(centre, long_, 16 * unit, angle), tint(boat.floor_colour, 0.45))
    for share in np.linspace(-0.45, 0.45, 10):
        middle = turn(np.array([[share * long_, 0]]), angle)[0] + centre
        thing.fill(block(middle, long_ * 0.045, 14 * unit, angle), tint(boat.floor_colour, 0.85))
    return thing
