"""Features that are computed once and read every epoch: in memory, or in an unlinked temporary file."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import torch
from torch import Tensor

from zoo.files import file_errors, temporary_folder


class FeatureCache:
    """Rows of tensors that were computed once, in a fixed order, so that a resumed run finds the same bits.

    Args:
        count: of all pictures.
        rows: which of them are stored, int64 (N,).
        folder: where a file takes the tensors; None: they stay in memory, where they were computed.
    """

    def __init__(self, count: int, rows: Tensor, *, folder: Path | None = None) -> None:
        self.rows, self.folder = rows, folder
        self.position = torch.full((count,), -1, dtype=torch.int64)
        self.position[rows] = torch.arange(len(rows))
        self.tensors: dict[str, Tensor] = {}

    def put(self, name: str, start: int, values: Tensor, *, dtype: torch.dtype) -> None:
        """Keep the next rows' values."""
        if name not in self.tensors:
            shape = (len(self.rows), *values.shape[1:])
            if self.folder is None:
                self.tensors[name] = torch.empty(shape, dtype=dtype, device=values.device)
            else:
                self.tensors[name] = _file_backed_tensor(shape, dtype, self.folder)
        self.tensors[name][start : start + len(values)] = values

    def get(self, name: str, rows: Tensor) -> Tensor:
        """The rows' values."""
        cache = self.tensors[name]
        return cache[self.position[rows].to(cache.device)]

    def __contains__(self, rows: Tensor) -> bool:
        return bool(self.tensors) and bool((self.position[rows] >= 0).all())


class FeatureCachePool:
    """Feature caches that the trainings of one process share, as the variants of an ablation do.

    Args:
        capacity: how many caches, the least recently used leaves first; 0: none, every training has its own.
    """

    def __init__(self, capacity: int = 0) -> None:
        self.capacity = capacity
        self._caches: dict[str, FeatureCache] = {}

    @property
    def in_memory(self) -> int:
        """Bytes in memory, files aside."""
        return sum(
            tensor.nbytes
            for cache in self._caches.values()
            if cache.folder is None
            for tensor in cache.tensors.values()
        )

    def clear(self) -> None:
        """Drop all caches."""
        self._caches.clear()

    def find(self, key: str, count: int, rows: Tensor) -> FeatureCache:
        """The cache of that key and those rows, or a new, empty one.

        Args:
            key: all that the tensors depend on beside the rows: pictures, weights, device, precision.
            count: of all pictures.
            rows: which of them are stored, int64 (N,).
        """
        whole = f"{key} {hashlib.sha256(rows.numpy().tobytes()).hexdigest()}"
        cache = self._caches.pop(whole, None)
        cache = FeatureCache(count, rows) if cache is None else cache
        self._caches[whole] = cache
        while len(self._caches) > self.capacity:
            del self._caches[next(iter(self._caches))]
        return cache


def _file_backed_tensor(shape: tuple[int, ...], dtype: torch.dtype, folder: Path) -> Tensor:
    """A tensor in an unlinked temporary file: the disk space is free again once nothing refers to it.

    Raises:
        FileError: the disk is full.
    """
    count = math.prod(shape)
    with file_errors(folder), temporary_folder(folder) as part:
        if hasattr(os, "posix_fallocate"):  # a full disk is reported now, not by a signal while writing
            with (part / "features").open("wb") as opened:
                os.posix_fallocate(opened.fileno(), 0, count * dtype.itemsize)
        return torch.from_file(str(part / "features"), shared=True, size=count, dtype=dtype).view(shape)
