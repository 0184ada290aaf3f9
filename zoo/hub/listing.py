"""The files of a repository at one commit, as the Hub lists them, and what it says of a single one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from zoo.errors import FetchError
from zoo.hub.client import (
    READ,
    TranslateError,
    endpoint,
    file_url,
    request_json,
    translate_error,
    unexpected_answer_error,
    uses_xet,
    with_retries,
)
from zoo.hub.downloads import RemoteFile, matches_etag

LONGEST = 300  # characters of a name
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file in a listing."""

    size: int | None  # bytes; None where the listing does not say
    digest: str | None  # sha256 in hex of large files, git's sha1 of the others
    is_large: bool  # whether it lies in the storage of large files

    def is_file(self, path: Path) -> bool:
        """Whether it has the bytes of a file of this disk."""
        return path.stat().st_size == self.size and matches_etag(path, self.digest) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryListing:
    """A repository at one commit."""

    commit: str
    files: Mapping[str, ListedFile]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRefs:
    """The revisions of a repository that have names: name -> commit."""

    branches: Mapping[str, str]
    tags: Mapping[str, str]
    pulls: Mapping[str, str]  # refs/pr/1 -> commit


def read_listing(
    repo: str, revision: str, *, token: str | None, where: str, explain: TranslateError | None = None
) -> RepositoryListing:
    """The commit that a revision means, and all files at it: one request.

    Args:
        repo: `owner/name`.
        revision: a branch, a tag or a commit.
        explain: as for `with_retries`; FetchError where not given.

    Raises:
        FetchError: it could not be reached, or its answer cannot be read.
    """
    url = f"{endpoint()}/api/models/{repo}/revision/{quote(revision, safe='')}?blobs=true"
    said, _ = request_json(url, token=token, where=where, explain=explain)
    sha = said.get("sha") if isinstance(said, dict) else None
    if not isinstance(sha, str) or not COMMIT.fullmatch(sha) or (COMMIT.fullmatch(revision) and sha != revision):
        raise FetchError(f"{where}: the server named the commit {str(sha)[:100]!r}.", "Check HF_ENDPOINT.")
    try:
        return RepositoryListing(commit=sha, files=dict(map(_listed, said.get("siblings") or ())))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise FetchError(f"{where}: the server's listing of the files cannot be read.", "Check HF_ENDPOINT.") from error


def list_refs(repo: str, *, token: str | None = None, explain: TranslateError | None = None) -> HubRefs:
    """The branches, tags and pull requests of a repository. Raises as `read_listing` does."""
    where, url = f"hf://{repo}", f"{endpoint()}/api/models/{repo}/refs?include_prs=1"
    said, _ = request_json(url, token=token, where=where, explain=explain)
    if not isinstance(said, dict):
        raise unexpected_answer_error(where)
    return HubRefs(
        branches=_commits(said.get("branches")),
        tags=_commits(said.get("tags")),
        pulls=_commits(said.get("pullRequests"), "ref"),
    )


def describe_file(repo: str, commit: str, name: str, *, token: str | None, where: str) -> RemoteFile:
    """Ask for one file's size and digest, and whether it lies in Xet storage.

    Raises:
        FetchError: it could not be reached, or the size is not said.
        MissingFileError: there is no such file.
    """
    from huggingface_hub import get_hf_file_metadata

    url = file_url(repo, name, commit)
    said = with_retries(
        lambda: get_hf_file_metadata(url, token=token, timeout=READ, endpoint=endpoint()),
        explain=lambda error: translate_error(where, error, name=name),
    )
    if said.size is None or said.etag is None:
        raise FetchError(f"{where}: the server does not say how large {name!r} is.", "Check HF_ENDPOINT.")
    xet = said.xet_file_data is not None and uses_xet()
    return RemoteFile(repo=repo, commit=commit, name=name, size=said.size, etag=said.etag, token=token, xet=xet)


def _listed(said: Any) -> tuple[str, ListedFile]:
    """A file's name, and what is said of it. Raises whatever Python does where that is of other types."""
    size, large = said.get("size"), said.get("lfs")
    digest = large["sha256"] if large else said.get("blobId")
    if not (size is None or (type(size) is int and size >= 0)) or not isinstance(digest, str | None):
        raise ValueError(size, digest)
    return str.__str__(said["rfilename"]), ListedFile(size=size, digest=digest, is_large=large is not None)


def _commits(said: Any, key: str = "name") -> dict[str, str]:
    tables = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    pairs = [(one.get(key), one.get("targetCommit")) for one in tables]
    return {" ".join(a.split())[:LONGEST]: b for a, b in pairs if isinstance(a, str) and isinstance(b, str)}
