"""Features without a net, which any filters must beat: thirty by hand.

    pictures uint8 (N, H, W, 3) -> (N, 30)

The thirty are those that plankton was sorted by before networks: area, extents, grey levels and moments of what
stands out from the ground (Gorsky et al. 2010, "Digital zooplankton image analysis using the ZooScan integrated
system"), with the colours added.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TOGETHER = 64  # pictures in float at a time
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
PERCENTILES = (5, 25, 50, 75, 95)
HAND_FEATURES = (
    "share of foreground", "longer axis", "shorter axis", "share of its rows and columns", "compactness",
    "eccentricity", *(f"log |Hu {number}|" for number in range(1, 8)),
    "grey deviation", *(f"grey percentile {share}" for share in PERCENTILES), "grey skewness", "grey entropy",
    "red", "green", "blue", "red deviation", "green deviation", "blue deviation",
    "gradient", "contrast to the ground", "grey border",
)  # fmt: skip


def hand_features(pictures: np.ndarray) -> np.ndarray:
    """Size, shape, grey levels, colour, edges and border of every picture, named in `HAND_FEATURES`.

    The foreground is the side of Otsu's threshold (1979) that the border has less of. Axes are four deviations of its
    pixels along the principal directions, over the picture's side, so that turning the animal changes nothing; so are
    Hu's seven moments of its shape (1962, "Visual pattern recognition by moment invariants").

    Shapes: uint8 (N, H, W, 3) -> float32 (N, 30), finite.
    """
    return describe_in_parts(pictures, _describe)


def describe_in_parts(pictures: np.ndarray, describe: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Call `describe(colours, grey)`, in 0 to 1, on some pictures at a time. Shapes: (N, H, W, 3) -> float32 (N, …)."""
    parts = []
    for start in range(0, len(pictures), TOGETHER):
        colours = pictures[start : start + TOGETHER].astype(np.float32) / 255
        parts.append(describe(colours, colours @ LUMA).astype(np.float32))
    return np.concatenate(parts)


def _describe(colours: np.ndarray, grey: np.ndarray) -> np.ndarray:
    flat, by_pixel = grey.reshape(len(grey), -1), colours.reshape(len(grey), -1, 3)
    tint = np.ones(flat.shape[1], dtype=np.float32) @ by_pixel / flat.shape[1]
    spread = np.sqrt(((by_pixel - tint[:, None]) ** 2).swapaxes(1, 2) @ np.ones(flat.shape[1]) / flat.shape[1])
    centred = flat - flat.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(axis=1))
    skewness = (centred * centred * centred).mean(axis=1) / np.maximum(deviation, 1e-6) ** 3
    counts = _histograms(flat)
    shares = counts / flat.shape[1]
    entropy = -(shares * np.log2(np.maximum(shares, 1e-12))).sum(axis=1)
    bright = flat > _otsu(counts)[:, None]
    border = np.ones(grey.shape[1:], dtype=bool)
    border[1:-1, 1:-1] = False
    edge = border.ravel()
    mask = np.where((bright[:, edge].mean(axis=1) > bright.mean(axis=1))[:, None], ~bright, bright)
    inside, outside = ((flat * part).sum(axis=1) / np.maximum(part.sum(axis=1), 1) for part in (mask, ~mask))
    down, across = np.gradient(grey, axis=(1, 2))
    return np.column_stack([
        _shape(mask.reshape(grey.shape)),
        deviation, np.percentile(flat, PERCENTILES, axis=1).T, skewness, entropy,
        tint, spread,
        np.hypot(down, across).mean(axis=(1, 2)), inside - outside, flat[:, edge].mean(axis=1),
    ])  # fmt: skip


def _histograms(flat: np.ndarray) -> np.ndarray:
    """Pixels at each of 256 grey levels. Shapes: (N, P) float 0 to 1 -> (N, 256)."""
    count = len(flat)
    levels = np.rint(255 * flat).astype(np.int64) + 256 * np.arange(count)[:, None]
    return np.bincount(levels.ravel(), minlength=256 * count).reshape(count, 256)


def _otsu(counts: np.ndarray) -> np.ndarray:
    """The threshold that parts two classes of grey best. Shapes: (N, 256) -> (N,), 0 to 1, midway between levels."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    below = shares.cumsum(axis=1)
    moment = (shares * np.arange(256)).cumsum(axis=1)
    between = (moment[:, -1:] * below - moment) ** 2 / np.maximum(below * (1 - below), 1e-9)
    threshold: np.ndarray = (between.argmax(axis=1) + 0.5) / 255
    return threshold


def _shape(mask: np.ndarray) -> np.ndarray:
    """Area, axes, fill, compactness, eccentricity, log |Hu|. Shapes: bool (N, H, W) -> (N, 13)."""
    height, width = mask.shape[1:]
    weight = mask.astype(np.float64)
    area = np.maximum(weight.sum(axis=(1, 2)), 1)
    powers = []  # 0 to 3, of the distance from the middle in sides: (N, 4, H) of rows, (N, 4, W) of columns
    for axis, side in ((2, height), (1, width)):
        middle = weight.sum(axis=axis) @ np.arange(side) / area
        powers.append(((np.arange(side) - middle[:, None, None]) / side) ** np.arange(4)[:, None])
    y, x = powers
    moments = y @ weight @ x.transpose(0, 2, 1) / area[:, None, None]  # by the power of y, then of x
    share = area / (height * width)  # normalised moments are those of the mean pixel over area^((p + q) / 2)
    n = {(p, q): moments[:, q, p] / share ** ((p + q) / 2) for p in range(4) for q in range(4)}
    half, off = (moments[:, 0, 2] + moments[:, 2, 0]) / 2, (moments[:, 0, 2] - moments[:, 2, 0]) / 2
    tilt = np.hypot(off, moments[:, 1, 1])
    long, short = half + tilt, np.maximum(half - tilt, 0)
    filled = mask.any(axis=1).sum(axis=1) * mask.any(axis=2).sum(axis=1)
    inner = mask[:, 1:-1, 1:-1] & mask[:, :-2, 1:-1] & mask[:, 2:, 1:-1] & mask[:, 1:-1, :-2] & mask[:, 1:-1, 2:]
    outline = area - inner.sum(axis=(1, 2))
    return np.column_stack([
        share, 4 * np.sqrt(long), 4 * np.sqrt(short), area / np.maximum(filled, 1),
        outline**2 / (4 * np.pi * area), np.sqrt(1 - short / np.maximum(long, 1e-12)),
        *(np.log10(np.abs(one) + 1e-12) for one in _hu(n)),
    ])  # fmt: skip


def _hu(n: dict[tuple[int, int], np.ndarray]) -> list[np.ndarray]:
    """Hu's seven invariants of normalised central moments."""
    a, b = n[3, 0] + n[1, 2], n[2, 1] + n[0, 3]
    c, d = n[3, 0] - 3 * n[1, 2], 3 * n[2, 1] - n[0, 3]
    wide = n[2, 0] - n[0, 2]
    return [
        n[2, 0] + n[0, 2],
        wide**2 + 4 * n[1, 1] ** 2,
        c**2 + d**2,
        a**2 + b**2,
        c * a * (a**2 - 3 * b**2) + d * b * (3 * a**2 - b**2),
        wide * (a**2 - b**2) + 4 * n[1, 1] * a * b,
        d * a * (a**2 - 3 * b**2) - c * b * (3 * a**2 - b**2),
    ]
