"""What was found as a page: one HTML file with the pictures inside, by kind of finding."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.data import map_in_order
from zoo.errors import ZooError
from zoo.files import write_atomically
from zoo.plots import page_style, render_page
from zoo.progress import Progress, silent
from zoo_check.report import DatasetReport, Finding, KnownPicture

SETS, TOGETHER = 24, 8  # sets of a finding that are shown, and pictures of a set
SIDE = 144  # pixels of a picture's longer side, at most
TINY = 72  # pixels: smaller pictures are enlarged by whole pixels
QUALITY = 82
TITLES = {
    "unreadable": "Cannot be read",
    "contradiction": "One picture, two labels",
    "leak-duplicates": "The same picture in several splits",
    "leak-groups": "Groups in several splits",
    "leak-columns": "Sequences or places in several splits",
    "likeness": "Pictures of one group are alike",
    "box": "Impossible boxes",
    "shortcut-brightness": "Brightness alone tells the class",
    "shortcut-size": "Size alone tells the class",
    "shortcut-border": "The border alone tells the class",
    "duplicate": "There more than once",
    "near-duplicate": "There more than once, nearly the same",
    "class-single": "Classes without pictures to learn from",
    "class-few": "Small classes",
    "class-of-one-group": "Classes of one group",
    "group-of-one-class": "Groups of one class",
    "odd": "Odd pictures",
    "dataset": "Said when it was opened",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A picture on the page."""

    name: str
    said: str  # its label, split and group
    jpeg: str  # in base64; empty where it cannot be read
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """A finding on the page."""

    title: str
    severity: str
    text: tuple[str, ...]  # every second part is code
    remedy: tuple[str, ...]
    sets: tuple[tuple[_Shown, ...], ...]
    hidden: int  # sets that are not shown


def write_page(
    report: DatasetReport, path: Path, *, wording: Callable[[str], str] = str, progress: Progress = silent
) -> None:
    """Write a page that stands by itself, light or dark as the reader's screen is, from phones to desks.

    Of a finding 24 sets are shown, of a set eight pictures. The page may not load or run anything, by its own policy.

    Args:
        report: what was found; its pictures are read again.
        path: the HTML file, written whole or not at all.
        wording: what texts go through; the command line puts its flags in them.
        progress: called with how far the reading is.

    Raises:
        FileError: the file cannot be written.
    """
    wanted = [name for finding in report.findings for one in finding.sets[:SETS] for name in one[:TOGETHER]]
    names = list(dict.fromkeys(wanted))
    shown: dict[str, _Shown] = {}
    for name, found in zip(names, map_in_order(lambda name: _show(report, name), names), strict=True):
        shown[name] = found
        progress("reading pictures", len(shown), len(names))
    sections = [_as_section(finding, shown, wording) for finding in report.findings]
    style = files("zoo_check").joinpath("templates/check.css").read_text(encoding="utf-8")
    page = render_page(
        "check.html.j2",
        package="zoo_check",
        title=report.data.title or report.data.name,
        report=report,
        sections=sections,
        facts=tuple(_facts(report)),
        style=page_style() + style,
    )
    write_atomically(path, page)


def _facts(report: DatasetReport) -> Iterator[str]:
    yield f"{report.pictures:,} pictures"
    yield f"{report.groups:,} groups" if report.groups else "no groups"
    yield f"splits: {report.splits or 'none of its own'}"
    yield f"{report.smallest} to {report.largest} pixels"
    for target, counts in report.classes.items():
        yield f"{target}: {len(counts)} classes"


def _as_section(finding: Finding, shown: dict[str, _Shown], wording: Callable[[str], str]) -> _Section:
    return _Section(
        title=TITLES.get(finding.kind, finding.kind),
        severity=finding.severity,
        text=tuple(wording(finding.text).split("`")),
        remedy=tuple(wording(finding.remedy).split("`")),
        sets=tuple(tuple(shown[name] for name in one[:TOGETHER]) for one in finding.sets[:SETS]),
        hidden=max(0, len(finding.sets) - SETS),
    )


def _show(report: DatasetReport, name: str) -> _Shown:
    known = report.known.get(name, KnownPicture(index=-1))
    said = ", ".join(filter(None, (known.label, known.split, known.group)))
    try:
        pixels = report.data.dataset[known.index].image.permute(1, 2, 0).numpy()
    except ZooError:
        return _Shown(name=name, said=said, jpeg="")
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    longest = max(picture.size)
    if longest < TINY:
        times = SIDE // longest
        picture = picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    elif longest > SIDE:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    held = io.BytesIO()
    picture.save(held, "JPEG", quality=QUALITY, optimize=True)
    jpeg = base64.b64encode(held.getvalue()).decode()
    return _Shown(name=name, said=said, jpeg=jpeg, width=picture.width, height=picture.height)
