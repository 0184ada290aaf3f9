"""Published filters: opened by name, verified against their manifest, fetched to this disk.

One hash verifies all: a registry's entry pins the manifest, the manifest pins the files and the weights' header,
the header pins the tensors. No pickle is loaded and no code of theirs is run.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zoo.errors import (
    FetchError,
    IntegrityError,
    MissingFileError,
    MissingPluginError,
    UnknownNameError,
    UsageError,
    ZooError,
    ZooWarning,
)
from zoo.files import sha256_of
from zoo.progress import Progress, silent
from zoo.store.hub_source import HubSource
from zoo.store.manifest import (
    CARD_FILE,
    HEADS_FILE,
    MANIFEST_FILE,
    MANIFEST_LIMIT,
    MODEL_FILE,
    FileEntry,
    Manifest,
    read_manifest,
)
from zoo.store.registry import find
from zoo.store.registry_file import NAME_PATTERN
from zoo.store.safetensors import Header, Verify, read_header, read_tensors
from zoo.store.source import Source
from zoo.store.source_parsing import parse_source

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Published filters: their source, their manifest and its hash."""

    source: Source  # at one commit, where it has commits
    manifest: Manifest
    digest: str  # of config.json, "sha256:<64 hex digits>": what a registry pins
    folder: Path | None  # where they lie on this disk, None where not all of them do

    def read_file(self, name: str, *, limit: int) -> bytes | None:
        """A published file, checked against the manifest; None where it lists none of at most `limit` bytes.

        Raises:
            IntegrityError: its bytes are not the published ones.
            FetchError, FileError: it is gone, or its source could not be reached.
        """
        entry = self.manifest.files.get(name)
        if entry is None or entry.size > limit:
            return None
        content = self.source.read(name, limit=limit)
        if (found := hashlib.sha256(content).hexdigest()) != entry.sha256:
            raise _mismatch_error(f"{self.source.text}/{name}", "sha256", entry.sha256, found)
        return content


@dataclass(frozen=True, slots=True, kw_only=True)
class _SourceCandidates:
    """The sources to try in order, and the manifest hash that each must match."""

    text: str
    sources: tuple[Callable[[], Source], ...]  # not parsed yet: one that is wrong does not stop the others
    pin: str | None


def open_artifact(
    text: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: Path | str | None = None,
    offline: bool = False,
) -> Artifact:
    """Read the manifest of published filters; nothing else is fetched yet.

    Args:
        text: a name of `zoo list`, `owner/name[@revision]`, `hf://…`, `package:module/folder` or a folder.
        revision: a branch, tag or commit, where the text is a repository of the Hub.
        token: for private repositories; `HF_TOKEN` or the stored login where not given.
        cache_dir: the Hub's cache; `HF_HUB_CACHE` where not given.
        offline: use what is on this disk only.

    Raises:
        UnknownNameError: no registry has that name.
        UsageError: the text names nothing that filters could be.
        FetchError, FileError: no source could be reached; every cause is said.
        IntegrityError: the manifest is damaged, or is not the one that the registry pins.
    """
    candidates = _find_candidates(
        str(text), revision=revision, token=token, cache_dir=Path(cache_dir) if cache_dir else None, offline=offline
    )
    return _try_candidates(candidates, lambda source: open_artifact_at(source, candidates.pin))


def fetch_artifact(
    text: str | Path,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: Path | str | None = None,
    offline: bool = False,
    tensors: Callable[[Manifest], Iterable[str]] | None = None,
    progress: Progress = silent,
) -> Artifact:
    """Bring published filters to this disk, whole and verified; a folder or package is verified where it lies.

    From the Hub they go into its shared cache; a file whose bytes are wrong there is fetched once more.

    Args:
        text: as for `open_artifact`, and so are the other arguments.
        tensors: says which tensors of the backbone are brought, by ranges, and nothing else but the manifest; they
            are kept under `ZOO_HOME`.
        progress: told the bytes.

    Raises:
        The errors of `open_artifact`, and IntegrityError where a file is not what the manifest promises.
    """
    candidates = _find_candidates(
        str(text), revision=revision, token=token, cache_dir=Path(cache_dir) if cache_dir else None, offline=offline
    )

    def work(source: Source) -> Artifact:
        published = open_artifact_at(source, candidates.pin)
        names = None if tensors is None else list(tensors(published.manifest))
        return _fetch_whole(published, progress) if names is None else _fetch_tensors(published, names, progress)

    return _try_candidates(candidates, work)


