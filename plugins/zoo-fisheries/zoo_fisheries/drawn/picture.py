"""Drawing one picture: a function of a kind and a seed, and of nothing else."""

from __future__ import annotations

import numpy as np

from zoo.errors import UnknownNameError
from zoo_fisheries.art.boat import boat as build_boat
from zoo_fisheries.art.kinds import KINDS
from zoo_fisheries.art.scene import Photograph, photograph

VERSION = 1  # of the drawing: raised whenever a seed gives other pixels


def draw(kind: str, *, seed: int, boat: int | None = None, width: int = 320, hidden: float = 0.3) -> Photograph:
    """Photograph one fish on a deck, or an empty deck.

    Args:
        kind: a name in `KINDS`; `NoF` has no fish.
        seed: 0 or more; the same seed gives the same picture.
        boat: which of the seed's boats, 0 or more; None: any of twelve.
        width: of the picture in pixels, even.
        hidden: 0 to 1, how much gear and how many hands lie on the fish.

    Returns:
        The picture with what is visible of the fish.

    Raises:
        UnknownNameError: no kind has that name.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of fish", kind, KINDS)
    rng = np.random.default_rng([seed, *kind.encode()])
    number = int(rng.integers(12)) if boat is None else boat
    return photograph(kind, build_boat(seed, number), rng, width=width, hidden=hidden)
