"""Heat maps of several networks: a row a picture, the picture with its box, then each network's heat over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from zoo.errors import UsageError
from zoo.plots import INK, MUTED, PAPER, RULE, ImageLike, as_image, fit_text, font, text_width

SIDE = 208  # pixels of a picture's place
GAP = 20
MARGIN = 28
TITLE, TEXT, SMALL = 26, 18, 15  # heights of letters
LINE = 24
BOLD = 1.2  # how much wider bold letters are, at most
BOX_COLOUR, BOX_EDGE_COLOUR = "#ffffff", "#10212b"  # the box's line, and what sets it off from any ground
COLOUR_MAP = "inferno"
OVERLAY_OPACITY = 0.72  # of the heat over the picture, where it is strongest


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatColumn:
    """One net."""

    title: str  # the run's name
    note: str  # below it: "0.41 (0.37 to 0.45)"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatRow:
    """One picture."""

    picture: ImageLike
    box: tuple[float, float, float, float]  # x1, y1, x2, y2 in 0 to 1
    caption: str
    heat: tuple[np.ndarray, ...]  # a net each, float (h, w), 0 or more; whatever its size, it covers the picture
    captions: tuple[str, ...]  # a net each


def draw_saliency(rows: Sequence[HeatRow], columns: Sequence[HeatColumn], *, title: str, note: str = "") -> Image.Image:
    """Draw pictures beside the heat maps of one or several nets.

    Every map is drawn from nothing to its own greatest value: colours say where a net looks, not how strongly, and
    cannot be compared between maps. Where it is cold the picture shows through.

    Args:
        rows: pictures, each with a map and a caption a column.
        columns: nets.
        title: above it all.
        note: below the title.

    Returns:
        RGB.

    Raises:
        UsageError: no pictures or nets, or a row that has not as many maps and captions as there are columns.
    """
    if not rows or not columns or any(not len(row.heat) == len(row.captions) == len(columns) for row in rows):
        raise UsageError(
            f"A sheet of {len(rows)} pictures and {len(columns)} nets cannot be drawn.",
            "Give at least one of each, and every picture a map and a caption for each net.",
        )
    step, small = SIDE + GAP, [_shrink(row.picture) for row in rows]
    room = max(3, 1 + len(columns)) * step - GAP
    lines = _wrap_lines(note, room)
    top = MARGIN + TITLE + 14 + len(lines) * LINE + (10 if lines else 0)
    down = top + TEXT + SMALL + 20
    height = down + sum(image.height + LINE + GAP for image in small) - GAP + MARGIN
    sheet = Image.new("RGB", (room + 2 * MARGIN, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((MARGIN, MARGIN), fit_text(title, TITLE, room / BOLD), fill=INK, font=font(TITLE, bold=True))
    for number, line in enumerate(lines):
        pen.text((MARGIN, MARGIN + TITLE + 14 + number * LINE), line, fill=MUTED, font=font(SMALL))
    for place, (above, below) in enumerate([("picture", "the true box"), *((one.title, one.note) for one in columns)]):
        left = MARGIN + place * step
        pen.text((left, top), fit_text(above, TEXT, SIDE / BOLD), fill=INK, font=font(TEXT, bold=True))
        pen.text((left, top + TEXT + 6), fit_text(below, SMALL, SIDE), fill=MUTED, font=font(SMALL))
    for row, image in zip(rows, small, strict=True):
        shown = [image, *(_overlay_heat(image, heat) for heat in row.heat)]
        for place, (one, caption) in enumerate(zip(shown, (row.caption, *row.captions), strict=True)):
            left = MARGIN + place * step
            inside = left + (SIDE - one.width) // 2
            sheet.paste(_draw_box(one, row.box), (inside, down))
            pen.rectangle((inside - 1, down - 1, inside + one.width, down + one.height), outline=RULE)
            pen.text((left, down + one.height + 5), fit_text(caption, SMALL, SIDE), fill=MUTED, font=font(SMALL))
        down += image.height + LINE + GAP
    return sheet


def _wrap_lines(text: str, room: float) -> list[str]:
    """The text in lines that are not wider than `room` pixels."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, SMALL) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _shrink(picture: ImageLike) -> Image.Image:
    """In its own proportions, its longer side as long as there is room for."""
    image = as_image(picture)
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.NEAREST if scale >= 6 else Image.Resampling.LANCZOS)


def _overlay_heat(image: Image.Image, heat: np.ndarray) -> Image.Image:
    """The picture in grey under its heat, enlarged as the figures are computed: bilinear."""
    from matplotlib import colormaps

    values = np.nan_to_num(heat.astype(np.float32), posinf=0.0, neginf=0.0).clip(0)
    fine = np.asarray(Image.fromarray(values).resize(image.size, Image.Resampling.BILINEAR))
    level = fine / fine.max() if fine.max() > 0 else np.zeros_like(fine)
    colours = 255 * colormaps[COLOUR_MAP](level)[..., :3]
    grey = 0.75 * np.asarray(image.convert("L"), dtype=np.float32)[..., None]
    thick = OVERLAY_OPACITY * np.sqrt(level)[..., None]
    return Image.fromarray(np.rint((1 - thick) * grey + thick * colours).clip(0, 255).astype(np.uint8))


def _draw_box(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """With the box's outline, pale between two dark hairs."""
    drawn = image.copy()
    pen = ImageDraw.Draw(drawn)
    x1, x2 = (round(side * (image.width - 1)) for side in (box[0], box[2]))
    y1, y2 = (round(side * (image.height - 1)) for side in (box[1], box[3]))
    for inset, colour in ((0, BOX_EDGE_COLOUR), (1, BOX_COLOUR), (2, BOX_COLOUR), (3, BOX_EDGE_COLOUR)):
        if x2 - x1 > 2 * inset and y2 - y1 > 2 * inset:
            pen.rectangle((x1 + inset, y1 + inset, x2 - inset, y2 - inset), outline=colour)
    return drawn
