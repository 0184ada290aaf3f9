"""A drawn set before it is drawn: which kind on which boat, and which boats are never seen in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from zoo.errors import UsageError
from zoo_fisheries.art.kinds import KINDS
from zoo_fisheries.drawn.picture import VERSION

REAL = {"ALB": 1719, "BET": 200, "DOL": 117, "LAG": 67, "NoF": 465, "OTHER": 299, "SHARK": 176, "YFT": 734}
FAVOURITES = 2  # kinds that a boat is after
STRAY = 0.04  # of a favourite's weight: what else it catches where `confound` is 1
RAREST = 4  # pictures a kind, at least
TEST, VAL = 0.25, 0.16  # shares of the boats


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a drawn set is a function of; the record in the folder."""

    pictures: int
    boats: int
    width: int
    confound: float
    hidden: float
    seed: int
    version: int = VERSION

    def __str__(self) -> str:
        return (
            f"pictures={self.pictures} boats={self.boats} width={self.width} confound={self.confound:g} "
            f"hidden={self.hidden:g} seed={self.seed} (drawing {self.version})"
        )

    def check(self) -> None:
        """Raise UsageError with everything that cannot be drawn."""
        faults = []
        fewest = max(RAREST * len(KINDS), 5 * self.boats)
        if not 4 <= self.boats <= 200:
            faults.append(f"boats={self.boats} is not in 4 to 200: training, validation and test need some each")
        elif self.pictures < fewest:
            faults.append(f"pictures={self.pictures} is too few for boats={self.boats}: pass {fewest} or more")
        if not 64 <= self.width <= 1280 or self.width % 2:
            faults.append(f"width={self.width} is no even number in 64 to 1280")
        for name, value in (("confound", self.confound), ("hidden", self.hidden)):
            if not 0 <= value <= 1:
                faults.append(f"{name}={value:g} is not in 0 to 1")
        if self.seed < 0:
            faults.append(f"seed={self.seed} is negative: pass 0 or more")
        if faults:
            raise UsageError("; ".join(faults) + ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One picture of a set, before it is drawn."""

    number: int
    kind: str
    boat: int
    split: str  # "train", "val" or "test"

    @property
    def name(self) -> str:
        """The file's name, as the competition numbers them."""
        return f"img_{self.number + 1:05}.jpg"

    @property
    def path(self) -> str:
        """Where it lies below the root."""
        return f"train/{self.kind}/{self.name}"


def plan(options: Options) -> list[Planned]:
    """All pictures of a set, by number.

    Kinds are as unequal as the square roots of the competition's numbers. Boats are of many sizes. A quarter of
    the boats is the split `test` and a sixth is `val`: they are never seen in training.
    """
    rng = np.random.default_rng([options.seed, 0xF15])
    kinds = rng.permutation(np.repeat(np.arange(len(KINDS)), _counts(options.pictures)))
    weights = rng.uniform(0.6, 1.4, options.boats)
    chances = (weights[:, None] * habits(options, rng)).cumsum(axis=0)
    boats = (rng.random(len(kinds)) * chances[-1, kinds] > chances[:, kinds]).sum(axis=0)
    splits = _by_boat(options, kinds, boats, rng)
    return [
        Planned(number=number, kind=KINDS[kind], boat=int(boat), split=split)
        for number, (kind, boat, split) in enumerate(zip(kinds, boats, splits, strict=True))
    ]


def habits(options: Options, rng: Generator) -> NDArray[np.float64]:
    """How readily every boat catches every kind, (boats, kinds), mean 1: all 1 where `confound` is 0."""
    liked = np.full((options.boats, len(KINDS)), STRAY)
    queue = np.concatenate([rng.permutation(len(KINDS)) for _ in range(-(-options.boats * FAVOURITES // len(KINDS)))])
    for number in range(options.boats):
        liked[number, queue[number * FAVOURITES : (number + 1) * FAVOURITES]] = 1
    return (1 - options.confound) + options.confound * liked / liked.mean(axis=0)


def _counts(pictures: int) -> list[int]:
    """Pictures by kind, `pictures` in all, none below RAREST."""
    shares = np.sqrt([REAL[kind] for kind in KINDS])
    counts = np.maximum(RAREST, np.floor(pictures * shares / shares.sum())).astype(int)
    while counts.sum() > pictures:
        counts[counts.argmax()] -= 1
    counts[0] += pictures - counts.sum()
    return [int(count) for count in counts]


def _by_boat(options: Options, kinds: NDArray, boats: NDArray, rng: Generator) -> list[str]:
    """The split of every picture; of 30 draws of the boats the one that leaves the rarest kind most to learn from."""
    tests, vals = max(1, round(TEST * options.boats)), max(1, round(VAL * options.boats))
    best, most = rng.permutation(options.boats), -1
    for _ in range(30):
        order = rng.permutation(options.boats)
        kept = np.isin(boats, order[tests + vals :])
        least = int(np.bincount(kinds[kept], minlength=len(KINDS)).min())
        if least > most:
            best, most = order, least
    sides = np.full(options.boats, "train", dtype="<U5")
    sides[best[:tests]], sides[best[tests : tests + vals]] = "test", "val"
    return [str(split) for split in sides[boats]]
