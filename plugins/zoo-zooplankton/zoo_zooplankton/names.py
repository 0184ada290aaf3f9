"""What instruments write into the names of pictures: when, by which camera, in which sample or frame."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# IFCB1_2006_158_000036_00003: instrument, year, day of the year, time, and the roi's number in the sample.
_IFCB = re.compile(r"(?P<sample>(?P<camera>IFCB\d+)_(?P<day>\d{4}_\d{3})_(?P<time>\d{6}))_(?P<roi>\d+)")
# D20130402T165134_IFCB010_00023: as newer instruments write it.
_IFCB_D = re.compile(r"(?P<sample>D(?P<day>\d{8})T(?P<time>\d{6})_(?P<camera>IFCB\d+))_(?P<roi>\d+)")
# SPC-EAWAG-0P5X-<microseconds since 1970>-<since the start>-<frame>-<roi>-<left>-<top>-<width>-<height>.
_SPC = re.compile(
    r"SPC-(?P<camera>[A-Za-z0-9-]+?)-(?P<stamp>\d{16})-\d+-(?P<frame>\d+)-(?P<roi>\d+)-(?P<left>\d+)-(?P<top>\d+)-\d+-\d+"
)
_EARLIEST, _LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)  # else it is no time


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """When and where a picture was cut out."""

    time: datetime  # UTC
    sample: str  # of an IFCB the sample that was drawn in; of a camera the frame
    facts: Mapping[str, str]  # `time`, `camera`, `sample`, `roi`, and of a camera `left` and `top` in pixels

    @property
    def day(self) -> str:
        """2006-06-07."""
        return self.time.date().isoformat()


def parse_ifcb(name: str) -> Taken | None:
    """The name of an IFCB's picture, old or new, with or without a suffix; None: it is none."""
    for pattern, form in ((_IFCB, "%Y_%j%H%M%S"), (_IFCB_D, "%Y%m%d%H%M%S")):
        if found := pattern.match(name):
            said = found.groupdict()
            try:
                return _taken(said, datetime.strptime(said["day"] + said["time"], form).replace(tzinfo=UTC))
            except ValueError:  # day 367, hour 25
                return None
    return None


def parse_spc(name: str) -> Taken | None:
    """The name of a picture of a Scripps plankton camera, such as Eawag's; None: it is none."""
    if not (found := _SPC.match(name)):
        return None
    said = found.groupdict()
    stamp = said.pop("stamp")
    said["sample"] = f"{said['camera']}-{stamp}-{said.pop('frame')}"
    return _taken(said, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(stamp)))


def _taken(said: dict[str, str], time: datetime) -> Taken | None:
    if not _EARLIEST <= time < _LATEST:
        return None
    names: tuple[str, ...] = ("camera", "sample", "roi", "left", "top")
    kept = {key: said[key] for key in names if key in said}
    kept |= {key: str(int(kept[key])) for key in ("roi", "left", "top") if key in kept}
    return Taken(time=time, sample=said["sample"], facts={"time": time.isoformat(timespec="seconds"), **kept})
