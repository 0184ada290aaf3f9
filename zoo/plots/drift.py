"""The drift of filters from their base: bars by layer, and the first filters before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from zoo.errors import UsageError
from zoo.plots.channels import MARGIN, TEXT, TITLE, draw_heading
from zoo.plots.grid import stretch_contrast
from zoo.plots.style import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    RULE,
    WARM,
    fit_text,
    font,
    new_figure,
    render_figure,
    style_axes,
    text_width,
    write_at,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 1500
TILE = 96
GAP = 14
MOST_LABELS = 24  # of layers beside each other


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftBar:
    """One layer."""

    name: str
    change: float  # of its weights, as a share of their length
    cka: float | None  # in 0 to 1
    frozen: bool = False  # it could not change


def draw_drift(
    bars: Sequence[DriftBar],
    before: np.ndarray,
    after: np.ndarray,
    *,
    captions: Sequence[str],
    title: str,
    note: str = "",
    first: str = "the first layer",
) -> Image.Image:
    """Draw the change of every layer's weights and its CKA, and below them filters before and after.

    Args:
        bars: the layers, from the first.
        before: float (K, C, h, w), filters of the first layer; K may be 0.
        after: the same ones, as they became.
        captions: of the K filters.
        first: what the filters' layer is called.

    Returns:
        RGB.

    Raises:
        UsageError: no layers, or filters and captions that are not as many.
    """
    if not bars or not len(before) == len(after) == len(captions):
        raise UsageError(
            f"A drift of {len(bars)} layers with {len(before)} filters before, {len(after)} after and "
            f"{len(captions)} captions cannot be drawn.",
            "Give at least one layer, and as many of each.",
        )
    plot = _draw_plot(bars)
    top = MARGIN + TITLE + 14 + (TEXT + 14 if note else 0)
    below = top + plot.height + 18
    rows = 3 * (TILE + GAP) + 3 * TEXT + 14 if len(before) else 0
    sheet = Image.new("RGB", (WIDTH, below + rows + (MARGIN if rows else 6)), PAPER)
    draw_heading(sheet, title, note)
    sheet.paste(plot, (0, top))
    if len(before):
        _draw_pairs(sheet, before, after, captions, below, first)
    return sheet


def _draw_pairs(
    sheet: Image.Image, before: np.ndarray, after: np.ndarray, captions: Sequence[str], top: int, first: str
) -> None:
    """Filters in rows: before and after in one scale, and their change in a scale of its own."""
    pen = ImageDraw.Draw(sheet)
    said = f"Filters of {first} that moved most; the change is drawn in a scale of its own"
    said = fit_text(said, TEXT, sheet.width - 2 * MARGIN, bold=True)
    pen.text((MARGIN, top), said, fill=INK, font=font(TEXT, bold=True))
    left = MARGIN + round(max(text_width(word, TEXT) for word in ("before", "after"))) + 20
    step = min((sheet.width - left - MARGIN + GAP) // len(before), 2 * TILE)
    pairs = [
        stretch_contrast(np.concatenate([old, new], axis=-1)[None])[0] for old, new in zip(before, after, strict=True)
    ]
    halves = [np.split(pair, 2, axis=1) for pair in pairs]
    rows = (
        ("before", [half[0] for half in halves]),
        ("after", [half[1] for half in halves]),
        ("change", list(stretch_contrast(after - before))),
    )
    for row, (word, tiles) in enumerate(rows):
        down = top + TEXT + 18 + row * (TILE + GAP)
        pen.text((MARGIN, down + TILE // 2), word, fill=MUTED, font=font(TEXT), anchor="lm")
        for number, tile in enumerate(tiles):
            corner = (left + number * step, down)
            image = Image.fromarray(np.ascontiguousarray(tile))
            sheet.paste(image.resize((TILE, TILE), Image.Resampling.NEAREST), corner)
            pen.rectangle((corner[0] - 1, down - 1, corner[0] + TILE, down + TILE), outline=RULE)
    down = top + TEXT + 18 + len(rows) * (TILE + GAP)
    for number, caption in enumerate(captions):
        pen.text((left + number * step, down), fit_text(caption, TEXT - 3, step - 8), fill=MUTED, font=font(TEXT - 3))


def _draw_plot(bars: Sequence[DriftBar]) -> Image.Image:
    figure = new_figure(WIDTH, 520, wspace=0.06, w_pad=0.16, h_pad=0.06)
    known = [bar for bar in bars if bar.cka is not None]
    panels = figure.subplots(1, 2 if known else 1, squeeze=False)[0]
    changes = [100 * bar.change for bar in bars]
    _draw_bars(panels[0], bars, changes, title="change of the weights", colour=WARM, unit="%")
    if known:
        alike = [bar.cka or 0.0 for bar in known]
        _draw_bars(panels[1], known, alike, title="similarity of features (linear CKA)", colour=ACCENT)
        panels[1].set_ylim(0, 1.12)
    return render_figure(figure)


def _draw_bars(
    axes: Axes, bars: Sequence[DriftBar], values: Sequence[float], *, title: str, colour: str, unit: str = ""
) -> None:
    names = [bar.name for bar in bars]
    places = np.arange(len(names))
    axes.bar(places, values, color=colour, width=0.66)
    axes.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold", pad=10)
    every = -(-len(names) // MOST_LABELS)
    short = [fit_text(name, 17, 170) for name in names[::every]]
    axes.set_xticks(places[::every], short, fontsize=8, color=MUTED, rotation=45, ha="right")
    style_axes(axes, 8, unit=unit)
    axes.margins(x=0.02, y=0.16)
    if len(names) <= 14:
        for place, (bar, value) in enumerate(zip(bars, values, strict=True)):
            text = f"{value:.2g}%" if unit and value < 10 else f"{value:.0f}%" if unit else f"{value:.2f}"
            text = "frozen" if bar.frozen else text
            write_at(axes, text, (place, value), (0, 3), size=8, color=INK, ha="center")
