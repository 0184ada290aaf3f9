"""Whether the bytes in the caches match their hashes."""

from __future__ import annotations

import re

from zoo.hub import CachedFile, PartialFile, count_damaged_ranges, read_digest
from zoo.progress import Progress, silent
from zoo.store.cache.contents import CachedWeights
from zoo.store.manifest import CARD_FILE, MANIFEST_FILE

_HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")


def verify_cached_weights(stored: CachedWeights, *, progress: Progress = silent) -> list[str]:
    """Compare every byte with the manifest, and with the hash that the blob is called by.

    Args:
        stored: the revision. What was never fetched of it is no damage.
        progress: told the bytes.

    Returns:
        A line for each thing that is damaged.
    """
    revision, faults = stored.revision, list(stored.faults)
    promised = stored.manifest.files if stored.manifest else {}
    total, done = sum(file.size or 0 for file in revision.files), 0
    for file in revision.files:
        if file.size is None:
            continue
        entry = promised.get(file.name) if file.name != CARD_FILE else None  # people edit it on the Hub
        hashes = {entry.sha256: "the manifest"} if entry and entry.size == file.size else {}
        if _HASH.fullmatch(file.etag):
            hashes.setdefault(file.etag, "the Hub")
        faults += _compare_hashes(file, hashes)
        done += file.size
        progress(f"verifying {stored.text}", done, total)
    return faults


def verify_partial_file(kept: PartialFile) -> list[str]:
    """Compare kept parts with their index; a line where some are damaged."""
    if kept.size is None:
        return ["its index cannot be read"]
    bad = count_damaged_ranges(kept)
    return [f"{bad} of {len(kept.ranges)} parts are not what was kept"] if bad else []


def suggest_repair(stored: CachedWeights, faults: list[str]) -> str:
    """The command that repairs damaged files: a fetch, unless the manifest itself is damaged."""
    if stored.manifest is None or any(fault.startswith(f"{MANIFEST_FILE}:") for fault in faults):
        return f"zoo cache remove {stored.text}"
    return f"zoo fetch {stored.names[0] if stored.names else f'{stored.revision.repo}@{stored.revision.commit}'}"


def _compare_hashes(file: CachedFile, hashes: dict[str, str]) -> list[str]:
    for promised, by in hashes.items():
        try:
            found = read_digest(file.path, promised)
        except OSError as error:
            return [f"{file.name}: it cannot be read ({error.strerror or error})"]
        if found != promised:
            return [f"{file.name}: its hash is {str(found)[:16]}…, where {by} promises {promised[:16]}…"]
    return []
