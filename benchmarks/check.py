"""How long `zoo data check` takes on as many pictures as the Data Science Bowl's training set has, and what it finds.

The pictures are drawn by `zoo-plankton`, all kinds, no two alike. Among them are planted one exact copy under another
label, as the Bowl's known pair, and near copies: resized, brighter or darker, compressed again. Every step is timed by
the clock and in processor seconds; on a machine that is not idle the latter say more.

`--margin DIR` asks of real pictures (`DIR/groups.csv`) in place of that how far planted near copies lie from the limit,
and how far the most alike of two groups do.
"""

from __future__ import annotations

import io
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
from zoo_check.duplicates import RESIDUAL, find_copies, find_details, find_near_pairs, measure_difference
from zoo_check.leaks import find_leaks
from zoo_check.shortcuts import find_shortcuts
from zoo_check.shrinking import shrink
from zoo_check.survey import LUMA, survey_dataset
from zoo_plankton import Plankton

from zoo.data import map_in_order, open_dataset

T = TypeVar("T")

PICTURES = 30_336
NEAR = 50  # near copies that are planted
PLANTED, ALIKE = 300, 0.93  # copies of real pictures; the cosine of others that are measured
NEAR_SECONDS = 240  # of the processors: 2 minutes by the clock on two idle cores
READING = 2.0  # times what decoding the pictures alone takes, which a training's first reading takes too


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
        (folder / path.parent.name / f"near-{number}.jpg").write_bytes(copy_nearly(Image.open(path), rng))


def copy_nearly(picture: Image.Image, rng: np.random.Generator) -> bytes:
    """A JPEG of quality 50 to 95, scaled by 0.6 to 1.8, up to a fifth brighter or darker."""
    scale = rng.uniform(0.6, 1.8)
    changed = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    held = io.BytesIO()
    brighter = ImageEnhance.Brightness(changed).enhance(rng.uniform(0.8, 1.2))
    brighter.save(held, "JPEG", quality=int(rng.integers(50, 95)))
    return held.getvalue()


def measure_margin(folder: Path) -> tuple[np.ndarray, np.ndarray, float]:
    """How much near copies differ from their originals, and pictures of two groups whose cosine is 0.93 or more.

    The third is the share of the near copies that are found.
    """
    survey = survey_dataset(open_dataset("image-folder", folder, options={"labels": "groups.csv"}))
    rng = np.random.default_rng(0)
    rows = rng.choice(len(survey), min(PLANTED, len(survey)), replace=False)
    originals = [Image.open(folder / survey.name(row)).convert("RGB") for row in rows]
    copies = [Image.open(io.BytesIO(copy_nearly(picture, rng))).convert("RGB") for picture in originals]
    small = np.stack([shrink(np.asarray(picture)) @ LUMA + 0.5 for picture in copies]).astype(np.uint8)
    described = [find_details(thumbnails) for thumbnails in (survey.thumbnails, small)]
    vectors, changed = (details / deviation[:, None] for details, deviation in described)
    groups = np.array(survey.groups)
    near, across = np.nonzero(np.triu(vectors @ vectors.T / vectors.shape[1] >= ALIKE, 1))
    apart = groups[near] != groups[across]
    pairs = ((vectors[rows], changed), (vectors[near[apart]], vectors[across[apart]]))
    planted, others = (np.minimum(measure_difference(a, b), measure_difference(b, a)) for a, b in pairs)
    sizes = np.concatenate([survey.sizes[rows], [picture.size for picture in copies]])
    found = find_near_pairs(np.concatenate([survey.thumbnails[rows], small]), sizes)
    return planted, others, float((found[:, 1] - found[:, 0] == len(rows)).mean() * len(found) / len(rows))


def measure(folder: Path) -> tuple[Clock, dict[str, int]]:
    """Every step of the check, and how many there are of what was planted."""
    clock = Clock()
    data = clock("opening", lambda: open_dataset("image-folder", folder))
    clock("decoding alone", lambda: sum(1 for _ in map_in_order(data.dataset.__getitem__, range(len(data.dataset)))))
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
    arguments.add_argument("--margin", type=Path, metavar="DIR", help="measure the margin on these real pictures alone")
    options = arguments.parse_args()
    machine = describe_machine()
    if options.margin is not None:
        tell_margin(options.margin, machine, options.json)
        return
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
        Promise(text="processor s of reading over those of decoding alone", wanted=READING,
                measured=clock.of("reading every picture once") / clock.of("decoding alone"), most=True),
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


def tell_margin(folder: Path, machine: dict[str, str], path: Path | None) -> None:
    """Shares of the copies under the limit, and the most alike of others."""
    planted, others, found = measure_margin(folder)
    shares = (50, 90, 95, 98, 100)
    rows = (
        *(
            (f"{share}% of near copies differ by no more than", float(np.percentile(planted, share)))
            for share in shares
        ),
        ("the most alike of two groups differ by", float(others.min(initial=np.inf))),
        ("the limit", RESIDUAL),
        ("near copies that are found", found),
    )
    table = Table(title=f"{folder.name}: {len(planted)} near copies", columns=("", "difference"), rows=rows)
    tell([table], [], machine=machine, raw={"planted": planted.tolist(), "others": others.tolist()}, path=path)


if __name__ == "__main__":
    main()
