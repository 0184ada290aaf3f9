"""Numbers that are known of a picture beside it, its size or depth, joined to the features that a head is given.

Each is a constant map more: a head that pools sees the number itself, and needs to know nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from zoo.errors import UsageError
from zoo.store import SideNumber


def fit_side_numbers(names: Sequence[str], columns: Mapping[str, Tensor], rows: Tensor) -> tuple[SideNumber, ...]:
    """Mean and deviation of numbers over the training pictures, on a logarithmic scale.

    Args:
        names: of the columns.
        columns: float (N,), NaN where unknown.
        rows: the training pictures, int64 (n,).

    Raises:
        UsageError: there is no such column, or it has no number in any training picture.
    """
    found = []
    for name in names:
        if name not in columns:
            raise UsageError(
                f"The pictures have no number {name!r}. Known of them: {', '.join(sorted(columns))}.",
                "Name some of these, or put the number into a column of their table.",
            )
        values = _compress(columns[name][rows].double())
        values = values[values.isfinite()]
        if not len(values):
            raise UsageError(f"None of the training pictures has a number {name!r}.", "Leave it out.")
        deviation = float(values.std(correction=0))
        found.append(SideNumber(name=name, mean=float(values.mean()), std=deviation if deviation > 0 else 1.0))
    return tuple(found)


def side_maps(numbers: Sequence[SideNumber], columns: Mapping[str, Tensor], *, head: str) -> Tensor:
    """Standardised numbers, 0 where unknown. Shapes: columns (N,) by name -> (N, K) float32.

    Raises:
        UsageError: a column is missing.
    """
    if missing := [one.name for one in numbers if one.name not in columns]:
        raise UsageError(
            f"The head {head!r} was trained with the numbers {', '.join(one.name for one in numbers)}, and of these "
            f"pictures {', '.join(missing)} is not known.",
            "Give a table that has the column, or a dataset that says it.",
        )
    scaled = [(_compress(columns[one.name].double()) - one.mean) / one.std for one in numbers]
    return torch.stack(scaled, dim=1).nan_to_num(0.0, 0.0, 0.0).float()


def join_side_maps(features: Tensor, numbers: Tensor | None) -> Tensor:
    """Shapes: features (N, C, h, w), numbers (N, K) -> (N, C + K, h, w)."""
    if numbers is None:
        return features
    maps = numbers.to(features.device, features.dtype)[:, :, None, None].expand(-1, -1, *features.shape[2:])
    return torch.cat([features, maps], dim=1)


def _compress(values: Tensor) -> Tensor:
    """Sizes and counts differ by factors: their logarithm, with its sign, and 0 at 0."""
    return values.sign() * values.abs().log1p()
