"""Pictures -> vectors in memory, or in a file by way of parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data import UNREADABLE, ImageSource
from zoo.embedding.embeddings import Embedder, Embeddings
from zoo.embedding.parts import ROWS, PartsFolder, PartWriter, read_chunks
from zoo.embedding.space import EmbeddingSpace
from zoo.embedding.stream import EmbeddingChunk, EmbeddingNetwork, stream_embeddings
from zoo.embedding.tables import open_table
from zoo.embedding.writing import check_suffix, write_embeddings
from zoo.errors import FileError, ZooError, one_line
from zoo.files import atomic_write, check_output
from zoo.progress import Progress, silent

MOST_LISTED = 20  # unreadable pictures that are kept in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingSummary:
    """The result of an embedding into a file."""

    path: Path
    pictures: int  # N, how many vectors it holds
    space: EmbeddingSpace
    resumed: int = 0  # pictures that were there already
    unreadable: int = 0  # pictures that could not be read
    skipped: tuple[str, ...] = ()  # the first of these, a line each
    unreadable_file: Path | None = None  # the file that lists all of them: path TAB reason


def embed_pictures(
    network: EmbeddingNetwork,
    images: ImageSource,
    *,
    space: EmbeddingSpace,
    embedder: Embedder,
    batch: int | None = None,
    skip_unreadable: bool = False,
    progress: Progress = silent,
) -> Embeddings:
    """A vector for every picture, in memory.

    Args:
        network: the filters on their device, with the pooling.
        images: what to embed.
        space: of the vectors.
        embedder: the filters, which the embeddings keep for pictures to come.
        batch: pictures that go through the network at once; by the size and the device by default.
        skip_unreadable: list what cannot be read in `skipped`, instead of stopping.
        progress: called with how far the work is.

    Raises:
        ZooError: a picture that cannot be read, or none that can.
    """
    found = stream_embeddings(images, network, size=space.size, batch=batch, skip_unreadable=skip_unreadable)
    chunks = list(_tell_done(found, progress, 0, len(images)))
    skipped = tuple(fault.text for chunk in chunks for fault in chunk.faults)
    full = [chunk for chunk in chunks if chunk.paths]
    if not full:
        raise _nothing_readable_error(len(images), skipped)
    return Embeddings(
        vectors=np.concatenate([chunk.vectors for chunk in full]),
        paths=tuple(path for chunk in full for path in chunk.paths),
        labels=tuple(label for chunk in full for label in chunk.labels),
        groups=tuple(group for chunk in full for group in chunk.groups),
        skipped=skipped,
        space=space,
        embedder=embedder,
    )


def _tell_done(chunks: Iterable[EmbeddingChunk], progress: Progress, done: int, total: int) -> Iterator[EmbeddingChunk]:
    """The chunks; after each, once it is taken care of, how many pictures are done."""
    for chunk in chunks:
        yield chunk
        done += chunk.done
        progress("embedding", done, total)


def embed_into(
    out: Path,
    make_network: Callable[[], EmbeddingNetwork],
    images: ImageSource,
    *,
    space: EmbeddingSpace,
    resume: bool = False,
    overwrite: bool = False,
    batch: int | None = None,
    skip_unreadable: bool = False,
    part_rows: int = ROWS,
    progress: Progress = silent,
) -> EmbeddingSummary:
    """A vector for every picture, in a file, by way of small parts beside it; memory does not grow with the pictures.

    Args:
        out: the file, `.parquet`, `.npy` or `.safetensors`; it appears whole.
        make_network: gives the network; not called where nothing is left to compute.
        images: what to embed.
        space: of the vectors.
        resume: go on with the parts of an earlier call; a file that is finished is left as it is.
        overwrite: replace the file, and the parts of an earlier call that is not resumed.
        batch: pictures that go through the network at once.
        skip_unreadable: list what cannot be read in `FILE.unreadable.txt`, instead of stopping.
        part_rows: pictures a part, at most.
        progress: called with how far the work is.

    Raises:
        FileError: the file, or parts of an earlier call, are there and neither is asked for; the disk is full.
        UsageError: these parts are of other filters or other pictures; another suffix.
        ZooError: a picture that cannot be read, or none that can.
    """
    check_suffix(out)
    if resume and (finished := _read_finished(out, space, images)):
        return finished
    check_output(out, overwrite=overwrite)
    total = len(images)
    with PartsFolder(out) as parts:
        parts.open(space, identity=images.fingerprint(), pictures=total, resume=resume, overwrite=overwrite)
        there = parts.listed()
        start = there[-1].stop if there else 0
        if start < total:
            options: dict[str, Any] = {"size": space.size, "batch": batch, "skip_unreadable": skip_unreadable}
            chunks = stream_embeddings(images, make_network(), start=start, **options)
            with PartWriter(parts, start=start, rows=part_rows) as writer:
                for chunk in _tell_done(chunks, progress, start, total):
                    writer.put(chunk)
        unreadable, skipped = _write_unreadable_list(parts, out)
        if skipped and not skip_unreadable:
            raise ZooError(skipped[0], UNREADABLE)
        if unreadable == total:
            raise _nothing_readable_error(total, skipped)
        rows = total - unreadable
        write_embeddings(out, read_chunks(parts.listed()), space=space, rows=rows, listing=images.fingerprint())
        parts.remove()
    return _summarise(out, space, pictures=rows, resumed=start, unreadable=unreadable, skipped=skipped)


def unreadable_list_path(out: Path) -> Path:
    """Where the pictures that could not be read are listed: `vectors.parquet.unreadable.txt`."""
    return out.with_name(f"{out.name}.unreadable.txt")


def _write_unreadable_list(parts: PartsFolder, out: Path) -> tuple[int, tuple[str, ...]]:
    """List the unreadable pictures, or remove an old list; how many pictures cannot be read, and the first of them."""
    count, first = 0, list[str]()
    with atomic_write(unreadable_list_path(out)) as part, part.open("w", encoding="utf-8") as opened:
        for chunk in read_chunks(parts.listed(), vectors=False):
            for fault in chunk.faults:
                opened.write(f"{one_line(fault.path)}\t{one_line(fault.reason)}\n")
                count += 1
                if len(first) < MOST_LISTED:
                    first.append(fault.text)
    if not count:
        unreadable_list_path(out).unlink()
    return count, tuple(first)


def _read_finished(out: Path, space: EmbeddingSpace, images: ImageSource) -> EmbeddingSummary | None:
    """What the file holds, where it is whole, of this space and of these pictures; None: there is work to do."""
    if not out.is_file() or PartsFolder(out).folder.exists():
        return None
    try:
        table = open_table(out)
    except FileError:
        return None
    if table.space.identity != space.identity or table.metadata.get("zoo.list") != images.fingerprint():
        return None
    counts = {"pictures": len(table), "resumed": len(images), "unreadable": len(images) - len(table)}
    return _summarise(out, table.space, **counts)


def _summarise(out: Path, space: EmbeddingSpace, *, unreadable: int, **found: Any) -> EmbeddingSummary:
    listed = unreadable_list_path(out) if unreadable else None
    return EmbeddingSummary(path=out, space=space, unreadable=unreadable, unreadable_file=listed, **found)


def _nothing_readable_error(total: int, skipped: tuple[str, ...]) -> ZooError:
    return ZooError(f"None of the {total} pictures can be read. The first: {skipped[0]}")
