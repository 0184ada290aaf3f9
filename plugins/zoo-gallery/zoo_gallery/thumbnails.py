"""Pictures -> small JPEGs, each by itself: a page decodes those that are looked at, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from torch import Tensor

from zoo.data import map_in_order
from zoo.errors import ZooError
from zoo.plots import encode_thumbnail
from zoo.progress import Progress, silent

SIDES_BY_COUNT = ((3000, 160), (6000, 128), (12_000, 96))  # pictures, and their thumbnails' side: pages under 30 MB
SMALLEST_SIDE = 64  # pixels
QUALITY = 82

T = TypeVar("T")


def thumbnail_side(count: int) -> int:
    """How large thumbnails of so many pictures are, in pixels."""
    return next((side for most, side in SIDES_BY_COUNT if count <= most), SMALLEST_SIDE)


def make_thumbnail(image: Tensor, side: int) -> bytes:
    """A JPEG of the whole picture in its proportions, its longer side `side` pixels or less.

    Shapes: image uint8 (3, H, W).
    """
    return encode_thumbnail(image, side, enlarged=SMALLEST_SIDE, quality=QUALITY, optimize=True)


def make_thumbnails(
    tokens: Sequence[T], read: Callable[[T], Tensor], *, side: int, progress: Progress = silent
) -> Iterator[tuple[T, bytes | str]]:
    """Each token with its thumbnail, or with the line that says why it cannot be read; decoded by threads.

    Args:
        tokens: what `read` takes.
        read: gives uint8 (3, H, W); called from several threads.
        side: of a thumbnail, in pixels.
        progress: told how far it is.
    """

    def make(token: T) -> bytes | str:
        try:
            return make_thumbnail(read(token), side)
        except ZooError as error:
            return error.problem

    for done, made in enumerate(zip(tokens, map_in_order(make, tokens), strict=True), start=1):
        yield made
        progress("reading pictures", done, len(tokens))
