"""A page that tells a result: one HTML file with its pictures inside, for any browser, without a network."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image

from zoo.errors import UsageError
from zoo.files import write_whole
from zoo.pictures.page import FRAME, STYLE
from zoo.pictures.style import DENSITY

LEGIBLE = 0.75  # of a picture's own size
SMALL = 400  # CSS pixels, half of the page


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One line of a bar chart."""

    label: str
    value: float  # 0 to 1, the part of the line that is filled
    text: str  # what stands at its end, "93.8%"
    ours: bool = False  # drawn in colour; the others are grey


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """A bar chart."""

    title: str
    bars: tuple[Bar, ...]
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    caption: str = ""
    right: tuple[str, ...] = ()  # columns of figures, set to the right
    ours: int | None = None  # the row to stand out


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture with what is to be seen on it."""

    picture: Image.Image
    title: str
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to type, and what it does."""

    text: str
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a page says, from the top down; whatever is empty is left out."""

    title: str
    headline: str = ""  # the result in a figure, "93.8%"
    meaning: str = ""  # what that figure says, a short sentence
    paragraphs: tuple[str, ...] = ()
    bars: Bars | None = None
    table: Table | None = None
    figures: tuple[Figure, ...] = ()
    commands: tuple[Command, ...] = ()
    footer: str = ""


def write_report(path: Path, report: Report) -> None:
    """Write a page that stands by itself: light or dark as the reader's screen is, from phones to desks.

    All text is escaped. Pictures lie inside as PNG. The page may not load or run anything, by its own policy.

    Args:
        path: the HTML file, written whole or not at all.
        report: what it says.

    Raises:
        UsageError: a row of the table is not as long as its header, or a bar is not within 0 to 1.
        FileError: the file cannot be written.
    """
    _check(report)
    parts = [
        _head(report),
        _bars(report.bars) if report.bars else "",
        _table(report.table) if report.table else "",
        _figures(report.figures) if report.figures else "",
        _commands(report.commands) if report.commands else "",
        f"<footer>{escape(report.footer)}</footer>" if report.footer else "",
    ]
    body = "\n".join(part for part in parts if part)
    write_whole(path, FRAME.format(title=escape(report.title), style=STYLE, body=body))


def _check(report: Report) -> None:
    columns = len(report.table.columns) if report.table else 0
    for row in report.table.rows if report.table else ():
        if len(row) != columns:
            raise UsageError(f"The table's row {row} has not {columns} cells.", "Give a cell a column.")
    for bar in report.bars.bars if report.bars else ():
        if not 0 <= bar.value <= 1:
            raise UsageError(
                f"The bar {bar.label!r} is {bar.value}, not in 0 to 1.", "Divide it by the greatest first."
            )


def _head(report: Report) -> str:
    headline = (
        f'<p class="headline"><strong>{escape(report.headline)}</strong> <span>{escape(report.meaning)}</span></p>'
        if report.headline
        else ""
    )
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in report.paragraphs)
    return f"<header><h1>{escape(report.title)}</h1>{headline}{text}</header>"


def _bars(bars: Bars) -> str:
    lines = "".join(
        f'<div class="bar{" ours" if bar.ours else ""}"><dt>{escape(bar.label)}</dt>'
        f'<dd><i style="width:{100 * bar.value:.2f}%"></i><b>{escape(bar.text)}</b></dd></div>'
        for bar in bars.bars
    )
    return f"<section>{_title(bars.title)}<dl>{lines}</dl>{_caption(bars.caption)}</section>"


def _table(table: Table) -> str:
    sides = [' class="right"' if column in table.right else "" for column in table.columns]
    header = _cells("th", table.columns, sides, ' scope="col"')
    rows = "".join(
        f"<tr{' class=ours' if number == table.ours else ''}>{_cells('td', row, sides)}</tr>"
        for number, row in enumerate(table.rows)
    )
    whole = f"<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>"
    return (
        f'<section>{_title(table.title)}<div class="scroll" tabindex="0">{whole}</div>'
        f"{_caption(table.caption)}</section>"
    )


def _cells(tag: str, texts: Iterable[str], sides: Iterable[str], more: str = "") -> str:
    return "".join(f"<{tag}{more}{side}>{escape(text)}</{tag}>" for text, side in zip(texts, sides, strict=True))


def _figures(figures: Sequence[Figure]) -> str:
    """Pictures across the page; small ones stand side by side, two by two."""
    small = [number for number, figure in enumerate(figures) if _least_width(figure) <= SMALL]
    paired = small[: len(small) - len(small) % 2]
    held = "".join(_figure(figure, wide=number not in paired) for number, figure in enumerate(figures))
    return f'<div class="figures">{held}</div>'


def _least_width(figure: Figure) -> int:
    """In CSS pixels: were it narrower, its text could not be read, so that it is scrolled instead."""
    return round(LEGIBLE * figure.picture.width / DENSITY)


def _figure(figure: Figure, *, wide: bool) -> str:
    held = io.BytesIO()
    figure.picture.save(held, "PNG", optimize=True)
    data = base64.b64encode(held.getvalue()).decode()
    width, height = (round(side / DENSITY) for side in figure.picture.size)
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    return (
        f'<figure{" class=wide" if wide else ""}>{_title(figure.title)}<div class="scroll" tabindex="0">'
        f'<img src="data:image/png;base64,{data}" alt="{escape(figure.title)}" width="{width}" height="{height}" '
        f'style="min-width:{_least_width(figure)}px"></div>{caption}</figure>'
    )


def _commands(commands: Iterable[Command]) -> str:
    lines = "".join(
        f"<li>{f'<p>{escape(command.about)}</p>' if command.about else ''}"
        f"<pre><code>{escape(command.text)}</code></pre></li>"
        for command in commands
    )
    return f'<section>{_title("What to type next")}<ul class="commands">{lines}</ul></section>'


def _title(text: str) -> str:
    return f"<h2>{escape(text)}</h2>" if text else ""


def _caption(text: str) -> str:
    return f'<p class="caption">{escape(text)}</p>' if text else ""
