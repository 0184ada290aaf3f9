"""Embeddings that are computed while people label: in pieces, each written before the next, in random order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.embedding import EmbeddingSpace, open_table
from zoo.errors import FileError, ZooError
from zoo.files import locked
from zoo.models import Filters
from zoo_label.pictures import PictureFolder

PIECE = 512  # pictures of a piece
FIRST_PIECE = 64  # of the first, so that the page has something soon

Taker = Callable[[Sequence[str], np.ndarray], None]
"""(paths below the folder (n), vectors (n, D) float32)."""
Teller = Callable[[int, int, Sequence[str]], None]
"""(pictures done, all of them, lines on pictures that cannot be read)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorStore:
    """A folder of pieces, `00000.npy` and so on, each as `zoo embed` writes it; of one space."""

    folder: Path
    space: EmbeddingSpace

    def pieces(self) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
        """(paths, vectors) of all pieces of this space; damaged ones are passed over, for they can be made again."""
        for path in sorted(self.folder.glob("*.npy")):
            try:
                table = open_table(path)
                paths = tuple(row.path for _, row in table.rows())
                block = np.concatenate([part for _, part in table.blocks()])
            except ZooError:
                continue
            if table.space.identity == self.space.identity:
                yield paths, block

    def next_path(self) -> Path:
        """Of a new piece."""
        taken = [int(path.stem) for path in self.folder.glob("*.npy") if path.stem.isdecimal()]
        return self.folder / f"{max(taken, default=-1) + 1:05}.npy"


def embed_missing(
    filters: Filters,
    pictures: PictureFolder,
    store: VectorStore,
    *,
    take: Taker,
    tell: Teller,
    stopped: Callable[[], bool],
    device: str | None = None,
    seed: int = 0,
) -> None:
    """Take what the store has, then embed what it lacks.

    Args:
        filters: to embed with.
        pictures: all of them.
        store: of the filters' space. One process embeds at a time, others wait and take its pieces.
        take: is given vectors as they come.
        tell: is told how far it is.
        stopped: asked between pieces whether to give up.
        device: where.
        seed: of the order.
    """
    names = {str(pictures.root / name): name for name in pictures.paths}
    there: set[str] = set()

    def take_pieces() -> None:
        for paths, block in store.pieces():
            fresh = [place for place, path in enumerate(paths) if path in names and path not in there]
            there.update(paths)
            if fresh:
                take([names[paths[place]] for place in fresh], block[fresh])
        tell(len(there & names.keys()), len(names), ())

    take_pieces()
    with locked(store.folder):
        take_pieces()
        left = sorted(names.keys() - there)
        order = np.random.default_rng(seed).permutation(len(left))
        waiting, skipped, size = [left[place] for place in order], list[str](), FIRST_PIECE
        store.folder.mkdir(parents=True, exist_ok=True)
        while waiting and not stopped():
            piece, waiting = waiting[:size], waiting[size:]
            size = PIECE
            try:
                made = filters.embed(
                    piece, size=store.space.size, pool=store.space.pool, device=device, skip_unreadable=True
                )
                made.save(store.next_path())
                take([names[path] for path in made.paths], made.vectors)
                skipped += made.skipped
            except FileError:  # the disk is full, or a file has just gone
                raise
            except ZooError as error:  # not one of the piece can be read
                skipped.append(error.problem)
            tell(len(names) - len(waiting), len(names), skipped)
