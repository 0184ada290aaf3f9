"""The colours of fish: countershaded, wet, faded to a degree, with spots, bars or lines by kind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoo_fisheries.art.texture import SIDE, cloud, row, tile

Shade = tuple[float, float, float]
Pattern = Literal["plain", "lines", "band", "spots", "dots", "bars"]
DEAD: Shade = (142, 146, 150)  # what every fish fades to


@dataclass(frozen=True, slots=True, kw_only=True)
class Coat:
    """Colours of an individual, RGB 0 to 255."""

    back: Shade
    flank: Shade
    belly: Shade
    fin: Shade
    bright: Shade  # finlets, second dorsal and anal fins, where they differ from the other fins
    pattern: Pattern = "plain"
    mark: Shade = (230, 232, 232)  # of the pattern
    border: float = -0.3  # where back turns to flank, -1 (the edge of the back) to 1 (of the belly)
    iris: Shade = (205, 200, 175)


def worn(coat: Coat, rng: Generator) -> Coat:
    """An individual's coat: faded by a share of its own, lighter or darker, a little off in hue."""
    fade = float(rng.beta(1.5, 2.5)) * 0.4
    bright, hue = rng.normal(1, 0.08), rng.normal(0, 3.5, 3)

    def change(shade: Shade) -> Shade:
        mixed = (np.asarray(shade) * (1 - fade) + np.asarray(DEAD) * fade * (0.6 + 0.4 * np.mean(shade) / 128)) * bright
        red, green, blue = (mixed + hue).tolist()
        return red, green, blue

    return replace(
        coat,
        back=change(coat.back),
        flank=change(coat.flank),
        belly=change(coat.belly),
        fin=change(coat.fin),
        bright=change(coat.bright),
        mark=change(coat.mark),
        border=coat.border + float(rng.normal(0, 0.12)),
    )


def paint_flank(
    coat: Coat, x: NDArray, y: NDArray, aside: NDArray, light: float, rng: Generator
) -> NDArray[np.float32]:
    """The body's colours.

    Args:
        coat: the individual's.
        x: float (N,), from snout to tail, body lengths.
        y: float (N,), towards the belly, body lengths.
        aside: float (N,), y as a share of the body's half depth, -1 (back) to 1 (belly).
        light: -1 to 1, how much of the light falls on the back's side.
        rng: the individual's own.

    Returns:
        float32 (N, 3), 0 to about 255.
    """
    place = rng.uniform(0, SIDE, 2)
    rough = _at(cloud(), x, y, 180, place)
    lower = _step(aside + 0.1 * rough, coat.border, 0.5)[:, None]
    lowest = _step(aside + 0.08 * rough, 0.45, 0.5)[:, None]
    pixels = _mix(_mix(row(coat.back), row(coat.flank), lower), row(coat.belly), lowest)
    strength = _marks(coat, x, y, aside, place, rng)
    if strength is not None:
        pixels = _mix(pixels, row(coat.mark), strength[:, None])
    round_ = 1.06 - 0.34 * aside**2 - 0.16 * light * aside + 0.06 * rough
    wet = np.exp(-(((aside + 0.42 * light) / 0.13) ** 2)) * np.clip(_at(tile(14.0), x, y, 260, place) + 0.2, 0, 1.5)
    pixels = pixels * round_[:, None] + (rng.uniform(15, 80) * wet)[:, None]
    return _bloody(pixels, x, y, place, rng)


def paint_fin(shade: Shade, x: NDArray, y: NDArray, rng: Generator) -> NDArray[np.float32]:
    """A fin's colours, float32 (N, 3): rays and torn edges."""
    rays = 1 + 0.06 * np.sin(x * 170 + y * 90) + 0.1 * _at(tile(4.0), x, y, 300, rng.uniform(0, SIDE, 2))
    return row(shade) * rays[:, None].astype(np.float32)


def _marks(coat: Coat, x: NDArray, y: NDArray, aside: NDArray, place: NDArray, rng: Generator) -> NDArray | None:
    """How strongly the pattern shows, 0 to 1, (N,)."""
    clear = float(rng.uniform(0.35, 0.95))
    match coat.pattern:
        case "lines":  # broken, upright, low on the flank
            wave = np.sin(x * rng.uniform(95, 125) + 5 * aside + _at(tile(14.0), x, y, 90, place))
            return clear * 0.7 * _step(wave, 0.55, 0.5) * _step(aside, -0.05, 0.3) * _step(0.85 - x, 0, 0.2)
        case "band":  # along the flank
            middle = rng.uniform(-0.3, -0.12)
            return clear * np.exp(-(((aside - middle) / 0.2) ** 2)) * _step(x, 0.1, 0.2)
        case "spots":  # round, well apart
            return clear * _step(_at(tile(4.0), x, y, 330, place), 1.15, 0.5)
        case "dots":  # small, many
            return clear * _step(_at(tile(4.0), x, y, 520, place), 1.05, 0.5) * _step(aside, -0.75, 0.3)
        case "bars":  # upright, from the back downwards
            wave = np.sin(x * rng.uniform(48, 70) + 0.8 * _at(tile(14.0), x, y, 120, place) + 1.5 * np.abs(aside))
            return clear * _step(wave, 0.1, 0.5) * _step(0.6 - aside, 0, 0.4)
        case _:
            return None


def _bloody(pixels: NDArray, x: NDArray, y: NDArray, place: NDArray, rng: Generator) -> NDArray[np.float32]:
    """Blood about the gills or the tail of every fourth fish."""
    if rng.random() > 0.25:
        return pixels
    centre = rng.choice([0.2, 0.25, 0.9])
    near = np.exp(-(((x - centre) / rng.uniform(0.05, 0.14)) ** 2))
    strength = 0.75 * near * _step(_at(cloud(), x, y, 200, place + 100), 0.1, 0.8)
    return _mix(pixels, row((96, 22, 22)), strength[:, None])


def _at(field: NDArray, x: NDArray, y: NDArray, scale: float, place: NDArray) -> NDArray[np.float32]:
    """A tile's values where the body is: noise that goes with the fish, whatever its size."""
    rows = (y * scale + place[0] + SIDE).astype(np.int32) % SIDE
    columns = (x * scale + place[1] + SIDE).astype(np.int32) % SIDE
    return field[rows, columns]


def _step(value: NDArray, at: float, soft: float) -> NDArray[np.float32]:
    """0 below, 1 above, smooth over `soft`."""
    share = np.clip((value - at) / soft + 0.5, 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def _mix(one: NDArray, other: NDArray, share: NDArray) -> NDArray[np.float32]:
    return one + (other - one) * share
