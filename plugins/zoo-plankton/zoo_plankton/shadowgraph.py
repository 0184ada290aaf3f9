"""From a sketch to a picture: pose, crop, focus, light and noise of a towed shadowgraph camera.

Such a camera scans line by line: its light is uneven, its streaks run along one side of the picture, water
between the organism and the lens is full of specks. Every haul has habits of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from zoo_plankton.curves import lump, oval, wander
from zoo_plankton.sketch import Sketch

SMALLEST, LARGEST = 26, 168  # pixels a side

Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Haul:
    """The habits of the light and the lens on one haul."""

    light: float  # grey level of clear water, 0 to 255
    tilt: float  # grey levels that the light falls from side to side
    streak: float  # grey levels of the lines along the scan
    grain: float  # grey levels of the noise
    coarse: float  # pixels that the noise is correlated over
    focus: float  # pixels of blur, the median
    contrast: float  # of the organisms
    specks: float  # a thousand pixels
    fringe: float  # grey levels of the bright rim around dark things


def haul(seed: int, number: int) -> Haul:
    """The habits of one haul of a set."""
    rng = np.random.default_rng([seed, number, 0x4A])
    return Haul(
        light=rng.uniform(202, 242),
        tilt=rng.uniform(2, 18),
        streak=rng.choice([0.6, 1.5, 4.0], p=[0.4, 0.4, 0.2]),
        grain=rng.uniform(1.5, 5.5),
        coarse=rng.uniform(0.0, 0.8),
        focus=rng.uniform(0.5, 0.95),
        contrast=rng.uniform(0.8, 1.15),
        specks=rng.uniform(0.02, 0.35),
        fringe=rng.uniform(2, 16),
    )


def expose(sketch: Sketch, rng: Generator, *, size: float, light: Haul) -> NDArray[np.uint8]:
    """Photograph a sketch in a random pose.

    Args:
        sketch: the individual, in body lengths.
        rng: the individual's own.
        size: pixels a body length.
        light: the haul's habits.

    Returns:
        uint8 (H, W), each side between 26 and 168 pixels, cropped to the organism with a margin.
    """
    posed = sketch.placed(_pose(rng))
    low, high = posed.bounds()
    size = min(size, (LARGEST - 8) / float((high - low).max()))
    margin = rng.uniform(2, 7, size=4) + 0.03 * size
    corner, extent = low - margin[:2] / size, (high - low) * size + margin[:2] + margin[2:]
    corner, extent = _cut_off(rng, corner, extent, size)
    width, height = (int(np.clip(side, SMALLEST, LARGEST)) for side in extent)
    spare = np.array([width, height]) - extent
    _damage(posed, rng, low, high)
    held = posed.rasterise((width, height), size, corner - np.maximum(spare, 0) / 2 / size)
    held = _tissue(held, rng)
    blur = float(np.clip(light.focus * rng.lognormal(0, 0.42), 0.3, 2.6)) * float(np.clip(size / 60, 0.65, 1.3))
    opacity = light.contrast * float(np.clip(rng.lognormal(0, 0.28), 0.45, 1.5))
    held = ndimage.gaussian_filter(held, blur, truncate=3)
    surroundings = ndimage.gaussian_filter(_specks(held, rng, light), 0.5 + 0.5 * blur, truncate=3)
    depth = 1.9 * opacity * held + surroundings
    rim = np.maximum(ndimage.gaussian_filter(held, blur + 1.6, truncate=3) - held, 0)
    picture = _water(rng, width, height, light) * np.exp(-depth) + 3 * light.fringe * rim
    return np.clip(picture + _noise(rng, width, height, light), 0, 255).round().astype(np.uint8)


def _pose(rng: Generator) -> NDArray[np.float64]:
    """Any turn, mirrored or not, a little foreshortened along a random axis: (2, 2)."""
    angle, axis = rng.uniform(0, 2 * np.pi, 2)
    short = np.diag([1.0, 1 - 0.3 * rng.random() ** 2])
    mirror = np.diag([1.0, rng.choice([-1.0, 1.0])])
    return _turn(angle) @ _turn(axis) @ short @ _turn(-axis) @ mirror


def _turn(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _cut_off(
    rng: Generator, corner: NDArray[np.float64], extent: NDArray[np.float64], size: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One picture in seven loses up to a fifth of one side: the segmentation cut through the organism."""
    if rng.random() < 0.14:
        lost = np.zeros(2)
        lost[rng.integers(2)] = rng.uniform(0.06, 0.2)
        if rng.random() < 0.5:
            corner = corner + lost * extent / size
        extent = extent * (1 - lost)
    return corner, extent


