"""All stages of a training, one after the other: checkpoints, signals, calibration, metrics."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from zoo.contracts import Balancer
from zoo.data import DecodedDataset, OpenDataset, Splits, choose_augmentation
from zoo.files import locked, write_json
from zoo.models import Model, add_updates, base_state, factors_of, merge_updates, restore_factors
from zoo.networks import split_after_pooling, to_feature_map
from zoo.progress import Progress
from zoo.store import FACTORS_FILE, FILTERS_FILE, HEADS_FILE, METRICS_FILE, digest_of, write_tensors
from zoo.training.checkpoints import save_checkpoint, select_prefix, with_prefix
from zoo.training.feature_cache import FeatureCache, FeatureCachePool
from zoo.training.inputs import Arithmetic, FeatureInputs, ImageInputs
from zoo.training.loop import StageLoop, StoppedError, measured_rows
from zoo.training.runs import CHECKPOINT_FILE, HISTORY, Run, describe_model
from zoo.training.schedule import Stage, plan_stages
from zoo.training.scoring import TrainablePart, fit_temperature, model_outputs, score_outputs
from zoo.training.session import Position, Session
from zoo.training.small_maps import quick_small_maps
from zoo.training.targets import HeadTargets


def discard_message(text: str) -> None:
    """Discard a line of text; the default where nobody asked for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeSetup:
    """Where a training computes, in this process or one of several that torchrun started, and whom it tells."""

    arithmetic: Arithmetic
    accelerator: Accelerator
    cache_pool: FeatureCachePool
    progress: Progress
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSetup:
    """What a training needs beside its run."""

    model: Model
    data: OpenDataset
    decoded: DecodedDataset
    splits: Splits
    compute: ComputeSetup
    balancer: Balancer
    head_targets: Mapping[str, HeadTargets]


def fit(run: Run, setup: TrainingSetup, position: Position, tensors: Mapping[str, Tensor]) -> Run:
    """All stages that remain, then calibration and metrics. Raises FileError where another process is at it."""
    with locked(run.folder, wait=False) if run.writes else contextlib.nullcontext():
        return _fit(run.note(status="training"), setup, position, tensors)


def _fit(run: Run, setup: TrainingSetup, position: Position, tensors: Mapping[str, Tensor]) -> Run:
    model, recipe, compute = setup.model, run.recipe, setup.compute
    begun, adapt = time.monotonic(), recipe.training.adapt
    if adapt is not None:
        add_updates(model.filters.module, rank=adapt.rank, layers=adapt.layers, seed=recipe.seed)
        if factors := select_prefix("factors", tensors):
            restore_factors(model.filters.module, factors)
    stages = plan_stages(recipe.training, model.filters, fresh=recipe.filters.is_random)
    with _stop_on_signals() as stop:
        session = Session(
            model=model,
            balancer=setup.balancer,
            decoded=setup.decoded,
            splits=setup.splits,
            head_targets=setup.head_targets,
            options=recipe.training,
            seed=recipe.seed,
            save=lambda extra, at: save_progress(run, setup, extra, at),
            stop=stop,
            **{one.name: getattr(compute, one.name) for one in fields(compute)},
        )
        try:
            while position.stage < len(stages):
                _run_stage(session, stages[position.stage], run, setup, tensors, position)
                tensors = {}
                position = Position(stage=position.stage + 1, history=position.history)
                save_progress(run, setup, {}, position)
                if stop():  # the signal came after the stage's last step
                    raise StoppedError("stopped")
        except StoppedError as error:
            run.note(status="stopped", seconds=run.record.seconds + time.monotonic() - begun)
            raise StoppedError(
                "Stopped; the checkpoint is written.", f"Go on with `zoo resume {run.folder}`."
            ) from error
    if run.writes:
        run = _finish_run(run, setup, position, run.record.seconds + time.monotonic() - begun)
    compute.accelerator.wait_for_everyone()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return run


