"""A finished run's metrics on a split of its dataset, computed again from its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zoo.errors import UsageError
from zoo.progress import Progress, silent
from zoo.training import (
    Arithmetic,
    MetricValues,
    Run,
    check_pictures,
    check_targets,
    model_outputs,
    reopen_dataset,
    score_outputs,
)


def evaluate(
    run: Run,
    *,
    root: Path | str | None = None,
    split: str = "test",
    device: str | None = None,
    progress: Progress = silent,
) -> dict[str, MetricValues]:
    """Score a finished run.

    Args:
        run: finished.
        root: another folder of the same dataset; the one it was trained on by default.
        split: `train`, `val`, `seen`, `test`, or `all`, as the run's seed draws them.
        device: where; the GPU where there is one by default.
        progress: called with how far the work is.

    Returns:
        Metrics by head.

    Raises:
        UsageError: no such split, or the dataset's classes are not the model's.
    """
    model = run.load_model()
    recipe = run.recipe
    arithmetic = Arithmetic.on(device, recipe.training.precision)
    data = reopen_dataset(run, root, device=arithmetic.device, progress=progress)
    check_targets(model, data)
    decoded = data.decode(model.size, skip_unreadable=recipe.data.skip_unreadable, progress=progress)
    if split not in ("all", *data.dataset.splits):  # a split drawn of others could hold some that were trained on
        check_pictures(run, data, decoded, remedy="Score all of them with `split='all'`.")
    rows_by_split: dict[str, Any] = {"all": torch.arange(len(decoded))}
    if split != "all":
        splits = recipe.split(data, decoded)
        rows_by_split |= splits.by_name
    if split not in rows_by_split:
        raise UsageError(f"There is no split {split!r} with pictures; there is {', '.join(reversed(rows_by_split))}.")
    rows = rows_by_split[split]
    outputs = model_outputs(model.to(arithmetic.device), decoded, rows, arithmetic=arithmetic, progress=progress)
    return score_outputs(model, outputs, decoded, rows)
