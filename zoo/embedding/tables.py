"""Files of embeddings, read a block at a time; each is checked before it is used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.embedding.space import EmbeddingSpace, read_space
from zoo.embedding.writing import SUFFIXES, rows_beside
from zoo.errors import FileError, UsageError
from zoo.files import as_path, parse_json

BLOCK = 1 << 23  # bytes of vectors that are in memory at once
LARGEST_HEADER = 1 << 20  # bytes of a safetensors header, at most
WRITE_AGAIN = "Write it again with `zoo embed`."


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRow:
    """What a file holds about one picture, beside its vector."""

    path: str
    label: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        """Raises TypeError: a damaged file may say anything."""
        if not isinstance(self.path, str) or not all(isinstance(one, str | None) for one in (self.label, self.group)):
            raise TypeError("a path, a label or a group is no text")


class EmbeddingTable(ABC):
    """A file of N vectors (N, D) float32 and what is known of their pictures.

    Args:
        path: the file.
        space: of the vectors.
        metadata: all that the file says of itself.
        count: N.
    """

    def __init__(self, path: Path, *, space: EmbeddingSpace, metadata: Mapping[str, str], count: int) -> None:
        self.path, self.space, self.metadata = path, space, metadata
        self._count = count

    def __len__(self) -> int:
        return self._count

    @property
    def step(self) -> int:
        """How many vectors a block has."""
        return max(1, BLOCK // (4 * self.space.width))

    @abstractmethod
    def blocks(self, start: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """(number of the first row, vectors (n, D) float32) from row `start` on. Raises FileError: truncated."""

    @abstractmethod
    def rows(self, wanted: Collection[int] | None = None) -> Iterator[tuple[int, EmbeddingRow]]:
        """The rows with their numbers, in order; all, or those wanted. Raises FileError: truncated."""

    def find(self, path: str) -> int | None:
        """The first row of that path, None where there is none."""
        return next((number for number, row in self.rows() if row.path == path), None)

    def read_vectors(self, wanted: np.ndarray) -> np.ndarray:
        """Some rows' vectors in their order, read a block at a time. Shapes: int (n,) -> (n, D) float32."""
        found = np.empty((len(wanted), self.space.width), dtype=np.float32)
        for first, block in self.blocks():
            here = np.flatnonzero((wanted >= first) & (wanted < first + len(block)))
            found[here] = block[wanted[here] - first]
        return found

    def vector(self, row: int) -> np.ndarray:
        """One row's vector, (D,) float32."""
        first, block = next(self.blocks(row))
        return np.array(block[row - first])


