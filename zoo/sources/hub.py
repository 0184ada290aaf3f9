"""The Hugging Face Hub. Its client is imported here only, and only when it is needed."""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from zoo.errors import FetchError, IntegrityError
from zoo.files import write_whole
from zoo.progress import Progress, silent
from zoo.sources.base import (
    MissingFileError,
    Range,
    Source,
    check_name,
    read_file,
    read_parts,
    too_large,
)

T = TypeVar("T")

GAP = 65_536  # bytes; ranges nearer than this to each other are read in one go
ATTEMPTS = 4  # of one request
BACK_OFF = 0.5  # seconds before the second attempt; twice that before each further one
PATIENCE = 5.0  # seconds after which no further attempt is made; with the timeouts: 15 s for a dead network
CONNECT, READ = 5.0, 8.0  # seconds
LONGEST_WAIT = 60.0  # seconds that a server may ask us to wait
REMEDY = (
    "Check the network, or pass --offline for what is in the cache, or name a local folder with --weights DIR_OR_FILE"
)

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource(Source):
    """A repository of the Hugging Face Hub, or of another server (`HF_ENDPOINT`) that speaks as it does.

    The first reading settles the commit, so that all files of one source are of one commit. What lies in the Hub's
    cache is used without a request.
    """

    repo: str  # "owner/name"
    revision: str = "main"
    token: str | None = field(default=None, repr=False)
    cache_dir: Path | None = None
    offline: bool = False
    branch: str | None = None  # what was asked for, where the revision is the commit that it meant
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the commit, files' sizes

    @property
    def text(self) -> str:
        return f"hf://{self.repo}@{self._known.get('commit', self.revision)}"

    def pinned(self) -> HubSource:
        if _COMMIT.fullmatch(self.revision):
            return self
        return replace(self, revision=self._commit(), branch=self.revision, _known={})

    def local_path(self, name: str) -> Path | None:
        check_name(name, self.text)
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.repo, name, cache_dir=self._cache(), revision=self._commit())
        return Path(found) if isinstance(found, str) and Path(found).is_file() else None

    def size(self, name: str) -> int:
        path = self.local_path(name)
        if path is not None:
            return path.stat().st_size
        if name not in self._known:
            from huggingface_hub import get_hf_file_metadata

            self._check_online(name)
            url = self._url(name)
            asked = self._patiently(
                name, lambda: get_hf_file_metadata(url, token=self.token, timeout=READ, endpoint=_endpoint())
            )
            if asked.size is None:
                raise FetchError(f"{self.text}: the server does not say how large {name!r} is. {REMEDY}.")
            self._known[name] = asked.size
        return int(self._known[name])

    def fetch(self, name: str, *, progress: Progress = silent, again: bool = False) -> Path:
        path = self.local_path(name)
        if path is not None and (not again or self.is_offline()):
            return path
        self._check_online(name)
        from huggingface_hub import hf_hub_download

        size = self.size(name)  # asks with our own patience: the client's own is 23 s
        options: dict[str, Any] = {
            "revision": self._commit(),
            "cache_dir": self._cache(),
            "token": self.token,
            "endpoint": _endpoint(),
            "force_download": again,
            "tqdm_class": _bar(progress, f"fetching {name}", size),
        }
        fetched = self._patiently(name, lambda: hf_hub_download(self.repo, name, **options), statuses_only=True)
        self._note_commit()
        return Path(fetched)

    def read(self, name: str, *, limit: int) -> bytes:
        path = self.local_path(name)
        if path is not None:
            return read_file(path, limit=limit)

        def receive() -> bytes:
            with self._requested(name, {}) as response:
                length = response.headers.get("Content-Length", "0")
                if length.isdigit() and int(length) > limit:
                    raise too_large(f"{self.text}/{name}", int(length), limit)
                content = bytearray()
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > limit:
                        raise too_large(f"{self.text}/{name}", len(content), limit)
            return bytes(content)

        return self._patiently(name, receive)

    def read_ranges(self, name: str, ranges: Sequence[Range], *, progress: Progress = silent) -> list[memoryview]:
        path = self.local_path(name)
        if path is not None:
            return read_parts(path, ranges)
        spans = _coalesced(ranges)
        total = sum(end - start for start, end in spans)
        done, read = 0, {}
        for start, end in spans:
            read[start, end] = memoryview(self._read_span(name, start, end))
            done += end - start
            progress(f"fetching {name}", done, total)
        return [_part_of(read, start, end) for start, end in ranges]

    def _read_span(self, name: str, start: int, end: int) -> bytearray:
        """One range; what was received before a connection broke is not asked for again."""
        content = bytearray()
        if start == end:
            return content

        def receive() -> bytearray:
            first = start + len(content)
            with self._requested(name, {"Range": f"bytes={first}-{end - 1}"}) as response:
                said = response.headers.get("Content-Range", "")
                if response.status_code != 206 or not said.startswith(f"bytes {first}-{end - 1}/"):
                    if response.status_code == 206:
                        raise IntegrityError(f"{self.text}/{name}: asked for bytes {first} to {end}, got {said!r}.")
                    raise FetchError(f"{self.text}: the server reads no parts of files. Run `zoo fetch {self.repo}`.")
                for piece in response.iter_raw():
                    content.extend(piece)
                    if len(content) > end - start:
                        raise IntegrityError(f"{self.text}/{name}: the server sent more than was asked for.")
            if len(content) < end - start:
                raise _DroppedError(f"the connection ended after {len(content)} of {end - start} bytes")
            return content

        return self._patiently(name, receive, progressed=lambda: len(content))

    @contextlib.contextmanager
    def _requested(self, name: str, headers: dict[str, str]) -> Iterator[Any]:
        self._check_online(name)
        utils, headers = _utils(), {"Accept-Encoding": "identity", **headers}
        sent = utils.build_hf_headers(token=self.token, library_name="zoo", headers=headers)
        # The session's client takes the token off where a redirect leads to another host.
        with utils.get_session().stream("GET", self._url(name), headers=sent, timeout=_timeout()) as response:
            utils.hf_raise_for_status(response)
            yield response

    def _commit(self) -> str:
        """The commit that the revision means, asked once; offline, what the cache knows of it."""
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        if "commit" not in self._known:
            self._known["commit"] = self._cached_commit() if self.is_offline() else self._asked_commit()
        return str(self._known["commit"])

    def _asked_commit(self) -> str:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=_endpoint(), token=self.token, library_name="zoo")
        try:
            said = self._patiently("", lambda: api.model_info(self.repo, revision=self.revision, timeout=READ).sha)
        except FetchError as error:
            unreachable = isinstance(error.__cause__, _http().TransportError) or (_status(error.__cause__) or 0) >= 500
            if unreachable and self._ref().is_file():  # no network, but it was fetched before
                return self._cached_commit()
            raise
        if not isinstance(said, str) or not _COMMIT.fullmatch(said):
            raise FetchError(f"{self.text}: the server named the commit {said!r}. Check HF_ENDPOINT.")
        return said

    def _cached_commit(self) -> str:
        ref = self._ref()
        said = ref.read_text().strip() if ref.is_file() else ""
        if not _COMMIT.fullmatch(said):
            raise FetchError(f"{self.text} is not in the cache, and this is offline. Run it once without --offline.")
        return said

    def _note_commit(self) -> None:
        """Tell the cache which commit the branch meant, as its client does: that is what is used offline."""
        ref = self._ref()
        if _COMMIT.fullmatch(ref.name) or (ref.is_file() and ref.read_text().strip() == self._commit()):
            return
        write_whole(ref, self._commit())

    def _ref(self) -> Path:
        """Where the Hub's cache keeps the commit that a branch or tag last meant."""
        from huggingface_hub import constants

        cache = Path(self._cache() or constants.HF_HUB_CACHE)
        return cache / f"models--{self.repo.replace('/', '--')}" / "refs" / (self.branch or self.revision)

    def _url(self, name: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repo, check_name(name, self.text), revision=self._commit(), endpoint=_endpoint())

    def _cache(self) -> str | None:
        return str(self.cache_dir) if self.cache_dir else os.environ.get("HF_HUB_CACHE") or None

    def is_offline(self) -> bool:
        """Whether only the cache may be used."""
        return self.offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")

    def _check_online(self, name: str) -> None:
        if self.is_offline():
            raise FetchError(
                f"{self.text}: {name!r} is not in the cache, and this is offline. Run it once without --offline."
            )

    def _patiently(
        self,
        name: str,
        work: Callable[[], T],
        *,
        progressed: Callable[[], int] = lambda: 0,
        statuses_only: bool = False,
    ) -> T:
        """Do it again while the server is busy or the connection breaks, for a bounded time.

        Args:
            name: the file, for messages.
            work: what is tried.
            progressed: the bytes received; while they grow the patience starts anew.
            statuses_only: whether broken connections are final (the work itself has tried them again).
        """
        began, attempt, before = time.monotonic(), 0, 0
        while True:
            try:
                return work()
            except _foreign() as error:
                attempt += 1
                if progressed() > before:
                    began, attempt, before = time.monotonic(), 1, progressed()
                wait = _wait_before_retry(error, attempt, statuses_only)
                asked = _status(error) == 429
                if wait is None or attempt >= ATTEMPTS or (not asked and time.monotonic() - began + wait > PATIENCE):
                    raise self._explained(name, error) from error
                time.sleep(wait)

    def _explained(self, name: str, error: BaseException) -> FetchError:
        """The client's error as one line with the real cause and the remedy."""
        kind = type(error).__name__
        if kind == "LocalEntryNotFoundError" and error.__cause__ is not None:
            return self._explained(name, error.__cause__)
        status = _status(error)
        if kind == "GatedRepoError" or status in (401, 403):
            return FetchError(
                f"{self.text} may not be read without permission (HTTP {status}). "
                "Run `hf auth login`, or set HF_TOKEN, and ask its owner for access."
            )
        if kind == "RepositoryNotFoundError":
            return FetchError(
                f"{self.text}: there is no such repository, or it is private. Check the name, or set HF_TOKEN."
            )
        if kind == "RevisionNotFoundError":
            return FetchError(f"{self.text}: there is no such revision. Check it, or leave it out.")
        if "EntryNotFound" in kind or status == 404:
            return MissingFileError(self.text, name)
        if getattr(error, "errno", None) == errno.ENOSPC:
            return FetchError(f"{self.text}: the disk is full. Free some room, or choose another with --cache-dir.")
        what = f"{self.text}/{name}" if name else self.text
        cause = f"HTTP {status}" if status else (str(error).strip().splitlines() or [kind])[0]
        if status and status != 429 and status < 500:
            return FetchError(f"{what} could not be fetched ({cause}). Check the name and HF_ENDPOINT.")
        return FetchError(f"{what} could not be fetched ({cause}). {REMEDY}.")


