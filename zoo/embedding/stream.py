"""Pictures -> vectors, a stream: decoding and network overlap, and reading ahead is bounded.

On the CPU every thread decodes a few pictures and runs the network on them by itself. That takes 0.6 of the processor
time of one network on all cores with decoding beside it: small batches stay in the core's cache, and no core waits for
another. On a GPU threads decode, and the network runs on one batch while the vectors of the last are fetched.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from zoo.contracts import Cut, Input
from zoo.data import ImageEntry, ImageSource, LoadedImage, in_order, resize
from zoo.embedding.pooling import pool_map
from zoo.errors import PluginError, UsageError, ZooError
from zoo.networks import to_feature_map

T = TypeVar("T")

AREA = 2 * 224 * 224  # pixels: what a thread puts through the network at once; more leaves the cache
MOST = 32  # pictures at once in a thread
GPU_BATCH = 64
AHEAD = 4  # batches a thread that may wait for whoever takes them


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadablePicture:
    """A picture that cannot be read."""

    path: str
    text: str  # the error's problem
    remedy: str = ""  # and what to do, where it has just happened

    @property
    def reason(self) -> str:
        """The problem without the path before it."""
        return self.text.removeprefix(f"{self.path}: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingChunk:
    """Some pictures in their order, their vectors, and those between them that cannot be read."""

    paths: tuple[str, ...]  # (n)
    labels: tuple[str | None, ...]
    groups: tuple[str | None, ...]
    vectors: np.ndarray  # (n, D) float32
    faults: tuple[UnreadablePicture, ...] = ()

    @property
    def done(self) -> int:
        """How many pictures of the list these are."""
        return len(self.paths) + len(self.faults)


class EmbeddingNetwork(nn.Module):
    """A copy of filters for embedding: on its device, in its precision, with the pooling behind.

    The pixels are normalised in float32, whatever the network computes in.

    Args:
        module: the truncated network, which stays as it is.
        cut: where it stops.
        input: mean and deviation.
        pool: see `zoo.embedding.pooling`.
        device: where to compute.
        dtype: what in.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, module: nn.Module, *, cut: Cut, input: Input, pool: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        super().__init__()
        moved = copy.deepcopy(module).to(device, dtype)
        self.module = moved.to(memory_format=torch.channels_last).eval()
        self.cut, self.pool, self.device, self.dtype = cut, pool, device, dtype
        self.register_buffer("mean", 255 * torch.tensor(input.mean, device=device).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(input.std, device=device).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Shapes: images uint8 (N, 3, S, S) -> vectors float32 (N, D), on the network's device."""
        moved = images.to(self.device, non_blocking=True)
        pixels = moved.to(torch.float32, memory_format=torch.channels_last).sub_(self.mean).div_(self.std)
        return pool_map(to_feature_map(self.module(pixels.to(self.dtype)), self.cut), self.pool)


def stream_embeddings(
    images: ImageSource,
    network: EmbeddingNetwork,
    *,
    size: int,
    start: int = 0,
    batch: int | None = None,
    skip_unreadable: bool = False,
) -> Iterator[EmbeddingChunk]:
    """Vectors in the pictures' order.

    Args:
        images: what to embed.
        network: the filters on their device, with the pooling.
        size: the side that pictures are resized to, in pixels.
        start: the number of the first picture.
        batch: pictures that go through the network at once; by the size and the device by default.
        skip_unreadable: give what cannot be read as faults, instead of stopping.

    Raises:
        ZooError: a picture that cannot be read.
        UsageError: a batch of less than one picture.
    """
    if batch is not None and batch < 1:
        raise UsageError(f"A batch cannot be of {batch} pictures.", "Give 1 or more, or leave it out.")
    chunks = _stream_on_cpu if network.device.type == "cpu" else _stream_on_gpu
    for chunk in chunks(images, network, size=size, start=start, batch=batch):
        if chunk.faults and not skip_unreadable:
            raise ZooError(chunk.faults[0].text, chunk.faults[0].remedy)
        yield chunk


def _stream_on_cpu(
    images: ImageSource, network: EmbeddingNetwork, *, size: int, start: int, batch: int | None
) -> Iterator[EmbeddingChunk]:
    together = batch or max(1, min(MOST, AREA // size**2))
    cores = torch.get_num_threads()
    batches = -(-(len(images) - start) // together)
    workers = max(1, min(cores, batches))

    @torch.inference_mode()
    def work(entries: Sequence[ImageEntry]) -> EmbeddingChunk:
        read = [_load(entry, images, size) for entry in entries]
        pixels = _stack_images(read)
        return _make_chunk(read, None if pixels is None else network(pixels))

    with _thread_pool(workers, torch_threads=max(1, cores // workers)) as pool:
        yield from in_order(pool, work, _batched(images.entries(start), together), ahead=AHEAD * workers)


@torch.inference_mode()
def _stream_on_gpu(
    images: ImageSource, network: EmbeddingNetwork, *, size: int, start: int, batch: int | None
) -> Iterator[EmbeddingChunk]:
    cores = os.cpu_count() or 1
    load = partial(_load, source=images, size=size)
    together = batch or GPU_BATCH
    running: _PendingBatch | None = None
    with _thread_pool(cores, torch_threads=1) as pool:
        read = in_order(pool, load, images.entries(start), ahead=AHEAD * together)
        for several in _batched(read, together):
            pixels = _stack_images(several)
            if pixels is not None and network.device.type == "cuda":
                pixels = pixels.pin_memory()
            launched = _PendingBatch(several, None if pixels is None else network(pixels))
            if running is not None:
                yield running.landed()  # waits for the last batch, while the device works at this one
            running = launched
    if running is not None:
        yield running.landed()


class _PendingBatch:
    """A batch that the device works at; its vectors are on their way back."""

    def __init__(self, read: list[LoadedImage | UnreadablePicture], vectors: Tensor | None) -> None:
        self._read, self._vectors = read, vectors
        self._end: torch.cuda.Event | None = None
        if vectors is not None and vectors.is_cuda:
            self._vectors = vectors.to("cpu", non_blocking=True)
            self._end = torch.cuda.Event()
            self._end.record()

    def landed(self) -> EmbeddingChunk:
        """Wait for it."""
        if self._end is not None:
            self._end.synchronize()
        return _make_chunk(self._read, self._vectors)


@contextmanager
def _thread_pool(count: int, *, torch_threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that each use so many of torch's own; torch is as it was afterwards."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(count, "embed", initializer=partial(torch.set_num_threads, torch_threads))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


def _batched(items: Iterable[T], count: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while several := list(islice(remaining, count)):
        yield several


def _load(entry: ImageEntry, source: ImageSource, size: int) -> LoadedImage | UnreadablePicture:
    """One image, resized to (3, size, size)."""
    try:
        loaded = source.load(entry, size)
        return replace(loaded, image=resize(loaded.image, size))
    except PluginError:
        raise
    except ZooError as error:
        return UnreadablePicture(path=entry.path, text=error.problem, remedy=error.remedy)


def _stack_images(read: Sequence[LoadedImage | UnreadablePicture]) -> Tensor | None:
    images = [one.image for one in read if isinstance(one, LoadedImage)]
    return torch.stack(images) if images else None


def _make_chunk(read: Sequence[LoadedImage | UnreadablePicture], vectors: Tensor | None) -> EmbeddingChunk:
    good = [one for one in read if isinstance(one, LoadedImage)]
    return EmbeddingChunk(
        paths=tuple(one.path for one in good),
        labels=tuple(one.label for one in good),
        groups=tuple(one.group for one in good),
        vectors=np.empty((0, 0), dtype=np.float32) if vectors is None else vectors.cpu().numpy(),
        faults=tuple(one for one in read if isinstance(one, UnreadablePicture)),
    )
