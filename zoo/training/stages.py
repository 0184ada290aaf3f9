"""All stages of a training, one after the other: checkpoints, signals, calibration, figures."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from zoo.contracts import Balancer
from zoo.data.augment import choose_augmentation
from zoo.data.datasets import OpenDataset
from zoo.data.decoded import Decoded
from zoo.data.splits import Splits
from zoo.files import write_whole
from zoo.model import Model
from zoo.progress import Progress
from zoo.training.checkpoints import prefixed, save_checkpoint
from zoo.training.feeds import Arithmetic, CachedFeatures, Pictures
from zoo.training.kept import Kept, Shelf
from zoo.training.loop import StageLoop, StoppedError
from zoo.training.runs import CHECKPOINT, FILTERS, HEADS, HISTORY, METRICS, Run, describe_model
from zoo.training.schedule import Stage, plan_stages
from zoo.training.scoring import Upper, fit_temperature, model_outputs, score
from zoo.training.session import Position, Session
from zoo.training.targets import Lesson
from zoo.truncation import split_below, to_map
from zoo.weights import digest_of, write_tensors


def unheard(text: str) -> None:
    """The listener to lines that does not listen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Where a training computes: this process, or one of several that torchrun started."""

    arithmetic: Arithmetic
    accelerator: Accelerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a training needs beside its run, ready to go."""

    model: Model
    data: OpenDataset
    decoded: Decoded
    splits: Splits
    crew: Crew
    balancer: Balancer
    lessons: Mapping[str, Lesson]
    shelf: Shelf = field(default_factory=Shelf)
    tell: Callable[[str], None] = unheard


def fit(run: Run, work: Work, position: Position, tensors: Mapping[str, Tensor], progress: Progress) -> Run:
    """All stages that remain, then calibration and figures."""
    model, recipe = work.model, run.recipe
    begun = time.monotonic()
    stages = plan_stages(recipe.training, model.filters, fresh=run.record.weights == "random")
    with _stop_on_signals() as stop:
        session = Session(
            model=model,
            balancer=work.balancer,
            decoded=work.decoded,
            splits=work.splits,
            lessons=work.lessons,
            shelf=work.shelf,
            how=recipe.training,
            seed=recipe.seed,
            arithmetic=work.crew.arithmetic,
            accelerator=work.crew.accelerator,
            save=lambda extra, at: save_state(run, work, extra, at),
            stop=stop,
            progress=progress,
            tell=work.tell,
        )
        try:
            while position.stage < len(stages):
                _run_stage(session, stages[position.stage], run, work, tensors, position)
                tensors = {}
                position = Position(stage=position.stage + 1, history=position.history)
                save_state(run, work, {}, position)
                if stop():  # asked after the stage's last step
                    raise StoppedError("stopped")
        except StoppedError as error:
            run.note(status="stopped", seconds=run.record.seconds + time.monotonic() - begun)
            raise StoppedError(
                "Stopped; the checkpoint is written.", f"Go on with `zoo resume {run.folder}`."
            ) from error
    if run.writes:
        run = _finish(run, work, position, run.record.seconds + time.monotonic() - begun, progress)
    work.crew.accelerator.wait_for_everyone()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    return run


def _run_stage(
    session: Session, stage: Stage, run: Run, work: Work, tensors: Mapping[str, Tensor], position: Position
) -> None:
    model, splits = session.model, session.splits
    heads = {name: model.head(name) for name in model.heads}
    feed: CachedFeatures | Pictures
    if stage.whole:
        rows = torch.cat([splits.train, splits.val]).sort().values
        feed = CachedFeatures(
            model,
            session.decoded,
            rows,
            arithmetic=session.arithmetic,
            limit=session.limit - session.shelf.in_memory,
            folder=run.folder,
            progress=session.progress,
            kept=_shelved(session, "heads", rows),
        )
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
            lessons=session.lessons,
            arithmetic=session.arithmetic,
            limit=session.limit - session.shelf.in_memory,
            progress=session.progress,
            kept=None if prefix is None else _shelved(session, f"below {stage.frozen}", often, prefix),
        )
        upper = Upper(rest, heads, lambda features: to_map(features, cut), watching=session.watching)
    StageLoop(session, stage, upper, feed, restored=tensors, position=position).run()


def _shelved(session: Session, what: str, rows: Tensor, module: nn.Module | None = None) -> Kept | None:
    """Where the outputs of frozen filters are shared with other trainings; None: nowhere."""
    if not session.shelf.places:
        return None
    decoded, arithmetic = session.decoded, session.arithmetic
    weights = digest_of(session.model.filters if module is None else module)
    key = f"{what} {decoded.fingerprint} {decoded.size} {weights} {arithmetic.device} {arithmetic.dtype}"
    return session.shelf.find(key, len(decoded), rows)


def _unchanged(features: Tensor) -> Tensor:
    return features


def save_state(run: Run, work: Work, extra: Mapping[str, Tensor], position: Position) -> None:
    """Write a checkpoint: the whole model, the balancer, what a stage adds to it, and how far the training is."""
    model = work.model
    if not run.writes:
        return
    tensors = {
        **prefixed("filters", model.filters.module.state_dict()),
        **prefixed("heads", model.heads.state_dict()),
        **prefixed("balancer", work.balancer.state_dict()),
        **extra,
    }
    save_checkpoint(run.folder / CHECKPOINT, tensors, asdict(position))
    write_whole(run.folder / HISTORY, json.dumps(position.history, indent=1) + "\n")


def _finish(run: Run, work: Work, position: Position, seconds: float, progress: Progress) -> Run:
    """Calibrate on the validation pictures, score on both, write everything, drop the checkpoint."""
    model, decoded, splits = work.model, work.decoded, work.splits
    figures: dict[str, Any] = {}
    for name, rows in (("validation", splits.val), ("seen", splits.seen), ("test", splits.test)):
        if not len(rows):
            continue
        outputs = model_outputs(model, decoded, rows, arithmetic=work.crew.arithmetic, progress=progress)
        if name == "validation":
            model.temperatures = _calibrate(model, outputs, decoded, rows)
        figures[name] = score(model, outputs, decoded, rows)
    folder = run.folder
    write_tensors(folder / FILTERS, model.filters.module.state_dict())
    write_tensors(folder / HEADS, model.heads.state_dict())
    write_whole(folder / METRICS, json.dumps(figures, indent=1) + "\n")
    write_whole(folder / HISTORY, json.dumps(position.history, indent=1) + "\n")
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
