"""A repository of the Hub as it is now: who may write there, its branch, its files and their hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from zoo.errors import FetchError, UsageError, ZooError
from zoo.files import parse_json
from zoo.hub.client import (
    READ,
    client_api,
    endpoint,
    file_url,
    is_offline,
    mask_secrets,
    read_small,
    status_of,
    stream_request,
    with_retries,
)
from zoo.hub.downloads import matches_etag


class PushError(ZooError):
    """The Hub refused what was sent, or the repository's state forbids it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteEntry:
    """A file of a repository, as the Hub lists it."""

    size: int  # bytes
    sha256: str | None  # of large files
    sha1: str  # git's own, of the others

    def is_file(self, path: Path) -> bool:
        """Whether it has the bytes of a file of this disk."""
        return path.stat().st_size == self.size and matches_etag(path, self.sha256 or self.sha1) is True


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRepository:
    """A repository and one of its branches."""

    repo: str  # "owner/name"
    branch: str
    exists: bool = False
    private: bool = False
    head: str | None = None  # the branch's commit; None where there is no such branch yet
    start: str | None = None  # the head, or main's where the branch would begin
    files: Mapping[str, RemoteEntry] = field(default_factory=dict)  # at the start
    tags: frozenset[str] = frozenset()
    pulls: Mapping[str, str] = field(default_factory=dict)  # refs/pr/1 -> commit
    token: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its page."""
        return f"{endpoint()}/{self.repo}"

    def read(self, name: str, *, limit: int, commit: str | None = None) -> bytes:
        """A small file's bytes. Raises FetchError, and IntegrityError where it is larger than `limit` bytes."""
        url = file_url(self.repo, name, commit or self.start or self.branch)
        return read_small(url, token=self.token, limit=limit, where=f"{self.url}/{name}", explain=self.explain)

    def explain(self, error: BaseException) -> ZooError:
        """The client's error as one line, for a push."""
        return translate_push_error(self.repo, error, token=self.token)


def check_login(repo: str, *, token: str | None, create_pr: bool) -> None:
    """Make sure that somebody is logged in, who may write to the repository or open a pull request there.

    Raises:
        FetchError: this is offline; the server cannot be reached.
        PushError: nobody is logged in, or another.
    """
    if is_offline():
        raise FetchError(
            f"{repo} cannot be pushed to, because HF_HUB_OFFLINE is set.", "Unset it, or push to a folder with `to=`."
        )
    if not login_tokens(token):
        raise _no_login_error(repo)

    def ask() -> Any:
        with stream_request(f"{endpoint()}/api/whoami-v2", token=token, headers={}) as response:
            try:
                return parse_json(response.read())
            except ValueError as error:
                raise FetchError(f"{repo}: the server's answer is no JSON.", "Check HF_ENDPOINT.") from error

    said = with_retries(ask, explain=partial(translate_push_error, repo, token=token))
    said = said if isinstance(said, dict) else {}
    role = ((said.get("auth") or {}).get("accessToken") or {}).get("role")
    if role == "read":
        raise PushError(f"{repo}: this login may only read.", "Make a token that may write, and run `hf auth login`.")
    names = [said.get("name"), *(one.get("name") for one in said.get("orgs") or () if isinstance(one, dict))]
    owner = repo.partition("/")[0]
    if not create_pr and owner.lower() not in [str(name).lower() for name in names]:
        raise PushError(
            f"{repo}: {names[0]!r} is logged in, who is not {owner!r} and not a member of it.",
            "Name a repository of your own, pass `create_pr=True`, or run `hf auth login`.",
        )


def login_tokens(token: str | None) -> tuple[str, ...]:
    """The login that would be used: the one given, else `HF_TOKEN` or the stored one."""
    from huggingface_hub import get_token

    found = token or get_token()
    return (found,) if found else ()


