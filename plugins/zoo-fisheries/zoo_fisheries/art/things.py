"""Things that lie or stand on a deck: flat pieces of colour, the shadow they cast, and the canvas they go onto."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from zoo_fisheries.art.curves import Curve

Colour = tuple[int, int, int]
SHADE = 4  # canvas pixels a pixel of the shadows, which are soft anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """An outline filled with a colour, or a line of a width."""

    points: Curve  # (N, 2), canvas pixels
    colour: Colour
    width: float | None = None  # None: filled


@dataclass(slots=True)
class Thing:
    """Pieces from the lowest to the highest, and how high the whole is."""

    height: float = 0.0  # canvas pixels; 0 casts no shadow
    pieces: list[Piece] = field(default_factory=list)

    def fill(self, points: Curve, colour: Colour) -> None:
        """A filled outline."""
        self.pieces.append(Piece(points=points, colour=colour))

    def line(self, points: Curve, colour: Colour, width: float) -> None:
        """A line of a width."""
        self.pieces.append(Piece(points=points, colour=colour, width=width))

    def paint(self, pen: ImageDraw.ImageDraw, only: int | None = None, move: tuple[float, float] = (0, 0)) -> None:
        """Draw all pieces, in their colours or in `only` one value of grey."""
        for piece in self.pieces:
            colour = piece.colour if only is None else only
            points = (piece.points + move).ravel().tolist()
            if piece.width is None:
                pen.polygon(points, fill=colour)
            else:
                width = max(1, round(piece.width))
                pen.line(points, fill=colour, width=width, joint="curve" if width > 4 else None)


def tint(colour: Colour, by: float) -> Colour:
    """The colour, lighter or darker by a factor."""
    red, green, blue = (int(min(max(part * by, 0), 255)) for part in colour)
    return red, green, blue


def shade(canvas: Image.Image, cast: Image.Image, depth: float, soft: float) -> Image.Image:
    """Darken the canvas where a shadow falls, in place, and return it.

    Args:
        canvas: RGB, a multiple of SHADE pixels a side.
        cast: mode L, a quarter of the canvas a side, 255 where something stands in the light.
        depth: 0 to 1, how dark the shadow is.
        soft: blur, in canvas pixels.
    """
    blur = max(soft / SHADE, 0.4)
    where = cast.getbbox()
    if where is None:
        return canvas
    reach = int(3 * blur) + 2
    left, top = max(where[0] - reach, 0), max(where[1] - reach, 0)
    right, bottom = min(where[2] + reach, canvas.width // SHADE), min(where[3] + reach, canvas.height // SHADE)
    if right <= left or bottom <= top:
        return canvas
    light = cast.crop((left, top, right, bottom)).filter(ImageFilter.GaussianBlur(blur))
    light = light.point([round(255 - depth * value) for value in range(256)])
    light = light.resize(((right - left) * SHADE, (bottom - top) * SHADE), Image.Resampling.BILINEAR)
    part = (left * SHADE, top * SHADE, right * SHADE, bottom * SHADE)
    canvas.paste(ImageChops.multiply(canvas.crop(part), Image.merge("RGB", (light, light, light))), part)
    return canvas


def cast_shadows(
    canvas: Image.Image, things: Sequence[Thing], towards: NDArray[np.float64], depth: float
) -> Image.Image:
    """The canvas with the things' shadows, each moved away from the light by its height."""
    standing = [thing for thing in things if thing.height > 0]
    if not standing:
        return canvas
    plate = plate_for(canvas)
    pen = ImageDraw.Draw(plate)
    for thing in standing:
        for share in (0.45, 1.0):
            offset = towards * thing.height * share
            low = Thing(pieces=[_lowered(piece, offset) for piece in thing.pieces])
            low.paint(pen, only=255)
    soft = float(np.mean([thing.height for thing in standing])) * 0.35
    return shade(canvas, plate, depth, soft)


def _lowered(piece: Piece, offset: NDArray[np.float64]) -> Piece:
    width = None if piece.width is None else piece.width / SHADE
    return Piece(points=(piece.points + offset) / SHADE, colour=piece.colour, width=width)


def plate_for(canvas: Image.Image) -> Image.Image:
    """An empty plate for the shadows on a canvas: mode L, a quarter of its size."""
    return Image.new("L", (canvas.width // SHADE, canvas.height // SHADE))
