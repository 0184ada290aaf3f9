"""Fish on boat decks for zoo: read from disk with their boxes, or drawn.

    zoo train fisheries --backbone vgg16 --cut block4

    from zoo_fisheries import KINDS, draw
    photograph = draw("YFT", seed=7)  # photograph.pixels, uint8 (H, W, 3); photograph.box

The names are imported when they are first used: drawing needs no torch, and starts without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo_fisheries.art.kinds import KINDS
    from zoo_fisheries.dataset import Fisheries
    from zoo_fisheries.drawn.picture import draw
    from zoo_fisheries.windows import Windows

_PUBLIC = {
    "KINDS": "zoo_fisheries.art.kinds",
    "Fisheries": "zoo_fisheries.dataset",
    "Windows": "zoo_fisheries.windows",
    "draw": "zoo_fisheries.drawn.picture",
}

__all__ = ["KINDS", "Fisheries", "Windows", "draw"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'zoo_fisheries' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
