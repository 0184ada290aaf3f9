"""A result as a page: one HTML file with its pictures inside, for any browser, without a network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from zoo.errors import UsageError
from zoo.files import write_atomically
from zoo.plots import DENSITY, encode_png, page_style, render_page

LEGIBLE_SCALE = 0.75  # of a picture's own size
SMALL_FIGURE = 400  # CSS pixels, half of the page


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBar:
    """One line of a bar chart."""

    label: str
    value: float  # 0 to 1, the part of the line that is filled
    text: str  # what stands at its end, "93.8%"
    ours: bool = False  # drawn in colour; the others are grey


@dataclass(frozen=True, slots=True, kw_only=True)
class PageBars:
    """A bar chart."""

    title: str
    bars: tuple[PageBar, ...]
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTable:
    """A table of text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    caption: str = ""
    right: tuple[str, ...] = ()  # columns of numbers, set to the right
    ours: int | None = None  # the row to stand out


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFigure:
    """A picture with its title and caption."""

    picture: Image.Image
    title: str
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCommand:
    """A command, and what it does."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """What a page says, from the top down; whatever is empty is left out."""

    title: str
    headline: str = ""  # the result in a number, "93.8%"
    meaning: str = ""  # what that number says, a short sentence
    paragraphs: tuple[str, ...] = ()
    bars: PageBars | None = None
    table: PageTable | None = None
    figures: tuple[PageFigure, ...] = ()
    commands: tuple[PageCommand, ...] = ()
    footer: str = ""


def write_page(path: Path, report: PageContent) -> None:
    """Write a page that stands by itself: light or dark as the reader's screen is, from phones to desks.

    All text is escaped. Pictures lie inside as PNG. The page may not load or run anything, by its own policy.

    Args:
        path: the HTML file, written whole or not at all.

    Raises:
        UsageError: a row of the table is not as long as its header, or a bar is not within 0 to 1.
        FileError: the file cannot be written.
    """
    _check_content(report)
    figures = _as_shown(report.figures)
    write_atomically(
        path,
        render_page("report.html.j2", package="zoo_quickstart", report=report, figures=figures, style=page_style()),
    )


def _check_content(report: PageContent) -> None:
    columns = len(report.table.columns) if report.table else 0
    for row in report.table.rows if report.table else ():
        if len(row) != columns:
            raise UsageError(f"The table's row {row} has not {columns} cells.", "Give one cell for each column.")
    for bar in report.bars.bars if report.bars else ():
        if not 0 <= bar.value <= 1:
            raise UsageError(
                f"The bar {bar.label!r} is {bar.value}, not in 0 to 1.", "Divide it by the greatest first."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A figure as the page shows it; sizes in CSS pixels."""

    title: str
    caption: str
    png: str  # in base64
    width: int
    height: int
    least: int  # the width under which its text could not be read, so that it is scrolled instead
    wide: bool  # across the page; the others stand side by side


def _as_shown(figures: Sequence[PageFigure]) -> list[_Shown]:
    """Small figures stand side by side, two by two."""
    least = [round(LEGIBLE_SCALE * figure.picture.width / DENSITY) for figure in figures]
    small = [number for number, width in enumerate(least) if width <= SMALL_FIGURE]
    paired = small[: len(small) - len(small) % 2]
    return [
        _Shown(
            title=figure.title,
            caption=figure.caption,
            png=base64.b64encode(encode_png(figure.picture)).decode(),
            width=round(figure.picture.width / DENSITY),
            height=round(figure.picture.height / DENSITY),
            least=least[number],
            wide=number not in paired,
        )
        for number, figure in enumerate(figures)
    ]
