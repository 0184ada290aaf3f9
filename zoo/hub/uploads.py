"""Files of this disk -> one commit of a repository: sent once, committed once, and read back."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from zoo.hub.client import api, endpoint, patiently, requested, status_of, uses_xet, utils
from zoo.hub.meter import Meter, MeteredFile
from zoo.hub.remotes import PushError, Remote, RemoteEntry, list_files, look_at, pushed_meanwhile
from zoo.progress import Progress, silent

ATTRIBUTES = ".gitattributes"  # all that a new repository holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one file."""

    name: str
    size: int  # bytes; of what is there, where it is removed
    what: Literal["new", "changed", "same", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What a push made."""

    sha: str
    pull_request: str | None = None  # its page


def compare(remote: Remote, files: Mapping[str, Path], *, remove: Collection[str] = ()) -> tuple[Change, ...]:
    """What a push would change.

    Args:
        remote: as it was found.
        files: what it is to hold, by name.
        remove: names that go, where they are there.
    """
    changes = []
    for name, path in sorted(files.items()):
        there = remote.files.get(name)
        same = there is not None and there.is_file(path)
        what: Literal["new", "changed", "same"] = "new" if there is None else "same" if same else "changed"
        changes.append(Change(name=name, size=path.stat().st_size, what=what))
    gone = [Change(name=name, size=remote.files[name].size, what="removed") for name in sorted(remove)]
    return (*changes, *gone)


def send(
    remote: Remote,
    files: Mapping[str, Path],
    changes: Collection[Change],
    *,
    private: bool | None = None,
    create_pr: bool = False,
    message: str,
    progress: Progress = silent,
) -> Commit:
    """Make the repository and the branch where they are missing, and commit the changes: all of them, or none.

    Where nothing changes there is no commit.

    Args:
        remote: as it was found, and as it must still be.
        files: by name.
        changes: of `compare`.
        private: whether a new repository is seen by its owner only.
        create_pr: open a pull request instead of changing the branch.
        message: of the commit.
        progress: told the bytes.

    Raises:
        PushError: the Hub refused it, cannot be reached, or somebody pushed meanwhile.
    """
    with _quiet():
        remote = _prepared(remote, private=private)
        if all(one.what == "same" for one in changes):
            return Commit(sha=str(remote.head))
        with contextlib.ExitStack() as stack:
            sending = _Sending(remote, files, changes, create_pr=create_pr, message=message)
            sending.open(stack, progress)
            sending.upload()
            return sending.commit()


# ------------------------------------------------------------------------------------------------ how


@dataclass
class _Sending:
    """One commit on its way."""

    remote: Remote
    files: Mapping[str, Path]
    changes: Collection[Change]
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
                api(self.remote.token).preupload_lfs_files(
                    self.remote.repo,
                    additions,
                    revision=self.remote.branch,
                    create_pr=self.create_pr,
                    free_memory=False,
                )
            except RuntimeError as error:  # the client's threads, or Xet
                raise error.__cause__ or ConnectionError(str(error)) from error

        patiently(work, explain=self.remote.explain, progressed=lambda: sum(one._is_uploaded for one in additions))
        ignored = [one.path_in_repo for one in additions if getattr(one, "_should_ignore", False)]
        if ignored:
            raise PushError(
                f"{self.remote.repo}: its .gitignore leaves out {', '.join(ignored)}.",
                "Change it there and run it again.",
            )

    def commit(self) -> Commit:
        """The one commit. Where an answer was lost, the repository is looked at before it is tried again."""
        tried = False

        def work() -> Commit:
            nonlocal tried
            if tried and (landed := self._landed()):
                return landed
            tried = True
            info = api(self.remote.token).create_commit(
                self.remote.repo,
                self.operations,
                commit_message=self.message,
                revision=self.remote.branch,
                create_pr=self.create_pr,
                parent_commit=self.remote.head,
            )
            return Commit(sha=info.oid, pull_request=info.pr_url)

        try:
            return patiently(work, explain=self.remote.explain)
        except PushError:
            landed = self._landed()
            if landed is None:
                raise
            return landed

    def _landed(self) -> Commit | None:
        """The commit, where it was made although its answer never came."""
        now = look_at(self.remote.repo, branch=self.remote.branch, token=self.remote.token)
        if self.create_pr:
            for ref, sha in now.pulls.items():
                if ref not in self.remote.pulls and self._is_done(list_files(now.repo, sha, token=now.token)):
                    return Commit(sha=sha, pull_request=f"{now.url}/discussions/{ref.rpartition('/')[2]}")
            return None
        if now.head is None or now.head == self.remote.head:
            return None
        return Commit(sha=now.head) if self._is_done(now.files) else None

    def _is_done(self, there: Mapping[str, RemoteEntry]) -> bool:
        gone = {one.name for one in self.changes if one.what == "removed"}
        same = all(name in there and there[name].is_file(path) for name, path in self.files.items())
        return same and not gone & there.keys()

    def _has_xet(self) -> bool:
        """Whether client and Hub both speak Xet: the client itself only finds out when it is too late."""
        if not uses_xet():
            return False
        url = f"{endpoint()}/api/models/{self.remote.repo}/xet-write-token/{quote(self.remote.branch, safe='')}"

        def ask() -> bool:
            try:
                with requested(url + ("?create_pr=1" if self.create_pr else ""), token=self.remote.token, headers={}):
                    return True
            except OSError as error:
                if status_of(error) in (400, 404, 405, 501):
                    return False
                raise

        return patiently(ask, explain=self.remote.explain)


def _prepared(remote: Remote, *, private: bool | None) -> Remote:
    """The repository and the branch, made where they are missing; both may be tried twice."""
    asked = api(remote.token)
    if not remote.exists:
        patiently(lambda: asked.create_repo(remote.repo, private=private, exist_ok=True), explain=remote.explain)
    if remote.head is not None:
        return remote
    if remote.branch != "main":
        patiently(lambda: asked.create_branch(remote.repo, branch=remote.branch, exist_ok=True), explain=remote.explain)
    found = look_at(remote.repo, branch=remote.branch, token=remote.token)
    if (remote.start and found.head != remote.start) or not found.files.keys() <= {*remote.files, ATTRIBUTES}:
        raise pushed_meanwhile(remote.repo)
    return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The client's own bars, warnings and log lines are not ours to show."""
    said, log = utils(), logging.getLogger("huggingface_hub")
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
