"""A drawn set: which pictures it has, and how they come onto the disk in the layout of the Data Science Bowl.

A picture depends on the set's seed and on its own number alone, so that any number of processes may share the
work. The processes are fresh interpreters, not a `multiprocessing` pool: a pool runs the user's script once
more in each of them, which a notebook or a script without a `__main__` guard does not survive.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from zoo.errors import FileError
from zoo.files import as_file_error, parse_json, write_atomically
from zoo.progress import Progress, silent
from zoo_plankton.drawing import HAULS, VERSION, photograph
from zoo_plankton.kinds import COMMON, KINDS, OTHER, Kind
from zoo_plankton.shadowgraph import Haul, haul

FINISHED, UNFINISHED = "drawn.json", "drawing.json"
RAREST = 4  # pictures a kind, at least
RATIO = 12  # of the most frequent kind's pictures to the rarest one's
WORTHWHILE = 250  # pictures that repay the start of another process

KindSet = Literal["common", "other", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a drawn set is a function of; the record in the folder."""

    kinds: KindSet
    pictures: int
    seed: int
    version: int = VERSION

    def __str__(self) -> str:
        return f"kinds={self.kinds} pictures={self.pictures} seed={self.seed} (drawing {self.version})"

    def chosen(self) -> Sequence[Kind]:
        """The kinds, the most frequent first."""
        sets = {"common": [COMMON], "other": [OTHER], "all": [COMMON, OTHER]}[self.kinds]
        ranked = [(place / len(kinds), kind.name) for kinds in sets for place, kind in enumerate(kinds)]
        return [KINDS[name] for _, name in sorted(ranked)]

    @property
    def fewest(self) -> int:
        """How many pictures such a set has at least."""
        return RAREST * len(self.chosen())


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One picture of a set, before it is drawn."""

    number: int
    kind: str
    haul: int
    split: str  # "train" or "test"

    @property
    def path(self) -> str:
        """Where it lies below the root."""
        return f"train/{self.kind}/{self.number + 1}.jpg"


def plan(options: Options) -> list[Planned]:
    """All pictures of a set: frequent and rare kinds, a quarter of each in the test split, hauls of all sizes."""
    rng = np.random.default_rng([options.seed, 0x91A])
    kinds = options.chosen()
    labels = np.repeat(np.arange(len(kinds)), _counts(len(kinds), options.pictures))
    labels = rng.permutation(labels)
    hauls = rng.choice(HAULS, size=len(labels), p=rng.dirichlet(np.full(HAULS, 4.0)))
    test = np.zeros(len(labels), dtype=bool)
    for label in range(len(kinds)):
        members = rng.permutation(np.flatnonzero(labels == label))
        test[members[: max(1, round(len(members) / 4))]] = True
    return [
        Planned(number=n, kind=kinds[labels[n]].name, haul=int(hauls[n]), split="test" if test[n] else "train")
        for n in range(len(labels))
    ]


def _counts(kinds: int, pictures: int) -> list[int]:
    """Pictures by kind, falling geometrically, none below RAREST, `pictures` in all."""
    shares = RATIO ** -np.linspace(0, 1, kinds)
    counts = np.maximum(RAREST, np.floor(pictures * shares / shares.sum())).astype(int)
    while counts.sum() > pictures:
        counts[counts.argmax()] -= 1
    counts[0] += pictures - counts.sum()
    return [int(count) for count in counts]


def find_record(root: Path) -> tuple[Options | None, bool]:
    """With which options a set was drawn in a folder, and whether it was finished; (None, False): no such set.

    Raises:
        FileError: the record is damaged.
    """
    for name, finished in ((FINISHED, True), (UNFINISHED, False)):
        path = root / name
        if path.is_file():
            try:
                said = json.dumps(parse_json(path.read_bytes()))
                return TypeAdapter(Options).validate_json(said, strict=True), finished
            except (OSError, ValueError) as error:
                reason = " ".join(str(error).split())[:160]
                raise FileError(path, f"not a record of a drawn set ({reason})", "Delete the folder.") from error
    return None, False


def draw_set(root: Path, options: Options, progress: Progress = silent) -> None:
    """Draw a whole set; its record is written last, so that a half-drawn folder is known as such.

    Raises:
        FileError: the folder cannot be written.
    """
    before, _ = find_record(root)
    write_atomically(root / UNFINISHED, json.dumps(asdict(options)))
    try:
        if before not in (None, options):
            shutil.rmtree(root / "train", ignore_errors=True)  # half drawn, and otherwise
        for kind in options.chosen():
            (root / "train" / kind.name).mkdir(parents=True, exist_ok=True)
        _share_out(root, options, progress)
    except OSError as error:
        raise as_file_error(error, root) from error
    write_atomically(root / FINISHED, json.dumps(asdict(options), indent=2) + "\n")
    (root / UNFINISHED).unlink(missing_ok=True)


def draw_share(root: Path, options: Options, share: int, shares: int) -> Iterator[Planned]:
    """Draw every `shares`-th picture of a set from the `share`-th on, one with every step of the iterator."""
    for planned in plan(options)[share::shares]:
        rng = np.random.default_rng([options.seed, planned.number, 0x91C])
        picture = photograph(KINDS[planned.kind], rng, _haul(options.seed, planned.haul))
        Image.fromarray(picture).save(root / planned.path, "JPEG", quality=92)
        yield planned


@cache
def _haul(seed: int, number: int) -> Haul:
    return haul(seed, number)


def _share_out(root: Path, options: Options, progress: Progress) -> None:
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        progress("drawing plankton", done, options.pictures)

    tell(0)
    shares = max(1, min(os.cpu_count() or 1, options.pictures // WORTHWHILE))
    left = _run_workers(root, options, shares, tell) if shares > 1 else [0]
    for share in left:
        for _ in draw_share(root, options, share, shares):
            tell(1)


def _run_workers(root: Path, options: Options, shares: int, tell: Callable[[int], None]) -> list[int]:
    """Draw in other processes, which write one byte a picture into a common pipe; return the shares that failed."""
    reading, writing = os.pipe()
    words = [str(root), options.kinds, str(options.pictures), str(options.seed)]
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for share in range(shares):
            command = [sys.executable, "-m", "zoo_plankton.worker", *words, str(share), str(shares)]
            workers.append(subprocess.Popen(command, stdout=writing, stderr=subprocess.DEVNULL))
        os.close(writing)
        writing = -1
        while told := os.read(reading, 4096):
            tell(len(told))
        return [share for share, worker in enumerate(workers) if worker.wait() != 0]
    finally:
        for worker in workers:
            worker.kill()  # harmless to one that has ended
            worker.wait()
        for handle in (reading, writing):
            if handle >= 0:
                os.close(handle)
