"""Histograms of oriented gradients: pictures uint8 (N, H, W, 3) -> (N, 1764)."""

from __future__ import annotations

import numpy as np
from zoo_probe.rivals import describe_in_parts

HOG_SIDE, CELL, ORIENTATIONS = 64, 8, 9


def hog_features(pictures: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005) of the grey picture, shrunk to 64 x 64 pixels.

    Nine unsigned orientations in cells of 8 x 8 pixels, each gradient counted in its nearest, and blocks of 2 x 2 cells
    normalised by L2-Hys (to length 1, cut at 0.2, to length 1 again).

    Shapes: uint8 (N, H, W, 3) -> float32 (N, 1764), block by block, row, column, orientation.
    """
    return describe_in_parts(pictures, _oriented_gradients)


def _oriented_gradients(_: np.ndarray, grey: np.ndarray) -> np.ndarray:
    grey = _resampler(grey.shape[1]) @ grey @ _resampler(grey.shape[2]).T
    down, across = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    angle = np.degrees(np.arctan2(down, across)) % 180
    nearest = np.minimum((angle * ORIENTATIONS / 180).astype(np.int64), ORIENTATIONS - 1)
    cells = HOG_SIDE // CELL
    at = np.arange(HOG_SIDE) // CELL
    place = (np.arange(len(grey))[:, None, None] * cells**2 + at[:, None] * cells + at) * ORIENTATIONS + nearest
    size = len(grey) * cells**2 * ORIENTATIONS
    bins = np.bincount(place.ravel(), np.hypot(down, across).ravel() / CELL**2, size)
    grid = bins.reshape(-1, cells, cells, ORIENTATIONS)
    corners = [grid[:, i : cells - 1 + i, j : cells - 1 + j] for i in (0, 1) for j in (0, 1)]
    blocks = np.concatenate(corners, axis=-1)
    for most in (0.2, np.inf):
        blocks = np.minimum(blocks / np.sqrt((blocks**2).sum(axis=-1, keepdims=True) + 1e-10), most)
    return blocks.reshape(len(grey), -1)


def _resampler(side: int) -> np.ndarray:
    """Bilinear weights with antialiasing. Shapes: (64, side) float32, rows of sum 1."""
    scale = side / HOG_SIDE
    centre = (np.arange(HOG_SIDE) + 0.5) * scale - 0.5
    weights = np.maximum(1 - np.abs(np.arange(side) - centre[:, None]) / max(scale, 1), 0)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
