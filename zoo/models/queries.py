"""Queries of embeddings on the disk: a new picture is embedded with the filters that the file names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.embedding import (
    Embedder,
    Embeddings,
    EmbeddingSpace,
    Query,
    SimilarityResult,
    find_similar,
    read_embeddings as read_file,
)
from zoo.errors import ZooError
from zoo.models.filters import Filters, load


@dataclass(frozen=True, slots=True)
class NamedFilters:
    """The filters of a space, loaded when they are needed: by their name, else from where they lay."""

    space: EmbeddingSpace
    where: str  # the file that has that space, for messages

    def embed(self, pictures: Sequence[Path | str], *, size: int | None = None, pool: str = "mean") -> Embeddings:
        """As `Filters.embed`. Raises ZooError: no filters with the space's manifest can be loaded."""
        return self.load().embed(pictures, size=size, pool=pool)

    def load(self) -> Filters:
        """Only filters with the same manifest are taken."""
        space, faults = self.space, []
        for text in dict.fromkeys(filter(None, (space.filters, space.source))):
            try:
                filters = load(text, cut=space.cut)
            except ZooError as error:
                faults.append(str(error))
                continue
            if filters.published and filters.published.digest == space.manifest:
                return filters
            faults.append(f"{text!r} has another manifest.")
        raise ZooError(
            f"The filters of {self.where}, {space}, cannot be loaded: "
            f"{faults[0] if faults else 'they were not published.'}",
            "Name them with `filters=`.",
        )


def read_embeddings(path: Path | str) -> Embeddings:
    """Read a file that `zoo embed` or `save` wrote; the vectors of `.npy` and `.safetensors` are mapped, not read.

    Raises:
        FileError: missing, empty, truncated, without vectors, or not written by `zoo embed`.
    """
    return read_file(path, filters_of=NamedFilters)


def similar(
    picture: Query,
    files: Path | str | Sequence[Path | str],
    *,
    k: int | None = None,
    filters: Embedder | str | Path | None = None,
) -> SimilarityResult:
    """The pictures of one or several files that are most similar to one, by cosine; exact, a block at a time.

    Args:
        picture: a path in the files, any picture file (embedded by the filters that the files name), or a vector (D,).
        files: what `zoo embed` wrote.
        k: how many; ten, or all others where there are fewer, by default.
        filters: to embed the picture with, or what `zoo.load` takes, where the files' own are not to be found; they
            must be the same.

    Raises:
        UsageError: files or filters of different spaces; no such picture; k is larger than the set.
        FileError: a file that is missing, empty, truncated or holds no embeddings; a picture that is none.
        ZooError: the filters cannot be loaded.
    """

    def find_filters(space: EmbeddingSpace, where: str) -> Embedder:
        if filters is None:
            return NamedFilters(space, where)
        return load(filters, cut=space.cut) if isinstance(filters, (str, Path)) else filters

    return find_similar(picture, files, k=k, filters_of=find_filters)
