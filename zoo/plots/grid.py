"""The filters of a layer, side by side."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from zoo.errors import UsageError
from zoo.plots.style import PAPER

CELL = 56  # pixels that a filter should fill, about
WIDEST = 2400  # pixels
MARGIN = 12
GAP = 4


def draw_filters(bank: np.ndarray) -> Image.Image:
    """Draw a layer's filters as a grid, each stretched from its own least to its own greatest weight.

    Args:
        bank: float (K, C, h, w). Three channels are drawn as colour; one, or the mean of many, as grey.

    Returns:
        RGB; every weight is a square of whole pixels.

    Raises:
        UsageError: not four axes, or none of something.
    """
    if bank.ndim != 4 or 0 in bank.shape:
        raise UsageError(
            f"Filters must be (K, C, h, w), but were given {bank.shape}.", "Draw a convolution's weights, `features.0`."
        )
    count, _, height, width = bank.shape
    columns = _choose_columns(count)
    room = min(CELL, (WIDEST - 2 * MARGIN) // columns - GAP)
    scale = max(1, room // max(height, width))
    tiles = stretch_contrast(bank).repeat(scale, axis=1).repeat(scale, axis=2)
    rows = math.ceil(count / columns)
    step_down, step_right = tiles.shape[1] + GAP, tiles.shape[2] + GAP
    sheet = Image.new("RGB", (columns * step_right - GAP + 2 * MARGIN, rows * step_down - GAP + 2 * MARGIN), PAPER)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet.paste(Image.fromarray(tile), (MARGIN + column * step_right, MARGIN + row * step_down))
    return sheet


def _choose_columns(count: int) -> int:
    """So many that the last row is full where that is possible, and the grid not wider than twice its height."""
    least = math.ceil(math.sqrt(count))
    return next((columns for columns in range(least, int(1.5 * least) + 1) if count % columns == 0), least)


def stretch_contrast(bank: np.ndarray) -> np.ndarray:
    """Each from its least weight to its greatest. Shapes: bank float (K, C, h, w) -> uint8 (K, h, w, 3)."""
    weights = np.nan_to_num(bank.astype(np.float64), posinf=0.0, neginf=0.0)
    shown = weights if weights.shape[1] == 3 else weights.mean(axis=1, keepdims=True).repeat(3, axis=1)
    least, greatest = (edge(shown, axis=(1, 2, 3), keepdims=True) for edge in (np.min, np.max))
    reach = greatest - least
    level = np.where(reach > 0, (shown - least) / np.where(reach > 0, reach, 1), 0.5)
    return np.rint(level * 255).astype(np.uint8).transpose(0, 2, 3, 1)
