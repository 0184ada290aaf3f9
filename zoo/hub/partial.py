"""Partial files of downloads: each process writes to one of its own, and takes over what an ended one left.

Locks are not enough: some file systems of clusters grant them to everybody. So the name says whose it is,
`<etag>.<machine>-<pid>-<random>.incomplete`, and `<etag>.incomplete` is nobody's: what an attempt left that failed.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from zoo.files import is_running, machine_id

INCOMPLETE = ".incomplete"  # behind a blob's name
IDLE = 3600.0  # seconds without a new byte after which any partial file is abandoned
_OWNED = re.compile(r"[0-9a-f]+\.([0-9a-f]{8})-(\d{1,9})-[0-9a-f]{8}\.incomplete")


@contextlib.contextmanager
def own_partial_file(blob: Path) -> Iterator[Path]:
    """A path for what comes of a blob, that nobody else writes to; the largest that was abandoned lies there already.

    What is still there in the end, after an error, is nobody's.
    """
    free = blob.with_name(f"{blob.name}{INCOMPLETE}")
    own = blob.with_name(f"{blob.name}.{machine_id()}-{os.getpid()}-{secrets.token_hex(4)}{INCOMPLETE}")
    for path in (free, *blob.parent.glob(f"{blob.name}.*")):
        ours = path == free or _OWNED.fullmatch(path.name)
        if ours and not has_owner(path) and os.access(path, os.R_OK | os.W_OK):
            with contextlib.suppress(OSError):  # another process was quicker
                larger = not own.is_file() or path.stat().st_size > own.stat().st_size
                path.replace(own) if larger else path.unlink()
    try:
        yield own
    finally:
        with contextlib.suppress(OSError):
            own.replace(free)


def has_owner(path: Path) -> bool:
    """Whether somebody still writes to a partial file of ours; those of other programs have names of another form."""
    said = _OWNED.fullmatch(path.name)
    if said is None or (said[1] == machine_id() and not is_running(int(said[2]))):
        return False
    with contextlib.suppress(OSError):  # it is gone by now
        return time.time() - path.stat().st_mtime < IDLE
    return False
