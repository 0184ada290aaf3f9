"""Shuffled batches: the order is a function of the seed and the epoch, so that nothing has to be remembered."""

from __future__ import annotations

import torch
from torch import Tensor


def generator_for(*key: int) -> torch.Generator:
    """A CPU generator that depends on the numbers given and on nothing else."""
    mixed = 0x9E3779B97F4A7C15
    for number in key:
        mixed = ((mixed ^ (number & 0xFFFFFFFFFFFFFFFF)) * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) % 2**64
        mixed ^= mixed >> 31
    return torch.Generator().manual_seed(mixed % 2**63)


def draw_batches(rows: Tensor, size: int, *, seed: int, epoch: int, fewest: int = 2) -> list[Tensor]:
    """Shuffled batches of nearly equal size.

    Args:
        rows: int64 (N,).
        size: of a batch, at most.
        fewest: of a batch, where there are so many at all: batch norm cannot learn from one picture.
    """
    return split_evenly(rows[torch.randperm(len(rows), generator=generator_for(seed, epoch))], size, fewest=fewest)


def split_evenly(rows: Tensor, size: int, *, fewest: int = 2) -> list[Tensor]:
    """Parts of nearly equal size, none above `size` unless one would then fall under `fewest`."""
    return list(rows.tensor_split(max(1, min(-(-len(rows) // size), len(rows) // fewest))))


def sequential_batches(rows: Tensor, size: int) -> list[Tensor]:
    """Batches in order, for evaluation."""
    return list(rows.split(size))
