"""Filters that were published as low-rank updates of others: the base's tensors, held to their hashes, and the sum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from zoo.errors import IntegrityError
from zoo.models.checkpoint import list_some
from zoo.models.initialization import read_initial_weights
from zoo.models.low_rank import DOWN, UP, merge_factors
from zoo.networks import find_backbone
from zoo.progress import Progress, silent
from zoo.store import (
    MODEL_FILE,
    Artifact,
    DeltaEntry,
    read_backbone_tensors,
    read_published_header,
    tensor_bytes,
)


def read_base_tensors(
    delta: DeltaEntry,
    backbone: str,
    module: nn.Module,
    *,
    verify: bool = True,
    progress: Progress = silent,
    **where: Any,
) -> dict[str, Tensor]:
    """The tensors of what a delta is an update of, under the module's own names, with the file's dtypes.

    Args:
        module: the truncated network; parameters on the meta device will do.
        verify: compare each with the hash that the delta pins.
        where: `token`, `cache_dir`, `offline`, as `zoo.fetch` takes them.

    Raises:
        IntegrityError: a tensor is another than the one that was updated.
        FetchError, FileError: the base cannot be reached, or read.
    """
    _, tensors = read_initial_weights(find_backbone(backbone), delta.base, module, progress=progress, **where)
    hashes = hash_tensors(tensors) if verify else {}
    wrong = [name for name, digest in hashes.items() if digest != delta.tensors.get(name)]
    if wrong:
        raise IntegrityError(
            f"{delta.base}: {list_some(wrong)} are not what was updated (sha256).",
            "The base has changed: ask the publisher for the merged filters (`zoo push --merged`).",
        )
    return tensors


def read_filter_tensors(
    published: Artifact, module: nn.Module, *, verify: bool = True, progress: Progress = silent, **where: Any
) -> dict[str, Tensor]:
    """The tensors of published filters that a module needs; those of a delta are merged with its base's, in float32.

    Args:
        module, verify, where: as `read_base_tensors` takes them.

    Raises:
        IntegrityError: a tensor is not the published one, or an update does not fit its weight.
    """
    delta = published.manifest.delta
    if delta is None:
        return read_backbone_tensors(published, list(module.state_dict()), verify=verify, progress=progress)
    backbone = published.manifest.backbone
    base = read_base_tensors(delta, backbone, module, verify=verify, progress=progress, **where)
    names = factor_names(read_published_header(published).tensors, base)
    factors = read_backbone_tensors(published, names, verify=verify, progress=progress)
    for name in {one.rpartition(".")[0] for one in names}:
        _check_factors(name, base[name], factors, published.source.text)
    return merge_factors(base, factors)


def factor_names(given: Iterable[str], weights: Iterable[str]) -> list[str]:
    """Those of the given names that are factors of the given weights."""
    wanted = {f"{name}.{factor}" for name in weights for factor in (DOWN, UP)}
    return [name for name in given if name in wanted]


def hash_tensors(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The sha256 of every tensor's bytes, in hex."""
    return {name: hashlib.sha256(tensor_bytes(tensor)).hexdigest() for name, tensor in tensors.items()}


def _check_factors(name: str, weight: Tensor, factors: Mapping[str, Tensor], text: str) -> None:
    down, up = factors.get(f"{name}.{DOWN}"), factors.get(f"{name}.{UP}")
    shapes = [None if one is None else tuple(one.shape) for one in (down, up)]
    if (
        down is None
        or up is None
        or weight.ndim != 2
        or shapes != [(down.shape[0], weight.shape[1]), (weight.shape[0], down.shape[0])]
    ):
        raise IntegrityError(
            f"{text}/{MODEL_FILE}: the update of {name} {tuple(weight.shape)} has factors {shapes[0]}, {shapes[1]}.",
            "Do not use it.",
        )
