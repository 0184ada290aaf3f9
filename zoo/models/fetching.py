"""Published filters onto this disk: whole, or only the tensors up to an earlier cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.progress import Progress, silent
from zoo.store import Artifact, download, download_tensors, read_published_header, try_sources


def fetch(
    text: str | Path,
    *,
    cut: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: Path | str | None = None,
    offline: bool = False,
    progress: Progress = silent,
) -> Artifact:
    """Bring published filters to this disk, verified; a folder or an installed package is verified in place.

    Whole filters of the Hub go into its shared cache. With a cut only the manifest and that cut's tensors come, by
    ranges, each compared with its own sha256; they are kept under `ZOO_HOME`, and `zoo.load(text, cut=cut,
    offline=True)` needs nothing else. A deeper cut later brings only what is missing. Of filters that are an update of
    others, the tensors of those come too.

    Args:
        text: a name of `zoo list`, `owner/name[@revision]`, `hf://…`, `package:module/folder` or a folder.
        cut: stop earlier than they were published: `block2`.
        revision: a branch, tag or commit, where the text is a repository of the Hub.
        token: for private repositories; `HF_TOKEN` or the stored login where not given.
        cache_dir: the Hub's cache; `HF_HUB_CACHE` where not given.
        offline: use what is on this disk only.
        progress: called with the bytes so far.

    Returns:
        The published filters; `folder` is None where not all of them lie on this disk.

    Raises:
        UnknownNameError: no such name, no such cut.
        UsageError: the text names nothing that filters could be.
        FetchError: no source could be reached; every cause is said.
        IntegrityError: a file or a tensor is not what the manifest promises, also when read once more.
        FileError: the disk is full, or cannot be written.
    """

    def bring(published: Artifact) -> Artifact:
        delta = published.manifest.delta
        if not cut:
            published = download(published, progress=progress)
            if delta is None:
                return published
        from zoo.models.deltas import factor_names, read_base_tensors  # imports torch
        from zoo.models.meta_models import build_meta_model

        _, module = build_meta_model(published.manifest, cut)
        names = list(module.state_dict())
        if cut:
            own = names if delta is None else factor_names(read_published_header(published).tensors, names)
            published = download_tensors(published, own, progress=progress)
        if delta is not None:
            place: dict[str, Any] = {"token": token, "cache_dir": cache_dir, "offline": offline}
            read_base_tensors(delta, published.manifest.backbone, module, progress=progress, **place)
        return published

    return try_sources(text, bring, revision=revision, token=token, cache_dir=cache_dir, offline=offline)
