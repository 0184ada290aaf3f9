"""What was computed once and is asked for again and again: in memory, or in a file without a name."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from zoo.files import explained


class Kept:
    """Rows of tensors that were computed once, in a fixed order, so that a resumed run finds the same bits.

    Args:
        count: of all pictures.
        rows: which of them are kept, int64 (N,).
        folder: where a file takes the tensors; None: they stay in memory, where they were computed.
    """

    def __init__(self, count: int, rows: Tensor, *, folder: Path | None = None) -> None:
        self.rows, self.folder = rows, folder
        self.place = torch.full((count,), -1, dtype=torch.int64)
        self.place[rows] = torch.arange(len(rows))
        self.tensors: dict[str, Tensor] = {}

    def put(self, name: str, start: int, values: Tensor, *, dtype: torch.dtype) -> None:
        """Keep the next rows' values."""
        if name not in self.tensors:
            shape = (len(self.rows), *values.shape[1:])
            if self.folder is None:
                self.tensors[name] = torch.empty(shape, dtype=dtype, device=values.device)
            else:
                self.tensors[name] = _mapped(shape, dtype, self.folder)
        self.tensors[name][start : start + len(values)] = values

    def get(self, name: str, rows: Tensor) -> Tensor:
        """The rows' values."""
        kept = self.tensors[name]
        return kept[self.place[rows].to(kept.device)]

    def __contains__(self, rows: Tensor) -> bool:
        return bool(self.tensors) and bool((self.place[rows] >= 0).all())


class Shelf:
    """What trainings of one process have kept and the next ones may want: the arms of an ablation share it.

    Args:
        places: so many are kept, those asked for last; 0: none, every training computes its own.
    """

    def __init__(self, places: int = 0) -> None:
        self.places = places
        self._kept: dict[str, Kept] = {}

    @property
    def in_memory(self) -> int:
        """Bytes of what is kept, files aside."""
        return sum(
            tensor.nbytes for kept in self._kept.values() if kept.folder is None for tensor in kept.tensors.values()
        )

    def clear(self) -> None:
        """Keep nothing any more."""
        self._kept.clear()

    def find(self, key: str, count: int, rows: Tensor) -> Kept:
        """What was kept under that key for those rows, or an empty one that is.

        Args:
            key: all that the tensors depend on beside the rows: pictures, weights, device, precision.
            count: of all pictures.
            rows: which of them are kept, int64 (N,).
        """
        whole = f"{key} {hashlib.sha256(rows.numpy().tobytes()).hexdigest()}"
        kept = self._kept.pop(whole, None)
        kept = Kept(count, rows) if kept is None else kept
        self._kept[whole] = kept
        while len(self._kept) > self.places:
            del self._kept[next(iter(self._kept))]
        return kept


def _mapped(shape: tuple[int, ...], dtype: torch.dtype, folder: Path) -> Tensor:
    """A tensor in a file that has no name any more: its room is free again once nothing refers to it.

    Raises:
        FileError: the disk is full.
    """
    count = math.prod(shape)
    try:
        handle, name = tempfile.mkstemp(prefix=".features.", dir=folder)
        try:
            if hasattr(os, "posix_fallocate"):  # a full disk is told now, not by a signal while writing
                os.posix_fallocate(handle, 0, count * dtype.itemsize)
            return torch.from_file(name, shared=True, size=count, dtype=dtype).view(shape)
        finally:
            os.close(handle)
            Path(name).unlink()
    except OSError as error:
        raise explained(error, folder) from error
