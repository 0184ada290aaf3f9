"""The whole way: pictures -> vectors in memory, or in a file by way of parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from zoo.contracts import Dataset
from zoo.embedding.embeddings import Embedder, Embeddings
from zoo.embedding.listing import Listing
from zoo.embedding.parts import ROWS, Parts, PartWriter, chunks_of
from zoo.embedding.pictures import DatasetPictures, FilePictures, Pictures
from zoo.embedding.space import Space
from zoo.embedding.stream import Chunk, Network, stream
from zoo.embedding.tables import open_table
from zoo.embedding.writing import check_suffix, write_embeddings
from zoo.errors import FileError, UsageError, ZooError
from zoo.files import writing
from zoo.images import UNREADABLE
from zoo.progress import Progress, silent

TOLD = 20  # unreadable pictures that are kept in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What an embedding into a file came to."""

    path: Path
    pictures: int  # N, how many vectors it holds
    space: Space
    resumed: int = 0  # pictures that were there already
    unreadable: int = 0  # pictures that could not be read
    skipped: tuple[str, ...] = ()  # the first of these, a line each
    side: Path | None = None  # the file that lists all of them: path TAB reason


def as_pictures(given: Any) -> Pictures:
    """A folder, a file, a pattern, several of them, or a prepared dataset -> pictures.

    Raises:
        FileError: no such file, a folder without pictures.
        UsageError: nothing was named.
    """
    if isinstance(given, (FilePictures, DatasetPictures)):
        return given
    if isinstance(given, Dataset):
        return DatasetPictures(given)
    listing = Listing()
    listing.add_named([given] if isinstance(given, (str, Path)) else given)
    if not len(listing):
        raise UsageError("No pictures were named.")
    return FilePictures(listing)


def embed_pictures(
    network: Network,
    pictures: Pictures,
    *,
    space: Space,
    batch: int | None = None,
    skip_unreadable: bool = False,
    embedder: Embedder | None = None,
    progress: Progress = silent,
) -> Embeddings:
    """A vector for every picture, in memory.

    Args:
        network: the filters on their device, with the pooling.
        pictures: what to embed.
        space: of the vectors.
        batch: pictures that go through the network at once; by the size and the device by default.
        skip_unreadable: list what cannot be read in `skipped`, instead of stopping.
        embedder: the filters, which the embeddings keep for pictures to come.
        progress: told how far the work is.

    Raises:
        ZooError: a picture that cannot be read, or none that can.
    """
    chunks: list[Chunk] = []
    done = 0
    for chunk in stream(pictures, network, size=space.size, batch=batch, skip_unreadable=skip_unreadable):
        chunks.append(chunk)
        done += chunk.done
        progress("embedding", done, len(pictures))
    skipped = tuple(fault.text for chunk in chunks for fault in chunk.faults)
    full = [chunk for chunk in chunks if chunk.paths]
    if not full:
        raise _none_read(len(pictures), skipped)
    return Embeddings(
        vectors=np.concatenate([chunk.vectors for chunk in full]),
        paths=tuple(path for chunk in full for path in chunk.paths),
        labels=tuple(label for chunk in full for label in chunk.labels),
        groups=tuple(group for chunk in full for group in chunk.groups),
        skipped=skipped,
        space=space,
        embedder=embedder,
    )


def embed_into(
    out: Path,
    make_network: Callable[[], Network],
    pictures: Pictures,
    *,
    space: Space,
    resume: bool = False,
    batch: int | None = None,
    skip_unreadable: bool = False,
    part_rows: int = ROWS,
    progress: Progress = silent,
) -> Written:
    """A vector for every picture, in a file, by way of small parts beside it; memory does not grow with the pictures.

    Args:
        out: the file, `.parquet`, `.npy` or `.safetensors`; it appears whole.
        make_network: gives the network; not called where nothing is left to compute.
        pictures: what to embed.
        space: of the vectors.
        resume: go on with the parts of an earlier call; a file that is finished is left as it is.
        batch: pictures that go through the network at once.
        skip_unreadable: list what cannot be read in `FILE.unreadable.txt`, instead of stopping.
        part_rows: pictures a part, at most.
        progress: told how far the work is.

    Raises:
        FileError: parts of an earlier call are there and `resume` is not asked for; the disk is full.
        UsageError: these parts are of other filters or other pictures; another suffix.
        ZooError: a picture that cannot be read, or none that can.
    """
    check_suffix(out)
    if resume and (finished := _finished(out, space, pictures)):
        return finished
    total = len(pictures)
    with Parts(out) as parts:
        parts.open(space, identity=pictures.identity, pictures=total, resume=resume)
        there = parts.listed()
        start = done = there[-1].stop if there else 0
        if start < total:
            with PartWriter(parts, start=start, rows=part_rows) as writer:
                for chunk in stream(
                    pictures,
                    make_network(),
                    size=space.size,
                    start=start,
                    batch=batch,
                    skip_unreadable=skip_unreadable,
                ):
                    writer.put(chunk)
                    done += chunk.done
                    progress("embedding", done, total)
        unreadable, skipped = _list_faults(parts, out)
        if skipped and not skip_unreadable:
            raise ZooError(skipped[0], UNREADABLE)
        if unreadable == total:
            raise _none_read(total, skipped)
        rows = total - unreadable
        write_embeddings(out, chunks_of(parts.listed()), space=space, rows=rows, listing=pictures.identity)
        parts.remove()
    side = side_file(out) if unreadable else None
    return Written(
        path=out, pictures=rows, space=space, resumed=start, unreadable=unreadable, skipped=skipped, side=side
    )


def side_file(out: Path) -> Path:
    """Where the pictures that could not be read are listed: `vectors.parquet.unreadable.txt`."""
    return out.with_name(f"{out.name}.unreadable.txt")


def digest_of(module: nn.Module) -> str:
    """A hash of weights that are not published, "weights:<64 hex digits>"."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return f"weights:{digest.hexdigest()}"


def _list_faults(parts: Parts, out: Path) -> tuple[int, tuple[str, ...]]:
    """Write the side file, or remove an old one; how many pictures cannot be read, and the first of them."""
    count, first = 0, list[str]()
    with writing(side_file(out)) as part, part.open("w", errors="surrogateescape") as opened:
        for chunk in chunks_of(parts.listed(), vectors=False):
            for fault in chunk.faults:
                opened.write(f"{fault.path}\t{fault.reason}\n")
                count += 1
                if len(first) < TOLD:
                    first.append(fault.text)
    if not count:
        side_file(out).unlink()
    return count, tuple(first)


def _finished(out: Path, space: Space, pictures: Pictures) -> Written | None:
    """What the file holds, where it is whole, of this space and of these pictures; None: there is work to do."""
    if not out.is_file() or Parts(out).folder.exists():
        return None
    try:
        table = open_table(out)
    except FileError:
        return None
    if table.space.identity != space.identity or table.metadata.get("zoo.list") != pictures.identity:
        return None
    unreadable = len(pictures) - len(table)
    side = side_file(out) if unreadable else None
    return Written(
        path=out, pictures=len(table), space=table.space, resumed=len(pictures), unreadable=unreadable, side=side
    )


def _none_read(total: int, skipped: tuple[str, ...]) -> ZooError:
    return ZooError(f"None of the {total} pictures can be read. The first: {skipped[0]}")
