"""A feature map -> one vector."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from zoo.errors import UsageError

POOLS = ("mean", "gem", "max", "map")
POWER = 3.0  # of GeM, as its paper begins with and as retrieval uses it
FLOOR = 1e-6  # GeM takes roots: what is smaller counts as this


def check_pool(name: str) -> str:
    """The name, where there is such a pooling. Raises UsageError."""
    if name not in POOLS:
        raise UsageError(f"There is no pooling {name!r}.", f"Choose one of {', '.join(POOLS)}.")
    return name


def pool_map(features: Tensor, pool: str) -> Tensor:
    """Pool a map over its cells, in float32.

    Shapes: features (N, C, h, w) float -> (N, C) float32; (N, C * h * w), row by row within each channel, for `map`.

    Args:
        features: of N pictures.
        pool: `mean`; `max`; `gem`, the generalised mean with power 3, between the two (Radenović, Tolias and Chum
            2019, "Fine-tuning CNN Image Retrieval with No Human Annotation"); `map`, all of it.
    """
    if pool == "mean":
        return features.mean(dim=(2, 3), dtype=torch.float32)
    if pool == "max":
        return features.amax(dim=(2, 3)).float()
    if pool == "gem":
        return features.float().clamp(min=FLOOR).pow(POWER).mean(dim=(2, 3)).pow(1 / POWER)
    return features.float().flatten(1)


def pooled(features: Tensor, pool: Literal["mean", "max", "both"] = "mean") -> Tensor:
    """The map's mean, its maximum, or both side by side. Shapes: (N, C, H, W) -> (N, C), or (N, 2C) for both."""
    found = [features.mean(dim=(2, 3))] if pool in ("mean", "both") else []
    if pool in ("max", "both"):
        found.append(features.amax(dim=(2, 3)))
    return torch.cat(found, dim=1)
