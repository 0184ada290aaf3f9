"""Files of the Hub -> its cache on this disk: resumed where they broke off, checked before they are put in place.

The layout is the client's own, `blobs/<etag>` and `snapshots/<commit>/<file>` pointing there; so is the lock. A file
that is not whole yet lies beside its blob (partial.py), and stays there for the next attempt. The client itself starts
again after a kill and accepts any bytes of the right length.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from zoo.errors import IntegrityError
from zoo.files import sha256_of, sync_folder, temporary_folder
from zoo.hub.client import (
    ConnectionDroppedError,
    client_utils,
    disk_full_error,
    endpoint,
    file_lock,
    file_url,
    status_of,
    stream_request,
    translate_error,
    with_retries,
)
from zoo.hub.partial import own_partial_file
from zoo.progress import Progress, silent

PIECE = 2**20  # bytes, read at once while hashing
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """A file of a repository at one commit, as the Hub describes it."""

    repo: str  # "owner/name"
    commit: str
    name: str
    size: int  # bytes
    etag: str  # sha256 in hex for large files, git's sha1 for the others
    token: str | None = field(repr=False)
    xet: bool = False  # whether it lies in Xet storage, and the client can read that

    @property
    def where(self) -> str:
        """For messages."""
        return f"hf://{self.repo}@{self.commit}"

    @property
    def url(self) -> str:
        """Where its bytes are asked for."""
        return file_url(self.repo, self.name, self.commit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CachePaths:
    """Where a file goes in the cache."""

    blob: Path
    pointer: Path
    lock: Path


def cache_folder(cache_dir: Path | None) -> Path:
    """The Hub's cache: as given, `HF_HUB_CACHE`, `HF_HOME`, or the client's default."""
    from huggingface_hub import constants

    if cache_dir:
        return cache_dir
    home = os.environ.get("HF_HOME")
    return Path(os.environ.get("HF_HUB_CACHE") or (Path(home) / "hub" if home else constants.HF_HUB_CACHE)).expanduser()


def repo_folder(repo: str, cache: Path) -> Path:
    """A repository's folder in the cache."""
    return cache / f"models--{repo.replace('/', '--')}"


def download(file: RemoteFile, *, cache: Path, progress: Progress = silent, again: bool = False) -> Path:
    """Bring a file into the cache.

    Several processes that want the same file wait for each other, and one of them fetches it.

    Args:
        progress: called with the bytes so far.
        again: check the bytes that are there, and fetch them again where they are wrong.

    Returns:
        The file's path in its snapshot.

    Raises:
        FetchError: it could not be reached, or the disk is full.
        IntegrityError: twice its bytes were not those that the Hub promises.
        FileError: the cache cannot be written.
    """
    places = _cache_paths(file, cache)
    if file.xet:
        return _download_by_xet(file, cache, progress, again=again and not _matches_etag_and_size(places.blob, file))
    try:
        for folder in (places.blob.parent, places.pointer.parent, places.lock.parent):
            folder.mkdir(parents=True, exist_ok=True)
        with file_lock(places.lock):
            whole = _matches_etag_and_size(places.blob, file) if again else _has_size(places.blob, file)
            if not whole:
                _download_blob(file, places, progress)
            _link_snapshot_file(places)
    except OSError as error:
        raise translate_error(file.where, error, name=file.name) from error
    return places.pointer


def matches_etag(path: Path, etag: str | None = None) -> bool | None:
    """Whether a file's bytes are those that an etag is the digest of; None where it is no digest.

    Args:
        etag: the name of the blob that the path leads to, where not given.
    """
    blob = path.resolve()
    etag = etag or (blob.name if blob.parent.name == "blobs" else "")
    found = read_digest(blob, etag) if etag else None
    return None if found is None else found == etag


def read_digest(path: Path, etag: str) -> str | None:
    """A file's digest of the kind that an etag is, None where that is no digest.

    The Hub's etag is the sha256 of a large file and git's own sha1 of any other; some mirrors give the plain sha1.
    """
    if not _DIGEST.fullmatch(etag):
        return None
    if len(etag) == 64:
        return sha256_of(path)
    git, plain = (hashlib.sha1(start, usedforsecurity=False) for start in (b"blob %d\0" % path.stat().st_size, b""))
    with path.open("rb") as opened:
        while piece := opened.read(PIECE):
            git.update(piece)
            plain.update(piece)
    return etag if plain.hexdigest() == etag else git.hexdigest()


# ------------------------------------------------------------------------------------------------ helpers


def _cache_paths(file: RemoteFile, cache: Path) -> _CachePaths:
    # The etag comes from the server: it must not lead out of the folder, and one that is no digest is for one file.
    key = file.etag
    if not _DIGEST.fullmatch(key):
        key = hashlib.sha256(f"{file.name}\0{key}".encode()).hexdigest()
    folder = repo_folder(file.repo, cache)
    return _CachePaths(
        blob=folder / "blobs" / key,
        pointer=folder / "snapshots" / file.commit / file.name,
        lock=cache / ".locks" / folder.name / f"{key}.lock",
    )


