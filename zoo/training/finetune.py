"""From a recipe, or a model in hand, to a finished run: stages, checkpoints, calibration, metrics."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from zoo.contracts import Dataset
from zoo.data import OpenDataset, as_open_dataset, open_dataset
from zoo.devices import describe_device, pick_device, pick_precision
from zoo.errors import FileError, UsageError
from zoo.files import as_path
from zoo.models import (
    Filters,
    Model,
    as_filters,
    assemble,
    build_filters,
    fit_side_numbers,
    keep_heads,
    load,
    load_model,
)
from zoo.progress import Progress, silent
from zoo.store import BaseRecord, DatasetRecord, RunRecord, SplitsRecord, digest_of
from zoo.training.balancing import build_balancer
from zoo.training.checkpoints import load_checkpoint, select_prefix
from zoo.training.cropping import Cropping, find_cropping, warn_of_leakage
from zoo.training.feature_cache import FeatureCachePool
from zoo.training.inputs import Arithmetic
from zoo.training.recipe import DataPart, FiltersPart, HeadPart, Recipe, TrainingPart, describe_faults
from zoo.training.run_data import check_pictures, reopen_dataset
from zoo.training.runs import (
    CHECKPOINT_FILE,
    Run,
    build_model,
    check_run_folder,
    count_threads,
    create_run,
    describe_model,
    name_run,
    open_run,
    package_versions,
)
from zoo.training.schedule import choose_rate, plan_stages
from zoo.training.session import Position, make_accelerator
from zoo.training.stages import ComputeSetup, TrainingSetup, discard_message, fit, save_progress
from zoo.training.targets import check_boxes, check_targets, make_head_targets


def train_recipe(
    recipe: Recipe,
    out: Path | str,
    *,
    device: str | None = None,
    progress: Progress = silent,
    tell: Callable[[str], None] = discard_message,
    cache_pool: FeatureCachePool | None = None,
) -> Run:
    """Train what a recipe describes.

    Args:
        recipe: checked.
        out: the run's folder; it must not exist, or be empty.
        device: `cuda`, `cpu`; the GPU where there is one by default.
        progress: called with how far the work is.
        tell: called with a line of what was taken of a checkpoint and what was left out, and how every epoch went.
        cache_pool: where trainings of one process share the outputs of frozen filters.

    Raises:
        StoppedError: a signal asked to stop; `resume` goes on.
        ZooError: whatever is wrong with the recipe, the data or the disk.
    """
    compute = _make_compute_setup(device, recipe, progress=progress, tell=tell, cache_pool=cache_pool)
    if compute.accelerator.is_main_process:
        check_run_folder(Path(out))
    with compute.accelerator.main_process_first():
        data = open_dataset(recipe.data.dataset, recipe.data.root, options=recipe.data.options, progress=progress)
    recipe, model, said = _make_first_model(recipe.with_heads_for(data.targets), data, compute)
    return _start_run(recipe, model, data, Path(out), compute, said)


def train(
    model: Model | Filters | Path | str,
    dataset: OpenDataset | Dataset | Path | str,
    *,
    out: Path | str,
    seed: int = 0,
    device: str | None = None,
    progress: Progress = silent,
    **training: Any,
) -> Run:
    """Fine-tune a model on a dataset.

    Args:
        model: from `zoo.assemble`; filters, in hand or as `zoo.load` takes them, get a `classify` head.
        dataset: a name, a folder of pictures by class, from `zoo.open_dataset`, or a prepared `Dataset` of your own.
        out: the run's folder.
        seed: of everything random.
        device: where; the GPU where there is one by default.
        progress: called with how far the work is.
        training: what a recipe's `[training]` takes: `epochs`, `rate`, `retrain`, `augment`, …
    """
    data = as_open_dataset(dataset)
    if not isinstance(model, Model):
        model = assemble(as_filters(model), dataset=data.dataset, seed=seed)
    try:
        recipe = Recipe(
            seed=seed,
            size=model.size,
            data=DataPart(dataset=data.name, root=str(data.root), options=dict(data.options)),
            filters=_filters_part(model.filters),
            heads=tuple(HeadPart.of(spec) for spec in model.specs.values()),
            training=TrainingPart(**training),
        )
    except ValidationError as error:
        raise UsageError(f"This cannot be trained: {describe_faults(error)}.") from error
    return _start_run(recipe, model, data, as_path(out), _make_compute_setup(device, recipe, progress=progress))


def _make_first_model(recipe: Recipe, data: OpenDataset, compute: ComputeSetup) -> tuple[Recipe, Model, str]:
    """The model that a recipe begins with, the recipe with its weights pinned, and a line of what it starts from."""
    part = recipe.filters
    before = load_model(part.name or "") if part.heads else None
    filters = before.filters if before else load_starting_filters(recipe, compute.progress)
    model = assemble(
        filters, dataset=data.dataset, heads=[head.spec() for head in recipe.heads], size=recipe.size, seed=recipe.seed
    )
    said = f"Starting from {part.name or 'random weights'}: filters up to {filters.cut.name}"
    said = "; ".join([said, *(keep_heads(model, before) if before else ["all heads new"])])
    if filters.initialization is not None:
        said = f"Starting from {filters.initialization.text}: {filters.initialization}"
        recipe = recipe.model_copy(update={"filters": part.model_copy(update={"weights": filters.initialization.text})})
    return recipe, model, f"{said}."


def resume(
    folder: Path | str,
    *,
    root: Path | str | None = None,
    dataset: Dataset | None = None,
    device: str | None = None,
    progress: Progress = silent,
    tell: Callable[[str], None] = discard_message,
    cache_pool: FeatureCachePool | None = None,
) -> Run:
    """Continue a run that was stopped or killed; the result is the same as without the stop.

    Args:
        folder: the run's. Without a checkpoint, as after a full disk, its training starts from the beginning.
        root: where the same pictures are now; where they were by default.
        dataset: the same one in hand, where the run began with one that no plugin brought.
        device: where; as the run began by default.
        progress: called with how far the work is.
        tell: called with a line of how every epoch went.
        cache_pool: as `train_recipe` takes it.

    Raises:
        UsageError: the dataset has changed since.
        FileError: no run, or a damaged checkpoint.
    """
    run = open_run(folder)
    if run.done:
        return run
    recipe = run.recipe
    where = device or run.record.device_type
    compute = _make_compute_setup(where, recipe, progress=progress, tell=tell, cache_pool=cache_pool)
    run = replace(run, writes=compute.accelerator.is_main_process)
    checkpoint = run.folder / CHECKPOINT_FILE
    begun = checkpoint.exists()
    tensors, state = load_checkpoint(checkpoint) if begun else ({}, {})
    data = reopen_dataset(run, root, dataset=dataset, device=compute.arithmetic.device, progress=progress)
    if compute.arithmetic.device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(run.record.threads)  # the same bits need the same number
    size, skip, remedy = run.record.model.input.size, recipe.data.skip_unreadable, "Put them back, or train anew."
    check_pictures(run, data, data.decode(size, skip_unreadable=skip, progress=progress), remedy=remedy)
    if begun:
        model = build_model(run.record, select_prefix("filters", tensors), select_prefix("heads", tensors))
    else:
        model = _make_model_again(run, data, compute)
    setup = _prepare_setup(recipe, model, data, compute)
    if begun:
        setup.balancer.load_state_dict(select_prefix("balancer", tensors))
    run = replace(run, record=run.record.model_copy(update={"root": str(data.root)}))
    return fit(run, setup, Position(**state), tensors)


def _make_model_again(run: Run, data: OpenDataset, compute: ComputeSetup) -> Model:
    """The first model of a run without a checkpoint. Raises FileError: its first weights were others."""
    compute.tell(f"{run.folder} has no checkpoint yet: its training starts from the beginning.")
    _, model, said = _make_first_model(run.recipe, data, compute)
    if run.record.start not in (None, digest_of(model)):
        problem = "there is no checkpoint, and what it started from is gone or has changed"
        raise FileError(run.folder, problem, "Train anew with another `out=`.")
    compute.tell(said)
    model.filters.name, model.filters.published = run.record.model.name, None
    return model


def _make_compute_setup(
    device: str | None,
    recipe: Recipe,
    *,
    progress: Progress,
    tell: Callable[[str], None] = discard_message,
    cache_pool: FeatureCachePool | None = None,
) -> ComputeSetup:
    """The device and the precision of this process; with torchrun, one GPU a process."""
    where = pick_device(device)
    if where.type == "cuda" and where.index is None and "LOCAL_RANK" in os.environ:
        where = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    if where.index is not None:
        torch.cuda.set_device(where)
    arithmetic = Arithmetic(device=where, dtype=pick_precision(where, recipe.training.precision))
    return ComputeSetup(
        arithmetic=arithmetic,
        accelerator=make_accelerator(arithmetic),
        cache_pool=cache_pool or FeatureCachePool(),
        progress=progress,
        tell=tell,
    )


def load_starting_filters(recipe: Recipe, progress: Progress = silent) -> Filters:
    """The filters that a recipe begins with."""
    initialization = recipe.filters
    if initialization.backbone is None:
        return load(initialization.name or "", cut=initialization.cut)
    return build_filters(
        initialization.backbone,
        cut=initialization.cut or "",
        weights=initialization.weights,
        size=recipe.size,
        seed=recipe.seed,
        progress=progress,
    )


def _filters_part(filters: Filters) -> FiltersPart:
    if filters.published is not None:
        return FiltersPart(name=filters.published.source.text, cut=filters.cut.name)
    return FiltersPart(backbone=filters.backbone, weights=filters.weights, cut=filters.cut.name)


def _start_run(
    recipe: Recipe, model: Model, data: OpenDataset, out: Path, compute: ComputeSetup, said: str = ""
) -> Run:
    if data.package and out.resolve().is_relative_to(data.root):
        raise UsageError(f"{out} lies among the pictures, in {data.root}.", "Choose another `out=`.")
    check_targets(model, data)
    cropping, whole = find_cropping(recipe.data, data.targets), data
    locator = cropping.crop.locator if cropping else None
    if cropping is not None:
        data = cropping.apply(data, compute.arithmetic.device, compute.progress)
        model.crop = cropping.crop
    # nothing is written before all that can be wrong is known
    fresh = recipe.filters.is_random
    rate = choose_rate(recipe.training, model.filters, fresh=fresh)
    recipe = recipe.model_copy(update={"training": recipe.training.model_copy(update={"rate": rate})})
    plan_stages(recipe.training, model.filters, fresh=fresh)
    setup = _prepare_setup(recipe, model, data, compute)
    model.filters.name = name_run(out)
    record = _describe(setup, cropping, whole)
    pictures = setup.decoded.files
    run = create_run(out, recipe, record, pictures, locator=locator, writes=compute.accelerator.is_main_process)
    model.filters.published = None  # what is trained now is no longer what was published
    save_progress(run, setup, {}, Position())
    if said and run.writes:
        compute.tell(said)
    compute.accelerator.wait_for_everyone()  # the others may need the folder
    return fit(run, setup, Position(), {})


def _describe(setup: TrainingSetup, cropping: Cropping | None, whole: OpenDataset) -> RunRecord:
    """What run.json says at the start; a warning where the locator was trained on scored pictures."""
    filters, data, splits, device = setup.model.filters, setup.data, setup.splits, setup.compute.arithmetic.device
    manifest, published, crop = filters.manifest, filters.published, None
    fingerprint = pictures = setup.decoded.fingerprint
    if cropping is not None:
        crop, pictures = cropping.record, whole.fingerprint(setup.decoded.files)
        if cropping.crop.locator is not None:
            learnt = warn_of_leakage(cropping, data, setup.decoded, splits, pictures=pictures)
            crop = crop.model_copy(update={"learnt": learnt})
    base = None
    if manifest is not None:
        base = BaseRecord(
            name=manifest.name, license=manifest.license, dataset_license=manifest.lineage.dataset_license
        )
    counts = {"train": 0, "val": 0, "test": 0} | {name: len(rows) for name, rows in splits.by_name.items()}
    return RunRecord(
        status="training",
        model=describe_model(setup.model),
        weights=manifest.lineage.weights if manifest and published and published.is_run else filters.weights,
        base=base,
        base_manifest=published.digest if published else None,
        dataset=DatasetRecord(
            name=data.name,
            package=data.package,
            version=data.version,
            options=dict(data.options),
            license=data.dataset.license,
            title=whole.title,
        ),
        root=str(data.root),
        start=digest_of(setup.model),
        fingerprint=fingerprint,
        pictures=pictures,
        decoded=setup.decoded.identity,
        crop=crop,
        device=describe_device(device),
        device_type=device.type,
        threads=count_threads(),
        versions=package_versions(),
        seconds=0.0,
        splits=SplitsRecord(**counts, how=splits.how),
        skipped=tuple(setup.decoded.skipped),
    )


def _prepare_setup(recipe: Recipe, model: Model, data: OpenDataset, compute: ComputeSetup) -> TrainingSetup:
    balancer = build_balancer(recipe.training.balance, model).to(compute.arithmetic.device)
    with compute.accelerator.main_process_first():
        decoded = data.decode(model.size, skip_unreadable=recipe.data.skip_unreadable, progress=compute.progress)
    check_boxes(model, decoded)
    splits = recipe.split(data, decoded)
    shuffled = [head.spec().name for head in recipe.heads if head.shuffled]
    for name, spec in model.specs.items():
        numbers = fit_side_numbers([one.name for one in spec.numbers], decoded.numbers, splits.train)
        model.specs[name] = replace(spec, numbers=numbers)
    return TrainingSetup(
        compute=compute,
        model=model.to(compute.arithmetic.device),
        data=data,
        decoded=decoded,
        splits=splits,
        head_targets=make_head_targets(model, decoded, shuffled=shuffled, rows=splits.train, seed=recipe.seed),
        balancer=balancer,
    )
