"""A repository of the Hub as it is now: who may write there, its branch, its files and their hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from zoo.errors import FetchError, UsageError, ZooError, mask_secrets
from zoo.hub.client import (
    endpoint,
    file_url,
    is_offline,
    read_small,
    request_json,
    status_of,
    unexpected_answer_error,
)
from zoo.hub.listing import ListedFile, RepositoryListing, list_refs, read_listing


class PushError(ZooError):
    """The Hub refused what was sent, or the repository's state forbids it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRepository:
    """A repository and one of its branches."""

    repo: str  # "owner/name"
    branch: str
    exists: bool = False
    private: bool = False
    head: str | None = None  # the branch's commit; None where there is no such branch yet
    start: str | None = None  # the head, or main's where the branch would begin
    files: Mapping[str, ListedFile] = field(default_factory=dict)  # at the start
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
        return translate_push_error(self.repo, error)

    def listed(self, revision: str) -> RepositoryListing:
        """The files at a branch, a tag or a commit."""
        return read_listing(self.repo, revision, token=self.token, where=self.repo, explain=self.explain)


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
    url, explain = f"{endpoint()}/api/whoami-v2", partial(translate_push_error, repo)
    said, _ = request_json(url, token=token, where=repo, explain=explain)
    try:
        role = ((said.get("auth") or {}).get("accessToken") or {}).get("role")
        names = [said.get("name"), *(one.get("name") for one in said.get("orgs") or ())]
    except (AttributeError, TypeError) as error:
        raise unexpected_answer_error(repo) from error
    if role == "read":
        raise PushError(f"{repo}: this login may only read.", "Make a token that may write, and run `hf auth login`.")
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
    explain = partial(translate_push_error, repo)
    try:
        said, _ = request_json(f"{endpoint()}/api/models/{repo}", token=token, where=repo, explain=explain)
    except PushError as error:
        if type(error.__cause__).__name__ != "RepositoryNotFoundError":
            raise
        return RemoteRepository(repo=repo, branch=branch, token=token)
    name = said.get("id") if isinstance(said, dict) else None
    if not isinstance(name, str):
        raise unexpected_answer_error(repo)
    if name != repo:
        raise UsageError(f"{repo} is called {name[:200]} now.", f"Say `repo={name[:200]!r}`.")
    refs = list_refs(repo, token=token, explain=explain)
    heads = {**refs.branches, **refs.pulls}
    if branch not in heads and (branch in refs.tags or branch.startswith("refs/")):
        raise UsageError(f"{branch!r} of {repo} is no branch.", "Say `revision=` with a branch, or leave it out.")
    head = heads.get(branch)
    start = head or heads.get("main")
    return RemoteRepository(
        repo=repo,
        branch=branch,
        exists=True,
        private=said.get("private") is True,
        head=head,
        start=start,
        files=read_listing(repo, start, token=token, where=repo, explain=explain).files if start else {},
        tags=frozenset(refs.tags),
        pulls=refs.pulls,
        token=token,
    )


def translate_push_error(repo: str, error: BaseException) -> ZooError:
    """The client's error as one line that says what a publisher can do."""
    status, kind = status_of(error), type(error).__name__
    said = mask_secrets(getattr(error, "server_message", None) or "")  # before it is cut
    reason = f"HTTP {status}" if status else " ".join(mask_secrets(str(error)).split())[:300] or kind
    reason += f": {' '.join(said.split())[:200]}" if status and said else ""
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
