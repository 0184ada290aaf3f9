"""The dataset of a run, opened again as the run sees it."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from zoo.contracts import Dataset
from zoo.data import DecodedDataset, OpenDataset, as_open_dataset, describe_changes, open_dataset
from zoo.errors import UsageError, ZooWarning
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
    return open_dataset(
        run.recipe.data.dataset,
        root or (None if own else run.record.root),
        options=run.recipe.data.options,
        package=package,
        progress=progress,
    )


def check_pictures(run: Run, data: OpenDataset, decoded: DecodedDataset, *, remedy: str) -> None:
    """Refuse pictures or labels that are others than those of the training.

    A run of a version that kept no list of them gets a `ZooWarning` instead where every split is as large as it was.

    Args:
        run: the run.
        data: its dataset, reopened.
        decoded: the pictures.
        remedy: what to do where they differ.

    Raises:
        UsageError: they differ; says which, as far as that is known.
    """
    if decoded.fingerprint == run.record.fingerprint:
        return
    if (before := run.pictures) is not None:
        differ = describe_changes(before, decoded.files)
    else:
        counts = {name: len(rows) for name, rows in run.recipe.split(data, decoded).by_name.items()}
        if all(counts.get(name, 0) == getattr(run.record.splits, name) for name in ("train", "val", "test", "seen")):
            said = f"{run.folder}: an earlier version kept no list of its pictures; as many are there as then."
            warnings.warn(said, ZooWarning, stacklevel=2)
            return
        differ = "there are more or fewer"
    raise UsageError(f"{data.root}: these are not the pictures of {run.folder} as they were then: {differ}.", remedy)
