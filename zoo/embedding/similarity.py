"""The most similar pictures, and near-duplicates, of files that need not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.embedding.embeddings import FiltersOf, Query, check_k, embed_query
from zoo.embedding.search import find_duplicates, find_nearest
from zoo.embedding.tables import EmbeddingRow, EmbeddingTable, open_table
from zoo.errors import UsageError
from zoo.files import as_path
from zoo.progress import Progress, silent

DEFAULT_K = 10  # pictures, where there are so many


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A picture that was found."""

    path: str
    score: float  # cosine, in -1 to 1
    label: str | None = None
    group: str | None = None
    file: Path | None = None  # the embeddings it was found in


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityResult:
    """The result of a search: the query, and the pictures most like it."""

    query: EmbeddingRow
    matches: tuple[Match, ...]  # the nearest first


class JoinedTables:
    """Several files of one space, one after another.

    Args:
        tables: at least one.
    """

    def __init__(self, tables: Sequence[EmbeddingTable]) -> None:
        self.tables = list(tables)
        self.offsets = [0, *np.cumsum([len(table) for table in tables]).tolist()]

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def blocks(self, start: int) -> Iterator[tuple[int, np.ndarray]]:
        """As `EmbeddingTable.blocks`, over all of them."""
        for offset, end, table in zip(self.offsets, self.offsets[1:], self.tables, strict=False):
            if start < end:
                for first, block in table.blocks(max(0, start - offset)):
                    yield offset + first, block

    def find(self, path: str) -> int | None:
        """The first row of that path."""
        for offset, table in zip(self.offsets, self.tables, strict=False):
            found = table.find(path)
            if found is not None:
                return int(offset + found)
        return None

    def rows(self, wanted: Sequence[int]) -> dict[int, tuple[EmbeddingRow, Path]]:
        """The paths, labels and groups of some rows."""
        found: dict[int, tuple[EmbeddingRow, Path]] = {}
        for offset, end, table in zip(self.offsets, self.offsets[1:], self.tables, strict=False):
            chosen = {row - offset for row in wanted if offset <= row < end}
            if chosen:
                found |= {offset + number: (row, table.path) for number, row in table.rows(chosen)}
        return found


def open_tables(paths: Path | str | Sequence[Path | str]) -> JoinedTables:
    """Open files of embeddings that are searched together.

    Raises:
        FileError: one is missing, empty, truncated, or not written by `zoo embed`.
        UsageError: they are of different spaces.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not given:
        raise UsageError("No file of embeddings was named.")
    tables = [open_table(path) for path in given]
    for other in tables[1:]:
        tables[0].space.check_same_space(other.space, mine=str(tables[0].path), others=str(other.path))
    return JoinedTables(tables)


def find_similar(
    picture: Query, files: Path | str | Sequence[Path | str], *, k: int | None, filters_of: FiltersOf
) -> SimilarityResult:
    """As `zoo.similar`; `filters_of` gives what embeds a picture that is not in the files."""
    tables = open_tables(files)
    itself = None if isinstance(picture, (int, np.integer, np.ndarray)) else _find_row(tables, str(picture))
    if isinstance(picture, (int, np.integer)):
        if not 0 <= picture < len(tables):
            raise UsageError(f"There is no picture {picture}; there are {len(tables)}, counted from 0.")
        itself = int(picture)
    most = len(tables) - (itself is not None)
    k = min(DEFAULT_K, max(1, most)) if k is None else k
    check_k(k, most)
    first = tables.tables[0]
    if itself is not None:
        number, block = next(tables.blocks(itself))
        vector = np.array(block[itself - number])
    elif isinstance(picture, np.ndarray):
        vector = picture
        if vector.shape != (first.space.width,):
            raise UsageError(f"A vector of {first.path} is ({first.space.width},), not {vector.shape}.")
    elif as_path(str(picture)).is_file():
        where = str(first.path)
        vector = embed_query(str(picture), first.space, where=where, embedder=filters_of(first.space, where))
    else:
        raise UsageError(f"{picture} is not in {first.path}, and there is no such file.", "Check the path.")
    nearest = find_nearest(tables.blocks, vector, k, leave_out=itself)
    known = tables.rows([row for row, _ in nearest] + ([] if itself is None else [itself]))
    named = "" if isinstance(picture, np.ndarray) else str(picture)
    query = EmbeddingRow(path=named) if itself is None else known[itself][0]
    return SimilarityResult(query=query, matches=tuple(_as_match(known[row], score) for row, score in nearest))


def _find_row(tables: JoinedTables, text: str) -> int | None:
    """The row of a path, as it was given, whole, or as seen from here."""
    whole = os.path.abspath(text)  # noqa: PTH100  # Path.resolve would follow links
    seen = os.path.relpath(whole)
    return next((row for one in dict.fromkeys((text, whole, seen)) if (row := tables.find(one)) is not None), None)


def find_near_duplicates(
    files: Path | str | Sequence[Path | str], *, threshold: float = 0.99, progress: Progress = silent
) -> list[tuple[Match, ...]]:
    """Near-duplicates: groups of pictures joined by pairs whose cosine is at least the threshold, the largest first.

    A match's score is the cosine with the most similar picture of its group.

    Raises:
        UsageError, FileError: as `find_similar`; a threshold that is no cosine.
    """
    tables = open_tables(files)
    width = tables.tables[0].space.width
    found = find_duplicates(tables.blocks, len(tables), width=width, threshold=threshold, progress=progress)
    known = tables.rows([row for group in found for row in group.rows])
    return [
        tuple(_as_match(known[row], score) for row, score in zip(group.rows, group.cosines, strict=True))
        for group in found
    ]


def _as_match(known: tuple[EmbeddingRow, Path], score: float) -> Match:
    row, file = known
    return Match(path=row.path, label=row.label, group=row.group, score=score, file=file)
