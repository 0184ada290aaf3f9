"""A drawn set on the disk, in The Nature Conservancy's layout: pictures by kind, box files, and a table of boats.

A picture depends on the set's seed and on its own number alone, so that any number of processes may share the
work. The processes are fresh interpreters, not a `multiprocessing` pool, which would run the user's script again.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from zoo.errors import FileError
from zoo.files import as_file_error, parse_json, write_atomically
from zoo.progress import Progress, silent
from zoo_fisheries.art.boat import Boat, boat
from zoo_fisheries.art.kinds import ARTISTS, KINDS
from zoo_fisheries.art.scene import Rectangle, photograph
from zoo_fisheries.drawn.plan import Options, Planned, plan

FINISHED, UNFINISHED = "drawn.json", "drawing.json"
BOATS = "boats.csv"
WORTHWHILE = 100  # pictures that repay the start of another process

Boxes = dict[int, Rectangle | None]  # by the picture's number


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
        for kind in KINDS:
            (root / "train" / kind).mkdir(parents=True, exist_ok=True)
        boxes = _share_out(root, options, progress)
    except OSError as error:
        raise as_file_error(error, root) from error
    pictures = plan(options)
    for kind in ARTISTS:
        write_atomically(root / "boxes" / f"{kind.lower()}_labels.json", _box_file(pictures, boxes, kind))
    write_atomically(root / BOATS, _boat_table(pictures))
    write_atomically(root / FINISHED, json.dumps(asdict(options), indent=2) + "\n")
    (root / UNFINISHED).unlink(missing_ok=True)


def draw_share(root: Path, options: Options, share: int, shares: int) -> Iterator[tuple[int, Rectangle | None]]:
    """Draw every `shares`-th picture from the `share`-th on, boat by boat; the number and box of each as it is done."""
    for planned in sorted(plan(options), key=lambda one: one.boat)[share::shares]:
        whose = _boat(options.seed, planned.boat)
        rng = np.random.default_rng([options.seed, planned.number, 0xF15C])
        taken = photograph(planned.kind, whose, rng, width=options.width, hidden=options.hidden)
        Image.fromarray(taken.pixels).save(root / planned.path, "JPEG", quality=whose.quality)
        yield planned.number, taken.box


@cache
def _boat(seed: int, number: int) -> Boat:
    return boat(seed, number)


def _box_file(pictures: list[Planned], boxes: Boxes, kind: str) -> str:
    """The community's form: a list of pictures, each with its rectangles."""
    entries = []
    for planned in pictures:
        if planned.kind == kind and (box := boxes[planned.number]) is not None:
            x, y, width, height = map(float, box)
            rectangle = {"class": "rect", "height": height, "width": width, "x": x, "y": y}
            entries.append({"annotations": [rectangle], "class": "image", "filename": planned.name})
    return json.dumps(entries, indent=1) + "\n"


def _boat_table(pictures: list[Planned]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("image", "boat", "split"))
    table.writerows((planned.name, f"boat-{planned.boat + 1:02}", planned.split) for planned in pictures)
    return text.getvalue()


def _share_out(root: Path, options: Options, progress: Progress) -> Boxes:
    boxes: Boxes = {}

    def tell(number: int, box: Rectangle | None) -> None:
        boxes[number] = box
        progress("drawing fish", len(boxes), options.pictures)

    progress("drawing fish", 0, options.pictures)
    shares = max(1, min(os.cpu_count() or 1, options.pictures // WORTHWHILE))
    left = _run_workers(root, options, shares, tell) if shares > 1 else [0]
    for share in left:
        for number, box in draw_share(root, options, share, shares):
            tell(number, box)
    return boxes


def _run_workers(root: Path, options: Options, shares: int, tell: Callable[[int, Rectangle | None], None]) -> list[int]:
    """Draw in other processes, which write a line a picture into a common pipe; return the shares that failed."""
    reading, writing = os.pipe()
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for share in range(shares):
            words = [str(root), json.dumps(asdict(options)), str(share), str(shares)]
            command = [sys.executable, "-m", "zoo_fisheries.drawn.worker", *words]
            workers.append(subprocess.Popen(command, stdout=writing, stderr=subprocess.DEVNULL))
        os.close(writing)
        writing = -1
        with os.fdopen(reading) as lines:
            reading = -1
            for line in lines:
                number, *box = map(int, line.split())
                tell(number, (box[0], box[1], box[2], box[3]) if box else None)
        return [share for share, worker in enumerate(workers) if worker.wait() != 0]
    finally:
        for worker in workers:
            worker.kill()  # harmless to one that has ended
            worker.wait()
        for handle in (reading, writing):
            if handle >= 0:
                os.close(handle)