def verify(published: Artifact, *, progress: Progress = silent) -> list[str]:
    """Check every file against the manifest, and every tensor against its header.

    Returns:
        A line for each thing that was checked.

    Raises:
        IntegrityError: all that is wrong, with what was expected and what was found.
        FetchError: a file of the Hub could not be fetched.
    """
    lines = [f"{MANIFEST_FILE}: {published.digest}"]
    faults = _find_unlisted_weights(published)
    total = len(published.manifest.files)
    for done, (name, entry) in enumerate(sorted(published.manifest.files.items())):
        progress("verifying", done, total, name)
        try:
            path = _fetch_checked_file(published, name, progress)
            as_promised = name != CARD_FILE or sha256_of(path) == entry.sha256
            said = f"{entry.size:,} bytes, sha256 {entry.sha256}" if as_promised else "edited since on the Hub"
            lines.append(f"{name}: {said}")
        except (IntegrityError, MissingFileError) as error:
            faults.append(str(error))
    progress("verifying", total, total)
    _raise_faults(faults)
    for name in (MODEL_FILE, HEADS_FILE):
        if name in published.manifest.files:
            tensors = _read_checked_tensors(published, name, None, verify=True)
            lines.append(f"{name}: {len(tensors)} tensors, each with its sha256")
    return lines


def read_backbone_tensors(
    published: Artifact, names: Iterable[str] | None = None, *, verify: bool = True, progress: Progress = silent
) -> dict[str, torch.Tensor]:
    """The truncated backbone's tensors, only those asked for: mapped from this disk, or read by ranges.

    Args:
        published: what to read.
        names: of the tensors; all where not given.
        verify: compare each with its hash. The header is always compared with the manifest.
        progress: told the bytes of a remote file.

    Raises:
        IntegrityError: the header or a tensor is not the published one.
        UnknownNameError: there is no tensor of that name.
    """
    return _read_checked_tensors(published, MODEL_FILE, names, verify=verify, progress=progress)


def read_head_tensors(
    published: Artifact, *, verify: bool = True, progress: Progress = silent
) -> dict[str, torch.Tensor]:
    """The heads' tensors; empty where none were published. Raises as `read_backbone_tensors` does."""
    if HEADS_FILE not in published.manifest.files:
        return {}
    return _read_checked_tensors(published, HEADS_FILE, None, verify=verify, progress=progress)


def read_artifact_header(published: Artifact, name: str = MODEL_FILE) -> Header:
    """The checked header of a safetensors file, compared with the manifest.

    Raises:
        IntegrityError: it is not the published one.
    """
    return _retry_without_cached_ranges(published.source, name, lambda: _read_checked_header(published, name))


def open_artifact_at(source: Source, pin: str | None = None) -> Artifact:
    """As `open_artifact`, where the source is known already.

    Args:
        source: where they lie; it is pinned to its commit.
        pin: the manifest's sha256 that a registry promises, "sha256:…".
    """
    source = source.pinned()
    try:
        raw = source.read(MANIFEST_FILE, limit=MANIFEST_LIMIT)
    except MissingFileError as error:
        raise FetchError(
            f"{source.text} has no {MANIFEST_FILE}: it holds no published filters.", "Run `zoo list` for names that do."
        ) from error
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if digest != (pin or digest) and isinstance(source, HubSource) and source.local_path(MANIFEST_FILE):
        source.fetch(MANIFEST_FILE, again=True)  # the cache's copy may be damaged
        raw = source.read(MANIFEST_FILE, limit=MANIFEST_LIMIT)
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if pin is not None and digest != pin:
        raise IntegrityError(
            f"{source.text}: its {MANIFEST_FILE} is {digest}, the registry promises {pin}.",
            "Do not use these files, or correct the registry's entry.",
        )
    manifest = read_manifest(raw, source.text)
    return Artifact(source=source, manifest=manifest, digest=digest, folder=_local_folder(source, manifest))


