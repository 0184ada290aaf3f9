"""From a recipe, or a model in hand, to a finished run: stages, checkpoints, calibration, figures."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from zoo.contracts import Dataset
from zoo.data.augment import choose_augmentation
from zoo.data.datasets import OpenDataset, open_dataset
from zoo.data.decoded import Decoded
from zoo.data.splits import Splits
from zoo.devices import describe_device, pick_device, pick_precision
from zoo.errors import UsageError
from zoo.files import write_whole
from zoo.filters import Filters, build_filters, load
from zoo.model import HeadSpec, Model, assemble
from zoo.progress import Progress, silent
from zoo.training.checkpoints import load_checkpoint, prefixed, save_checkpoint, under
from zoo.training.feeds import Arithmetic, CachedFeatures, Pictures
from zoo.training.loop import Position, Session, StageLoop, StoppedError, make_accelerator
from zoo.training.recipe import DataPart, FiltersPart, HeadPart, Recipe, TrainingPart
from zoo.training.runs import (
    CHECKPOINT,
    FILTERS,
    HEADS,
    Run,
    build_model,
    create_run,
    describe_model,
    open_run,
    refuse_existing,
    thread_count,
    versions,
)
from zoo.training.schedule import Stage, plan_stages
from zoo.training.scoring import Upper, fit_temperature, model_outputs, score
from zoo.truncation import split_below, to_map
from zoo.weights import write_tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """A training, ready to go."""

    run: Run
    model: Model
    data: OpenDataset
    decoded: Decoded
    splits: Splits
    crew: _Crew


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crew:
    """Where a training computes: this process, or one of several that torchrun started."""

    arithmetic: Arithmetic
    accelerator: Accelerator


def train_recipe(recipe: Recipe, out: Path | str, *, device: str | None = None, progress: Progress = silent) -> Run:
    """Train what a recipe describes.

    Args:
        recipe: checked.
        out: the run's folder; it must not exist, or be empty.
        device: `cuda`, `cpu`; the GPU where there is one by default.
        progress: told how far the work is.

    Raises:
        StoppedError: a signal asked to stop; `resume` goes on.
        ZooError: whatever is wrong with the recipe, the data or the disk.
    """
    crew = _muster(device, recipe)
    if crew.accelerator.is_main_process:
        refuse_existing(Path(out))
    with crew.accelerator.main_process_first():
        data = open_dataset(recipe.data.dataset, recipe.data.root, options=recipe.data.options, progress=progress)
    model = assemble(
        _start_from(recipe, progress),
        dataset=data.dataset,
        heads=[head.spec() for head in recipe.heads],
        size=recipe.size,
        seed=recipe.seed,
    )
    return _begin(recipe, model, data, Path(out), crew=crew, progress=progress)


def train(
    model: Model | Filters,
    dataset: OpenDataset | Dataset,
    *,
    out: Path | str,
    seed: int = 0,
    device: str | None = None,
    progress: Progress = silent,
    **training: Any,
) -> Run:
    """Fine-tune a model on a dataset.

    Args:
        model: from `zoo.assemble`; filters alone get a `classify` head.
        dataset: from `zoo.open_dataset`, or a prepared `Dataset` of your own.
        out: the run's folder.
        seed: of everything random.
        device: where; the GPU where there is one by default.
        progress: told how far the work is.
        training: what a recipe's `[training]` takes: `epochs`, `rate`, `retrain`, `augment`, …
    """
    data = dataset if isinstance(dataset, OpenDataset) else _wrapped(dataset)
    if isinstance(model, Filters):
        model = assemble(model, dataset=data.dataset, seed=seed)
    try:
        how = TrainingPart(**training)
    except ValueError as error:
        raise UsageError(f"These cannot be trained with: {error}".replace("\n", " ")) from error
    filters = model.filters
    recipe = Recipe(
        seed=seed,
        size=model.size,
        data=DataPart(dataset=data.name, root=str(data.root), options=dict(data.options)),
        filters=_where_from(filters),
        heads=tuple(_head_part(spec) for spec in model.specs.values()),
        training=how,
    )
    return _begin(recipe, model, data, Path(out), crew=_muster(device, recipe), progress=progress)


def resume(
    folder: Path | str, *, dataset: Dataset | None = None, device: str | None = None, progress: Progress = silent
) -> Run:
    """Go on with a run that was stopped or killed, as if nothing had happened.

    Args:
        folder: the run's.
        dataset: the same one in hand, where the run began with one that no plugin brought.
        device: where; as the run began by default.
        progress: told how far the work is.

    Raises:
        UsageError: the dataset has changed since.
        FileError: no run, or a damaged checkpoint.
    """
    run = open_run(folder)
    if run.done:
        return run
    recipe = run.recipe
    crew = _muster(device or run.record["device_type"], recipe)
    run = replace(run, writes=crew.accelerator.is_main_process)
    tensors, state = load_checkpoint(run.folder / CHECKPOINT)
    data = _wrapped(dataset) if dataset is not None else reopen_dataset(run, progress=progress)
    if data.fingerprint() != run.record["fingerprint"]:
        raise UsageError(
            f"{run.folder}: the dataset {data.name!r} in {data.root} has changed since the run began. "
            "Put it back, or train anew with another --out."
        )
    if crew.arithmetic.device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(run.record["threads"])  # the same bits need the same number
    run = run.note(status="training")
    model = build_model(run.record, under("filters", tensors), under("heads", tensors))
    work = _prepare(run, model, data, crew=crew, progress=progress)
    return _fit(work, Position(**state), tensors, progress)


def _muster(device: str | None, recipe: Recipe) -> _Crew:
    """The device and the precision of this process; with torchrun, one GPU a process."""
    where = pick_device(device)
    if where.type == "cuda" and where.index is None and "LOCAL_RANK" in os.environ:
        where = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    if where.index is not None:
        torch.cuda.set_device(where)
    arithmetic = Arithmetic(device=where, dtype=pick_precision(where, recipe.training.precision))
    return _Crew(arithmetic=arithmetic, accelerator=make_accelerator(arithmetic))


def _start_from(recipe: Recipe, progress: Progress) -> Filters:
    start = recipe.filters
    if start.backbone is None:
        return load(start.name or "", cut=start.cut)
    return build_filters(
        start.backbone,
        cut=start.cut or "",
        weights=start.weights,
        size=recipe.size,
        seed=recipe.seed,
        progress=progress,
    )


def reopen_dataset(run: Run, root: Path | str | None = None, *, progress: Progress = silent) -> OpenDataset:
    """The dataset that a run was trained on, or another folder of it.

    Raises:
        UsageError: it was one in hand, which no plugin brings.
        MissingPluginError: its package is not installed.
    """
    package = run.record["dataset"]["package"]
    if not package:
        raise UsageError(
            f"{run.folder}: the dataset {run.recipe.data.dataset!r} was made in Python, and no plugin brings it. "
            "Go on in Python: zoo.resume(folder, dataset=…)."
        )
    return open_dataset(
        run.recipe.data.dataset,
        root or run.record["root"],
        options=run.recipe.data.options,
        package=package,
        progress=progress,
    )


def _wrapped(dataset: Dataset) -> OpenDataset:
    name = type(dataset).__name__.lower()
    return OpenDataset(dataset=dataset, name=name, package="", version="", root=Path().resolve(), options={})


def _where_from(filters: Filters) -> FiltersPart:
    if filters.published is not None:
        return FiltersPart(name=filters.published.source.text, cut=filters.cut.name)
    return FiltersPart(backbone=filters.backbone, weights=filters.weights, cut=filters.cut.name)


def _head_part(spec: HeadSpec) -> HeadPart:
    return HeadPart(plugin=spec.plugin, target=spec.target, weight=spec.weight, options=dict(spec.options))


def _begin(recipe: Recipe, model: Model, data: OpenDataset, out: Path, *, crew: _Crew, progress: Progress) -> Run:
    where = crew.arithmetic.device
    manifest = model.filters.manifest
    record = {
        "status": "training",
        "model": describe_model(model),
        "weights": model.filters.weights,
        "base": None if manifest is None else {"name": manifest.name, "license": manifest.license},
        "base_manifest": model.filters.published.digest if model.filters.published else None,
        "dataset": {"name": data.name, "package": data.package, "version": data.version, "options": {**data.options}},
        "root": str(data.root),
        "fingerprint": data.fingerprint(),
        "device": describe_device(where),
        "device_type": where.type,
        "threads": thread_count(),
        "versions": versions(),
        "seconds": 0.0,
    }
    if data.package and out.resolve().is_relative_to(data.root):
        raise UsageError(f"{out} lies among the pictures, in {data.root}. Choose another --out.")
    draft = Run(folder=out, recipe=recipe, record=record)  # nothing is written before all that can be wrong is known
    plan_stages(recipe.training, model.filters, fresh=model_is_fresh(draft))
    work = _prepare(draft, model, data, crew=crew, progress=progress)
    facts = {name: len(getattr(work.splits, name)) for name in ("train", "val", "test")}
    known = {"splits": {**facts, "how": work.splits.how}, "skipped": list(work.decoded.skipped)}
    run = create_run(out, recipe, {**record, **known}, writes=crew.accelerator.is_main_process)
    model.filters.published = None  # what is trained now is no longer what was published
    _save(run, model, {}, Position())
    return _fit(replace(work, run=run), Position(), {}, progress)


def _prepare(run: Run, model: Model, data: OpenDataset, *, crew: _Crew, progress: Progress) -> _Work:
    recipe = run.recipe
    with crew.accelerator.main_process_first():
        decoded = data.decode(model.size, skip_unreadable=recipe.data.skip_unreadable, progress=progress)
    return _Work(
        run=run,
        crew=crew,
        model=model.to(crew.arithmetic.device),
        data=data,
        decoded=decoded,
        splits=data.split(decoded, seed=recipe.seed),
    )


def _fit(work: _Work, position: Position, tensors: Mapping[str, Tensor], progress: Progress) -> Run:
    """All stages that remain, then calibration and figures."""
    run, model, recipe = work.run, work.model, work.run.recipe
    begun = time.monotonic()
    stages = plan_stages(recipe.training, model.filters, fresh=model_is_fresh(run))
    with _stop_on_signals() as stop:
        session = Session(
            model=model,
            decoded=work.decoded,
            splits=work.splits,
            how=recipe.training,
            seed=recipe.seed,
            arithmetic=work.crew.arithmetic,
            accelerator=work.crew.accelerator,
            save=lambda extra, at: _save(run, model, extra, at),
            stop=stop,
            progress=progress,
        )
        try:
            while position.stage < len(stages):
                _run_stage(session, stages[position.stage], work, tensors, position)
                tensors = {}
                position = Position(stage=position.stage + 1, history=position.history)
                _save(run, model, {}, position)
        except StoppedError as error:
            run.note(status="stopped", seconds=run.record["seconds"] + time.monotonic() - begun)
            raise StoppedError(f"Stopped; the checkpoint is written. Go on with `zoo resume {run.folder}`.") from error
    if run.writes:
        run = _finish(work, position, run.record["seconds"] + time.monotonic() - begun, progress)
    work.crew.accelerator.wait_for_everyone()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return run


def model_is_fresh(run: Run) -> bool:
    """Whether the run began with random weights, so that everything is trained at once."""
    return run.record["weights"] == "random"


def _run_stage(session: Session, stage: Stage, work: _Work, tensors: Mapping[str, Tensor], position: Position) -> None:
    model, splits = session.model, session.splits
    heads = {name: model.head(name) for name in model.heads}
    feed: CachedFeatures | Pictures
    if stage.whole:
        rows = torch.cat([splits.train, splits.val]).sort().values
        feed = CachedFeatures(model, session.decoded, rows, arithmetic=session.arithmetic, progress=session.progress)
        upper = Upper(None, heads, _unchanged)
    else:
        module, cut = model.filters.module, model.filters.cut
        prefix, rest = (None, module) if stage.frozen is None else split_below(module, stage.frozen, size=model.size)
        how = choose_augmentation(work.data.dataset.symmetry, session.how.augment)
        often = torch.cat([splits.train, splits.val]).sort().values if how.does_nothing else splits.val
        feed = Pictures(
            model,
            prefix,
            session.decoded,
            often,
            how=how,
            arithmetic=session.arithmetic,
            progress=session.progress,
        )
        upper = Upper(rest, heads, lambda features: to_map(features, cut))
    StageLoop(session, stage, upper, feed, restored=tensors, position=position).run()


def _unchanged(features: Tensor) -> Tensor:
    return features


def _save(run: Run, model: Model, extra: Mapping[str, Tensor], position: Position) -> None:
    if not run.writes:
        return
    tensors = {
        **prefixed("filters", model.filters.module.state_dict()),
        **prefixed("heads", model.heads.state_dict()),
        **extra,
    }
    save_checkpoint(run.folder / CHECKPOINT, tensors, asdict(position))
    write_whole(run.folder / "history.json", json.dumps(position.history, indent=1) + "\n")


def _finish(work: _Work, position: Position, seconds: float, progress: Progress) -> Run:
    """Calibrate on the validation pictures, score on both, write everything, drop the checkpoint."""
    run, model, decoded, splits = work.run, work.model, work.decoded, work.splits
    figures: dict[str, Any] = {}
    for name, rows in (("validation", splits.val), ("test", splits.test)):
        if not len(rows):
            continue
        outputs = model_outputs(model, decoded, rows, arithmetic=work.crew.arithmetic, progress=progress)
        if name == "validation":
            model.temperatures = _calibrate(model, outputs, decoded, rows)
        figures[name] = score(model, outputs, decoded, rows)
    folder = run.folder
    tensors = {name: tensor.detach().cpu() for name, tensor in model.filters.module.state_dict().items()}
    write_tensors(folder / FILTERS, tensors, {"format": "pt"})
    heads = {name: tensor.detach().cpu() for name, tensor in model.heads.state_dict().items()}
    write_tensors(folder / HEADS, heads, {"format": "pt"})
    write_whole(folder / "metrics.json", json.dumps(figures, indent=1) + "\n")
    write_whole(folder / "history.json", json.dumps(position.history, indent=1) + "\n")
    done = run.note(status="done", model=describe_model(model), seconds=round(seconds, 2))
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return done


def _calibrate(model: Model, outputs: Mapping[str, Tensor], decoded: Decoded, rows: Tensor) -> dict[str, float]:
    temperatures = {}
    for name, output in outputs.items():
        head, target = model.head(name), model.specs[name].target or ""
        known = decoded.known[target][rows]
        if head.gives_logits and bool(known.any()):
            temperatures[name] = fit_temperature(output[known], decoded.targets[target][rows][known])
    return temperatures


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[Any]:
    """Ctrl-C and SIGTERM ask the loop to stop at the next step; a second Ctrl-C stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: Any) -> None:
        del frame
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    try:
        for number in before:
            signal.signal(number, ask)
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
