"""Removal from the caches.

Revisions go by the Hub client's own strategy, which keeps the blobs that other revisions share; every path of it is
looked at first, so that no link leads the removal out of the cache.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoo.errors import FileError
from zoo.files import file_errors, zoo_home
from zoo.hub.cache import CachedRepo, CachedRevision, IncompleteDownload, PartialFile, resolve_links, walk_files
from zoo.hub.client import client_utils
from zoo.hub.partial import has_owner

IN_USE = 0.05  # seconds that another process's lock is waited for


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Something that will be removed."""

    what: str
    path: Path
    size: int  # bytes that are freed
    run: Callable[[], None]


def scan_with_client(cache: Path) -> Any:
    """The Hub client's scan of the cache; None where it cannot read it."""
    try:
        return client_utils().scan_cache_dir(cache) if cache.is_dir() else None
    except (OSError, ValueError, RuntimeError):
        return None


def plan_revisions(repo: CachedRepo, revisions: Sequence[CachedRevision], cache: Path, *, scanned: Any) -> Removal:
    """Remove revisions of one repository, and the blobs that no other revision needs.

    Args:
        scanned: from `scan_with_client`, once for all repositories.

    Raises:
        FileError: a link leads out of the cache; one of its files is being downloaded; the client cannot read what
            is there, and not all of it is to be removed.
    """
    for one in repo.incomplete_downloads:
        if is_download_running(one):
            raise FileError(one.path, "it is being downloaded now", "Wait for that, or stop it, and try again.")
    commits = sorted(one.commit for one in revisions)
    whole = len(commits) == len(repo.revisions)
    what = repo.name if whole else f"{repo.name}@{', '.join(commit[:7] for commit in commits)}"
    strategy = _strategy(repo, commits, scanned)
    if strategy is None:
        if not whole:
            problem = "the Hub's client cannot read this folder, and removes no single revision of it"
            raise FileError(repo.folder, problem, f"Remove all of it: `zoo cache remove {repo.name}`.")
        _check_inside(repo.folder, cache)
        size = sum(path.lstat().st_size for path in walk_files(repo.folder) if not path.is_symlink())
        return Removal(what=what, path=repo.folder, size=size, run=lambda: remove_tree(repo.folder, cache))
    files = {*strategy.refs, *strategy.blobs}
    paths = {*strategy.repos, *strategy.snapshots, *files}
    for path in sorted(paths):
        _check_inside(path, cache, may_be_link=path in files)

    def run() -> None:
        strategy.execute()
        for path in sorted(paths):
            if os.path.lexists(path):
                raise FileError(path, "it could not be removed", "Check its permissions.")

    folder = repo.folder if whole else revisions[0].folder
    return Removal(what=what, path=folder, size=strategy.expected_freed_size, run=run)


def is_download_running(broken: IncompleteDownload) -> bool:
    """Whether a download is going on in another process, which then has its lock, or is named by the file."""
    if has_owner(broken.path):
        return True
    if not broken.lock.is_file():
        return False
    try:
        with client_utils().WeakFileLock(broken.lock, timeout=IN_USE):
            return False
    except TimeoutError:
        return True
    except OSError:
        return False


def plan_incomplete_download(broken: IncompleteDownload, cache: Path) -> Removal | None:
    """Remove what is left of a download; None where it is still running."""
    if is_download_running(broken):
        return None
    _check_inside(broken.path, cache)
    return Removal(
        what=f"a broken-off download of {broken.repo}",
        path=broken.path,
        size=broken.size,
        run=lambda: broken.path.unlink(missing_ok=True),
    )


def plan_partial_file(kept: PartialFile) -> Removal:
    """Remove the cached parts of a file."""
    root = zoo_home() / "parts"
    for path in (kept.path, *kept.refs):
        _check_inside(path, root)

    def run() -> None:
        with kept.parts.locked():
            kept.parts.forget()
        kept.path.with_name(f".{kept.path.name}.lock").unlink(missing_ok=True)
        _remove_empty(kept.path.parent, root)
        if not (root / kept.path.relative_to(root).parts[0] / kept.commit).exists():
            for ref in kept.refs:
                ref.unlink(missing_ok=True)
                _remove_empty(ref.parent, root)

    what = f"parts of {kept.repo}@{kept.commit[:7]}/{kept.name}"
    return Removal(what=what, path=kept.path, size=kept.kept, run=run)


def remove_tree(folder: Path, root: Path) -> None:
    """Remove a folder below `root`, never through a link. Raises FileError."""
    _check_inside(folder, root)
    with file_errors(folder), contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


# ------------------------------------------------------------------------------------------------ helpers


def _remove_empty(folder: Path, root: Path) -> None:
    """Remove a folder and those above it, as long as they are empty; the root stays."""
    while folder != root:
        with contextlib.suppress(OSError):  # it holds other files
            folder.rmdir()
        folder = folder.parent


def _strategy(repo: CachedRepo, commits: Sequence[str], scanned: Any) -> Any:
    """The client's plan for these revisions of this repository; None where it cannot read the repository."""
    repos = scanned.repos if scanned else ()
    same = [one for one in repos if one.repo_type == "model" and one.repo_id == repo.name]
    if not same or not {one.commit_hash for one in same[0].revisions} >= set(commits):
        return None
    # Two repositories may have one commit, and the client takes the first that it meets: it is shown this one alone.
    return replace(scanned, repos=frozenset(same)).delete_revisions(*commits)


def _check_inside(path: Path, root: Path, *, may_be_link: bool = False) -> None:
    """Refuse what a link leads out of the root, and a folder that is a link."""
    real = resolve_links(path)
    inside = real is not None and real != root.resolve() and real.is_relative_to(root.resolve())
    if not inside or (path.is_symlink() and not may_be_link):
        raise FileError(path, "it is a link, or leads out of the cache", "Nothing of it was removed; do so by hand.")