class _DroppedError(OSError):
    """A body that ended before its time."""


def _endpoint() -> str | None:
    """Read at the call: the client itself reads it only when it is imported."""
    return os.environ.get("HF_ENDPOINT") or None


def _utils() -> Any:
    return importlib.import_module("huggingface_hub.utils")


def _http() -> Any:
    """The http library of the installed client: httpx until 1.x, httpx2 from 2.0."""
    client: Any = importlib.import_module("huggingface_hub.utils._http")
    return getattr(client, "httpx2", None) or client.httpx


def _timeout() -> Any:
    return _http().Timeout(READ, connect=CONNECT)


def _foreign() -> tuple[type[BaseException], ...]:
    """What the client may raise: its own errors, the http library's, the system's."""
    from huggingface_hub.errors import HfHubHTTPError

    http = _http()
    return (HfHubHTTPError, http.HTTPError, http.InvalidURL, http.StreamError, OSError, ValueError)


def _status(error: BaseException | None) -> int | None:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _wait_before_retry(error: BaseException, attempt: int, statuses_only: bool) -> float | None:
    """Seconds until the next attempt, None where there is no point in one."""
    status = _status(error)
    back_off = BACK_OFF * 2.0 ** (attempt - 1)
    if status == 429:
        said = error.response.headers.get("Retry-After", "")  # type: ignore[attr-defined]
        wait = float(said) if said.isdigit() else back_off
        return wait if wait <= LONGEST_WAIT else None
    if status is not None:
        return back_off if status in (408, 500, 502, 503, 504) else None
    dropped = isinstance(error, _http().TransportError | _DroppedError) and not statuses_only
    return back_off if dropped else None


def _bar(progress: Progress, what: str, size: int) -> type[Any]:
    """A progress bar for the client that draws nothing and tells `progress`."""

    def update(bar: Any, n: float | None = 1) -> None:
        bar.told = getattr(bar, "told", bar.initial) + int(n or 0)
        progress(what, bar.told, size)

    def start(bar: Any, *args: Any, **options: Any) -> None:
        quiet.__init__(bar, *args, **{**options, "disable": True})
        bar.initial = int(options.get("initial") or 0)

    quiet = _utils().tqdm
    return type("Bar", (quiet,), {"__init__": start, "update": update})


def _coalesced(ranges: Sequence[Range]) -> list[Range]:
    """Ranges with small gaps between them read as one; sorted, none overlapping."""
    spans: list[Range] = []
    for start, end in sorted(ranges):
        if spans and start - spans[-1][1] <= GAP:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _part_of(read: dict[Range, memoryview], start: int, end: int) -> memoryview:
    for (first, last), content in read.items():
        if first <= start and end <= last:
            return content[start - first : end - first]
    raise IntegrityError(f"Bytes {start} to {end} were not read.")
