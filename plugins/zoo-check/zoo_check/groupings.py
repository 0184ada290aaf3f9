"""What might belong together: the dataset's groups, columns of its table that name sequences or places, and bursts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zoo_check.columns import GROUPING, TIME, read_time
from zoo_check.survey import Survey

BURST = 60.0  # seconds between two pictures that end a burst
MOST = 8  # columns that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """One way of telling which pictures belong together."""

    name: str  # in words: "tracks", "groups by 'seq_id'"
    column: str  # of the table; empty for the dataset's own groups and for bursts
    values: tuple[str, ...]  # (N,), empty where unknown
    own: bool = False  # the dataset's own, which splits never divide


def find_groupings(survey: Survey) -> list[Grouping]:
    """The dataset's groups first, then columns that divide the pictures otherwise, and bursts by capture times."""
    found = []
    if len(set(survey.groups) - {""}) > 1:
        found.append(Grouping(name=_name_groups(survey), column="", values=survey.groups, own=True))
    for title, values in survey.columns.items():
        if TIME.fullmatch(title) and (bursts := _find_bursts(values, survey.groups)):
            found.append(Grouping(name=f"bursts by {title!r}", column="", values=bursts))
        elif GROUPING.fullmatch(title):
            found.append(Grouping(name=f"groups by {title!r}", column=title, values=values))
    return list(_useful(found))[:MOST]


def _useful(found: Sequence[Grouping]) -> Iterator[Grouping]:
    """Those with several pictures a group and several groups, each division once."""
    seen: set[bytes] = set()
    for one in found:
        counts = Counter(filter(None, one.values))
        numbers = np.unique(np.array(one.values), return_inverse=True)[1].reshape(-1)
        first = np.unique(numbers, return_index=True)[1]
        same = np.argsort(np.argsort(first))[numbers].tobytes()  # whatever the groups are called
        if len(counts) > 1 and max(counts.values()) > 1 and same not in seen:
            seen.add(same)
            yield one


def _name_groups(survey: Survey) -> str:
    """What the dataset's groups are: `tracks` where all are called track-something, by the option that named them."""
    option = survey.data.options.get("group")
    words = {found[0] if (found := re.match(r"[^\W\d_]{2,}", group)) else "" for group in survey.groups if group}
    common = words.pop() if len(words) == 1 else ""
    if common and common.lower() != "group":
        return f"{common}s"
    return f"groups by {option!r}" if isinstance(option, str) else "groups"


def _find_bursts(values: Sequence[str], groups: Sequence[str]) -> tuple[str, ...]:
    """Pictures of one group taken with no more than a minute between one and the next; () where no times are read."""
    times = np.array([read_time(value) for value in values])
    known = np.flatnonzero(np.isfinite(times))
    if len(known) < 2:
        return ()
    places = np.array(groups)
    order = known[np.lexsort((times[known], places[known]))]
    breaks = (np.diff(times[order]) > BURST) | (places[order][1:] != places[order][:-1])
    number = np.concatenate([[0], np.cumsum(breaks)])
    bursts = np.full(len(values), "", dtype=object)
    bursts[order] = [f"burst {one}" for one in number]
    return tuple(bursts)
