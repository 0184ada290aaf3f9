"""Chunks of vectors -> one file: Parquet, `.npy` or safetensors, by its suffix; it appears whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from zoo.embedding.space import EmbeddingSpace
from zoo.embedding.stream import EmbeddingChunk
from zoo.errors import UsageError
from zoo.files import atomic_write

SUFFIXES = (".parquet", ".npy", ".safetensors")
ROW_GROUP = 4096
BYTES = 1 << 26  # of vectors in a row group, at most


def check_suffix(path: Path) -> Path:
    """The path, where embeddings can be written so. Raises UsageError."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: embeddings are written as .parquet or .npy, or .safetensors.")
    return path


def rows_beside(path: Path) -> Path:
    """Where the paths and labels of a bare array lie: `vectors.npy` -> `vectors.npy.rows.jsonl`."""
    return path.with_name(f"{path.name}.rows.jsonl")


def write_embeddings(
    path: Path, chunks: Iterable[EmbeddingChunk], *, space: EmbeddingSpace, rows: int, listing: str = ""
) -> None:
    """Write vectors with what is known of them.

    Parquet: columns `path` string, `vector` fixed-size list of float32, `label` and `group` string or null; what the
    vectors are of stands in the schema's metadata, `zoo.*`. A bare `.npy` array (N, D) has both beside it, a line of
    JSON each, in `FILE.rows.jsonl`. safetensors: `vectors` (N, D) float32, and `rows`, the same lines as bytes.

    Args:
        path: whose suffix says how.
        chunks: in order.
        space: of the vectors.
        rows: N, how many vectors the chunks have together.
        listing: the sha256 of the list of pictures.

    Raises:
        UsageError: another suffix.
        FileError: the disk is full, or the folder cannot be written.
    """
    metadata = space.as_metadata(listing=listing)
    if check_suffix(path).suffix == ".parquet":
        with atomic_write(path) as part:
            _write_parquet(part, chunks, metadata, space.width)
    elif path.suffix == ".npy":
        _write_array(path, chunks, metadata, (rows, space.width))
    else:
        with atomic_write(path) as part, part.open("wb") as opened:
            _write_safetensors(opened, chunks, metadata, (rows, space.width), part.parent)


def _write_parquet(part: Path, chunks: Iterable[EmbeddingChunk], metadata: dict[str, str], width: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vector = pa.list_(pa.float32(), width)
    fields = [("path", pa.string()), ("vector", vector), ("label", pa.string()), ("group", pa.string())]
    schema = pa.schema(fields, metadata=metadata)
    compression = {"path": "zstd", "label": "zstd", "group": "zstd"}  # vectors do not get smaller
    with pq.ParquetWriter(part, schema, compression=compression, use_dictionary=["label", "group"]) as writer:
        for chunk in _gathered(chunks, min(ROW_GROUP, max(1, BYTES // (4 * width)))):
            flat = pa.array(chunk.vectors.reshape(-1), type=pa.float32())
            columns = [
                pa.array(map(_text, chunk.paths), type=pa.string()),
                pa.FixedSizeListArray.from_arrays(flat, type=vector),
                pa.array(map(_text, chunk.labels), type=pa.string()),
                pa.array(map(_text, chunk.groups), type=pa.string()),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _write_array(
    path: Path, chunks: Iterable[EmbeddingChunk], metadata: dict[str, str], shape: tuple[int, int]
) -> None:
    with (
        atomic_write(path) as part,
        atomic_write(rows_beside(path)) as beside,
        part.open("wb") as vectors,
        beside.open("wb") as lines,
    ):
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(vectors, header)
        lines.write(_line(metadata))
        for chunk in chunks:
            vectors.write(np.ascontiguousarray(chunk.vectors, dtype="<f4").data)
            lines.writelines(_lines(chunk))
        path.unlink(missing_ok=True)  # no kill leaves old vectors beside new rows


def _write_safetensors(
    opened: IO[bytes], chunks: Iterable[EmbeddingChunk], metadata: dict[str, str], shape: tuple[int, int], folder: Path
) -> None:
    """The header names the sizes of all that follows, so the lines are gathered in a file of their own first."""
    import shutil
    import tempfile

    size = 4 * shape[0] * shape[1]
    with tempfile.TemporaryFile(dir=folder) as lines, tempfile.TemporaryFile(dir=folder) as vectors:
        for chunk in chunks:
            vectors.write(np.ascontiguousarray(chunk.vectors, dtype="<f4").data)
            lines.writelines(_lines(chunk))
        end = size + lines.tell()
        tensors = {
            "__metadata__": metadata,
            "vectors": {"dtype": "F32", "shape": list(shape), "data_offsets": [0, size]},
            "rows": {"dtype": "U8", "shape": [end - size], "data_offsets": [size, end]},
        }
        header = json.dumps(tensors).encode()
        header += b" " * (-len(header) % 8)
        opened.write(len(header).to_bytes(8, "little") + header)
        for part in (vectors, lines):
            part.seek(0)
            shutil.copyfileobj(part, opened, 1 << 20)


def _gathered(chunks: Iterable[EmbeddingChunk], most: int) -> Iterator[EmbeddingChunk]:
    """The same rows in chunks of exactly `most`, the last one smaller."""
    waiting: list[EmbeddingChunk] = []
    for chunk in chunks:
        if len(chunk.paths) == most and not waiting:
            yield chunk  # the usual part, without a copy
            continue
        waiting.append(chunk)
        if sum(len(one.paths) for one in waiting) >= most:
            whole = _joined(waiting)
            full = len(whole.paths) // most * most
            for start in range(0, full, most):
                yield _part_of(whole, start, start + most)
            waiting = [_part_of(whole, full, len(whole.paths))] if full < len(whole.paths) else []
    last = _joined(waiting)
    if last.paths:
        yield last


def _joined(chunks: list[EmbeddingChunk]) -> EmbeddingChunk:
    full = [chunk.vectors for chunk in chunks if chunk.paths]
    return EmbeddingChunk(
        paths=tuple(path for chunk in chunks for path in chunk.paths),
        labels=tuple(label for chunk in chunks for label in chunk.labels),
        groups=tuple(group for chunk in chunks for group in chunk.groups),
        vectors=np.concatenate(full) if full else np.empty((0, 0), dtype=np.float32),
    )


def _part_of(chunk: EmbeddingChunk, start: int, stop: int) -> EmbeddingChunk:
    return EmbeddingChunk(
        paths=chunk.paths[start:stop],
        labels=chunk.labels[start:stop],
        groups=chunk.groups[start:stop],
        vectors=chunk.vectors[start:stop],
    )


def _lines(chunk: EmbeddingChunk) -> Iterator[bytes]:
    for path, label, group in zip(chunk.paths, chunk.labels, chunk.groups, strict=True):
        yield _line({"path": _text(path), "label": _text(label), "group": _text(group)})


def _line(content: dict[str, str | None] | dict[str, str]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def _text(text: str | None) -> str | None:
    """Names that are no UTF-8 are written with a replacement character, as every reader wants UTF-8."""
    return None if text is None else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
