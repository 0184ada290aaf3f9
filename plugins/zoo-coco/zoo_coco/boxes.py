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
    if not isinstance(said, list) or len(said) != 4 or any(type(one) not in (float, int) for one in said):
        return None, NO_NUMBERS
    x, y, width, height = said
    if not math.isfinite(x + y + width + height):
        return None, NO_NUMBERS
    if width <= 0 or height <= 0:
        return None, EMPTY
    x1, y1, x2, y2 = x / size[0], y / size[1], (x + width) / size[0], (y + height) / size[1]
    if x1 >= 0 and y1 >= 0 and x2 <= 1 and y2 <= 1:
        return (x1, y1, x2, y2), None
    inside = max(x1, 0.0), max(y1, 0.0), min(x2, 1.0), min(y2, 1.0)
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return None, OUTSIDE
    return inside, CLIPPED if max(-x1, -y1, x2 - 1, y2 - 1) > OVER else None


def area_of(box: Corners) -> float:
    """The share of the picture that a box covers."""
    return (box[2] - box[0]) * (box[3] - box[1])