def _run_stage(
    session: Session, stage: Stage, run: Run, setup: TrainingSetup, tensors: Mapping[str, Tensor], position: Position
) -> None:
    model, splits = session.model, session.splits
    heads = {name: model.head(name) for name in model.heads}
    stage_inputs: FeatureInputs | ImageInputs
    if stage.heads_only:
        rows = torch.cat([splits.train, splits.val]).sort().values
        stage_inputs = FeatureInputs(
            model,
            session.decoded,
            rows,
            arithmetic=session.arithmetic,
            limit=session.limit - session.cache_pool.in_memory,
            folder=run.folder,
            progress=session.progress,
            cache=_shared_cache(session, "heads", rows),
        )
        upper = TrainablePart(None, heads, nn.Identity())
    else:
        module, cut = model.filters.module, model.filters.cut
        prefix, rest = (
            (None, module) if stage.frozen is None else split_after_pooling(module, stage.frozen, size=model.size)
        )
        augmentation = choose_augmentation(setup.data.dataset.symmetry, session.options.augment)
        plain = splits.train if augmentation.does_nothing else measured_rows(splits.train)
        cached_rows = torch.cat([plain, splits.val]).sort().values
        stage_inputs = ImageInputs(
            model,
            prefix,
            session.decoded,
            cached_rows,
            augmentation=augmentation,
            head_targets=session.head_targets,
            arithmetic=session.arithmetic,
            limit=session.limit - session.cache_pool.in_memory,
            progress=session.progress,
            cache=None if prefix is None else _shared_cache(session, f"below {stage.frozen}", cached_rows, prefix),
        )
        upper = TrainablePart(
            rest, heads, lambda features: to_feature_map(features, cut), detached_heads=session.detached_heads
        )
    loop = StageLoop(session, stage, upper, stage_inputs, restored=tensors, position=position)
    with quick_small_maps(upper.rest, session.arithmetic.device):
        loop.run()


def _shared_cache(session: Session, what: str, rows: Tensor, module: nn.Module | None = None) -> FeatureCache | None:
    """Where the outputs of frozen filters are shared with other trainings; None: nowhere."""
    if not session.cache_pool.capacity:
        return None
    decoded, arithmetic = session.decoded, session.arithmetic
    weights = digest_of(session.model.filters if module is None else module)
    key = f"{what} {decoded.fingerprint} {decoded.size} {weights} {arithmetic.device} {arithmetic.dtype}"
    return session.cache_pool.find(key, len(decoded), rows)


def save_progress(run: Run, setup: TrainingSetup, extra: Mapping[str, Tensor], position: Position) -> None:
    """Write a checkpoint: the whole model, the balancer, what a stage adds to it, and how far the training is."""
    model = setup.model
    if not run.writes:
        return
    tensors = {
        **with_prefix("filters", base_state(model.filters.module)),
        **with_prefix("factors", factors_of(model.filters.module)),
        **with_prefix("heads", model.heads.state_dict()),
        **with_prefix("balancer", setup.balancer.state_dict()),
        **extra,
    }
    save_checkpoint(run.folder / CHECKPOINT_FILE, tensors, asdict(position))
    write_json(run.folder / HISTORY, position.history)


def _finish_run(run: Run, setup: TrainingSetup, position: Position, seconds: float) -> Run:
    """Calibrate on the validation pictures, score on both, write everything, drop the checkpoint."""
    model, decoded, splits, compute = setup.model, setup.decoded, setup.splits, setup.compute
    factors = factors_of(model.filters.module)
    merge_updates(model.filters.module)
    metrics: dict[str, Any] = {}
    for name, rows in (("validation", splits.val), ("seen", splits.seen), ("test", splits.test)):
        if not len(rows):
            continue
        outputs = model_outputs(model, decoded, rows, arithmetic=compute.arithmetic, progress=compute.progress)
        if name == "validation":
            model.temperatures = _fit_temperatures(model, outputs, decoded, rows)
        metrics[name] = score_outputs(model, outputs, decoded, rows)
    folder = run.folder
    write_tensors(folder / FILTERS_FILE, model.filters.module.state_dict())
    write_tensors(folder / HEADS_FILE, model.heads.state_dict())
    if factors:
        write_tensors(folder / FACTORS_FILE, factors)
    write_json(folder / METRICS_FILE, metrics)
    write_json(folder / HISTORY, position.history)
    done = run.note(status="done", model=describe_model(model), seconds=round(seconds, 2))
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    return done


def _fit_temperatures(
    model: Model, outputs: Mapping[str, Tensor], decoded: DecodedDataset, rows: Tensor
) -> dict[str, float]:
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
