"""A confusion matrix: one square for each pair of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from zoo.errors import UsageError
from zoo.plots.style import ACCENT, DPI, INK, MUTED, PAPER, RULE, WARM, fit_text, render_figure, text_width, write_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CLASSES_WITH_COUNTS = 15  # classes; with more there is no space for numbers in the cells
LONGEST_NAME, WIDEST_TITLE = 260, 900  # pixels of a class's name, and of the title
EXPONENT = 0.6  # a share of 1% must still be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class _MatrixLayout:
    """Where everything lies, in pixels."""

    cell: int
    text: int  # the height of the names
    level: bool  # whether the names of the columns fit without being turned
    left: float  # space for the names of the rows
    below: float  # space for the names of the columns
    width: float
    height: float


def draw_confusion(matrix: np.ndarray, names: Sequence[str], *, title: str = "") -> Image.Image:
    """Draw a confusion matrix: rows are the true classes, columns the predicted, colours shares of the row.

    What is right is blue-green, what is wrong is red. Counts stand in the cells of up to 15 classes, the recall
    at the end of every row. A class without pictures has an empty row.

    Args:
        matrix: int (K, K), pictures of the row's class that were taken for the column's.
        names: of the K classes.

    Returns:
        RGB, from about 700 pixels wide for a few classes to about 2,400 for 121.

    Raises:
        UsageError: the matrix is not square, or the names are not as many.
    """
    counts = np.asarray(matrix)
    classes = len(names)
    if counts.shape != (classes, classes) or not classes:
        raise UsageError(
            f"A confusion matrix of {classes} names must be ({classes}, {classes}), not {counts.shape}.",
            "Give the matrix and the names of the same head.",
        )
    from matplotlib.figure import Figure

    labels = [fit_text(str(name), _text_height(classes), LONGEST_NAME) for name in names]
    said = _describe_accuracy(counts)
    title = fit_text(title, 30, max(WIDEST_TITLE, text_width(said, 20)), bold=True)
    layout = _lay_out(labels, title, said)
    figure = Figure(figsize=(layout.width / DPI, layout.height / DPI), dpi=DPI, facecolor=PAPER)
    side = layout.cell * classes
    across, up = side / layout.width, side / layout.height
    axes = figure.add_axes((layout.left / layout.width, layout.below / layout.height, across, up))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(_cell_colours(shares), interpolation="nearest", aspect="auto")
    _write_names(axes, labels, layout)
    _write_counts(axes, counts, shares, layout)
    _write_title(axes, title, said, layout)
    return render_figure(figure)


def _text_height(classes: int) -> int:
    return 20 if classes <= MOST_CLASSES_WITH_COUNTS else 17 if classes <= 40 else 13


def _describe_accuracy(counts: np.ndarray) -> str:
    total = int(counts.sum())
    right = f"{100 * np.trace(counts) / total:.1f}% of {total:,} pictures are right" if total else "no pictures"
    return f"{right}; deeper: a larger share of its row"


def _lay_out(labels: Sequence[str], title: str, said: str) -> _MatrixLayout:
    classes = len(labels)
    text = _text_height(classes)
    cell = 112 if classes <= 4 else 62 if classes <= MOST_CLASSES_WITH_COUNTS else 30 if classes <= 40 else 16
    longest = max(text_width(label, text) for label in labels)
    level = longest < cell - 10
    left, below = longest + 72, (text if level else longest) + 66
    heading = max(text_width(title, 30, bold=True), text_width(said, 20))
    width = left + max(cell * classes + 4.5 * text, heading + 30)
    height = below + cell * classes + 120 + 2 * text
    return _MatrixLayout(cell=cell, text=text, level=level, left=left, below=below, width=width, height=height)


def _cell_colours(shares: np.ndarray) -> np.ndarray:
    """Shapes: shares (K, K) in 0 to 1 -> uint8 (K, K, 3)."""
    from matplotlib.colors import to_rgb

    paper, right, wrong = (np.array(to_rgb(colour)) for colour in (PAPER, ACCENT, WARM))
    full = np.where(np.eye(len(shares), dtype=bool)[:, :, None], right, wrong)
    return np.rint(255 * (paper + (full - paper) * (shares**EXPONENT)[:, :, None])).astype(np.uint8)


def _write_names(axes: Axes, labels: Sequence[str], layout: _MatrixLayout) -> None:
    points = layout.text * 72 / DPI
    places = np.arange(len(labels))
    axes.set_xticks(places, labels, rotation=0 if layout.level else 90, fontsize=points, color=INK)
    axes.set_yticks(places, labels, fontsize=points, color=INK)
    axes.tick_params(length=0, pad=4)
    if len(labels) > 1:
        edges = places[:-1] + 0.5
        axes.set_xticks(edges, minor=True)
        axes.set_yticks(edges, minor=True)
        axes.grid(which="minor", color=RULE, linewidth=0.5)
        axes.tick_params(which="minor", length=0)
    axes.spines[:].set(color=RULE, linewidth=1)
    axes.set_xlabel("predicted", fontsize=20 * 72 / DPI, color=MUTED)
    axes.set_ylabel("true", fontsize=20 * 72 / DPI, color=MUTED)


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray, layout: _MatrixLayout) -> None:
    classes, points = len(counts), layout.text * 72 / DPI
    beside = classes - 0.5 + 0.6 * layout.text / layout.cell
    above = -0.5 - 0.9 * layout.text / layout.cell
    axes.text(beside, above, "recall", color=MUTED, fontsize=points, va="center")
    for row in range(classes):
        recall = f"{100 * shares[row, row]:.0f}%" if counts[row].any() else "–"
        axes.text(beside, row, recall, color=MUTED, fontsize=points, va="center")
    if classes > MOST_CLASSES_WITH_COUNTS:
        return
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = PAPER if shares[row, column] > 0.45 else INK
        text = _short_count(int(counts[row, column]))
        axes.text(column, row, text, color=colour, fontsize=points, ha="center", va="center")


def _short_count(count: int) -> str:
    """At most four characters, to fit a cell."""
    return str(count) if count < 10_000 else f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1e6:.0f}M"


def _write_title(axes: Axes, title: str, said: str, layout: _MatrixLayout) -> None:
    for text, height, colour, up, weight in (
        (title, 30, INK, 36 + 28 + 1.6 * layout.text, "bold"),
        (said, 20, MUTED, 28 + 1.6 * layout.text, "normal"),
    ):
        style = {"color": colour, "fontweight": weight, "xycoords": "axes fraction"}
        write_at(axes, text, (0, 1), (0, up * 72 / DPI), size=height * 72 / DPI, **style)
