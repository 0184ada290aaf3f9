"""The dataset of a run, opened again as the run sees it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from zoo.contracts import Dataset
from zoo.data import OpenDataset, as_open_dataset, open_dataset
from zoo.errors import UsageError
from zoo.progress import Progress, silent
from zoo.training.cropping import Cropping
from zoo.training.runs import Run


def reopen_dataset(
    run: Run,
    root: Path | str | None = None,
    *,
    dataset: Dataset | None = None,
    device: torch.device | None = None,
    progress: Progress = silent,
) -> OpenDataset:
    """The dataset that a run was trained on, or another folder of it, cropped as the run crops.

    Args:
        run: the run.
        root: another folder; the run's own by default.
        dataset: the same one in hand, where no plugin brought it.
        device: where a locator runs; the CPU by default.
        progress: called with how far the work is.

    Raises:
        UsageError: it was one in hand, which no plugin brings.
        MissingPluginError: its package is not installed.
    """
    data = as_open_dataset(dataset) if dataset is not None else _reopen(run, root, progress)
    crop, record = run.crop(), run.record.crop
    if crop is None or record is None:
        return data
    cropping = Cropping(crop=crop, record=record, skip_unreadable=run.recipe.data.skip_unreadable)
    return cropping.apply(data, device or torch.device("cpu"), progress)


def _reopen(run: Run, root: Path | str | None, progress: Progress) -> OpenDataset:
    package = run.record.dataset.package
    if not package:
        raise UsageError(
            f"{run.folder}: the dataset {run.recipe.data.dataset!r} was made in Python, and no plugin brings it.",
            "Go on in Python: zoo.resume(folder, dataset=…).",
        )
    own = run.recipe.data.root is None and not Path(run.record.root).is_dir()  # ZOO_HOME is elsewhere now
    data = open_dataset(
        run.recipe.data.dataset,
        root or (None if own else run.record.root),
        options=run.recipe.data.options,
        package=package,
        progress=progress,
    )
    return replace(data, version=run.record.dataset.version)  # an upgrade of the package does not change the pictures