# ------------------------------------------------------------------------------------------------ helpers


def _read_checked_header(published: Artifact, name: str) -> Header:
    manifest = published.manifest
    expected = {MODEL_FILE: manifest.header_sha256, HEADS_FILE: manifest.heads_header_sha256}[name]
    entry = manifest.files[name]
    where = f"{published.source.text}/{name}"
    if published.source.local_path(name) is not None and published.source.size(name) != entry.size:
        raise _mismatch_error(where, "size", f"{entry.size} bytes", f"{published.source.size(name)} bytes")
    header = read_header(published.source, name, size=entry.size)
    if header.digest != expected:
        raise _mismatch_error(where, "header's sha256", str(expected), header.digest)
    return header


def _find_candidates(
    text: str, *, revision: str | None, token: str | None, cache_dir: Path | None, offline: bool
) -> _SourceCandidates:
    base: Path | None = None
    texts: tuple[str, ...] = (text,)
    pin: str | None = None
    if NAME_PATTERN.fullmatch(text):
        try:
            entry = find(text)
        except UnknownNameError:
            if not Path(text).is_dir():
                raise
        else:
            base, texts, pin = entry.base, entry.sources, entry.manifest
            if revision and pin:
                raise UsageError(
                    f"{text!r} is a name that stands for one revision.",
                    f"Name the repository instead: "
                    f"{next((s for s in texts if not s.startswith('package:')), 'owner/name').partition('@')[0]}"
                    f"@{revision}.",
                )
    sources = tuple(
        partial(parse_source, one, base=base, revision=revision, token=token, cache_dir=cache_dir, offline=offline)
        for one in texts
    )
    return _SourceCandidates(text=text, sources=sources, pin=pin)


def _try_candidates(candidates: _SourceCandidates, work: Callable[[Source], T]) -> T:
    """What the first good source gives; where none is good, all causes."""
    causes: list[ZooError] = []
    for make in candidates.sources:
        try:
            return work(make())
        except (UnknownNameError, MissingPluginError):  # the same wherever they lie
            raise
        except ZooError as error:
            causes.append(error)
    if len(causes) == 1:
        raise causes[0]
    kind = IntegrityError if any(isinstance(cause, IntegrityError) for cause in causes) else FetchError
    listed = " ".join(f"({number}) {cause}" for number, cause in enumerate(causes, 1))
    raise kind(f"None of the {len(causes)} sources of {candidates.text!r} could be used: {listed}") from causes[0]


def _local_folder(source: Source, manifest: Manifest) -> Path | None:
    """Where all files lie on this disk; a missing file of a folder is found when it is read."""
    names = [MANIFEST_FILE, *manifest.files] if isinstance(source, HubSource) else [MANIFEST_FILE]
    paths = [source.local_path(name) for name in names]
    return paths[0].parent if paths[0] is not None and None not in paths else None


def _fetch_whole(published: Artifact, progress: Progress) -> Artifact:
    source, faults = published.source, _find_unlisted_weights(published)
    for name, entry in published.manifest.files.items():
        try:
            path = _fetch_checked_file(published, name, progress)
        except IntegrityError as error:
            faults.append(str(error))
        else:
            if name == CARD_FILE and sha256_of(path) != entry.sha256:
                said = f"its {CARD_FILE} was edited after these filters were published. All else is as it was"
                warnings.warn(f"{source.text}: {said}.", ZooWarning, stacklevel=2)
    _raise_faults(faults)
    for name in (MODEL_FILE, HEADS_FILE):
        if name in published.manifest.files:
            read_artifact_header(published, name)
    return replace(published, folder=_fetch_manifest_file(source, published.digest, progress).parent)


def _fetch_tensors(published: Artifact, names: Sequence[str], progress: Progress) -> Artifact:
    source = published.source
    if not isinstance(source, HubSource):
        return _fetch_whole(published, progress)
    _fetch_manifest_file(source, published.digest, progress)
    if source.local_path(MODEL_FILE) is not None:
        _fetch_checked_file(published, MODEL_FILE, progress)
        return published

    def bring() -> None:
        header = _read_checked_header(published, MODEL_FILE)
        ranges = [(header.tensors[name].start, header.tensors[name].end) for name in names if name in header.tensors]
        source.cache_ranges(MODEL_FILE, ranges, progress=progress)
        read_tensors(source, MODEL_FILE, names, header=header, verify="required")

    _retry_without_cached_ranges(source, MODEL_FILE, bring)
    return published


