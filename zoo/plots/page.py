"""A result as a page: one HTML file with its pictures inside, for any browser, without a network."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image

from zoo.errors import UsageError
from zoo.files import write_atomically
from zoo.plots.page_template import PAGE_STYLE, PAGE_TEMPLATE
from zoo.plots.style import DENSITY

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
    right: tuple[str, ...] = ()  # columns of figures, set to the right
    ours: int | None = None  # the row to stand out


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFigure:
    """A picture with what is to be seen on it."""

    picture: Image.Image
    title: str
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCommand:
    """What to type, and what it does."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageContent:
    """What a page says, from the top down; whatever is empty is left out."""

    title: str
    headline: str = ""  # the result in a figure, "93.8%"
    meaning: str = ""  # what that figure says, a short sentence
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
        report: what it says.

    Raises:
        UsageError: a row of the table is not as long as its header, or a bar is not within 0 to 1.
        FileError: the file cannot be written.
    """
    _check_content(report)
    parts = [
        _render_header(report),
        _render_bars(report.bars) if report.bars else "",
        _render_table(report.table) if report.table else "",
        _render_pictures(report.figures) if report.figures else "",
        _render_commands(report.commands) if report.commands else "",
        f"<footer>{escape(report.footer)}</footer>" if report.footer else "",
    ]
    body = "\n".join(part for part in parts if part)
    write_atomically(path, PAGE_TEMPLATE.format(title=escape(report.title), style=PAGE_STYLE, body=body))


def _check_content(report: PageContent) -> None:
    columns = len(report.table.columns) if report.table else 0
    for row in report.table.rows if report.table else ():
        if len(row) != columns:
            raise UsageError(f"The table's row {row} has not {columns} cells.", "Give a cell a column.")
    for bar in report.bars.bars if report.bars else ():
        if not 0 <= bar.value <= 1:
            raise UsageError(
                f"The bar {bar.label!r} is {bar.value}, not in 0 to 1.", "Divide it by the greatest first."
            )


def _render_header(report: PageContent) -> str:
    headline = (
        f'<p class="headline"><strong>{escape(report.headline)}</strong> <span>{escape(report.meaning)}</span></p>'
        if report.headline
        else ""
    )
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in report.paragraphs)
    return f"<header><h1>{escape(report.title)}</h1>{headline}{text}</header>"


def _render_bars(bars: PageBars) -> str:
    lines = "".join(
        f'<div class="bar{" ours" if bar.ours else ""}"><dt>{escape(bar.label)}</dt>'
        f'<dd><i style="width:{100 * bar.value:.2f}%"></i><b>{escape(bar.text)}</b></dd></div>'
        for bar in bars.bars
    )
    return f"<section>{_render_title(bars.title)}<dl>{lines}</dl>{_render_caption(bars.caption)}</section>"


def _render_table(table: PageTable) -> str:
    sides = [' class="right"' if column in table.right else "" for column in table.columns]
    header = _render_cells("th", table.columns, sides, ' scope="col"')
    rows = "".join(
        f"<tr{' class=ours' if number == table.ours else ''}>{_render_cells('td', row, sides)}</tr>"
        for number, row in enumerate(table.rows)
    )
    whole = f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>"
    return (
        f'<section>{_render_title(table.title)}<div class="scroll" tabindex="0">{whole}</div>'
        f"{_render_caption(table.caption)}</section>"
    )


def _render_cells(tag: str, texts: Iterable[str], sides: Iterable[str], more: str = "") -> str:
    return "".join(f"<{tag}{more}{side}>{escape(text)}</{tag}>" for text, side in zip(texts, sides, strict=True))


def _render_pictures(figures: Sequence[PageFigure]) -> str:
    """Pictures across the page; small ones stand side by side, two by two."""
    small = [number for number, figure in enumerate(figures) if _least_width(figure) <= SMALL_FIGURE]
    paired = small[: len(small) - len(small) % 2]
    held = "".join(_render_picture(figure, wide=number not in paired) for number, figure in enumerate(figures))
    return f'<div class="figures">{held}</div>'


def _least_width(figure: PageFigure) -> int:
    """In CSS pixels: were it narrower, its text could not be read, so that it is scrolled instead."""
    return round(LEGIBLE_SCALE * figure.picture.width / DENSITY)


def _render_picture(figure: PageFigure, *, wide: bool) -> str:
    held = io.BytesIO()
    figure.picture.save(held, "PNG", optimize=True)
    data = base64.b64encode(held.getvalue()).decode()
    width, height = (round(side / DENSITY) for side in figure.picture.size)
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return (
        f'<figure{" class=wide" if wide else ""}>{_render_title(figure.title)}<div class="scroll" tabindex="0">'
        f'<img src="data:image/png;base64,{data}" alt="{escape(figure.title)}" width="{width}" height="{height}" '
        f'style="min-width:{_least_width(figure)}px"></div>{caption}</figure>'
    )


def _render_commands(commands: Iterable[PageCommand]) -> str:
    lines = "".join(
        f"<li>{f'<p>{escape(command.about)}</p>' if command.about else ''}"
        f"<pre><code>{escape(command.text)}</code></pre></li>"
        for command in commands
    )
    return f'<section>{_render_title("What to type next")}<ul class="commands">{lines}</ul></section>'


def _render_title(text: str) -> str:
    return f"<h2>{escape(text)}</h2>" if text else ""


def _render_caption(text: str) -> str:
    return f'<p class="caption">{escape(text)}</p>' if text else ""
