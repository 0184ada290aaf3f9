"""Embeddings in memory: vectors, and searches among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from zoo.embedding.search import array_blocks, find_duplicates, find_nearest, find_odd_one_out
from zoo.embedding.space import EmbeddingSpace
from zoo.embedding.stream import EmbeddingChunk
from zoo.embedding.tables import ArrayTable, open_table
from zoo.embedding.writing import check_suffix, write_embeddings
from zoo.errors import UsageError, ZooError
from zoo.files import as_path, check_output

Query = int | str | Path | np.ndarray
"""A row, the path of an embedded picture, any picture file, or a vector (D,)."""


class Embedder(Protocol):
    """The part of filters that embeddings need."""

    def embed(self, pictures: Sequence[Path | str], *, size: int | None = None, pool: str = "mean") -> Embeddings:
        """Embed some files."""


FiltersOf = Callable[[EmbeddingSpace, str], Embedder]
"""(a space, what has it, for messages) -> its filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """A vector for every picture.

    Numpy takes it for the array of its vectors.
    """

    vectors: np.ndarray  # (N, D) float32; mapped from the file where it allows that
    paths: tuple[str, ...]  # (N)
    labels: tuple[str | None, ...]  # (N), None where not known
    groups: tuple[str | None, ...]  # (N), likewise
    space: EmbeddingSpace  # what the vectors are of
    embedder: Embedder = field(repr=False, compare=False)  # the filters that made it
    skipped: tuple[str, ...] = ()  # what could not be read, a line each

    def __len__(self) -> int:
        return len(self.paths)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The vectors."""
        return np.array(self.vectors, dtype=dtype) if copy or dtype else self.vectors

    @property
    def filters(self) -> str:
        """The filters' name."""
        return self.space.filters

    @property
    def digest(self) -> str:
        """Their manifest's hash."""
        return self.space.manifest

    @property
    def cut(self) -> str:
        """Where they stopped."""
        return self.space.cut

    @property
    def size(self) -> int:
        """The side that pictures were resized to, in pixels."""
        return self.space.size

    def most_similar(self, picture: Query, k: int = 5) -> list[tuple[str, float]]:
        """The nearest pictures by cosine, itself left out.

        Args:
            picture: a row, a path among `paths`, any other picture file (which is embedded), or a vector (D,).
            k: how many.

        Returns:
            (path, cosine in -1 to 1), the nearest first.

        Raises:
            UsageError: no such picture, or k is not in 1 to N.
            ZooError: the file cannot be read, or the filters cannot be loaded to embed it.
        """
        return [(self.paths[row], cosine) for row, cosine in self.nearest(picture, k)]

    def nearest(self, picture: Query, k: int = 5) -> list[tuple[int, float]]:
        """As `most_similar`, with rows in place of paths."""
        itself = self._row(picture)
        check_k(k, len(self) - (itself is not None))
        return find_nearest(array_blocks(self.vectors), self._vector(picture), k, leave_out=itself)

    def doesnt_match(self, pictures: Sequence[Query]) -> Query:
        """The one that differs most from the others: furthest from the mean of their normalised vectors.

        Args:
            pictures: three or more, each as `most_similar` takes them.

        Raises:
            UsageError: fewer than three; no such picture.
        """
        pictures = list(pictures)
        return pictures[find_odd_one_out(np.array([self._vector(picture) for picture in pictures]))]

    def duplicates(self, threshold: float = 0.99) -> list[tuple[str, ...]]:
        """The paths of near-duplicates, a group each, the largest first; see `zoo.embedding.search`."""
        width = self.vectors.shape[1]
        groups = find_duplicates(array_blocks(self.vectors), len(self), width=width, threshold=threshold)
        return [tuple(self.paths[row] for row in group.rows) for group in groups]

    def to_pandas(self) -> Any:
        """A DataFrame: path, label, group, vector (an array (D,) each). Raises ZooError: pandas is not installed."""
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise ZooError("A DataFrame needs pandas, which is not installed.", "Run `pip install pandas`.") from error
        columns = {"path": self.paths, "label": self.labels, "group": self.groups, "vector": list(self.vectors)}
        return pandas.DataFrame(columns)

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write them by the suffix, `.parquet`, `.npy` or `.safetensors`; see `zoo.embedding.writing`."""
        path = check_suffix(as_path(path))
        check_output(path, overwrite=overwrite, argument="path")
        write_embeddings(path, self._chunks(), space=self.space, rows=len(self))
        return path

    def _chunks(self, step: int = 4096) -> Iterator[EmbeddingChunk]:
        for start in range(0, len(self), step):
            part = slice(start, start + step)
            yield EmbeddingChunk(
                paths=self.paths[part], labels=self.labels[part], groups=self.groups[part], vectors=self.vectors[part]
            )

    def _row(self, picture: Query) -> int | None:
        """The row of an embedded picture, None for anything else."""
        if isinstance(picture, (str, Path)):
            return self.paths.index(str(picture)) if str(picture) in self.paths else None
        if isinstance(picture, (int, np.integer)):
            if not 0 <= picture < len(self):
                raise UsageError(f"There is no picture {picture}; there are {len(self)}, counted from 0.")
            return int(picture)
        return None

    def _vector(self, picture: Query) -> np.ndarray:
        """(D,) float32."""
        row = self._row(picture)
        if row is not None:
            return np.asarray(self.vectors[row])
        if isinstance(picture, (str, Path)):
            if not as_path(picture).is_file():
                raise UsageError(
                    f"{str(picture)!r} is not among the {len(self)} embedded pictures, and there is no such file.",
                    "Check the path.",
                )
            return embed_query(picture, self.space, embedder=self.embedder, where="these embeddings")
        vector = np.asarray(picture, dtype=np.float32)
        if vector.shape != (self.vectors.shape[1],):
            raise UsageError(f"A vector here is ({self.vectors.shape[1]},), not {vector.shape}.")
        return vector


def read_embeddings(path: Path | str, *, filters_of: FiltersOf) -> Embeddings:
    """As `zoo.read_embeddings`; `filters_of` gives what embeds a picture that is not in the file."""
    table = open_table(path)
    rows = [row for _, row in table.rows()]
    if isinstance(table, ArrayTable):
        vectors = table.vectors
    else:
        vectors = np.empty((len(table), table.space.width), dtype=np.float32)
        for first, block in table.blocks():
            vectors[first : first + len(block)] = block
    return Embeddings(
        vectors=vectors,
        paths=tuple(row.path for row in rows),
        labels=tuple(row.label for row in rows),
        groups=tuple(row.group for row in rows),
        space=table.space,
        embedder=filters_of(table.space, "these embeddings"),
    )


def check_k(k: int, most: int) -> None:
    """Check k. Raises UsageError where there are not k other pictures."""
    if not 1 <= k <= most:
        raise UsageError(f"k cannot be {k}; there are {most} other pictures.")


def embed_query(picture: Path | str, space: EmbeddingSpace, *, where: str, embedder: Embedder) -> np.ndarray:
    """One picture's vector in a given space, (D,) float32.

    Args:
        picture: a file.
        space: to embed it in.
        where: what has that space, for messages.
        embedder: the filters.

    Raises:
        UsageError: the filters have another manifest.
        ZooError: they cannot be loaded; the file is no picture.
    """
    embedded = embedder.embed([picture], size=space.size, pool=space.pool)
    space.check_same_space(embedded.space, mine=where, others=f"{picture}")
    return np.asarray(embedded.vectors[0])