def open_table(path: Path | str) -> EmbeddingTable:
    """Open a file of embeddings; its vectors are not read yet.

    Raises:
        UsageError: not a suffix of embeddings.
        FileError: missing, empty, truncated, without vectors, or not written by `zoo embed`.
    """
    path = as_path(path)
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path}: embeddings are read from {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise FileError(path, "there is no such file", "Check the path, or write it with `zoo embed`.")
    if not path.stat().st_size:
        raise FileError(path, "the file is empty", WRITE_AGAIN)
    opener = {".parquet": _open_parquet, ".npy": _open_array, ".safetensors": _open_safetensors}[path.suffix]
    table = opener(path)
    if not len(table):
        raise FileError(path, "it holds no vectors", WRITE_AGAIN)
    return table


# ------------------------------------------------------------------------------------------------ Parquet


class ParquetTable(EmbeddingTable):
    """Columns `path`, `vector`, `label`, `group`; see `zoo.embedding.writing`."""

    def blocks(self, start: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        for first, columns in self._batches(["vector"], self.step, start):
            column = columns["vector"]
            if column.null_count or column.flatten().null_count:
                raise FileError(self.path, f"a vector after row {first} is missing", WRITE_AGAIN)
            block = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, self.space.width)
            skipped = max(0, start - first)
            if skipped < len(block):
                yield first + skipped, block[skipped:]

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[tuple[int, EmbeddingRow]]:
        there: list[str] = [name for name in ("path", "label", "group") if name in self._names()]
        for first, columns in self._batches(there, 65_536, 0):
            size = len(columns["path"])
            chosen = range(size) if wanted is None else sorted(n - first for n in wanted if first <= n < first + size)
            for offset in chosen:
                yield first + offset, EmbeddingRow(**{name: columns[name][offset].as_py() for name in there})

    def find(self, path: str) -> int | None:
        import pyarrow.compute as pc

        for first, columns in self._batches(["path"], 65_536, 0):
            found = pc.index(columns["path"], path).as_py()
            if found >= 0:
                return int(first + found)
        return None

    def _names(self) -> set[str]:
        import pyarrow.parquet as pq

        return set(pq.read_schema(self.path).names)

    def _batches(self, columns: list[str], size: int, start: int) -> Iterator[tuple[int, Any]]:
        """Row groups one after another, those before `start` passed over."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path, pre_buffer=False) as opened:
                first = 0
                for group in range(opened.num_row_groups):
                    rows = opened.metadata.row_group(group).num_rows
                    if first + rows > start:  # a new reader each time: a shared one keeps what it has read in memory
                        at = first
                        for batch in opened.iter_batches(size, row_groups=[group], columns=columns, use_threads=False):
                            yield at, batch
                            at += batch.num_rows
                    first += rows
        except (pa.ArrowException, OSError) as error:
            raise _damaged_error(self.path, error) from error


def _open_parquet(path: Path) -> EmbeddingTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as opened:
            schema, count = opened.schema_arrow, opened.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _damaged_error(path, error) from error
    if "vector" not in schema.names or "path" not in schema.names:
        raise FileError(path, f"there is no column `vector` or `path`, only {', '.join(schema.names)}", WRITE_AGAIN)
    kind = schema.field("vector").type
    if not (pa.types.is_fixed_size_list(kind) and pa.types.is_float32(kind.value_type)):
        raise FileError(path, f"the column `vector` is {kind}, not a fixed-size list of float32", WRITE_AGAIN)
    metadata = {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace")
        for key, value in (schema.metadata or {}).items()
    }
    space = _check_space(path, metadata, kind.list_size)
    return ParquetTable(path, space=space, metadata=metadata, count=count)


# ------------------------------------------------------------------------------------------------ arrays


class ArrayTable(EmbeddingTable):
    """A mapped array (N, D) float32, and its rows as lines of JSON in the same file or beside it.

    Args:
        vectors: mapped.
        lines: the file of the lines.
        begin: the byte there at which they begin.
        options: as for `EmbeddingTable`.
    """

    def __init__(self, path: Path, *, vectors: np.ndarray, lines: Path, begin: int, **options: Any) -> None:
        super().__init__(path, count=len(vectors), **options)
        self.vectors = vectors
        self._lines, self._begin = lines, begin

    def blocks(self, start: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        for first in range(start, len(self), self.step):
            yield first, self.vectors[first : first + self.step]

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[tuple[int, EmbeddingRow]]:
        number = -1
        try:
            with self._lines.open("rb") as opened:
                opened.seek(self._begin)
                for number, line in enumerate(opened):
                    if wanted is None or number in wanted:
                        yield number, EmbeddingRow(**parse_json(line))
        except (OSError, ValueError, TypeError) as error:
            raise _damaged_error(self._lines, error) from error
        if number + 1 != len(self):
            raise FileError(self._lines, f"it has {number + 1} rows, where there are {len(self)} vectors", WRITE_AGAIN)


def _open_array(path: Path) -> EmbeddingTable:
    lines = rows_beside(path)
    try:
        vectors = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # what a damaged header is parsed to raises whatever it likes
        raise _damaged_error(path, error) from error
    if vectors.dtype != np.float32 or vectors.ndim != 2:
        raise FileError(path, f"it holds {vectors.dtype} {vectors.shape}, not float32 (N, D)", WRITE_AGAIN)
    try:
        with lines.open("rb") as opened:
            metadata = parse_json(opened.readline())
            begin = opened.tell()
    except FileNotFoundError as error:
        raise FileError(lines, "it says which pictures the vectors are of, and is missing", WRITE_AGAIN) from error
    except (OSError, ValueError) as error:
        raise _damaged_error(lines, error) from error
    space = _check_space(path, metadata, vectors.shape[1])
    return ArrayTable(path, vectors=vectors, lines=lines, begin=begin, space=space, metadata=metadata)


def _open_safetensors(path: Path) -> EmbeddingTable:
    try:
        with path.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > LARGEST_HEADER:
                raise ValueError("its header is too long")
            header = parse_json(opened.read(length))
        metadata = header.get("__metadata__", {})
        entry, rows = header["vectors"], header["rows"]
        begin = 8 + length
        (count, width), (first, _), (lines, end) = entry["shape"], entry["data_offsets"], rows["data_offsets"]
        sizes = (count, width, first, lines, end)
        if entry["dtype"] != "F32" or not all(type(one) is int and one >= 0 for one in sizes):
            raise ValueError("its vectors have no size")
        if path.stat().st_size < begin + max(first + 4 * count * width, lines, end):
            raise ValueError("it ends too early")
        vectors = np.memmap(path, dtype="<f4", mode="r", offset=begin + first, shape=(count, width))
    except (ValueError, OSError, KeyError, TypeError, AttributeError) as error:
        raise _damaged_error(path, error) from error
    space = _check_space(path, metadata, width)
    return ArrayTable(path, vectors=vectors, lines=path, begin=begin + lines, space=space, metadata=metadata)


def _check_space(path: Path, metadata: Any, width: int) -> EmbeddingSpace:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged_error(path, "its metadata are no texts")
    space = read_space(metadata, path)
    if width < 1:
        raise FileError(path, "its vectors have no numbers", WRITE_AGAIN)
    if space.width != width:
        raise FileError(path, f"its vectors have {width} numbers, where it says {space.width}", WRITE_AGAIN)
    return space


def _damaged_error(path: Path, error: object) -> FileError:
    reason = " ".join(str(error).split())[:160]
    return FileError(path, f"it is truncated or damaged ({reason})", WRITE_AGAIN)
