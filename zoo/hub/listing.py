"""The files of a repository at one commit, as the Hub lists them, and what it says of a single one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zoo.errors import FetchError
from zoo.hub.client import READ, client_api, endpoint, file_url, translate_error, uses_xet, with_retries
from zoo.hub.downloads import RemoteFile

COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file in a listing."""

    size: int | None  # bytes; None where the listing does not say
    digest: str | None  # sha256 in hex of large files, git's sha1 of the others
    is_large: bool  # whether it lies in the storage of large files


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryListing:
    """A repository at one commit."""

    commit: str
    files: Mapping[str, ListedFile]


def read_listing(repo: str, revision: str, *, token: str | None, where: str) -> RepositoryListing:
    """The commit that a revision means, and all files at it: one request.

    Args:
        repo: `owner/name`.
        revision: a branch, a tag or a commit.

    Raises:
        FetchError: it could not be reached, or its answer cannot be read.
    """
    try:
        said = with_retries(
            lambda: client_api(token).model_info(repo, revision=revision, files_metadata=True, timeout=READ),
            explain=lambda error: translate_error(where, error),
        )
    except (AttributeError, KeyError, TypeError) as error:  # the client takes any JSON for a listing
        raise _unreadable(where) from error
    wrong = isinstance(said.sha, str) and COMMIT.fullmatch(revision) and said.sha != revision
    if wrong or not isinstance(said.sha, str) or not COMMIT.fullmatch(said.sha):
        raise FetchError(f"{where}: the server named the commit {said.sha!r}.", "Check HF_ENDPOINT.")
    if not all(_is_readable(one) for one in said.siblings or ()):
        raise _unreadable(where)
    return RepositoryListing(commit=said.sha, files={one.rfilename: _listed(one) for one in said.siblings or ()})


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


def _listed(said: Any) -> ListedFile:
    digest = said.lfs.sha256 if said.lfs else said.blob_id
    return ListedFile(size=said.size, digest=digest, is_large=said.lfs is not None)


def _is_readable(said: Any) -> bool:
    """Whether what the client made of a listed file has the types that it should."""
    sizes = [said.size, said.lfs.size if said.lfs else None]
    texts = [said.blob_id, said.lfs.sha256 if said.lfs else None]
    return (
        isinstance(said.rfilename, str)
        and all(size is None or (type(size) is int and size >= 0) for size in sizes)
        and all(text is None or isinstance(text, str) for text in texts)
    )


def _unreadable(where: str) -> FetchError:
    return FetchError(f"{where}: the server's listing of the files cannot be read.", "Check HF_ENDPOINT.")
