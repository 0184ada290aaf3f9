"""The images of a map: vectors, thumbnails, labels and groups, row for row; broken pictures are left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from torch import Tensor

from zoo.data import ImageEntry, ImageSource, SomeImages, choose_images, read_image, spread
from zoo.embedding import EmbeddingRow, open_table
from zoo.errors import ZooError
from zoo.models import Filters
from zoo.progress import Progress, silent
from zoo_gallery.thumbnails import make_thumbnails, thumbnail_side

MOST_PICTURES = 5000  # pictures on a map

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class MapImages:
    """N pictures."""

    vectors: np.ndarray  # (N, D) float32
    thumbnails: tuple[bytes, ...]  # (N), a JPEG each
    paths: tuple[str, ...]  # (N), without the folder that they share
    labels: tuple[str | None, ...]  # (N)
    groups: tuple[str | None, ...]  # (N)
    about: str  # where they come from, "the test split of plankton"
    total: int  # how many there are there; N may be fewer
    cut: str  # where the filters stopped
    pool: str = "mean"
    skipped: tuple[str, ...] = ()  # what could not be read, a line each

    def __len__(self) -> int:
        return len(self.paths)


def gather_images(
    filters: Filters,
    images: ImageSource,
    *,
    about: str,
    limit: int = MOST_PICTURES,
    device: str | None = None,
    progress: Progress = silent,
) -> MapImages:
    """Embed a source's images, with their labels and groups; a folder of folders gives labels.

    Args:
        filters: to embed with.
        images: of which to make a map; see `zoo.data.open_images`.
        about: what they are called, "the folder photos".
        limit: of more images so many are taken, evenly spread.
        device: where.
        progress: told how far it is.

    Raises:
        ZooError: none of them can be read.
    """
    entries = list(choose_images(images, limit).entries())
    side = thumbnail_side(len(entries))

    def read(entry: ImageEntry) -> Tensor:
        return images.load(entry, side).image

    kept, thumbnails, skipped = _read_thumbnails(entries, read, side=side, progress=progress)
    made = filters.embed(SomeImages(images, kept), device=device, progress=progress)
    return MapImages(
        vectors=made.vectors,
        thumbnails=thumbnails,
        paths=shorten_paths(made.paths),
        labels=made.labels,
        groups=made.groups,
        about=about,
        total=len(images),
        cut=made.cut,
        pool=made.space.pool,
        skipped=skipped,
    )


def gather_table(
    filters: Filters, path: Path | str, *, about: str = "", limit: int = MOST_PICTURES, progress: Progress = silent
) -> MapImages:
    """Read a file that `zoo embed` wrote, and the pictures that it names, from here or beside the file.

    Args:
        filters: that the vectors must be of.
        path: the file.
        about: what the pictures are called; the file's name by default.
        limit: of more pictures so many are taken, evenly spread.
        progress: told how far it is.

    Raises:
        UsageError: the vectors are of other filters, or of another cut.
        FileError: the file is missing, empty, truncated or not of `zoo embed`.
        ZooError: none of its pictures can be read.
    """
    table = open_table(path)
    mine = filters.space(size=table.space.size, pool=table.space.pool)
    mine.check_same_space(table.space, mine=filters.name, others=str(path))
    wanted = spread(len(table), limit)
    rows = dict(table.rows(wanted))
    side = thumbnail_side(len(wanted))

    def read(number: int) -> Tensor:
        return read_image(_locate_picture(rows[number], table.path), smallest=side)

    kept, thumbnails, skipped = _read_thumbnails(wanted, read, side=side, progress=progress)
    return MapImages(
        vectors=table.read_vectors(np.asarray(kept)),
        thumbnails=thumbnails,
        paths=shorten_paths([rows[number].path for number in kept]),
        labels=tuple(rows[number].label for number in kept),
        groups=tuple(rows[number].group for number in kept),
        about=about or f"the pictures of {table.path.name}",
        total=len(table),
        cut=table.space.cut,
        pool=table.space.pool,
        skipped=skipped,
    )


def shorten_paths(paths: Sequence[str]) -> tuple[str, ...]:
    """Without the folders that all of them share: so that no private path is published."""
    folders = [os.path.dirname(path) for path in paths]  # noqa: PTH120  # a Path would lose what is no path
    try:
        shared = os.path.commonpath(folders) if folders else ""
    except ValueError:  # some absolute, some not
        shared = ""
    if not shared:
        return tuple(os.path.basename(path) if os.path.isabs(path) else path for path in paths)  # noqa: PTH117, PTH119
    return tuple(os.path.relpath(path, shared) for path in paths)


def _read_thumbnails(
    tokens: Sequence[T], read: Callable[[T], Tensor], *, side: int, progress: Progress
) -> tuple[list[T], tuple[bytes, ...], tuple[str, ...]]:
    """The tokens that can be read with their thumbnails, and a line for each of the others."""
    kept, thumbnails, skipped = list[T](), list[bytes](), list[str]()
    for token, made in make_thumbnails(tokens, read, side=side, progress=progress):
        if isinstance(made, str):
            skipped.append(made)
        else:
            kept.append(token)
            thumbnails.append(made)
    if not kept:
        raise ZooError(f"None of the {len(tokens)} pictures can be read. The first: {skipped[0]}")
    return kept, tuple(thumbnails), tuple(skipped)


def _locate_picture(row: EmbeddingRow, table: Path) -> Path:
    """The picture as its path says, else beside the file of embeddings."""
    beside = table.parent / row.path
    return beside if not Path(row.path).is_file() and beside.is_file() else Path(row.path)
