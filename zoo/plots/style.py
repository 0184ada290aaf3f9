"""What all drawn pictures share: colours, type, and how a plot becomes an image."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFont

from zoo.errors import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1d2b34"
MUTED = "#65757f"
RULE = "#dfe5e8"
PAPER = "#ffffff"
ACCENT = "#13707a"  # correct answers, our results
WARM = "#c4513a"  # wrong answers
DPI = 150  # per inch
DENSITY = 1.5  # dots for each pixel of an ordinary screen, so that text is sharp on a better one

ImageLike = Image.Image | np.ndarray
"""A PIL image, or uint8 (H, W, 3) RGB or (H, W) grey."""


def as_image(picture: ImageLike) -> Image.Image:
    """RGB, whatever it was."""
    return (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).convert("RGB")


@cache
def font(pixels: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Matplotlib's DejaVu Sans, so that text is measured as it will be drawn."""
    from matplotlib import get_data_path

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", name)), pixels)


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(font(10).path)).get_charmap())


def drawable(text: str) -> str:
    """The text in one line, with a sign for every letter that our type lacks, such as Chinese."""
    return "".join(one if ord(one) in _glyphs() else "\N{REPLACEMENT CHARACTER}" for one in one_line(text))


def text_width(text: str, pixels: int, *, bold: bool = False) -> float:
    """How wide a line of text is, in pixels."""
    return font(pixels, bold=bold).getlength(drawable(text))


def fit_text(text: str, pixels: int, room: float, *, bold: bool = False) -> str:
    """The text, drawable, its middle cut out where it is wider than `room` pixels: names often differ at the end."""
    text = drawable(text)
    if text_width(text, pixels, bold=bold) <= room:
        return text
    shorter = [f"{text[: -(-kept // 2)]}…{text[len(text) - kept // 2 :]}" for kept in range(len(text))]
    fitting = bisect_right(shorter, room, key=lambda one: text_width(one, pixels, bold=bold))
    return shorter[max(0, fitting - 1)]


def wrap_text(text: str, pixels: int, room: float, *, most: int) -> list[str]:
    """The text in lines of at most `room` pixels, so many at most."""
    lines: list[str] = []
    for word in text.split():
        if lines and (len(lines) == most or text_width(f"{lines[-1]} {word}", pixels) <= room):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [fit_text(line, pixels, room) for line in lines]


def new_figure(width: float, height: float, **layout: Any) -> Figure:
    """A figure of so many pixels that makes room for its labels; `layout` as ConstrainedLayoutEngine takes it."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(**layout)
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=PAPER, layout=engine)


def style_axes(axes: Axes, size: float, *, unit: str = "", share: bool = False) -> None:
    """Pale lines across and one below, no ticks; some five numbers on the left, `size` points high.

    Args:
        unit: what stands behind the numbers.
        share: they are in 0 to 1, and written in percent.
    """
    axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g}%" if share else f"{value:.4g}{unit}")
    axes.tick_params(axis="y", labelsize=size, colors=MUTED)
    axes.tick_params(length=0)
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(RULE)


def write_at(
    axes: Axes, text: str, place: tuple[float, float], offset: tuple[float, float], *, size: float, **style: Any
) -> None:
    """Write `offset` points beside a place of a plot, outside of it too; `style` as matplotlib's texts have it."""
    given = {"textcoords": "offset points", "annotation_clip": False, **style}
    axes.annotate(text, place, offset, fontsize=size, **given)


def render_figure(figure: Figure) -> Image.Image:
    """Draw a matplotlib figure in memory, RGB; no `$` in a name begins a formula."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
