"""The tables of large registries, kept as JSON: tomllib takes half a second for 10,000 entries, JSON a thirtieth."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import FileError
from zoo.files import write_atomically, zoo_home

LARGE = 100_000  # bytes; smaller files are parsed sooner than they are looked up

Tables = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryCopy:
    """What is kept of a registry as it is now."""

    place: Path | None = None  # None: it is not worth keeping
    state: tuple[str, int, int, int] = ("", 0, 0, 0)  # path, bytes, times of change
    tables: Tables | None = None  # None: nothing is kept of this state


def read_copy(path: Path) -> RegistryCopy:
    """What was kept of a registry, if it has not changed since; what cannot be read is as if it were not there."""
    path = path.absolute()
    try:
        status = path.stat()
    except OSError:
        return RegistryCopy()
    if status.st_size < LARGE:
        return RegistryCopy()
    import hashlib
    import json

    place = zoo_home() / "registries" / f"{hashlib.sha256(str(path).encode(errors='surrogatepass')).hexdigest()}.json"
    state = (str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    with contextlib.suppress(OSError, ValueError, RecursionError, TypeError, LookupError):
        said = json.loads(place.read_bytes())
        if tuple(said["state"]) == state and isinstance(said["filters"], dict):
            return RegistryCopy(place=place, state=state, tables=said["filters"])
    return RegistryCopy(place=place, state=state)


def write_copy(kept: RegistryCopy, tables: Tables) -> None:
    """Keep checked tables for the next time; a home that cannot be written is no fault."""
    import json

    if kept.place is not None:
        with contextlib.suppress(FileError):
            write_atomically(kept.place, json.dumps({"state": kept.state, "filters": tables}))
