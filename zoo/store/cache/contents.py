"""What the Hub's cache and `ZOO_HOME` hold, and whether it is complete."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from zoo.errors import ZooError
from zoo.files import parse_json, zoo_home
from zoo.hub import (
    CachedFile,
    CachedRepo,
    CachedRevision,
    IncompleteDownload,
    PartialFile,
    cache_folder,
    list_cached,
    list_partial_files,
)
from zoo.store.cache.selectors import CacheSelector, registered_names
from zoo.store.manifest import CARD_FILE, MANIFEST_FILE, MANIFEST_LIMIT, Manifest, read_manifest

DerivedKind = Literal["decoded", "datasets", "registries"]  # as the folder is called

_ZOO_MANIFEST = re.compile(rb'"library"\s*:\s*"zoo"')


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedWeights:
    """A revision in the Hub's cache that holds filters of ours, or other weights."""

    revision: CachedRevision
    kind: Literal["filters", "weights"]
    manifest: Manifest | None  # of filters, where it can be read
    names: tuple[str, ...]  # that registries give it
    missing: tuple[str, ...]  # files that were never fetched, of those that the manifest names
    faults: tuple[str, ...]  # what is damaged, as far as sizes tell; a line each, "FILE: what"

    @property
    def text(self) -> str:
        """As `zoo cache` takes it."""
        return f"{self.revision.repo}@{self.revision.commit[:7]}"

    @property
    def whole(self) -> bool:
        """Whether all its files are here, with the right sizes."""
        return not (self.missing or self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedFolder:
    """What can be made again under `ZOO_HOME`: decoded pictures, drawn datasets, the copies of large registries."""

    kind: DerivedKind
    name: str
    path: Path
    size: int  # bytes
    used: float  # when it was last read or written; seconds since 1970
    unfinished: bool  # left by a decoding that was interrupted


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheContents:
    """Everything in the caches."""

    cache: Path  # the Hub's
    home: Path  # ours
    repos: tuple[CachedRepo, ...]  # other people's among them
    stored: tuple[CachedWeights, ...]
    incomplete_downloads: tuple[IncompleteDownload, ...]
    parts: tuple[PartialFile, ...]
    folders: tuple[DerivedFolder, ...]
    problems: tuple[str, ...]  # what could not be read, a line each

    def refs_of(self, kept: PartialFile) -> tuple[str, ...]:
        """The branches and tags that meant a kept file's commit, as far as either cache knows."""
        revisions = (one for repo in self.repos if repo.name == kept.repo for one in repo.revisions)
        return (*kept.branches, *(ref for one in revisions if one.commit == kept.commit for ref in one.refs))

    @property
    def size(self) -> int:
        """Bytes of all that is listed; what two revisions share counts once."""
        blobs = {file.blob: file.size or 0 for one in self.stored for file in one.revision.files}
        others = sum(one.size for one in self.incomplete_downloads) + sum(one.size for one in self.folders)
        return sum(blobs.values()) + others + sum(one.kept for one in self.parts)


def list_caches(cache_dir: Path | None = None) -> CacheContents:
    """List the caches. Nothing is changed, no weights are read, and nothing is asked of the Hub.

    Of the Hub's cache, which other libraries use too, only what holds our manifest or safetensors files is listed.
    """
    cache = cache_folder(cache_dir)
    problems: list[str] = []
    repos = list_cached(cache, problems)
    names = registered_names()
    stored = [one for repo in repos for revision in repo.revisions if (one := _as_cached_weights(revision, names))]
    listed = {one.revision.repo for one in stored}
    incomplete_downloads = (
        one for repo in repos if repo.name in listed or not repo.revisions for one in repo.incomplete_downloads
    )
    return CacheContents(
        cache=cache,
        home=zoo_home(),
        repos=tuple(repos),
        stored=tuple(stored),
        incomplete_downloads=tuple(incomplete_downloads),
        parts=tuple(list_partial_files(problems)),
        folders=tuple(one for kind in get_args(DerivedKind) for one in _list_derived_folders(kind, problems)),
        problems=tuple(problems),
    )


def is_zoo_manifest(raw: bytes) -> bool:
    """Whether a `config.json` is a manifest of filters, be it damaged; other libraries have a file so called."""
    try:
        said = parse_json(raw)
    except ValueError:
        return _ZOO_MANIFEST.search(raw) is not None
    return isinstance(said, dict) and said.get("library") == "zoo"


def _as_cached_weights(revision: CachedRevision, names: Mapping[str, CacheSelector]) -> CachedWeights | None:
    files = {file.name: file for file in revision.files}
    manifest, faults = _read_cached_manifest(files.get(MANIFEST_FILE), revision)
    ours = manifest is not None or bool(faults)
    if not ours and not any(name.endswith(".safetensors") for name in files):
        return None
    faults += [f"{file.name}: its bytes are not in the cache" for file in revision.files if file.size is None]
    promised = manifest.files if manifest else {}
    for name, entry in promised.items():
        size = files[name].size if name in files else None
        if size not in (None, entry.size) and name != CARD_FILE:  # its own hash is checked
            faults.append(f"{name}: {size:,} bytes, where the manifest promises {entry.size:,}")
    return CachedWeights(
        revision=revision,
        kind="filters" if ours else "weights",
        manifest=manifest,
        names=tuple(n for n, one in names.items() if one.has(revision.repo, revision.commit, revision.refs)),
        missing=tuple(name for name in promised if name not in files),
        faults=tuple(faults),
    )


def _read_cached_manifest(file: CachedFile | None, revision: CachedRevision) -> tuple[Manifest | None, list[str]]:
    """The manifest, or what is wrong with it; neither where there is none, or another library's file."""
    if file is None or file.size is None or file.size > MANIFEST_LIMIT:
        return None, []
    try:
        raw = file.path.read_bytes()
    except OSError:
        return None, []
    try:
        return read_manifest(raw, f"{revision.repo}@{revision.commit[:7]}"), []
    except ZooError as error:
        return None, [f"{MANIFEST_FILE}: {error}"] if is_zoo_manifest(raw) else []


def _list_derived_folders(kind: DerivedKind, problems: list[str]) -> Iterator[DerivedFolder]:
    root = zoo_home() / kind
    try:
        found = sorted(root.iterdir()) if root.is_dir() and kind != "registries" else [root]
        folders = [path for path in found if path.is_dir()]
    except OSError as error:
        problems.append(f"{root}: it cannot be read ({error.strerror or error}).")
        return
    for folder in folders:
        files = [status for place, _, names in os.walk(folder) for name in names if (status := _status(place, name))]
        yield DerivedFolder(
            kind=kind,
            name=folder.name,
            path=folder,
            size=sum(one.st_size for one in files),
            used=max((max(one.st_mtime, one.st_atime) for one in files), default=folder.lstat().st_mtime),
            unfinished=folder.name.startswith("."),
        )


def _status(place: str, name: str) -> os.stat_result | None:
    try:
        return Path(place, name).lstat()
    except OSError:  # it is gone by now
        return None
