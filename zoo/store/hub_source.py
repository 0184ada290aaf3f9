"""A repository of the Hugging Face Hub as a source."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from zoo.errors import FetchError, FileError, IntegrityError, MissingFileError
from zoo.files import write_atomically
from zoo.hub import (
    COMMIT,
    Address,
    ListedFile,
    RangeCache,
    RemoteFile,
    cache_folder,
    describe_file,
    download,
    file_url,
    is_offline,
    is_unreachable,
    matches_etag,
    read_byte_range,
    read_listing,
    read_small,
    record_commit,
    recorded_commit,
    repo_folder,
    translate_error,
    uses_xet,
)
from zoo.progress import Progress, silent
from zoo.store.source import (
    ByteRange,
    Repository,
    Source,
    check_file_name,
    read_byte_ranges,
    read_small_file,
    too_large_error,
)

GAP = 65_536  # bytes; ranges nearer than this to each other are read in one go
LARGEST_SPAN = 32 * 2**20  # bytes read in one go, where they are of several ranges: what is kept after each


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSource(Source):
    """A repository of the Hugging Face Hub, or of another server (`HF_ENDPOINT`) that speaks as it does.

    The first reading settles the commit, so that all files of one source are of one commit. What the Hub's
    cache holds is used without a request.
    """

    repo: str  # "owner/name"
    revision: str = "main"
    token: str | None = field(default=None, repr=False)
    cache_dir: Path | None = None
    offline: bool = False
    branch: str | None = None  # what was asked for, where the revision is the commit that it meant
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)  # the commit, files' facts

    @property
    def text(self) -> str:
        return f"hf://{self.repo}@{self._known.get('commit', self.revision)}"

    @property
    def repository(self) -> Repository:
        return Repository(name=self.repo, revision=self.revision, token=self.token)

    def pinned(self) -> HubSource:
        if COMMIT.fullmatch(self.revision):
            return self
        commit = self._commit()
        return replace(self, revision=commit, branch=self.revision, _known=dict(self._known))

    def local_path(self, name: str) -> Path | None:
        check_file_name(name, self.text)
        path = repo_folder(self.repo, cache_folder(self.cache_dir)) / "snapshots" / self._commit() / name
        return path if path.is_file() else None

    def size(self, name: str) -> int:
        path = self.local_path(name)
        if path is not None:
            return path.stat().st_size
        kept = self._parts(name).size()
        if kept is not None:
            return kept
        said = self._listed(name).size
        return int(said) if said is not None else self._remote(name).size

    def names(self) -> list[str]:
        """All files of the repository; without a network those that are on this disk, whole or in part."""
        here = self._names_here()
        if not self.is_offline() and "files" not in self._known:
            try:
                self._request_listing()
            except FetchError as error:
                if not (here and is_unreachable(error.__cause__)):
                    raise
        return sorted(self._known.get("files", here))

    @property
    def received(self) -> int:
        return int(self._known.get("received", 0))

    def fetch(self, name: str, *, progress: Progress = silent, again: bool = False) -> Path:
        path = self.local_path(name)
        if path is not None and (not again or self.is_offline()):
            self._record_commit()
            return path
        found = download(self._remote(name), cache=cache_folder(self.cache_dir), progress=progress, again=again)
        self._record_commit()
        return found

    def read(self, name: str, *, limit: int) -> bytes:
        path = self.local_path(name)
        if path is None:
            size = self._remote(name).size
            if size > limit:
                raise too_large_error(f"{self.text}/{name}", size, limit)
            try:
                path = self.fetch(name)
            except FileError:  # the disk is full, or the cache cannot be written
                return self._received(name, limit)
        elif matches_etag(path) is False:  # damaged since it was fetched
            if self.is_offline():
                raise IntegrityError(
                    f"{path}: it is damaged, and this is offline.", "Run it once without `offline=True`."
                )
            path = self.fetch(name, again=True)
        else:
            self._record_commit()
        return read_small_file(path, limit=limit)

    def read_ranges(self, name: str, ranges: Sequence[ByteRange], *, progress: Progress = silent) -> list[memoryview]:
        path = self.local_path(name)
        if path is not None:
            return read_byte_ranges(path, ranges)
        return self._ranges(name, ranges, progress, strict=False)

    def matches_hub_listing(self, name: str) -> bool:
        path = self.local_path(name)
        return path is not None and matches_etag(path) is True

    def cache_ranges(self, name: str, ranges: Sequence[ByteRange], *, progress: Progress = silent) -> None:
        if self.local_path(name) is None:
            self._ranges(name, ranges, progress, strict=True)

    def drop_cached_ranges(self, name: str) -> bool:
        if self.is_offline() or self.local_path(name) is not None:
            return False
        parts = self._parts(name)
        with parts.locked():
            parts.forget()
        return True

    def is_offline(self) -> bool:
        return self.offline or is_offline()

    def _ranges(self, name: str, ranges: Sequence[ByteRange], progress: Progress, *, strict: bool) -> list[memoryview]:
        parts = self._parts(name)
        found = parts.find(ranges)
        if not found.keys() >= set(ranges):
            self._check_online(name)
            with parts.locked():
                found |= parts.find([one for one in ranges if one not in found])
                missing = [one for one in dict.fromkeys(ranges) if one not in found]
                for fetched in self._fetch_ranges(name, missing, progress):
                    found |= fetched
                    try:
                        parts.keep(fetched, size=self.size(name))
                    except FileError:
                        if strict:
                            raise
            if not COMMIT.fullmatch(self.branch or self.revision):
                record_commit(self.repo, self.branch or self.revision, self._commit())
        return [found[one] for one in ranges]

    def _fetch_ranges(
        self, name: str, ranges: Sequence[ByteRange], progress: Progress
    ) -> Iterator[dict[ByteRange, memoryview]]:
        """The ranges, span by span."""
        spans = _merge_ranges(ranges)
        total = sum(end - start for start, end in spans)
        address = Address(url=self._url(name), token=self.token)
        done, address = 0, self._known.setdefault(f"address of {name}", address)
        for start, end in spans:
            content = memoryview(read_byte_range(address, start, end, where=self.text, name=name))
            done += end - start
            self._known["received"] = self.received + len(content)
            progress(f"fetching {name}", done, total)
            yield {
                (first, last): content[first - start : last - start]
                for first, last in ranges
                if start <= first and last <= end
            }

    def _received(self, name: str, limit: int) -> bytes:
        """A small file, kept in memory only."""
        where = f"{self.text}/{name}"
        explain = partial(translate_error, self.text, name=name)
        return read_small(self._url(name), token=self.token, limit=limit, where=where, explain=explain)

    # ---- what the Hub says of the repository

    def _commit(self) -> str:
        """The commit that the revision means, asked once; offline, what the cache knows of it."""
        if COMMIT.fullmatch(self.revision):
            return self.revision
        if "commit" not in self._known:
            if self.is_offline():
                self._known["commit"] = self._cached_commit()
            else:
                self._request_commit()
        return str(self._known["commit"])

    def _request_commit(self) -> None:
        try:
            self._request_listing()
        except FetchError as error:
            noted = self._recorded_commit()
            if not (noted and is_unreachable(error.__cause__)):
                raise
            self._known["commit"] = noted  # no network, but it was fetched before

    def _request_listing(self) -> None:
        """The commit, with the size and the digest of every file in it: one request."""
        said = read_listing(self.repo, self.revision, token=self.token, where=self.text)
        self._known["commit"], self._known["files"] = said.commit, dict(said.files)

    def _names_here(self) -> list[str]:
        commit = self._commit()
        folder = repo_folder(self.repo, cache_folder(self.cache_dir)) / "snapshots" / commit
        whole = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        return sorted(whole | set(RangeCache.names(self.repo, commit)))

    def _listed(self, name: str) -> ListedFile | RemoteFile:
        """What the Hub said of a file: in its listing, or in an answer of its own."""
        check_file_name(name, self.text)
        self._check_online(name)
        self._commit()
        if "files" not in self._known:
            self._request_listing()
        said: ListedFile | RemoteFile | None = self._known["files"].get(name)
        if said is None:
            raise MissingFileError(self.text, name)
        return said

    def _remote(self, name: str) -> RemoteFile:
        """A file's size and digest."""
        said = self._listed(name)
        if isinstance(said, RemoteFile):
            return said
        repo, commit, token = self.repo, self._commit(), self.token
        if said.size is None or not said.digest or (said.is_large and uses_xet()):
            file = describe_file(repo, commit, name, token=token, where=self.text)
        else:
            file = RemoteFile(repo=repo, commit=commit, name=name, size=said.size, etag=said.digest, token=token)
        self._known["files"][name] = file
        return file

    def _cached_commit(self) -> str:
        noted = self._recorded_commit()
        if not noted:
            raise FetchError(
                f"{self.text} is not in the cache, and this is offline.", "Run it once without `offline=True`."
            )
        return noted

    def _recorded_commit(self) -> str:
        """What the branch or tag meant when it was last fetched, whole or in part; "" where it never was."""
        ref = self._ref()
        said = ref.read_text().strip() if ref.is_file() else recorded_commit(self.repo, self.branch or self.revision)
        return said if COMMIT.fullmatch(said) else ""

    def _record_commit(self) -> None:
        """Record in the cache which commit the branch meant, as its client does; used offline."""
        ref = self._ref()
        if (
            self.is_offline()
            or COMMIT.fullmatch(ref.name)
            or (ref.is_file() and ref.read_text().strip() == self._commit())
        ):
            return
        with contextlib.suppress(FileError):  # a cache that cannot be written still serves what it has
            write_atomically(ref, self._commit())

    def _ref(self) -> Path:
        """Where the Hub's cache keeps the commit that a branch or tag last meant."""
        return repo_folder(self.repo, cache_folder(self.cache_dir)) / "refs" / (self.branch or self.revision)

    def _url(self, name: str) -> str:
        return file_url(self.repo, check_file_name(name, self.text), self._commit())

    def _parts(self, name: str) -> RangeCache:
        return RangeCache.of(self.repo, self._commit(), name)

    def _check_online(self, name: str) -> None:
        if self.is_offline():
            raise FetchError(
                f"{self.text}: {name!r} is not in the cache, and this is offline.",
                "Run it once without `offline=True`.",
            )


def _merge_ranges(ranges: Sequence[ByteRange]) -> list[ByteRange]:
    """Ranges with small gaps between them read as one, up to a size; sorted."""
    spans: list[ByteRange] = []
    for start, end in sorted(ranges):
        if spans and start - spans[-1][1] <= GAP and end - spans[-1][0] <= LARGEST_SPAN:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans
