"""Checks of a pushed commit: hashes read back, tags."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from zoo.errors import IntegrityError, UsageError
from zoo.hub.client import client_api, status_of, with_retries
from zoo.hub.repositories import PushError, RemoteRepository

SMALL = 4 * 2**20  # bytes of the file that is read back whole, at least


def verify_commit(
    remote: RemoteRepository, commit: str, files: Mapping[str, Path], *, gone: Collection[str], small: str
) -> None:
    """Compare what the Hub has at a commit with this disk: every size and hash, and one small file's bytes.

    Raises:
        IntegrityError: all that differs.
    """
    there = remote.listed(commit).files
    faults = [f"{name} is missing" for name in sorted(files) if name not in there]
    faults += [
        f"{name} has other bytes"
        for name, path in sorted(files.items())
        if name in there and not there[name].is_file(path)
    ]
    faults += [f"{name} is still there" for name in sorted(gone) if name in there]
    sent = files[small].read_bytes()
    if not faults and remote.read(small, limit=max(SMALL, len(sent)), commit=commit) != sent:
        faults.append(f"{small} is served with other bytes")
    if faults:
        raise IntegrityError(
            f"{remote.url} at {commit[:12]} is not what was sent: {'; '.join(faults)}.",
            "Run it again; if that does not help, look at its files there.",
        )


def check_tag_is_free(remote: RemoteRepository, tag: str, *, unchanged: bool) -> None:
    """Refuse a tag that stands for another commit already. Raises UsageError."""
    if tag not in remote.tags:
        return
    there = remote.listed(tag).commit
    if not unchanged or there != remote.head:
        raise UsageError(
            f"{remote.repo} has the tag {tag!r} already, at {there[:12]}.", "Choose another, or remove it there."
        )


def create_tag(remote: RemoteRepository, tag: str, commit: str) -> None:
    """Tag a commit; a tag that is there already for it is fine. Raises PushError."""

    def work() -> None:
        try:
            client_api(remote.token).create_tag(remote.repo, tag=tag, revision=commit)
        except OSError as error:
            if status_of(error) != 409:
                raise

    if tag not in remote.tags:
        with_retries(work, explain=remote.explain)
    there = remote.listed(tag).commit
    if there != commit:
        raise PushError(f"{remote.repo}: the tag {tag!r} was given to {there[:12]} meanwhile.", "Choose another.")
