"""Files of this disk -> one commit of a repository: sent once, committed once, and read back."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from zoo.hub.client import client_api, client_utils, endpoint, status_of, stream_request, uses_xet, with_retries
from zoo.hub.listing import ListedFile
from zoo.hub.repositories import (
    PushError,
    RemoteRepository,
    inspect_repository,
    pushed_meanwhile_error,
)
from zoo.hub.upload_progress import Meter, MeteredFile
from zoo.progress import Progress, silent

ATTRIBUTES = ".gitattributes"  # all that a new repository holds


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """What an upload does to one file."""

    name: str
    size: int  # bytes; of what is there, where it is removed
    what: Literal["new", "changed", "same", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedCommit:
    """The commit that a push made."""

    sha: str
    pull_request: str | None = None  # its page


def plan_changes(
    remote: RemoteRepository, files: Mapping[str, Path], *, remove: Collection[str] = ()
) -> tuple[FileChange, ...]:
    """What a push would change.

    Args:
        files: what it is to hold, by name.
        remove: names that go, where they are there.
    """
    changes = []
    for name, path in sorted(files.items()):
        there = remote.files.get(name)
        same = there is not None and there.is_file(path)
        what: Literal["new", "changed", "same"] = "new" if there is None else "same" if same else "changed"
        changes.append(FileChange(name=name, size=path.stat().st_size, what=what))
    gone = [FileChange(name=name, size=remote.files[name].size or 0, what="removed") for name in sorted(remove)]
    return (*changes, *gone)


def commit_changes(
    remote: RemoteRepository,
    files: Mapping[str, Path],
    changes: Collection[FileChange],
    *,
    private: bool | None = None,
    create_pr: bool = False,
    message: str,
    progress: Progress = silent,
) -> PushedCommit:
    """Make the repository and the branch where they are missing, and commit the changes: all of them, or none.

    Where nothing changes there is no commit.

    Args:
        remote: as it was found, and as it must still be.
        changes: from `plan_changes`.
        private: whether a new repository is seen by its owner only.
        create_pr: open a pull request instead of changing the branch.
        progress: called with the bytes so far.

    Raises:
        PushError: the Hub refused it, cannot be reached, or somebody pushed meanwhile.
    """
    with _silence_client():
        remote = _ensure_branch(remote, private=private)
        if all(one.what == "same" for one in changes):
            return PushedCommit(sha=str(remote.head))
        with contextlib.ExitStack() as stack:
            sending = _CommitUpload(remote, files, changes, create_pr=create_pr, message=message)
            sending.open(stack, progress)
            sending.upload()
            return sending.commit()


# ------------------------------------------------------------------------------------------------ helpers


@dataclass
class _CommitUpload:
    """One commit on its way."""

    remote: RemoteRepository
    files: Mapping[str, Path]
    changes: Collection[FileChange]
    create_pr: bool
    message: str
    operations: list[Any] = field(default_factory=list)

    def open(self, stack: contextlib.ExitStack, progress: Progress) -> None:
        """Say what is to be done: paths where the Hub has Xet, opened files where it has not (then LFS is used)."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        wanted = [one for one in self.changes if one.what in ("new", "changed")]
        xet = bool(wanted) and self._has_xet()
        meter = Meter(progress, sum(one.size for one in wanted))
        for one in wanted:
            path = self.files[one.name]
            given = path if xet else stack.enter_context(MeteredFile(path, meter))
            self.operations.append(CommitOperationAdd(one.name, given))
        meter.start()
        gone = [one.name for one in self.changes if one.what == "removed"]
        self.operations += [CommitOperationDelete(name, is_folder=False) for name in gone]

    def upload(self) -> None:
        """Send the large files; nobody sees them before the commit."""
        additions = [one for one in self.operations if hasattr(one, "upload_info")]

        def work() -> None:
            try:
                place = {"revision": self.remote.branch, "create_pr": self.create_pr}
                client_api(self.remote.token).preupload_lfs_files(
                    self.remote.repo, additions, free_memory=False, **place
                )
            except RuntimeError as error:  # the client's threads, or Xet
                raise error.__cause__ or ConnectionError(str(error)) from error

        with_retries(work, explain=self.remote.explain, progressed=lambda: sum(one._is_uploaded for one in additions))
        ignored = [one.path_in_repo for one in additions if getattr(one, "_should_ignore", False)]
        if ignored:
            raise PushError(
                f"{self.remote.repo}: its .gitignore leaves out {', '.join(ignored)}.",
                "Change it there and run it again.",
            )

    def commit(self) -> PushedCommit:
        """The one commit. Where an answer was lost, the repository is looked at before it is tried again."""
        tried = False

        def work() -> PushedCommit:
            nonlocal tried
            if tried and (landed := self._find_landed_commit()):
                return landed
            tried = True
            info = client_api(self.remote.token).create_commit(
                self.remote.repo,
                self.operations,
                commit_message=self.message,
                revision=self.remote.branch,
                create_pr=self.create_pr,
                parent_commit=self.remote.head,
            )
            return PushedCommit(sha=info.oid, pull_request=info.pr_url)

        try:
            return with_retries(work, explain=self.remote.explain)
        except PushError:
            landed = self._find_landed_commit()
            if landed is None:
                raise
            return landed

    def _find_landed_commit(self) -> PushedCommit | None:
        """The commit, where it was made although its answer never came."""
        now = inspect_repository(self.remote.repo, branch=self.remote.branch, token=self.remote.token)
        if self.create_pr:
            fresh = {ref: sha for ref, sha in now.pulls.items() if ref not in self.remote.pulls}
            for ref, sha in fresh.items():
                if self._is_done(now.listed(sha).files):
                    return PushedCommit(sha=sha, pull_request=f"{now.url}/discussions/{ref.rpartition('/')[2]}")
            return None
        if now.head is None or now.head == self.remote.head:
            return None
        return PushedCommit(sha=now.head) if self._is_done(now.files) else None

    def _is_done(self, there: Mapping[str, ListedFile]) -> bool:
        gone = {one.name for one in self.changes if one.what == "removed"}
        same = all(name in there and there[name].is_file(path) for name, path in self.files.items())
        return same and not gone & there.keys()

    def _has_xet(self) -> bool:
        """Whether client and Hub both speak Xet: the client itself only finds out when it is too late."""
        if not uses_xet():
            return False
        url = f"{endpoint()}/api/models/{self.remote.repo}/xet-write-token/{quote(self.remote.branch, safe='')}"
        url += "?create_pr=1" if self.create_pr else ""

        def ask() -> bool:
            try:
                with stream_request(url, token=self.remote.token, headers={}):
                    return True
            except OSError as error:
                if status_of(error) in (400, 404, 405, 501):
                    return False
                raise

        return with_retries(ask, explain=self.remote.explain)


def _ensure_branch(remote: RemoteRepository, *, private: bool | None) -> RemoteRepository:
    """The repository and the branch, made where they are missing; both may be tried twice."""
    asked = client_api(remote.token)
    if not remote.exists:
        with_retries(lambda: asked.create_repo(remote.repo, private=private, exist_ok=True), explain=remote.explain)
    if remote.head is not None:
        return remote
    if remote.branch != "main":
        make = partial(asked.create_branch, remote.repo, branch=remote.branch, exist_ok=True)
        with_retries(make, explain=remote.explain)
    found = inspect_repository(remote.repo, branch=remote.branch, token=remote.token)
    if (remote.start and found.head != remote.start) or not found.files.keys() <= {*remote.files, ATTRIBUTES}:
        raise pushed_meanwhile_error(remote.repo)
    return found


@contextlib.contextmanager
def _silence_client() -> Iterator[None]:
    said, log = client_utils(), logging.getLogger("huggingface_hub")
    level, shown = log.level, not said.are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.setLevel(logging.CRITICAL)
        if shown:
            said.disable_progress_bars()
        try:
            yield
        finally:
            log.setLevel(level)
            if shown:
                said.enable_progress_bars()
