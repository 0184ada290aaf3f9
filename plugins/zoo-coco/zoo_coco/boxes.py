"""Boxes as tables have them, x, y, width and height, made into corners inside the picture."""

from __future__ import annotations

import math
from typing import Any

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2 in shares of the picture's width and height, 0 to 1

OVER = 0.005  # of a side: so far rounded numbers reach over the edge, and nothing is said of it

NO_NUMBERS = "a box that is not made of four finite numbers; it was set aside"
EMPTY = "a box without width or height; it was set aside"
OUTSIDE = "a box wholly outside its picture; it was set aside"
CLIPPED = "a box that reached outside its picture; it was clipped"


def read_box(said: Any, size: tuple[float, float]) -> tuple[Corners | None, str | None]:
    """A box's corners, and what is wrong with it.

    Args:
        said: x, y, width and height from the upper left corner; None or an empty list: there is no box.
        size: width and height of the whole picture in the same unit; (1, 1) where that is a share already.
    """
    if said is None or said == []:
        return None, None
    if not isinstance(said, list) or len(said) != 4 or not all(_is_number(one) for one in said):
        return None, NO_NUMBERS
    x, y, width, height = said
    if width <= 0 or height <= 0:
        return None, EMPTY
    whole = (x / size[0], y / size[1], (x + width) / size[0], (y + height) / size[1])
    inside = max(whole[0], 0.0), max(whole[1], 0.0), min(whole[2], 1.0), min(whole[3], 1.0)
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return None, OUTSIDE
    moved = max(abs(a - b) for a, b in zip(inside, whole, strict=True))
    return inside, CLIPPED if moved > OVER else None


def area_of(box: Corners) -> float:
    """The share of the picture that a box covers."""
    return (box[2] - box[0]) * (box[3] - box[1])


def _is_number(one: Any) -> bool:
    return isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)
