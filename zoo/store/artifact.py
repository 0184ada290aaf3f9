"""Published filters: opened by name, their tensors read.

One hash verifies all: a registry's entry pins the manifest, the manifest pins the files and the weights' header,
the header pins the tensors. No pickle is loaded and no code of theirs is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.errors import (
    FetchError,
    IntegrityError,
    MissingFileError,
    MissingPluginError,
    UnknownNameError,
    UsageError,
    ZooError,
    one_line,
)
from zoo.progress import Progress, silent
from zoo.store.manifest import HEADS_FILE, MANIFEST_FILE, MANIFEST_LIMIT, MODEL_FILE, Manifest, read_manifest
from zoo.store.registry import find
from zoo.store.registry_file import NAME_PATTERN, RegistryEntry
from zoo.store.safetensors import Verify, read_tensors
from zoo.store.safetensors_header import Header, read_header
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

    @property
    def is_run(self) -> bool:
        """Whether it is a run's folder, which stands for published filters."""
        return self.folder is not None and not (self.folder / MANIFEST_FILE).is_file()

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
            raise differing(f"{self.source.text}/{name}", "sha256", entry.sha256, found)
        return content


def entry_of(manifest: Manifest, digest: str, source: str, *, name: str | None = None) -> RegistryEntry:
    """A registry's entry for published filters.

    Args:
        digest: of their `config.json`, "sha256:…".
        name: what they are called there; as the manifest says where not given.
    """
    return RegistryEntry(
        name=name or manifest.name,
        sources=(source,),
        manifest=digest,
        backbone=one_line(manifest.backbone.rpartition("/")[2]),
        cut=one_line(manifest.cut.name),
        about=one_line(manifest.about),
        license=one_line(manifest.license),
    )


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
    where = {"revision": revision, "token": token, "cache_dir": cache_dir, "offline": offline}
    return try_sources(text, lambda published: published, **where)


def try_sources(text: str | Path, work: Callable[[Artifact], T], **where: Any) -> T:
    """What `work` makes of the first source of a name that is good.

    Args:
        text: as for `open_published`, and so is `where`.
        work: what is done with the filters; where it fails the next source is tried.

    Raises:
        The errors of `open_published`, and those of `work`; where several sources fail all causes are said.
    """
    texts, pin, parse = _sources_of(str(text), **where)
    causes: list[ZooError] = []
    for one in texts:
        try:
            return work(open_artifact_at(parse(one), pin))
        except (UnknownNameError, MissingPluginError):  # the same wherever they lie
            raise
        except ZooError as error:
            causes.append(error)
    if len(causes) == 1:
        raise causes[0]
    kind = IntegrityError if any(isinstance(cause, IntegrityError) for cause in causes) else FetchError
    listed = " ".join(f"({number}) {cause}" for number, cause in enumerate(causes, 1))
    raise kind(f"None of the {len(causes)} sources of {str(text)!r} could be used: {listed}") from causes[0]


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
    if digest != (pin or digest) and source.local_path(MANIFEST_FILE):
        source.fetch(MANIFEST_FILE, again=True)  # a cache's copy may be damaged
        raw = source.read(MANIFEST_FILE, limit=MANIFEST_LIMIT)
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if pin is not None and digest != pin:
        raise IntegrityError(
            f"{source.text}: its {MANIFEST_FILE} is {digest}, the registry promises {pin}.",
            "Do not use these files, or correct the registry's entry.",
        )
    manifest = read_manifest(raw, source.text)
    return Artifact(source=source, manifest=manifest, digest=digest, folder=_local_folder(source, manifest))


def read_backbone_tensors(
    published: Artifact, names: Iterable[str] | None = None, *, verify: bool = True, progress: Progress = silent
) -> dict[str, torch.Tensor]:
    """The truncated backbone's tensors, only those asked for: mapped from this disk, or read by ranges.

    Args:
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


def read_published_header(published: Artifact, name: str = MODEL_FILE) -> Header:
    """The checked header of a safetensors file, compared with the manifest; kept parts that are wrong are read anew.

    Raises:
        IntegrityError: it is not the published one.
    """
    return healed(published.source, name, lambda: check_header(published, name))


def check_header(published: Artifact, name: str) -> Header:
    """As `read_published_header`, read once."""
    manifest = published.manifest
    expected = {MODEL_FILE: manifest.header_sha256, HEADS_FILE: manifest.heads_header_sha256}[name]
    entry = manifest.files[name]
    where = f"{published.source.text}/{name}"
    if published.source.local_path(name) is not None and published.source.size(name) != entry.size:
        raise differing(where, "size", f"{entry.size} bytes", f"{published.source.size(name)} bytes")
    header = read_header(published.source, name, size=entry.size)
    if header.digest != expected:
        raise differing(where, "header's sha256", str(expected), header.digest)
    return header


def healed(source: Source, name: str, work: Callable[[], T]) -> T:
    """Read a file; where its cached byte ranges are damaged, drop them and read once more."""
    try:
        return work()
    except IntegrityError:
        if not source.drop_cached_ranges(name):
            raise
    try:
        return work()
    except IntegrityError:
        source.drop_cached_ranges(name)
        raise


def differing(where: str, what: str, expected: str, found: str) -> IntegrityError:
    """What is said of a file that is not as the manifest promises."""
    return IntegrityError(
        f"{where}: its {what} is {found}, the manifest promises {expected}.",
        "Fetch or copy it again; if that does not help, tell its publisher.",
    )


# ------------------------------------------------------------------------------------------------ helpers


def _sources_of(text: str, **where: Any) -> tuple[tuple[str, ...], str | None, Callable[[str], Source]]:
    """The places to try, the hash that all must match, and what parses one: a wrong one does not stop the others."""
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
            if pin and where.get("revision"):
                raise UsageError(
                    f"{text!r} is a name that stands for one revision.",
                    f"Name the repository instead: "
                    f"{next((s for s in texts if not s.startswith('package:')), 'owner/name').partition('@')[0]}"
                    f"@{where['revision']}.",
                )
    return texts, pin, partial(parse_source, base=base, **where)


def _local_folder(source: Source, manifest: Manifest) -> Path | None:
    """Where all files lie on this disk; a missing file of a folder is found when it is read."""
    names = [MANIFEST_FILE, *manifest.files] if source.is_remote else [MANIFEST_FILE]
    paths = [source.local_path(name) for name in names]
    return paths[0].parent if paths[0] is not None and None not in paths else None


def _read_checked_tensors(
    published: Artifact, name: str, names: Iterable[str] | None, *, verify: bool, progress: Progress = silent
) -> dict[str, torch.Tensor]:
    def read() -> dict[str, torch.Tensor]:
        header = check_header(published, name)
        how: Verify = "required" if verify else "never"
        return read_tensors(published.source, name, wanted, header=header, verify=how, progress=progress)

    wanted = None if names is None else list(names)
    return healed(published.source, name, read)
