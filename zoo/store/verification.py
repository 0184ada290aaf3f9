"""Published files onto this disk, and compared with their manifest: whole files, or the tensors of a part."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zoo.errors import IntegrityError, MissingFileError, ZooWarning
from zoo.files import sha256_of
from zoo.progress import Progress, silent
from zoo.store.artifact import (
    Artifact,
    check_header,
    differing,
    healed,
    read_backbone_tensors,
    read_head_tensors,
    read_published_header,
)
from zoo.store.manifest import CARD_FILE, HEADS_FILE, MANIFEST_FILE, MANIFEST_LIMIT, MODEL_FILE, FileEntry, bare_card
from zoo.store.safetensors import read_tensors
from zoo.store.source import Source


def download(published: Artifact, *, progress: Progress = silent) -> Artifact:
    """Bring all files to this disk, each compared with the manifest; a folder or package is compared where it lies.

    From the Hub they go into its shared cache; a file whose bytes are wrong there is fetched once more.

    Raises:
        IntegrityError: files are not what the manifest promises.
        FetchError, FileError: one could not be fetched, or not be written.
    """
    source, faults = published.source, _find_unlisted_weights(published)
    for name, entry in published.manifest.files.items():
        try:
            path = _fetch_checked_file(published, name, progress)
        except IntegrityError as error:
            faults.append(str(error))
        else:
            if name == CARD_FILE and not _is_own_card(path, entry):
                said = f"its {CARD_FILE} was edited after these filters were published. All else is as it was"
                warnings.warn(f"{source.text}: {said}.", ZooWarning, stacklevel=2)
    _raise_faults(faults)
    for name in (MODEL_FILE, HEADS_FILE):
        if name in published.manifest.files:
            read_published_header(published, name)
    return replace(published, folder=_fetch_manifest_file(source, published.digest, progress).parent)


def download_tensors(published: Artifact, names: Sequence[str], *, progress: Progress = silent) -> Artifact:
    """Bring the manifest and some tensors of the backbone to this disk, by ranges; they are kept in our own home.

    Raises:
        As `download` does.
    """
    source = published.source
    if not source.is_remote:
        return download(published, progress=progress)
    _fetch_manifest_file(source, published.digest, progress)
    if source.local_path(MODEL_FILE) is not None:
        _fetch_checked_file(published, MODEL_FILE, progress)
        return published

    def bring() -> None:
        header = check_header(published, MODEL_FILE)
        ranges = [(header.tensors[name].start, header.tensors[name].end) for name in names if name in header.tensors]
        source.cache_ranges(MODEL_FILE, ranges, progress=progress)
        read_tensors(source, MODEL_FILE, names, header=header, verify="required")

    healed(source, MODEL_FILE, bring)
    return published


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
            as_promised = name != CARD_FILE or _is_own_card(path, entry)
            said = f"{entry.size:,} bytes, sha256 {entry.sha256}" if as_promised else "edited since on the Hub"
            lines.append(f"{name}: {said}")
        except (IntegrityError, MissingFileError) as error:
            faults.append(str(error))
    progress("verifying", total, total)
    _raise_faults(faults)
    for name in (MODEL_FILE, HEADS_FILE):
        if name in published.manifest.files:
            tensors = read_backbone_tensors(published) if name == MODEL_FILE else read_head_tensors(published)
            lines.append(f"{name}: {len(tensors)} tensors, each with its sha256")
    return lines


# ------------------------------------------------------------------------------------------------ how


def _fetch_checked_file(published: Artifact, name: str, progress: Progress) -> Path:
    """A file on this disk, as the manifest promises it; one of the Hub that is damaged is fetched once more.

    A card that somebody has edited on the Hub is a warning only: nothing is computed from it.
    """
    source, entry = published.source, published.manifest.files[name]
    differs = source.local_path(name) is None and source.size(name) != entry.size  # before it is downloaded
    if differs and not (name == CARD_FILE and source.size(name) <= MANIFEST_LIMIT):
        raise differing(f"{source.text}/{name}", "size", f"{entry.size} bytes", f"{source.size(name)} bytes")
    path = source.fetch(name, progress=progress)
    try:
        _check_size_and_hash(path, entry)
    except IntegrityError:
        if name == CARD_FILE and _is_own_card(path, entry):
            return path
        if not _is_edited_card(source, name):
            if source.is_offline():
                raise
            path = source.fetch(name, progress=progress, again=True)
            if not _is_edited_card(source, name):
                _check_size_and_hash(path, entry)
    return path


def _is_edited_card(source: Source, name: str) -> bool:
    """Whether it is a README as the Hub has it, whatever the manifest promises."""
    return name == CARD_FILE and source.matches_hub_listing(name)


def _fetch_manifest_file(source: Source, digest: str, progress: Progress) -> Path:
    for again in (False, True):
        path = source.fetch(MANIFEST_FILE, progress=progress, again=again)
        raw = source.read(MANIFEST_FILE, limit=MANIFEST_LIMIT)
        if f"sha256:{hashlib.sha256(raw).hexdigest()}" == digest:
            return path
    raise IntegrityError(f"{path} changed while it was fetched.", "Try again.")


def _is_own_card(path: Path, entry: FileEntry) -> bool:
    """Whether it is the published card, be it with the note that `zoo push` puts behind that of a copy."""
    if path.stat().st_size > MANIFEST_LIMIT:
        return sha256_of(path) == entry.sha256
    return hashlib.sha256(bare_card(path.read_bytes())).hexdigest() == entry.sha256


def _check_size_and_hash(path: Path, entry: FileEntry) -> None:
    size = path.stat().st_size
    if size != entry.size:
        raise differing(str(path), "size", f"{entry.size} bytes", f"{size} bytes")
    digest = sha256_of(path)
    if digest != entry.sha256:
        raise differing(str(path), "sha256", entry.sha256, digest)


def _find_unlisted_weights(published: Artifact) -> list[str]:
    """Weights that lie beside the others and that no hash covers."""
    if published.folder is None or published.is_run:
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