def _damage(sketch: Sketch, rng: Generator, low: NDArray[np.float64], high: NDArray[np.float64]) -> None:
    """One individual in nine is bitten or torn at its edge."""
    if rng.random() < 0.11:
        span = high - low
        towards = _turn(rng.uniform(0, 2 * np.pi)) @ np.array([0.45, 0.0])
        bite = float(span.max()) * rng.uniform(0.15, 0.35)
        place = (low + high) / 2 + towards * span
        sketch.clear(lump(rng, place, bite, bite * rng.uniform(0.6, 1), 0.25), rng.uniform(0.5, 1.0), soft=0.01)


def _tissue(held: Picture, rng: Generator) -> Picture:
    """Mottle the ink: large patches and fine grains of denser tissue."""
    height, width = held.shape
    cells = rng.normal(0, 1, (max(3, height // 9), max(3, width // 9)))
    grains = rng.normal(0, 1, (max(3, height // 2), max(3, width // 2)))
    patches = _stretched(cells, width, height)
    fine = _stretched(grains, width, height)
    return held * np.clip(1 + rng.uniform(0.08, 0.3) * patches + rng.uniform(0.05, 0.28) * fine, 0.2, 2.0)


def _specks(held: Picture, rng: Generator, light: Haul) -> Picture:
    """What else drifts before the lens: specks, now and then a ring out of focus or a strange filament."""
    height, width = held.shape
    drift = Sketch()
    for _ in range(rng.poisson(light.specks * height * width / 1000)):
        place = rng.uniform((0, 0), (width, height))
        across = 0.8 + rng.exponential(1.1)
        drift.fill(oval(place, across, across * rng.uniform(0.6, 1), n=8), rng.uniform(0.15, 0.7))
    if rng.random() < 0.06:
        centre = rng.uniform((0, 0), (width, height))
        across = rng.uniform(6, 16)
        drift.line(oval(centre, across, across, n=20), rng.uniform(0.06, 0.2), width=1)
    if rng.random() < 0.07:
        start = rng.uniform((0, 0), (width, height)) * np.array([1, rng.integers(2)])
        thread = wander(rng, rng.uniform(10, 45), 1.0, start=start, angle=rng.uniform(0, 6.3))
        drift.line(thread, rng.uniform(0.1, 0.35), width=rng.uniform(0.5, 1.5))
    return drift.rasterise((width, height), 1.0, np.zeros(2)) if drift.layers else np.zeros_like(held)


def _water(rng: Generator, width: int, height: int, light: Haul) -> Picture:
    """The light behind the organism: uneven, with streaks along the scan."""
    slope = rng.normal(0, light.tilt / 2, (3, 3))
    level = light.light + rng.normal(0, 4) + _stretched(slope, width, height)
    streaks = ndimage.gaussian_filter1d(rng.normal(0, light.streak, height), 0.6)
    return level + streaks[:, None].astype(np.float32)


def _noise(rng: Generator, width: int, height: int, light: Haul) -> Picture:
    noise = rng.standard_normal((height, width), dtype=np.float32) * light.grain
    if light.coarse < 0.25:
        return noise
    return ndimage.gaussian_filter(noise, light.coarse, truncate=2) * (1 + 2 * light.coarse)


def _stretched(cells: NDArray[np.float64], width: int, height: int) -> Picture:
    """A coarse field smoothly enlarged to float32 (height, width)."""
    coarse = Image.fromarray(cells.astype(np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
