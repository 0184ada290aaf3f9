"""Feature visualisations of channels beside their top patches, and the maps of a picture layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from zoo.errors import UsageError
from zoo.plots.style import INK, MUTED, PAPER, RULE, ImageLike, as_image, fit_text, font, text_width

TILE = 128  # pixels of a patch's place
GAP = 8
ROW = 12  # between rows
MARGIN = 28
TILE_GAP = 28  # between a visualisation and its patches
TITLE, TEXT = 26, 18  # heights of letters
WIDEST_LABEL, WIDEST_TITLE = 260, 1100  # pixels; longer ones are cut
SHARP_FROM = 6  # times: what is enlarged more keeps its square pixels

MAP_COLOURS = ("#10212b", "#14505f", "#1f8a83", "#8cc79a", "#f6f1d3")  # from the least to the greatest value


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRow:
    """One channel."""

    label: str  # "channel 17"
    visualisation: ImageLike | None
    patches: tuple[ImageLike, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRow:
    """One layer's maps of one picture."""

    label: str  # "block3"
    note: str  # "256 channels, 16 x 16"
    maps: tuple[np.ndarray, ...]  # float (h, w) each
    captions: tuple[str, ...]


def draw_channels(rows: Sequence[ChannelRow], *, title: str, note: str = "") -> Image.Image:
    """Draw a row a channel: its number, its visualisation, then its patches, the strongest first.

    Args:
        rows: channels; the same number of patches or fewer each, and visualisations for all or none.

    Returns:
        RGB.

    Raises:
        UsageError: no channels, or nothing to draw of them.
    """
    most = max((len(row.patches) for row in rows), default=0)
    visualisations = any(row.visualisation is not None for row in rows)
    if not rows or not (most or visualisations):
        raise UsageError(
            f"A sheet of {len(rows)} channels without visualisations and patches cannot be drawn.", "Give one of them."
        )
    title = fit_text(title, TITLE, WIDEST_TITLE, bold=True)
    wide = round(max(text_width(row.label, TEXT) for row in rows)) + 16
    left = MARGIN + wide
    first = left + (TILE + (TILE_GAP if most else 0) if visualisations else 0)
    right = max(first + max(most * (TILE + GAP) - GAP, 0), MARGIN + round(text_width(title, TITLE, bold=True)))
    top = MARGIN + TITLE + 14 + (TEXT + 12 if note else 0) + TEXT + 12
    sheet = Image.new("RGB", (right + MARGIN, top + len(rows) * (TILE + ROW) - ROW + MARGIN), PAPER)
    pen = draw_heading(sheet, title, note)
    if visualisations:
        pen.text((left, top - TEXT - 10), "visualisation", fill=MUTED, font=font(TEXT))
    if most:
        pen.text((first, top - TEXT - 10), "strongest patches", fill=MUTED, font=font(TEXT))
    for number, row in enumerate(rows):
        down = top + number * (TILE + ROW)
        pen.text((MARGIN, down + TILE // 2), row.label, fill=INK, font=font(TEXT), anchor="lm")
        if row.visualisation is not None:
            _paste_tile(sheet, row.visualisation, (left, down))
        for place, patch in enumerate(row.patches):
            _paste_tile(sheet, patch, (first + place * (TILE + GAP), down))
    return sheet


def draw_maps(picture: ImageLike, rows: Sequence[MapRow], *, title: str, note: str = "") -> Image.Image:
    """Draw a picture, then a row a layer: the mean over its channels, and its strongest channels.

    Every map is stretched from its own least to its own greatest value: dark is least, pale is greatest.

    Args:
        picture: as the filters saw it.
        rows: layers, the shallowest first.

    Returns:
        RGB.

    Raises:
        UsageError: no layers, or captions that are not as many as the maps.
    """
    if not rows or any(len(row.maps) != len(row.captions) or not row.maps for row in rows):
        raise UsageError("Maps of a picture need at least one layer, and for every map a caption.", "Give both.")
    side, line = round(1.3 * TILE), TEXT + 10
    title = fit_text(title, TITLE, WIDEST_TITLE, bold=True)
    labels = [fit_text(row.label, TEXT, WIDEST_LABEL, bold=True) for row in rows]
    words = max(
        *(text_width(one, TEXT, bold=True) for one in labels), *(text_width(row.note, TEXT - 3) for row in rows)
    )
    left = MARGIN + side + TILE_GAP
    across = left + round(words) + 20
    most = max(len(row.maps) for row in rows)
    top = MARGIN + TITLE + 14 + (TEXT + 12 if note else 0) + 6
    step = side + line + ROW
    right = max(across + most * (side + GAP) - GAP, MARGIN + round(text_width(title, TITLE, bold=True)))
    sheet = Image.new("RGB", (right + MARGIN, top + len(rows) * step - ROW + MARGIN - 8), PAPER)
    pen = draw_heading(sheet, title, note)
    _paste_tile(sheet, picture, (MARGIN, top), side=side)
    pen.text((MARGIN, top + side + 6), "the picture", fill=MUTED, font=font(TEXT - 2))
    for number, row in enumerate(rows):
        down = top + number * step
        pen.text((left, down + side // 2 - 4), labels[number], fill=INK, font=font(TEXT, bold=True), anchor="ls")
        pen.text((left, down + side // 2 + 6), row.note, fill=MUTED, font=font(TEXT - 3), anchor="lt")
        for place, (values, caption) in enumerate(zip(row.maps, row.captions, strict=True)):
            corner = (across + place * (side + GAP), down)
            _paste_tile(sheet, colour_map(values), corner, side=side, sharp=True)
            said = fit_text(caption, TEXT - 2, side)
            pen.text((corner[0], down + side + 6), said, fill=MUTED, font=font(TEXT - 2))
    return sheet


def colour_map(values: np.ndarray) -> np.ndarray:
    """A map in colours, from its least value to its greatest. Shapes: float (h, w) -> uint8 (h, w, 3)."""
    from matplotlib.colors import LinearSegmentedColormap

    finite = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    reach = finite.max() - finite.min()
    level = (finite - finite.min()) / reach if reach > 0 else np.zeros_like(finite)
    colours = LinearSegmentedColormap.from_list("maps", MAP_COLOURS)(level)
    return np.rint(255 * colours[..., :3]).astype(np.uint8)


def draw_heading(sheet: Image.Image, title: str, note: str) -> ImageDraw.ImageDraw:
    """Write a sheet's title and the line below it, shortened to the sheet; gives the pen to go on with."""
    pen = ImageDraw.Draw(sheet)
    room = sheet.width - 2 * MARGIN
    pen.text((MARGIN, MARGIN), fit_text(title, TITLE, room, bold=True), fill=INK, font=font(TITLE, bold=True))
    if note:
        pen.text((MARGIN, MARGIN + TITLE + 14), fit_text(note, TEXT, room), fill=MUTED, font=font(TEXT))
    return pen


def _paste_tile(
    sheet: Image.Image, picture: ImageLike, corner: tuple[int, int], *, side: int = TILE, sharp: bool = False
) -> None:
    """Put a square picture into its place, with a thin frame."""
    image = as_image(picture)
    way = Image.Resampling.NEAREST if sharp or side >= SHARP_FROM * image.width else Image.Resampling.BICUBIC
    sheet.paste(image.resize((side, side), way), corner)
    edge = (corner[0] - 1, corner[1] - 1, corner[0] + side, corner[1] + side)
    ImageDraw.Draw(sheet).rectangle(edge, outline=RULE)