def _download_blob(file: RemoteFile, places: _CachePaths, progress: Progress) -> None:
    """Fill a part, check it, and put it in the blob's place; wrong bytes are asked for once more from the start."""
    with own_partial_file(places.blob) as part:
        for _ in range(2):
            have = part.stat().st_size if part.is_file() else 0
            if shutil.disk_usage(part.parent).free < file.size - have:
                raise disk_full_error(file.where, file.size - have)
            _Download(file, part, progress).run()
            if _has_size(part, file) and read_digest(part, file.etag) in (file.etag, None):
                part.replace(places.blob)
                sync_folder(places.blob.parent)
                return
            part.unlink()
    raise IntegrityError(
        f"{file.where}/{file.name}: the bytes received twice did not have the hash that the Hub states "
        f"({file.etag[:16]}…). They were discarded.",
        "Try again later, or tell its publisher.",
    )


class _Download:
    """The bytes of one file, behind those that are there."""

    def __init__(self, file: RemoteFile, part: Path, progress: Progress) -> None:
        self.file, self.part, self.progress = file, part, progress
        self._open()

    def run(self) -> None:
        """Receive what is missing; the part is on the disk then."""
        explain = partial(translate_error, self.file.where, name=self.file.name)
        try:
            if self.have > self.file.size:
                self._restart()
            with_retries(self._receive, explain=explain, progressed=lambda: self.have)
            self.opened.flush()
            os.fsync(self.opened.fileno())
        finally:
            self.opened.close()

    def _receive(self) -> None:
        if self.have == self.file.size:
            return
        headers = {"Range": f"bytes={self.have}-"} if self.have else {}
        try:
            with stream_request(self.file.url, token=self.file.token, headers=headers) as response:
                self._append(response)
        except Exception as error:
            if status_of(error) != 416 or not self.have:
                raise
            self._restart()
            raise ConnectionDroppedError("the server has no bytes behind those that are here") from error
        if self.have < self.file.size:
            raise ConnectionDroppedError(f"the connection ended after {self.have} of {self.file.size} bytes")

    def _append(self, response: Any) -> None:
        said = response.headers.get("Content-Range", "")
        if self.have and (response.status_code != 206 or not said.startswith(f"bytes {self.have}-")):
            before = self.have
            self._restart()
            if response.status_code == 206:
                raise ConnectionDroppedError(f"asked for the bytes from {before}, got {said!r}")
        for piece in response.iter_bytes():
            if self.have + len(piece) > self.file.size:
                self._restart()
                raise ConnectionDroppedError(f"the server sent more than the {self.file.size} bytes of the file")
            self.opened.write(piece)
            self.have += len(piece)
            self.progress(f"fetching {self.file.name}", self.have, self.file.size)

    def _restart(self) -> None:
        """A new file: what this process held too long may be another's by now."""
        self.opened.close()
        self.part.unlink(missing_ok=True)
        self._open()

    def _open(self) -> None:
        self.part.touch()
        self.opened = self.part.open("r+b")
        self.have = self.opened.seek(0, os.SEEK_END)


def _has_size(path: Path, file: RemoteFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size


def _matches_etag_and_size(path: Path, file: RemoteFile) -> bool:
    """Whether a blob is what its etag says; False where the etag says nothing."""
    return _has_size(path, file) and matches_etag(path, file.etag) is True


def _link_snapshot_file(places: _CachePaths) -> None:
    """Make the snapshot's file a link to the blob, or a copy where the disk has no links."""
    goal = os.path.relpath(places.blob, places.pointer.parent)
    if places.pointer.is_symlink() and str(places.pointer.readlink()) == goal:
        return
    with temporary_folder(places.pointer.parent) as folder:
        new = folder / "link.part"
        try:
            new.symlink_to(goal)
        except OSError:
            shutil.copyfile(places.blob, new)
        new.replace(places.pointer)


def _download_by_xet(file: RemoteFile, cache: Path, progress: Progress, *, again: bool) -> Path:
    """By the client, whose Xet storage keeps and checks the chunks that came before a break."""
    from huggingface_hub import hf_hub_download

    options: dict[str, Any] = {
        "revision": file.commit,
        "cache_dir": cache,
        "token": file.token,
        "endpoint": endpoint(),
        "force_download": again,
        "tqdm_class": _progress_bar_class(progress, f"fetching {file.name}", file.size),
    }
    fetch = partial(hf_hub_download, file.repo, file.name, **options)
    explain = partial(translate_error, file.where, name=file.name)
    return Path(with_retries(fetch, explain=explain, statuses_only=True))


def _progress_bar_class(progress: Progress, what: str, size: int) -> type[Any]:
    quiet = client_utils().tqdm

    def update(bar: Any, n: float | None = 1) -> None:
        bar.told = getattr(bar, "told", bar.initial) + int(n or 0)
        progress(what, bar.told, size)

    def start(bar: Any, *args: Any, **options: Any) -> None:
        quiet.__init__(bar, *args, **{**options, "disable": True})
        bar.initial = int(options.get("initial") or 0)

    return type("Bar", (quiet,), {"__init__": start, "update": update})
