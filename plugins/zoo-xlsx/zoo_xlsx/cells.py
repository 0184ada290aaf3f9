"""What a sheet's cells hold: texts in one line, numbers that are finite, or nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from zoo.errors import one_line

Cell = str | float | None

LONGEST = 32_767  # characters of a cell
DIGITS = 15  # that a spreadsheet keeps of a number
MISSING = frozenset({"", "NA", "NaN", "nan"})  # as R and pandas write a cell that holds nothing
NO_XML = re.compile("[\ufffe\uffff]")  # which no XML may hold
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")  # 007, 1e5 and 43,5 are texts


def as_cell(said: str | float) -> Cell:
    """A text in one line without control characters; a number as short as float32 knows it; None: there is none."""
    if isinstance(said, str):
        return NO_XML.sub("\N{REPLACEMENT CHARACTER}", one_line(said))
    if not math.isfinite(said):
        return None
    with np.errstate(over="ignore"):
        short = np.float32(said)
    return float(str(short)) if float(short) == said else said  # 0.1, not 0.10000000149011612


def as_cells(title: str, said: Sequence[str | float], *, numbers: bool) -> list[Cell]:
    """A column; one of texts that are all numbers becomes numbers where asked, unless it holds ids."""
    cells = [as_cell(cell) for cell in said]
    if not numbers or title.lower().endswith("id"):
        return cells
    texts = [cell for cell in cells if isinstance(cell, str) and cell not in MISSING]
    if not texts or not all(map(_is_number, texts)):
        return cells
    return [float(cell) if isinstance(cell, str) and cell not in MISSING else cell for cell in cells]


def shorten(cells: list[Cell]) -> int:
    """Cut what is longer than a cell may be, in place; how many there were."""
    long = [place for place, cell in enumerate(cells) if isinstance(cell, str) and len(cell) > LONGEST]
    for place in long:
        cells[place] = f"{str(cells[place])[: LONGEST - 1]}…"
    return len(long)


def _is_number(text: str) -> bool:
    """Whether a spreadsheet keeps a text as a number: not 0012, and no more digits than it has."""
    return bool(_NUMBER.fullmatch(text)) and sum(map(str.isdigit, text)) <= DIGITS
