"""What goes, before it goes: each plan is shown with its size, and run only then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from zoo.cached.contents import Contents, Kind, root_of
from zoo.cached.names import Wanted
from zoo.errors import UsageError, ZooError
from zoo.hub.cache import BrokenOff, KeptFile
from zoo.hub.removal import Removal, plan_broken_off, plan_parts, plan_revisions, remove_tree, scan_by_client

IDLE = 3600.0  # seconds after which an unfinished folder is nobody's work any more


def plan_named(contents: Contents, wanted: Sequence[Wanted], refused: list[ZooError]) -> list[Removal]:
    """All that lies here of these names: their revisions, what is left of downloads, and kept parts.

    Args:
        contents: of the caches.
        wanted: what is named; other people's repositories may be.
        refused: why something cannot be removed is added here.

    Raises:
        UsageError: nothing of a name is here.
    """
    scanned = scan_by_client(contents.cache)
    plan: dict[Path, Removal] = {}
    for one in wanted:
        before = len(refused)
        mine = _of_name(contents, one, scanned, refused)
        if not mine and len(refused) == before:
            raise UsageError(f"Nothing of {one.text!r} is in the cache {contents.cache}.", "Run `zoo cache list`.")
        plan |= {removal.path: removal for removal in mine}
    return list(plan.values())


def plan_filters(contents: Contents, refused: list[ZooError]) -> list[Removal]:
    """Every revision that holds filters of ours, with what is left of their downloads; nobody else's."""
    scanned = scan_by_client(contents.cache)
    plan: list[Removal] = []
    for repo in contents.repos:
        stored = [one for one in contents.stored if one.kind == "filters" and one.revision.repo == repo.name]
        revisions = [one.revision for one in stored]
        if revisions:
            plan += _tried(refused, plan_revisions, repo, revisions, contents.cache, scanned=scanned)
            plan += plan_downloads(repo.broken_off, contents.cache, refused)
    return plan


def plan_downloads(broken: Iterable[BrokenOff], cache: Path, refused: list[ZooError]) -> list[Removal]:
    """What is left of downloads, but for those that are going on."""
    return [removal for one in broken for removal in _tried(refused, plan_broken_off, one, cache)]


def plan_kept(parts: Iterable[KeptFile], refused: list[ZooError]) -> list[Removal]:
    """Parts that are kept."""
    return [removal for one in parts for removal in _tried(refused, plan_parts, one)]


def plan_folders(contents: Contents, kind: Kind) -> list[Removal]:
    """Decoded pictures, or datasets; an unfinished one only when nobody has written there for an hour."""
    return [
        Removal(
            what=f"decoded pictures {one.name}" if kind == "decoded" else f"the dataset {one.name}",
            path=one.path,
            size=one.size,
            run=partial(remove_tree, one.path, root_of(kind)),
        )
        for one in contents.folders
        if one.kind == kind and not (one.unfinished and time.time() - one.used < IDLE)
    ]


def _of_name(contents: Contents, wanted: Wanted, scanned: object, refused: list[ZooError]) -> list[Removal]:
    plan: list[Removal] = []
    for repo in contents.repos:
        revisions = [one for one in repo.revisions if wanted.has(repo.name, one.commit, one.refs)]
        if revisions:
            plan += _tried(refused, plan_revisions, repo, revisions, contents.cache, scanned=scanned)
        if wanted.has_all_of(repo.name):
            plan += plan_downloads(repo.broken_off, contents.cache, refused)
    parts = [one for one in contents.parts if wanted.has(one.repo, one.commit, contents.refs_of(one))]
    return plan + plan_kept(parts, refused)


def _tried(
    refused: list[ZooError], plan: Callable[..., Removal | None], *about: object, **how: object
) -> list[Removal]:
    """The plan, none where it cannot be made."""
    try:
        removal = plan(*about, **how)
    except ZooError as error:
        refused.append(error)
        return []
    return [] if removal is None else [removal]
