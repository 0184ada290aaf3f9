"""How long `zoo data check` takes on as many pictures as the Data Science Bowl's training set has, and what it finds.

The pictures are drawn by `zoo-plankton`, all kinds, no two alike. Among them are planted one exact copy under another
label, as the Bowl's known pair, and near copies: resized, brighter or darker, compressed again. Every step is timed by
the clock and in processor seconds; on a machine that is not idle the latter say more.
"""

from __future__ import annotations

import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from common import Promise, Table, describe_machine, parser, tell
from PIL import Image, ImageEnhance
from zoo_check.contents import count_classes, find_odd, find_small_classes
from zoo_check.copies import describe_copies
from zoo_check.duplicates import find_copies
from zoo_check.leaks import find_leaks
from zoo_check.shortcuts import find_shortcuts
from zoo_check.survey import survey_dataset
from zoo_plankton import Plankton

from zoo.data import open_dataset

T = TypeVar("T")

PICTURES = 30_336
NEAR = 50  # near copies that are planted
EXACT_SECONDS, NEAR_SECONDS = 20, 240  # of the processors: 10 s and 2 minutes by the clock on two idle cores


class Clock:
    """Seconds of each step, by the clock and by the processors."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, float]] = []

    def __call__(self, step: str, work: Callable[[], T]) -> T:
        clock, processors = time.perf_counter(), time.process_time()
        done = work()
        self.rows.append((step, time.perf_counter() - clock, time.process_time() - processors))
        return done

    def of(self, *steps: str) -> float:
        """Processor seconds of some steps together."""
        return sum(processors for step, _, processors in self.rows if step in steps)


def make_set(folder: Path, drawn: Path, pictures: int) -> None:
    """Links to drawn pictures, a folder a kind, and the planted copies beside them."""
    rng = np.random.default_rng(0)
    paths = sorted((drawn / "train").glob("*/*.jpg"))[:pictures]
    for path in paths:
        place = folder / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path.resolve())
    chosen = [paths[row] for row in rng.choice(len(paths), NEAR + 1, replace=False)]
    other = next(kind for kind in sorted(folder.iterdir()) if kind.name != chosen[0].parent.name)
    shutil.copy(chosen[0], other / "contradiction.jpg")
    for number, path in enumerate(chosen[1:]):
        picture = Image.open(path)
        scale = rng.uniform(0.7, 1.6)
        changed = picture.resize(
            (round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC
        )
        changed = ImageEnhance.Brightness(changed).enhance(rng.uniform(0.8, 1.2))
        changed.save(folder / path.parent.name / f"near-{number}.jpg", quality=int(rng.integers(60, 95)))


def measure(folder: Path) -> tuple[Clock, dict[str, int]]:
    """Every step of the check, and how many there are of what was planted."""
    clock = Clock()
    data = clock("opening", lambda: open_dataset("image-folder", folder))
    survey = clock("reading every picture once", lambda: survey_dataset(data))
    copies = clock("comparing all pairs", lambda: find_copies(survey))
    found = {finding.kind: finding.count for finding in describe_copies(survey, copies)}
    clock("leaks", lambda: list(find_leaks(survey)))
    clock("shortcuts", lambda: find_shortcuts(survey))
    clock("classes and odd pictures", lambda: [*find_small_classes(count_classes(survey)), *find_odd(survey)])
    return clock, found


def main() -> None:
    """Draw or take the pictures, measure, and tell."""
    arguments = parser(__doc__, rounds=1)
    arguments.add_argument("--drawn", type=Path, metavar="DIR", help="a set that `zoo data make plankton` drew before")
    arguments.add_argument("--pictures", type=int, default=PICTURES, help="how many (default %(default)s)")
    options = arguments.parse_args()
    machine = describe_machine()
    with tempfile.TemporaryDirectory() as place:
        drawn = options.drawn or Path(place) / "drawn"
        if options.drawn is None:
            drawn.mkdir()
            Plankton(kinds="all", pictures=options.pictures).prepare(drawn)
        make_set(Path(place) / "set", drawn, options.pictures)
        clock, found = measure(Path(place) / "set")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [(step, wall, used) for step, wall, used in clock.rows]
    total = ("all", sum(wall for _, wall, _ in rows), sum(used for *_, used in rows))
    reading, near = ("opening", "reading every picture once"), found.get("near-duplicate", 0)
    promises = [
        Promise(text="processor s until the contradiction is known", wanted=EXACT_SECONDS,
                measured=clock.of(*reading), most=True),
        Promise(text="processor s until near duplicates are too", wanted=NEAR_SECONDS,
                measured=clock.of(*reading, "comparing all pairs"), most=True),
        Promise(text="contradictions, of one planted", wanted=1, measured=found.get("contradiction", 0)),
        Promise(text=f"near duplicates, of {NEAR} planted", wanted=0.95 * NEAR, measured=near),
        Promise(text="near duplicates, of any", wanted=NEAR, measured=near, most=True),
    ]  # fmt: skip
    tables = [
        Table(title=f"{options.pictures:,} drawn pictures", columns=("step", "s", "processor s"), rows=(*rows, total)),
        Table(title="Found", columns=("kind", "sets"), rows=tuple(found.items())),
        Table(title="Memory", columns=("peak MiB, torch included",), rows=((peak,),)),
    ]
    tell(tables, promises, machine=machine, raw={"steps": rows, "found": found, "peak": peak}, path=options.json)


if __name__ == "__main__":
    main()
