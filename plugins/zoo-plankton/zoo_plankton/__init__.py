"""Plankton for zoo: read from disk, or drawn.

    zoo train plankton --backbone vgg16 --cut block4

    from zoo_plankton import KINDS, draw
    picture = draw("copepod_calanoid_eggs", seed=7)  # uint8 (H, W)

The names are imported when they are first used: drawing needs no torch, and starts without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo_plankton.dataset import Plankton
    from zoo_plankton.drawing import draw
    from zoo_plankton.kinds import KINDS

_PUBLIC = {"KINDS": "zoo_plankton.kinds", "Plankton": "zoo_plankton.dataset", "draw": "zoo_plankton.drawing"}

__all__ = ["KINDS", "Plankton", "draw"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'zoo_plankton' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
