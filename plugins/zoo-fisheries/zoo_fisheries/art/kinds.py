"""The competition's kinds. An artist gives an individual's anatomy and coat."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from numpy.random import Generator

from zoo_fisheries.art.catch import dolphinfish, moonfish, other, shark
from zoo_fisheries.art.coats import Coat
from zoo_fisheries.art.fish import Anatomy
from zoo_fisheries.art.tunas import albacore, bigeye, yellowfin

Artist = Callable[[Generator], tuple[Anatomy, Coat]]

ARTISTS: Mapping[str, Artist] = {
    "ALB": albacore,
    "BET": bigeye,
    "DOL": dolphinfish,
    "LAG": moonfish,
    "OTHER": other,
    "SHARK": shark,
    "YFT": yellowfin,
}
KINDS = ("ALB", "BET", "DOL", "LAG", "NoF", "OTHER", "SHARK", "YFT")  # in the submission's order; NoF: no fish
