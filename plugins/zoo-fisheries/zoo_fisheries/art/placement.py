"""A fish in the canvas: how large, how turned, where, and what of it can be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from zoo_fisheries.art.coats import worn
from zoo_fisheries.art.fish import Anatomy, Pose, colour, extent, show
from zoo_fisheries.art.kinds import ARTISTS
from zoo_fisheries.art.light import Hour
from zoo_fisheries.art.things import SHADE, Thing, plate_for, shade

FINE = 2  # canvas pixels a picture's pixel and side
SMALLEST, LARGEST = 0.012, 0.30  # of the picture, the box around the whole fish
SEEN = 0.65  # of a fish, at least


@dataclass(slots=True)
class Fish:
    """A fish in the canvas, or the place of one."""

    shown: NDArray[np.uint8]  # a patch, see `fish.show`
    pixels: NDArray[np.uint8]
    corner: tuple[int, int]
    real: bool
    share: float  # of the canvas, the box around the whole fish
    left: NDArray[np.bool_]  # of the patch, what is still visible

    def anywhere(self, rng: Generator) -> NDArray[np.float64]:
        """A point on the fish, canvas pixels (2,)."""
        rows, columns = np.nonzero(self.shown)
        chosen = int(rng.integers(len(rows)))
        return np.array([columns[chosen], rows[chosen]], dtype=float) + self.corner

    def hide(self, thing: Thing) -> bool:
        """Let a thing cover its part of the fish; False, and nothing done, where too little would be left."""
        plate = Image.new("L", (self.shown.shape[1], self.shown.shape[0]))
        thing.paint(ImageDraw.Draw(plate), only=255, move=(-self.corner[0], -self.corner[1]))
        left = self.left & (np.asarray(plate) == 0)
        if left.sum() < SEEN * np.count_nonzero(self.shown):
            return False
        self.left = left
        return True


def lay_out(kind: str, rng: Generator, size: tuple[int, int], beyond: Image.Image) -> Fish:
    """The fish; of NoF the place where one could lie, so that all else is as it would be."""
    real = kind in ARTISTS
    anatomy, coat = ARTISTS[kind if real else str(rng.choice(list(ARTISTS)))](rng)
    pose = choose_pose(anatomy, rng, size, beyond)
    shown, corner = show(anatomy, pose, size)
    pixels = colour(shown, corner, anatomy, pose, worn(coat, rng), rng)
    low, high = extent(anatomy, pose)
    share = float((high - low).prod() / (size[0] * size[1]))
    return Fish(shown=shown, pixels=pixels, corner=corner, real=real, share=share, left=shown > 0)


def choose_pose(anatomy: Anatomy, rng: Generator, size: tuple[int, int], beyond: Image.Image | None) -> Pose:
    """How large, how turned and where: a box of the wanted share of the picture, not in the sea."""
    large = rng.beta(2.6, 0.7) if rng.random() < 0.88 else rng.random()  # most are near, some are far or small
    wanted = SMALLEST * (LARGEST / SMALLEST) ** float(large)
    angle, mirrored = float(rng.uniform(0, 2 * np.pi)), bool(rng.random() < 0.5)
    roll, bend = float(rng.uniform(0.8, 1)), float(np.clip(rng.normal(0, 0.035), -0.08, 0.08))
    start = Pose(x=0, y=0, length=1, angle=angle, mirrored=mirrored, roll=roll, bend=bend)
    low, high = extent(anatomy, start)
    sides = high - low
    length = float(np.sqrt(wanted * size[0] * size[1] / sides.prod()))
    length = min(length, float((1.1 * np.array(size) / sides).min()))
    half, middle = sides * length / 2, (low + high) * length / 2
    edge = np.minimum(half * 0.8, np.array(size) / 2)  # a tenth of it may lie outside
    for _ in range(8):
        centre = rng.uniform(edge, np.array(size) - edge)
        if beyond is None or not beyond.getpixel((int(centre[0]), int(centre[1]))):
            break
    x, y = (centre - middle).tolist()
    return Pose(x=x, y=y, length=length, angle=angle, mirrored=mirrored, roll=roll, bend=bend)


def ghost(canvas: Image.Image, rng: Generator) -> Image.Image:
    """The shape of a fish where there is none."""
    plate = plate_for(canvas)
    anatomy, _ = ARTISTS[str(rng.choice(list(ARTISTS)))](rng)
    pose = choose_pose(anatomy, rng, plate.size, None)
    shown, corner = show(anatomy, pose, plate.size)
    plate.paste(Image.fromarray((shown > 0).astype(np.uint8) * int(rng.integers(100, 220))), corner)
    return plate


def lay_fish(canvas: Image.Image, fish: Fish, when: Hour, unit: float) -> Image.Image:
    mask = Image.fromarray(fish.left.astype(np.uint8) * 255)
    thick = 0.1 * min(mask.size)
    cast = plate_for(canvas)
    small = mask.resize((max(mask.width // SHADE, 1), max(mask.height // SHADE, 1)))
    offset = (np.array(fish.corner) + when.towards * thick) / SHADE
    cast.paste(small, (round(offset[0]), round(offset[1])), small)
    canvas = shade(canvas, cast, when.depth, 0.4 * thick + unit)
    canvas.paste(Image.fromarray(fish.pixels), fish.corner, mask)
    return canvas


def seen_pixels(fish: Fish, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The picture's pixels of which at least half show fish."""
    plate = np.zeros((size[1], size[0]), dtype=np.uint8)
    if fish.real:
        height, width = fish.left.shape
        plate[fish.corner[1] : fish.corner[1] + height, fish.corner[0] : fish.corner[0] + width] = fish.left * 255
    return np.asarray(Image.fromarray(plate).reduce(FINE)) >= 128
