"""`python -m zoo_fisheries.sheet FOLDER SHEET.png`: a contact sheet of a set, every kind in a column, boxes drawn."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

from PIL import Image, ImageDraw

from zoo.data import read_size
from zoo.errors import FileError, ZooWarning
from zoo.files import atomic_write
from zoo_fisheries.art.kinds import KINDS
from zoo_fisheries.boxes import Listed, choose_box, choose_entries, read_box_files
from zoo_fisheries.layout import list_pictures
from zoo_fisheries.problems import Problem

CELL = (150, 112)  # pixels
ROWS = 5
COLOURS = 255  # of the sheet's palette


def draw_sheet(root: Path, *, rows: int = ROWS) -> Image.Image:
    """The first pictures of every kind below a folder, with their boxes.

    Args:
        root: a drawn set, or the real one.
        rows: pictures a kind.

    Raises:
        FileError: no set of Fisheries Monitoring.
    """
    pictures, problems = list_pictures(root)
    listed, _ = read_box_files(root)
    kinds = [kind for kind in KINDS if any(picture.kind == kind for picture in pictures)]
    width, height = CELL
    sheet = Image.new("RGB", (width * len(kinds), height * rows + 14), "white")
    pen = ImageDraw.Draw(sheet)
    for column, kind in enumerate(kinds):
        pen.text((column * width + 4, 1), kind, fill="black")
        chosen = [picture for picture in pictures if picture.kind == kind][:rows]
        for row, picture in enumerate(chosen):
            place = (column * width, 14 + row * height)
            sheet.paste(_cell(picture.path, kind, listed, problems), place)
    return sheet


def _cell(path: Path, kind: str, listed: Listed, problems: list[Problem]) -> Image.Image:
    """One picture, made to fit, with its box."""
    cell = Image.new("RGB", CELL, "white")
    size = read_size(path)
    if size is None:
        raise FileError(path, "not a readable picture", "Replace or remove it.")
    with Image.open(path) as opened:
        small = opened.convert("RGB")
    small.thumbnail((CELL[0] - 4, CELL[1] - 4), Image.Resampling.LANCZOS)
    entries = choose_entries(kind, path.name, listed, problems)
    box = choose_box(entries, size, where=path.name, several="largest", problems=problems) if entries else None
    if box is not None:
        scale = small.width / size[0]
        ImageDraw.Draw(small).rectangle([round(side * scale) for side in box], outline=(255, 236, 60))
    cell.paste(small, (2, 2))
    return cell


def main(words: list[str]) -> None:
    """Draw the sheet of a folder into a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ZooWarning)
        sheet = draw_sheet(Path(words[0]))
    with atomic_write(Path(words[1])) as part:
        sheet.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.FLOYDSTEINBERG).save(
            part, "PNG", optimize=True
        )


if __name__ == "__main__":
    main(sys.argv[1:])
