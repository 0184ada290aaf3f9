"""The deck on the day: the camera shaken a little, the sea beyond the rails, water and blood on the floor."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from zoo_fisheries.art.boat import Boat
from zoo_fisheries.art.curves import lump
from zoo_fisheries.art.deck import MARGIN, deck
from zoo_fisheries.art.placement import ghost
from zoo_fisheries.art.texture import cloud, row, tile, window
from zoo_fisheries.art.things import SHADE, Colour, plate_for, shade


def todays_deck(boat: Boat, rng: Generator, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """The deck as a shaken camera sees it, with today's sea beyond it, and where that is."""
    large, sea = deck(boat, *size)
    spare = np.array(size) * MARGIN
    left, top = np.round(spare + np.clip(rng.normal(0, 0.3, 2), -1, 1) * spare).astype(int).tolist()
    part = (left, top, left + size[0], top + size[1])
    canvas, beyond = large.crop(part), sea.crop(part)
    wet = beyond.getbbox()
    if wet is not None:
        water = _sea(boat, rng, (wet[2] - wet[0], wet[3] - wet[1]))
        canvas.paste(water, wet[:2], beyond.crop(wet))
    return canvas, beyond


def _sea(boat: Boat, rng: Generator, size: tuple[int, int]) -> Image.Image:
    """Waves and foam."""
    width, height = size[0] // SHADE + 1, size[1] // SHADE + 1
    swell = window(cloud(), rng, height, width) + 0.6 * window(tile(1.0), rng, height, width)
    foam = np.clip(swell - rng.uniform(1.2, 3.0), 0, 0.8)[:, :, None]
    water = row(boat.sea) * (1 + 0.18 * swell)[:, :, None]
    pixels = water + (row((210, 216, 218)) - water) * foam
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)


def soil(canvas: Image.Image, rng: Generator, unit: float) -> Image.Image:
    """Water, slime and blood on the deck, whatever lies there now; and a shadow that may look like a fish."""
    wet = ghost(canvas, rng) if rng.random() < 0.12 else plate_for(canvas)
    pen = ImageDraw.Draw(wet)
    for _ in range(int(rng.poisson(2.5))):
        place, across = rng.uniform((0, 0), wet.size), rng.lognormal(4.2, 0.6) * unit / SHADE
        pen.polygon(lump(rng, place, across, 0.4).ravel().tolist(), fill=int(rng.integers(50, 160)))
    canvas = shade(canvas, wet, 0.5, 5 * unit)
    if rng.random() < 0.45:
        pool = plate_for(canvas)
        pen = ImageDraw.Draw(pool)
        centre = rng.uniform((0, 0), pool.size)
        for _ in range(int(rng.integers(1, 6))):
            place = centre + rng.normal(0, 40 * unit / SHADE, 2)
            pen.polygon(lump(rng, place, rng.lognormal(3.3, 0.7) * unit / SHADE, 0.5).ravel().tolist(), fill=170)
        _spill(canvas, pool, (92, 30, 28))
    return canvas


def _spill(canvas: Image.Image, pool: Image.Image, shade_: Colour) -> None:
    """Colour the canvas where a pool is, in place."""
    where = pool.getbbox()
    if where is None:
        return
    left, top = max(where[0] - 4, 0), max(where[1] - 4, 0)
    mask = pool.crop((left, top, min(where[2] + 4, pool.width), min(where[3] + 4, pool.height)))
    mask = mask.filter(ImageFilter.GaussianBlur(1.0))
    mask = mask.resize((mask.width * SHADE, mask.height * SHADE), Image.Resampling.BILINEAR)
    canvas.paste(Image.new("RGB", mask.size, shade_), (left * SHADE, top * SHADE), mask)


def on_deck(rng: Generator, beyond: Image.Image) -> NDArray[np.float64]:
    """A point that is not in the sea, canvas pixels (2,)."""
    for _ in range(6):
        place = rng.uniform((0, 0), beyond.size)
        if not beyond.getpixel((int(place[0]), int(place[1]))):
            break
    return place
