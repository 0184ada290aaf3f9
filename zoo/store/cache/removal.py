"""Plans of removal: each is shown with its size before it is run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from zoo.errors import UsageError, ZooError
from zoo.files import is_abandoned
from zoo.hub import (
    IncompleteDownload,
    PartialFile,
    Removal,
    plan_incomplete_download,
    plan_partial_file,
    plan_revisions,
    remove_tree,
    scan_with_client,
)
from zoo.store.cache.contents import CacheContents, DerivedKind
from zoo.store.cache.selectors import CacheSelector


def plan_named(contents: CacheContents, wanted: Sequence[CacheSelector], refused: list[ZooError]) -> list[Removal]:
    """All that lies here of these names: their revisions, interrupted downloads, and cached byte ranges.

    Args:
        wanted: what is named; other people's repositories may be.
        refused: why something cannot be removed is added here.

    Raises:
        UsageError: nothing of a name is here.
    """
    scanned = scan_with_client(contents.cache)
    plan: dict[Path, Removal] = {}
    for one in wanted:
        before = len(refused)
        mine = _plan_of_name(contents, one, scanned, refused)
        if not mine and len(refused) == before:
            raise UsageError(f"Nothing of {one.text!r} is in the cache {contents.cache}.", "Run `zoo cache list`.")
        plan |= {removal.path: removal for removal in mine}
    return list(plan.values())


def plan_filters(contents: CacheContents, refused: list[ZooError]) -> list[Removal]:
    """Every revision that holds filters of ours, with what is left of their downloads; nobody else's."""
    scanned = scan_with_client(contents.cache)
    plan: list[Removal] = []
    for repo in contents.repos:
        stored = [one for one in contents.stored if one.kind == "filters" and one.revision.repo == repo.name]
        revisions = [one.revision for one in stored]
        if revisions:
            plan += _try_plan(refused, plan_revisions, repo, revisions, contents.cache, scanned=scanned)
            plan += plan_downloads(repo.incomplete_downloads, contents.cache, refused)
    return plan


def plan_downloads(broken: Iterable[IncompleteDownload], cache: Path, refused: list[ZooError]) -> list[Removal]:
    """What is left of downloads, but for those that are going on."""
    return [removal for one in broken for removal in _try_plan(refused, plan_incomplete_download, one, cache)]


def plan_partial_files(parts: Iterable[PartialFile], refused: list[ZooError]) -> list[Removal]:
    """Cached byte ranges."""
    return [removal for one in parts for removal in _try_plan(refused, plan_partial_file, one)]


def plan_folders(contents: CacheContents, kind: DerivedKind) -> list[Removal]:
    """Decoded pictures, datasets, or copies of registries; an unfinished one only when its process has ended."""
    return [
        Removal(
            what={"decoded": "decoded pictures ", "datasets": "the dataset "}.get(kind, "copies of ") + one.name,
            path=one.path,
            size=one.size,
            run=partial(remove_tree, one.path, one.path.parent),
        )
        for one in contents.folders
        if one.kind == kind and (not one.unfinished or is_abandoned(one.path))
    ]


def _plan_of_name(
    contents: CacheContents, wanted: CacheSelector, scanned: object, refused: list[ZooError]
) -> list[Removal]:
    plan: list[Removal] = []
    for repo in contents.repos:
        revisions = [one for one in repo.revisions if wanted.has(repo.name, one.commit, one.refs)]
        if revisions:
            plan += _try_plan(refused, plan_revisions, repo, revisions, contents.cache, scanned=scanned)
        if wanted.includes_all_of(repo.name):
            plan += plan_downloads(repo.incomplete_downloads, contents.cache, refused)
    parts = [one for one in contents.parts if wanted.has(one.repo, one.commit, contents.refs_of(one))]
    return plan + plan_partial_files(parts, refused)


def _try_plan(
    refused: list[ZooError], plan: Callable[..., Removal | None], *about: object, **how: object
) -> list[Removal]:
    try:
        removal = plan(*about, **how)
    except ZooError as error:
        refused.append(error)
        return []
    return [] if removal is None else [removal]
