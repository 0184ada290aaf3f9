"""What a kind is: a name, a size and a function that sketches one individual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from zoo_plankton.sketch import Sketch

Artist = Callable[[Sketch, Generator], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One class of the drawn set."""

    name: str  # in the manner of the National Data Science Bowl, "copepod_calanoid_eggs"
    artist: Artist  # sketches one individual, about one body length from head to tail
    size: float  # pixels a body length, the median
    spread: float = 0.24  # of the logarithm of the size
