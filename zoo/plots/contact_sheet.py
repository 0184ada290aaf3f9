"""Contact sheets: pictures in rows, with captions; a query and its nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from zoo.errors import UsageError, one_line
from zoo.plots.style import ACCENT, INK, MUTED, PAPER, RULE, WARM, ImageLike, as_image, fit_text, font, text_width

SIDE = 184  # pixels of a picture's place
GAP = 20
MARGIN = 24
TEXT = 19  # pixels, the height of a caption
LINE = 25
FRAME_WIDTH = 6
AFTER_QUERY = 36  # more space between the query and what was found
TILE_COLOUR = "#f3f5f6"  # behind pictures that do not fill their square


def draw_sheet(images: Sequence[ImageLike], captions: Sequence[str] = (), *, columns: int = 6) -> Image.Image:
    """Draw pictures in rows.

    Args:
        images: PIL images, or arrays uint8 (H, W, 3).
        captions: one a picture, or none; cut where they are too long.
        columns: pictures a row, at most.

    Returns:
        RGB.

    Raises:
        UsageError: no pictures, or captions that are not as many.
    """
    if not images or (captions and len(captions) != len(images)) or columns < 1:
        raise UsageError(
            f"A sheet of {len(images)} pictures with {len(captions)} captions in {columns} columns cannot be drawn.",
            "Give at least one picture, and a caption each or none.",
        )
    columns = min(columns, len(images))
    rows = [images[start : start + columns] for start in range(0, len(images), columns)]
    lines = [_wrap_caption(caption) for caption in captions] or [[]] * len(images)
    step = _row_height(lines)
    width = 2 * MARGIN + columns * (SIDE + GAP) - GAP
    sheet = Image.new("RGB", (width, 2 * MARGIN + len(rows) * step - GAP), PAPER)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        corner = (MARGIN + column * (SIDE + GAP), MARGIN + row * step)
        _draw_tile(sheet, image, corner, frame=RULE, lines=lines[number], colour=MUTED)
    return sheet


def draw_neighbours(
    queries: Sequence[ImageLike],
    neighbours: Sequence[Sequence[ImageLike]],
    *,
    captions: Sequence[Sequence[str]],
    agree: Sequence[Sequence[bool]] | None = None,
    titles: tuple[str, str] = ("query", "nearest first"),
) -> Image.Image:
    """Draw a row a query: the query, then its nearest pictures, the nearest first.

    Args:
        queries: Q pictures, PIL images or arrays uint8 (H, W, 3).
        neighbours: of each query.
        captions: of each query, one for itself and one for each of its neighbours ("copepod 0.93").
        agree: of each query, whether each neighbour has its label: the frame is blue-green, else red.
            None: no label is known, and the frames are grey.
        titles: over the queries, and over the others.

    Returns:
        RGB.

    Raises:
        UsageError: no queries, or rows that are not as long as each other.
    """
    fits = len(queries) == len(neighbours) == len(captions) and all(
        len(said) == len(near) + 1 for said, near in zip(captions, neighbours, strict=True)
    )
    if agree is not None:
        fits = fits and [len(row) for row in agree] == [len(near) for near in neighbours]
    if not queries or not fits:
        raise UsageError(
            f"{len(queries)} queries, their neighbours, captions and agreements do not fit each other.",
            "Give each query a row of k neighbours, 1 + k captions and k agreements.",
        )
    lines = [[_wrap_caption(caption) for caption in row] for row in captions]
    step = _row_height([line for row in lines for line in row])
    most = max(len(near) for near in neighbours)
    left = MARGIN + SIDE + AFTER_QUERY
    width = max(left + most * (SIDE + GAP) - GAP, MARGIN + SIDE) + MARGIN
    top = MARGIN + LINE + 8
    sheet = Image.new("RGB", (width, top + len(queries) * step - GAP + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), titles[0], fill=MUTED, font=font(TEXT))
    draw.text((left, MARGIN), titles[1] if most else "", fill=MUTED, font=font(TEXT))
    for row, (query, near) in enumerate(zip(queries, neighbours, strict=True)):
        down = top + row * step
        _draw_tile(sheet, query, (MARGIN, down), frame=INK, lines=lines[row][0], colour=INK)
        for column, image in enumerate(near):
            right = None if agree is None else agree[row][column]
            frame = RULE if right is None else ACCENT if right else WARM
            colour = WARM if right is False else MUTED
            corner = (left + column * (SIDE + GAP), down)
            _draw_tile(sheet, image, corner, frame=frame, lines=lines[row][column + 1], colour=colour)
    return sheet


def _wrap_caption(caption: str) -> list[str]:
    """One line, or two where it is too long: the last word (a number) stands alone, the rest is cut to fit."""
    caption = one_line(caption)
    if not caption:
        return []
    if text_width(caption, TEXT) <= SIDE:
        return [caption]
    head, _, tail = caption.rpartition(" ")
    return [fit_text(part, TEXT, SIDE) for part in (head, tail) if part]


def _row_height(lines: Sequence[Sequence[str]]) -> int:
    most = max(len(line) for line in lines)
    return SIDE + (10 + LINE * most if most else 0) + GAP


def _draw_tile(
    sheet: Image.Image, picture: ImageLike, corner: tuple[int, int], *, frame: str, lines: Sequence[str], colour: str
) -> None:
    """Put one picture, whole and in its proportions, into its framed square, and its caption under it."""
    draw = ImageDraw.Draw(sheet)
    left, top = corner
    edge, width = (left, top, left + SIDE - 1, top + SIDE - 1), 2 if frame == RULE else FRAME_WIDTH
    draw.rounded_rectangle(edge, 8, fill=TILE_COLOUR, outline=frame, width=width)
    image = as_image(picture)
    room = SIDE - 2 * FRAME_WIDTH
    scale = room / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    way = Image.Resampling.NEAREST if scale >= 6 else Image.Resampling.LANCZOS
    sheet.paste(image.resize(size, way), (left + (SIDE - size[0]) // 2, top + (SIDE - size[1]) // 2))
    for number, line in enumerate(lines):
        draw.text((left, top + SIDE + 8 + number * LINE), line, fill=colour, font=font(TEXT))
