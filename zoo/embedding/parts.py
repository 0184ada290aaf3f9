"""A long embedding in small whole files, so that a kill loses little and `resume=True` goes on.

Beside `FILE` lies `.FILE.parts`: `job.json` says of which space and which pictures the parts are, and every part is
named by the pictures that it covers, `000000000000-000000004096.npz`. A part is renamed into place when it is whole.
"""

from __future__ import annotations

import contextlib
import json
import queue
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from zoo.embedding.space import EMBEDDING_FORMAT, EmbeddingSpace
from zoo.embedding.stream import EmbeddingChunk, UnreadablePicture
from zoo.errors import FileError, UsageError
from zoo.files import atomic_write, locked, parse_json, sync_folder, write_json

ROWS = 4096  # rows a part and a row group, at most
BYTES = 1 << 26  # of vectors a part, at most: whole maps are large
SECONDS = 60.0  # a part is written at least that often: what a kill may lose
WORTH_KEEPING = 10.0  # seconds of work that are written when something stops the embedding
QUEUE = 8  # chunks that wait for the writer, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingPart:
    """One file of a parts folder."""

    path: Path
    start: int  # the number of its first picture
    stop: int  # one more than that of its last


class PartsFolder:
    """The folder of the parts of one output.

    Args:
        out: the file that will be written.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.folder = out, out.parent / f".{out.name}.parts"
        self._lock = contextlib.ExitStack()

    def __enter__(self) -> PartsFolder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lock.close()

    def open(
        self, space: EmbeddingSpace, *, identity: str, pictures: int, resume: bool, overwrite: bool = False
    ) -> None:
        """Begin, or go on.

        Args:
            space: of the vectors to come.
            identity: of the list of pictures.
            pictures: how many these are.
            resume: use the parts that are there.
            overwrite: otherwise remove them.

        Raises:
            FileError: parts are there and neither is asked for; the folder cannot be written; another process writes.
            UsageError: the parts are of other filters or other pictures.
        """
        job = {"format": EMBEDDING_FORMAT, "list": identity, "pictures": pictures, "space": _space_as_json(space)}
        self._lock.enter_context(locked(self.out, wait=False))
        self._lock.callback(self._remove_empty)
        if overwrite and not resume:
            self.remove()
        there = sorted(self.folder.glob("*.npz"))
        if there and not resume:
            raise FileError(
                self.folder,
                f"an embedding of {self.out} that was stopped left {len(there)} parts here",
                "Pass `resume=True` to continue it, or `overwrite=True` to start again.",
            )
        if there:
            self._refuse_others(job)
        write_json(self.folder / "job.json", job)

    def _refuse_others(self, job: dict[str, Any]) -> None:
        remove = f"Remove {self.folder} to begin again, or write to another file."
        try:
            found = parse_json((self.folder / "job.json").read_bytes())
            was, now = found["space"], job["space"]
            changed = [f"{key} {was[key]!r} is now {now[key]!r}" for key in now if was[key] != now[key]]
            others, pictures = found["list"] != job["list"], found["pictures"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileError(self.folder / "job.json", "it is damaged", remove) from error
        if changed:
            raise UsageError(f"{self.out} was begun with other filters or options: {'; '.join(changed)}.", remove)
        if others:
            raise UsageError(
                f"{self.out} was begun with another list of {pictures} pictures; now there are {job['pictures']}.",
                remove,
            )

    def listed(self) -> list[EmbeddingPart]:
        """The parts that cover the pictures from the first on without a gap; what follows a gap is removed."""
        kept: list[EmbeddingPart] = []
        for path in sorted(self.folder.glob("*.npz")):
            start, _, stop = path.stem.partition("-")
            expected = kept[-1].stop if kept else 0
            if start.isdigit() and stop.isdigit() and int(start) == expected and _is_complete(path):
                kept.append(EmbeddingPart(path=path, start=int(start), stop=int(stop)))
            else:
                path.unlink(missing_ok=True)
        return kept

    def _remove_empty(self) -> None:
        if not any(self.folder.glob("*.npz")):
            self.remove()

    def remove(self) -> None:
        """The folder and all in it."""
        shutil.rmtree(self.folder, ignore_errors=True)


class PartWriter:
    """A thread that gathers chunks into parts; whoever hands it chunks waits where it is slow.

    Args:
        parts: the folder.
        start: the number of the next picture.
        rows: of a part, at most.
    """

    def __init__(self, parts: PartsFolder, *, start: int, rows: int = ROWS) -> None:
        self._parts, self._start, self._rows = parts, start, rows
        self._queue: queue.Queue[EmbeddingChunk | None] = queue.Queue(QUEUE)
        self._fault: BaseException | None = None
        self._waiting: list[EmbeddingChunk] = []
        self._pictures = self._bytes = 0  # of what waits
        self._since = time.monotonic()
        self._keep = True
        self._thread = threading.Thread(target=self._work, name="write", daemon=True)

    def __enter__(self) -> PartWriter:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._keep = error is None or time.monotonic() - self._since > WORTH_KEEPING
        self._queue.put(None)
        self._thread.join()
        if error is None:
            self._raise()

    def put(self, chunk: EmbeddingChunk) -> None:
        """Hand over a chunk. Raises what went wrong with an earlier one (FileError: the disk is full)."""
        self._raise()
        self._queue.put(chunk)

    def _raise(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _work(self) -> None:
        while (chunk := self._queue.get()) is not None:
            if self._fault is None:
                self._gather_or_write(chunk)
        if self._fault is None and self._keep:
            self._gather_or_write(None)

    def _gather_or_write(self, chunk: EmbeddingChunk | None) -> None:
        """Gather one chunk, or write what is gathered where it is None; a fault is kept for the other thread."""
        try:
            if chunk is not None:
                self._waiting.append(chunk)
                self._pictures += chunk.done
                self._bytes += chunk.vectors.nbytes
            late = time.monotonic() - self._since > SECONDS
            if self._pictures and (chunk is None or self._pictures >= self._rows or self._bytes >= BYTES or late):
                write_part(self._parts.folder, self._waiting, start=self._start)
                self._start += self._pictures
                self._waiting, self._pictures, self._bytes, self._since = [], 0, 0, time.monotonic()
        except BaseException as error:
            self._fault = error


def write_part(folder: Path, chunks: list[EmbeddingChunk], *, start: int) -> Path:
    """One part of some chunks; it appears whole, and lasts through a power cut."""
    full = [chunk.vectors for chunk in chunks if len(chunk.paths)]
    vectors = np.concatenate(full) if full else np.empty((0, 0), dtype=np.float32)
    rows = [row for chunk in chunks for row in zip(chunk.paths, chunk.labels, chunk.groups, strict=True)]
    faults = [(fault.path, fault.text) for chunk in chunks for fault in chunk.faults]
    path = folder / f"{start:012d}-{start + len(rows) + len(faults):012d}.npz"
    with atomic_write(path) as part, part.open("wb") as opened:
        np.savez(opened, vectors=vectors, rows=_as_bytes(rows), faults=_as_bytes(faults))
    sync_folder(folder)
    return path


def read_part(part: EmbeddingPart, *, vectors: bool = True) -> EmbeddingChunk:
    """A part, its checksums compared; its vectors only where they are wanted. Raises FileError: it is damaged."""
    try:
        with np.load(part.path, allow_pickle=False) as content:
            rows = parse_json(content["rows"].tobytes())
            faults = tuple(
                UnreadablePicture(path=path, text=text) for path, text in parse_json(content["faults"].tobytes())
            )
            array = content["vectors"] if vectors else np.empty((len(rows), 0), dtype=np.float32)
    except Exception as error:  # damaged archives raise BadZipFile, zlib.error, KeyError, ValueError and more
        raise FileError(part.path, "this part is damaged", "Pass `resume=True` to compute it again.") from error
    paths, labels, groups = (tuple(column) for column in zip(*rows, strict=True)) if rows else ((), (), ())
    chunk = EmbeddingChunk(paths=paths, labels=labels, groups=groups, vectors=array, faults=faults)
    if len(array) != len(paths) or chunk.done != part.stop - part.start:
        raise FileError(part.path, "this part is damaged", "Pass `resume=True` to compute it again.")
    return chunk


def _is_complete(path: Path) -> bool:
    start, _, stop = path.stem.partition("-")
    try:
        read_part(EmbeddingPart(path=path, start=int(start), stop=int(stop)))
    except FileError:
        return False
    return True


def _space_as_json(space: EmbeddingSpace) -> dict[str, Any]:
    """What decides of a space, as JSON has it."""
    wanted = ("filters", "manifest", "cut", "pool", "size", "shape")
    return json.loads(json.dumps({key: value for key, value in asdict(space).items() if key in wanted}))


def _as_bytes(content: list[Any]) -> np.ndarray:
    return np.frombuffer(json.dumps(content).encode(), dtype=np.uint8)


def read_chunks(parts: list[EmbeddingPart], *, vectors: bool = True) -> Iterator[EmbeddingChunk]:
    """The parts' content, one after another."""
    for part in parts:
        yield read_part(part, vectors=vectors)
