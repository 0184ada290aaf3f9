"""Light, lens and sensor: from what is on a deck to what its camera wrote down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from zoo_fisheries.art.boat import Boat
from zoo_fisheries.art.curves import lump
from zoo_fisheries.art.texture import Field, cloud, row, stretched, tile, window

Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """The light of one picture."""

    night: bool
    exposure: float
    depth: float  # of the shadows, 0 to 1
    towards: NDArray[np.float64]  # (2,), where shadows fall
    glare: float  # 0 to 1


def hour(boat: Boat, rng: Generator) -> Hour:
    """Day or night, sun or cloud."""
    night = bool(rng.random() < boat.night)
    angle = rng.uniform(0, 2 * np.pi) if not night else boat.sun + rng.normal(0, 0.1)
    sunny = rng.random() < 0.55
    return Hour(
        night=night,
        exposure=boat.exposure * float(rng.lognormal(-0.12 if night else 0.16, 0.12)),
        depth=float(rng.uniform(0.3, 0.6) if night or sunny else rng.uniform(0.08, 0.28)),
        towards=np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.3, 1.1),
        glare=float(rng.beta(1, 3)) if sunny or night else 0.05,
    )


def illuminate(pixels: Pixels, boat: Boat, when: Hour, rng: Generator) -> Pixels:
    """Light on the deck, float32 (H, W, 3), 0 to 255: uneven, with the shadow of the mast or the pool of a lamp."""
    height, width = pixels.shape[:2]
    across, down = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 14))
    gain = 1 + 0.07 * rng.normal() * across + 0.07 * rng.normal() * down
    gain = gain * (1 - boat.vignette * 0.5 * (across**2 + down**2))
    if when.night:
        x, y = rng.normal(0, 0.12, 2) + np.array([np.cos(boat.sun), np.sin(boat.sun)]) * -0.35
        near = np.exp(-((across - x) ** 2 * 0.8 + (down - y) ** 2 * 0.9))
        gain = gain * (0.45 + 0.9 * near)
    field = stretched(gain, height, width) * when.exposure
    if not when.night and rng.random() < 0.45:
        field = field * _mast(rng, height, width, when)
    lamp = row((1.06, 1.0, 0.86) if boat.number % 2 else (0.92, 1.02, 1.05))
    cast = row(boat.cast) * (lamp if when.night else row((1, 1, 1)))
    return pixels * (field[:, :, None] * cast)


def _mast(rng: Generator, height: int, width: int, when: Hour) -> Field:
    """The shadow of an awning, a boom or a mast: 1 in the light."""
    plate = Image.new("L", (width // 2, height // 2), 255)
    pen = ImageDraw.Draw(plate)
    dark = round(255 * (1 - when.depth))
    angle, place = rng.uniform(0, np.pi), rng.uniform((0, 0), plate.size)
    ahead = np.array([np.cos(angle), np.sin(angle)]) * width
    aside = np.array([-np.sin(angle), np.cos(angle)]) * width * rng.choice((0.03, 0.05, 0.6))
    corners = np.array([place - ahead, place + ahead, place + ahead + aside, place - ahead + aside])
    pen.polygon(corners.ravel().tolist(), fill=dark)
    soft = plate.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 3)))
    return np.asarray(soft.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32) / np.float32(255)


def add_glare(pixels: Pixels, when: Hour, rng: Generator) -> Pixels:
    """Light that a wet deck throws back: patches along its unevenness."""
    if when.glare < 0.08:
        return pixels
    height, width = pixels.shape[:2]
    across, down = np.meshgrid(np.linspace(0, 1, 32), np.linspace(0, 1, 18))
    x, y = rng.uniform(0, 1, 2)
    near = np.exp(-(((across - x) / rng.uniform(0.1, 0.35)) ** 2) - ((down - y) / rng.uniform(0.1, 0.35)) ** 2)
    wet = np.clip(window(cloud(), rng, height, width) * 0.7 + 0.4 * window(tile(4.0), rng, height, width), 0, 2)
    return pixels + (when.glare * 120 * stretched(near, height, width) * wet)[:, :, None]


def look_through(pixels: Pixels, boat: Boat, rng: Generator) -> Image.Image:
    """The lens: out of focus a little, with drops of water on it. RGB, contrast and levels as the camera has them."""
    middle = np.float32(118)
    picture = Image.fromarray(np.clip((pixels - middle) * np.float32(boat.contrast) + middle, 0, 255).astype(np.uint8))
    scale = picture.width / 320
    blur = boat.softness * scale * float(rng.lognormal(0, 0.25))
    if blur > 0.2:
        picture = picture.filter(ImageFilter.GaussianBlur(blur))
    return _with_drops(picture, rng, scale) if rng.random() < boat.drops else picture


def _with_drops(picture: Image.Image, rng: Generator, scale: float) -> Image.Image:
    """Drops: what is behind them is blurred and bent, their edge is dark, their top bright."""
    behind = picture.resize((max(picture.width // 8, 2), max(picture.height // 8, 2)), Image.Resampling.BOX)
    behind = behind.resize(picture.size, Image.Resampling.BICUBIC)
    where = Image.new("L", picture.size)
    rim = Image.new("L", picture.size)
    inside, edge = ImageDraw.Draw(where), ImageDraw.Draw(rim)
    for _ in range(1 + int(rng.poisson(3))):
        place = rng.uniform((0, 0), picture.size)
        across = rng.lognormal(2.5, 0.5) * scale
        outline = lump(rng, place, across, 0.12)
        inside.polygon(outline.ravel().tolist(), fill=int(rng.integers(150, 235)))
        edge.line(outline.ravel().tolist(), fill=110, width=max(1, round(0.08 * across)))
    soft = ImageFilter.GaussianBlur(0.8 * scale)
    picture = Image.composite(behind, picture, where.filter(soft))
    return Image.composite(Image.new("RGB", picture.size, (70, 74, 78)), picture, rim.filter(soft))


def expose(picture: Image.Image, boat: Boat, when: Hour, rng: Generator) -> NDArray[np.uint8]:
    """The sensor's noise: uint8 (H, W, 3)."""
    height, width = picture.height, picture.width
    grain = boat.grain * (2.2 if when.night else 1) * float(rng.lognormal(0, 0.2))
    noise = window(tile(0.0), rng, height, width) * grain
    colour = window(tile(1.0), rng, height, width) * (0.5 * grain)
    levels = np.asarray(picture, dtype=np.float32) + noise[:, :, None]
    levels[:, :, 0] += colour
    levels[:, :, 2] -= colour
    return np.clip(levels, 0, 255).round().astype(np.uint8)
