"""What a run with an adapter publishes in place of its weights: their low-rank update, and of what it is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.errors import IntegrityError, UsageError
from zoo.models import Filters, hash_tensors, merge_factors, read_initial_weights
from zoo.networks import find_backbone
from zoo.store import FACTORS_FILE, DeltaEntry, FolderSource, open_artifact, read_tensors
from zoo.training import Run

ROUNDING = 1e-4  # relative, between weights merged at the end of a training and merged anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The update of a base."""

    entry: DeltaEntry
    factors: Mapping[str, Tensor]
    base: Mapping[str, Tensor]


def find_update(run: Run, filters: Filters) -> Update | None:
    """The update that a run has learnt; None where it has trained the weights themselves.

    Raises:
        UsageError: what it is an update of lies on this disk only, or is an update itself.
        IntegrityError: what it is an update of is not what the run began with.
        FetchError, FileError: the base cannot be read.
    """
    if not (run.folder / FACTORS_FILE).is_file():
        return None
    text = _find_base(run)
    _, base = read_initial_weights(find_backbone(filters.backbone), text, filters.module)
    factors = read_tensors(FolderSource(run.folder), FACTORS_FILE, verify="required")
    merged, trained = merge_factors(base, factors), filters.module.state_dict()
    for name, tensor in merged.items():
        if not torch.allclose(tensor.float(), trained[name].float(), rtol=ROUNDING, atol=ROUNDING):
            raise IntegrityError(
                f"{text}: {name} is not what {run.folder} began with.",
                "Publish the whole weights: `merged=True`.",
            )
    return Update(entry=DeltaEntry(base=text, tensors=hash_tensors(base)), factors=factors, base=base)


def _find_base(run: Run) -> str:
    """The source, at its commit, of what the run began with. Raises UsageError."""
    part = run.recipe.filters
    if part.name is None:
        text, is_update = run.record.weights, False
    else:
        base = open_artifact(part.name)
        text, is_update = base.source.text, base.manifest.delta is not None
        if base.digest != run.record.base_manifest:
            problem = f"{part.name!r} is no longer what this run began with."
            raise UsageError(problem, "Publish the whole weights: `merged=True`.")
    if is_update or not text.startswith(("hf://", "package:")):
        why = "is an update itself" if is_update else "is on this disk only"
        raise UsageError(
            f"This run has learnt an update of {text}, which {why}.",
            "Publish that first and train from it by name, or publish the whole weights: `merged=True`.",
        )
    return text
