"""A fish on its side: anatomy in body lengths, a pose, and its pixels.

The body lies along x from the snout at 0 to the root of the tail at 1; y is 0 on the midline and grows
towards the belly. Every kind goes through the same brushes: only anatomy and coat differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from zoo_fisheries.art.coats import Coat, paint_fin, paint_flank
from zoo_fisheries.art.curves import Curve, oval
from zoo_fisheries.art.texture import tile, window

BODY, FIN, BRIGHT, WHITE, PUPIL, LINE = 1, 2, 3, 4, 5, 6  # what a pixel of a fish shows; 0: nothing
Knots = Sequence[tuple[float, float]]


@dataclass(slots=True)
class Anatomy:
    """Outlines in body lengths."""

    back: Knots  # (x, height above the midline)
    belly: Knots  # (x, depth below the midline)
    behind: list[tuple[Curve, int]] = field(default_factory=list)  # fins that the body covers, with what they show
    before: list[tuple[Curve, int]] = field(default_factory=list)  # what lies on the body
    strokes: list[tuple[Curve, int, float]] = field(default_factory=list)  # lines with their widths
    eye: tuple[float, float, float] = (0.07, -0.02, 0.03)  # x, y, diameter

    def heights(self, x: NDArray) -> tuple[NDArray, NDArray]:
        """Height above and depth below the midline at x: two arrays like x, float32."""
        grid = np.linspace(0, 1, 65)
        above, below = (_smooth(np.interp(grid, *np.array(knots).T)) for knots in (self.back, self.belly))
        return np.interp(x, grid, above).astype(np.float32), np.interp(x, grid, below).astype(np.float32)

    def outline(self) -> Curve:
        """The body without its fins (N, 2)."""
        x = np.linspace(0, 1, 49)
        above, below = self.heights(x)
        return np.concatenate([np.stack([x, -above], axis=1), np.stack([x, below], axis=1)[::-1]])


def _smooth(profile: NDArray) -> NDArray:
    for _ in range(6):
        profile[1:-1] = (profile[:-2] + 2 * profile[1:-1] + profile[2:]) / 4
    return profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """How a fish lies in the canvas."""

    x: float  # of the middle, canvas pixels
    y: float
    length: float  # canvas pixels from the snout to the root of the tail
    angle: float  # radians
    mirrored: bool  # which side is up
    roll: float  # 0.75 to 1: how much of its depth is seen
    bend: float  # body lengths, the sag of the midline

    def place(self, points: Curve) -> Curve:
        """Body lengths -> canvas pixels, (N, 2)."""
        x, y = points[:, 0] - 0.5, points[:, 1]
        y = (y + self.bend * (4 * x * x - 0.35)) * self._side
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.stack([self.x + self.length * (x * cos - y * sin), self.y + self.length * (x * sin + y * cos)], 1)

    def body_of(self, rows: NDArray, columns: NDArray) -> tuple[NDArray, NDArray]:
        """Canvas pixels -> body lengths (x, y), float32."""
        across, down = (columns - self.x) / self.length, (rows - self.y) / self.length
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        x = across * cos + down * sin
        y = (down * cos - across * sin) / self._side - self.bend * (4 * x * x - 0.35)
        return (x + 0.5).astype(np.float32), y.astype(np.float32)

    @property
    def _side(self) -> float:
        return -self.roll if self.mirrored else self.roll


def extent(anatomy: Anatomy, pose: Pose) -> tuple[NDArray, NDArray]:
    """The corners (2,), (2,) of the box around a posed fish, canvas pixels, whatever hides it."""
    parts = [anatomy.outline(), *(curve for curve, _ in (*anatomy.behind, *anatomy.before))]
    points = pose.place(np.concatenate(parts))
    return points.min(axis=0), points.max(axis=0)


def show(anatomy: Anatomy, pose: Pose, size: tuple[int, int]) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """What every pixel of a posed fish shows.

    Args:
        anatomy: of the individual.
        pose: where it lies.
        size: width and height of the canvas.

    Returns:
        uint8 (H, W) of the constants above, a patch, and the canvas column and row of its upper left corner.
    """
    low, high = extent(anatomy, pose)
    left, top = (int(np.clip(np.floor(low[axis]) - 2, 0, size[axis] - 1)) for axis in (0, 1))
    right, bottom = (int(np.clip(np.ceil(high[axis]) + 3, 1, size[axis])) for axis in (0, 1))
    patch = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    pen = ImageDraw.Draw(patch)

    def fill(curve: Curve, value: int) -> None:
        pen.polygon((pose.place(curve) - (left, top)).ravel().tolist(), fill=value)

    for curve, value in anatomy.behind:
        fill(curve, value)
    fill(anatomy.outline(), BODY)
    for curve, value, width in anatomy.strokes:
        points = (pose.place(curve) - (left, top)).ravel().tolist()
        pen.line(points, fill=value, width=max(1, round(width * pose.length)))
    x, y, across = anatomy.eye
    fill(oval((x, y), across, across, n=14), WHITE)
    fill(oval((x, y), 0.6 * across, 0.6 * across, n=10), PUPIL)
    for curve, value in anatomy.before:
        fill(curve, value)
    return np.asarray(patch), (left, top)


def colour(
    shown: NDArray[np.uint8], corner: tuple[int, int], anatomy: Anatomy, pose: Pose, coat: Coat, rng: Generator
) -> NDArray[np.uint8]:
    """The patch's colours, uint8 (H, W, 3); what is 0 in `shown` is black."""
    rows, columns = np.nonzero(shown)
    kinds = shown[rows, columns]
    x, y = pose.body_of(rows + corner[1], columns + corner[0])
    above, below = anatomy.heights(np.clip(x, 0, 1))
    aside = y / np.where(y < 0, above, below).clip(0.01)
    light = -1.0 if pose.mirrored else 1.0  # the sun stands above the picture's upper edge
    pixels = paint_flank(coat, x, y, np.clip(aside, -1.2, 1.2), light * float(np.cos(pose.angle)), rng)
    for value, shade in ((FIN, coat.fin), (BRIGHT, coat.bright)):
        chosen = kinds == value
        pixels[chosen] = paint_fin(shade, x[chosen], y[chosen], rng)
    pixels[kinds == WHITE] = coat.iris
    pixels[kinds == PUPIL] = (14, 14, 18)
    pixels[kinds == LINE] *= 0.62
    height, width = shown.shape
    grain = window(tile(1.0), rng, height, width)[rows, columns]
    pixels *= (1 + 0.05 * grain)[:, None]
    out = np.zeros((height, width, 3), dtype=np.uint8)
    out[rows, columns] = np.clip(pixels, 0, 255)
    return out