def inspect_repository(repo: str, *, branch: str = "main", token: str | None = None) -> RemoteRepository:
    """What a repository holds now; a repository or a branch that is not there is no error.

    Raises:
        FetchError, PushError: it cannot be reached, or not be read.
        UsageError: the revision is a tag or a commit; the repository is called otherwise now.
    """
    asked, explained = client_api(token), partial(translate_push_error, repo, token=token)

    def ask() -> Any:
        try:
            return asked.model_info(repo, timeout=READ)
        except OSError as error:
            if type(error).__name__ == "RepositoryNotFoundError":
                return None
            raise

    info = with_retries(ask, explain=explained)
    if info is None:
        return RemoteRepository(repo=repo, branch=branch, token=token)
    if info.id != repo:
        raise UsageError(f"{repo} is called {info.id} now.", f"Say `repo={info.id!r}`.")
    refs = with_retries(lambda: asked.list_repo_refs(repo, include_pull_requests=True), explain=explained)
    tags = frozenset(one.name for one in refs.tags)
    pulls = {one.ref: one.target_commit for one in refs.pull_requests or ()}
    heads = {one.name: one.target_commit for one in refs.branches} | pulls
    if branch not in heads and (branch in tags or branch.startswith("refs/")):
        raise UsageError(f"{branch!r} of {repo} is no branch.", "Say `revision=` with a branch, or leave it out.")
    head = heads.get(branch)
    start = head or heads.get("main")
    return RemoteRepository(
        repo=repo,
        branch=branch,
        exists=True,
        private=bool(info.private),
        head=head,
        start=start,
        files=list_repository_files(repo, start, token=token) if start else {},
        tags=tags,
        pulls=pulls,
        token=token,
    )


def list_repository_files(repo: str, commit: str, *, token: str | None) -> dict[str, RemoteEntry]:
    """The files of a repository at a commit, with their hashes."""
    entries = with_retries(
        lambda: list(client_api(token).list_repo_tree(repo, revision=commit, recursive=True)),
        explain=partial(translate_push_error, repo, token=token),
    )
    return {
        one.path: RemoteEntry(size=one.size, sha256=one.lfs.sha256 if one.lfs else None, sha1=one.blob_id)
        for one in entries
        if hasattr(one, "blob_id")
    }


def resolve_commit(repo: str, revision: str, *, token: str | None) -> str:
    """The commit that a tag or a branch stands for."""
    explain = partial(translate_push_error, repo, token=token)
    return str(
        with_retries(lambda: client_api(token).model_info(repo, revision=revision, timeout=READ).sha, explain=explain)
    )


def read_licence(repo: str, *, token: str | None = None) -> str | None:
    """The licence in a repository's card; None where it names none, or is not there."""
    try:
        explain = partial(translate_push_error, repo)
        info = with_retries(lambda: client_api(token).model_info(repo, timeout=READ), explain=explain)
    except ZooError:
        return None
    said = info.card_data.get("license") if info.card_data else None
    return said if isinstance(said, str) else None


def translate_push_error(repo: str, error: BaseException, *, token: str | None = None) -> ZooError:
    """The client's error as one line that says what a publisher can do; no token is ever in it."""
    status, kind = status_of(error), type(error).__name__
    said = getattr(error, "server_message", None) or ""
    reason = f"HTTP {status}" if status else " ".join(str(error).split())[:300] or kind
    reason += f": {' '.join(str(said).split())[:200]}" if status and said else ""
    for secret in login_tokens(token):
        reason = reason.replace(secret, "…")
    reason = mask_secrets(reason)
    if status == 401:
        return _no_login_error(repo, reason)
    if status == 403:
        return PushError(
            f"{repo} may not be written to with this login ({reason}).",
            "Run `hf auth login` with a token that may write, ask its owner, or pass `create_pr=True`.",
        )
    if status == 412:
        return pushed_meanwhile_error(repo)
    if status is not None and 400 <= status < 500 and status not in (408, 429):
        return PushError(f"{repo}: the Hub refused it ({reason}).", "Check the name, the revision and HF_ENDPOINT.")
    return PushError(f"{repo} could not be reached or written to ({reason}).", "Check the network, and run it again.")


def pushed_meanwhile_error(repo: str) -> PushError:
    """What is said where the repository is no longer what was looked at."""
    return PushError(f"{repo} was pushed to by somebody else meanwhile.", "Nothing was changed; run it again.")


def _no_login_error(repo: str, reason: str = "") -> PushError:
    more = f" ({reason})" if reason else ""
    return PushError(f"{repo}: nobody is logged in at {endpoint()}{more}.", "Run `hf auth login`, or set HF_TOKEN.")
