"""Drawing one picture of synthetic plankton: a function of a kind and a seed, and of nothing else."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoo.errors import UnknownNameError
from zoo_plankton.kinds import KINDS, Kind
from zoo_plankton.shadowgraph import Haul, expose, haul
from zoo_plankton.sketch import Sketch

VERSION = 1  # of the drawing: raised whenever a seed gives other pixels
HAULS = 12


def draw(kind: str, *, seed: int) -> NDArray[np.uint8]:
    """Draw one individual.

    Args:
        kind: a name in `KINDS`.
        seed: 0 or more; the same seed gives the same picture.

    Returns:
        uint8 (H, W), grey, each side between 26 and 168 pixels.

    Raises:
        UnknownNameError: no kind has that name.
    """
    if kind not in KINDS:
        raise UnknownNameError("kind of plankton", kind, KINDS)
    rng = np.random.default_rng([seed, *kind.encode()])
    return photograph(KINDS[kind], rng, haul(seed, int(rng.integers(HAULS))))


def photograph(kind: Kind, rng: Generator, light: Haul) -> NDArray[np.uint8]:
    """Sketch an individual and expose it in the light of a haul: uint8 (H, W)."""
    sketch = Sketch()
    kind.artist(sketch, rng)
    return expose(sketch, rng, size=kind.size * float(rng.lognormal(0, kind.spread)), light=light)