def _retry_without_cached_ranges(source: Source, name: str, work: Callable[[], T]) -> T:
    """Read a file; where its cached byte ranges are damaged, drop them and read once more."""
    try:
        return work()
    except IntegrityError:
        if not isinstance(source, HubSource) or not source.drop_cached_ranges(name):
            raise
    try:
        return work()
    except IntegrityError:
        source.drop_cached_ranges(name)
        raise


def _fetch_checked_file(published: Artifact, name: str, progress: Progress) -> Path:
    """A file on this disk, as the manifest promises it; one of the Hub that is damaged is fetched once more.

    A card that somebody has edited on the Hub is a warning only: nothing is computed from it.
    """
    source, entry = published.source, published.manifest.files[name]
    differs = source.local_path(name) is None and source.size(name) != entry.size  # before it is downloaded
    if differs and not (name == CARD_FILE and isinstance(source, HubSource) and source.size(name) <= MANIFEST_LIMIT):
        raise _mismatch_error(f"{source.text}/{name}", "size", f"{entry.size} bytes", f"{source.size(name)} bytes")
    path = source.fetch(name, progress=progress)
    try:
        _check_size_and_hash(path, entry)
    except IntegrityError:
        if not isinstance(source, HubSource):
            raise
        if not _is_edited_card(source, name):
            if source.is_offline():
                raise
            path = source.fetch(name, progress=progress, again=True)
            if not _is_edited_card(source, name):
                _check_size_and_hash(path, entry)
    return path


def _is_edited_card(source: Source, name: str) -> bool:
    """Whether it is a README as the Hub has it, whatever the manifest promises."""
    return name == CARD_FILE and isinstance(source, HubSource) and source.matches_hub_listing(name)


def _fetch_manifest_file(source: Source, digest: str, progress: Progress) -> Path:
    path = source.fetch(MANIFEST_FILE, progress=progress)
    if f"sha256:{sha256_of(path)}" != digest:
        path = source.fetch(MANIFEST_FILE, progress=progress, again=True)
        if f"sha256:{sha256_of(path)}" != digest:
            raise IntegrityError(f"{path} changed while it was fetched.", "Try again.")
    return path


def _check_size_and_hash(path: Path, entry: FileEntry) -> None:
    size = path.stat().st_size
    if size != entry.size:
        raise _mismatch_error(str(path), "size", f"{entry.size} bytes", f"{size} bytes")
    digest = sha256_of(path)
    if digest != entry.sha256:
        raise _mismatch_error(str(path), "sha256", entry.sha256, digest)


def _find_unlisted_weights(published: Artifact) -> list[str]:
    """Weights that lie beside the others and that no hash covers."""
    if published.folder is None:
        return []
    found = (path.relative_to(published.folder).as_posix() for path in published.folder.rglob("*.safetensors"))
    return [
        f"{published.source.text} has {name!r}, which its manifest does not list. Remove it."
        for name in sorted(found)
        if name not in published.manifest.files
    ]


def _raise_faults(faults: list[str]) -> None:
    if faults:
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        raise IntegrityError(" ".join(faults[:5]) + more)


def _read_checked_tensors(
    published: Artifact, name: str, names: Iterable[str] | None, *, verify: bool, progress: Progress = silent
) -> dict[str, torch.Tensor]:
    def read() -> dict[str, torch.Tensor]:
        header = _read_checked_header(published, name)
        how: Verify = "required" if verify else "never"
        return read_tensors(published.source, name, wanted, header=header, verify=how, progress=progress)

    wanted = None if names is None else list(names)
    return _retry_without_cached_ranges(published.source, name, read)


def _mismatch_error(where: str, what: str, expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        f"{where}: its {what} is {found}, the manifest promises {expected}.",
        "Fetch or copy it again; if that does not help, tell its publisher.",
    )
