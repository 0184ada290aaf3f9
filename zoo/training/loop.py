"""The loop: short, in plain torch on Accelerate. Everything random is a function of seed, stage, epoch and step."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from zoo.data.batches import draw_batches, even_parts, generator_for
from zoo.data.decoded import Decoded
from zoo.data.splits import Splits
from zoo.errors import ZooError
from zoo.model import Model
from zoo.progress import Progress
from zoo.training.checkpoints import optimizer_tensors, prefixed, restore_optimizer, under
from zoo.training.feeds import Arithmetic, Feed
from zoo.training.recipe import TrainingPart
from zoo.training.schedule import Stage, depth_of_parameters, parameter_groups, rate_factor
from zoo.training.scoring import Upper, collect_outputs, score, watched


class StoppedError(ZooError):
    """Somebody asked the training to stop; its checkpoint is written."""


@dataclass(kw_only=True)
class Position:
    """How far a training is; all that a resume needs beside the tensors."""

    stage: int = 0
    epoch: int = 0
    step: int = 0  # within the epoch
    loss: float = 0.0  # summed over the epoch's steps so far
    best: float = math.inf
    best_epoch: int = -1
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the stages share."""

    model: Model
    decoded: Decoded
    splits: Splits
    how: TrainingPart
    seed: int
    arithmetic: Arithmetic
    accelerator: Accelerator
    save: Callable[[Mapping[str, Tensor], Position], None]  # writes a checkpoint
    stop: Callable[[], bool]
    progress: Progress


def make_accelerator(arithmetic: Arithmetic) -> Accelerator:
    """Accelerate for this device and precision; several processes where torchrun started several."""
    if AcceleratorState._shared_state and not torch.distributed.is_initialized():
        AcceleratorState._reset_state(reset_partial_state=True)  # an earlier run in this process may differ
    mixed = "bf16" if arithmetic.dtype == torch.bfloat16 else "no"
    return Accelerator(cpu=arithmetic.device.type == "cpu", mixed_precision=mixed)


class StageLoop:
    """One stage: epochs of steps, an averaged copy of the weights, the best epoch kept.

    Args:
        session: what the stages share.
        stage: which.
        upper: what is trained; shares its parameters with the session's model.
        feed: its inputs.
        restored: a checkpoint's tensors, empty at a stage's start.
        position: where the training is; moved along.
    """

    def __init__(
        self,
        session: Session,
        stage: Stage,
        upper: Upper,
        feed: Feed,
        *,
        restored: Mapping[str, Tensor],
        position: Position,
    ) -> None:
        self.session, self.stage, self.feed, self.position = session, stage, feed, position
        self.upper = upper.to(session.arithmetic.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.upper).eval().requires_grad_(False)
        rest = self.upper.rest
        names = [name for name, _ in rest.named_parameters()]
        depths = depth_of_parameters(session.model.filters, names) if names else {}
        groups = parameter_groups(rest, self.upper.heads, depths, stage=stage, weight_decay=session.how.weight_decay)
        fused = session.arithmetic.device.type in ("cuda", "cpu")
        self.optimizer = torch.optim.AdamW(groups, fused=fused)
        averaged = under("average", restored)
        if averaged:  # a checkpoint from between two stages has none
            self.average.load_state_dict(averaged)
            restore_optimizer(self.optimizer, under("optimizer", restored))
        self.best = under("best", restored) or _copied(self.average)
        self.wrapped, self.prepared = session.accelerator.prepare(self.upper, self.optimizer)
        self.targets = {spec.target or "" for spec in session.model.specs.values()}
        self.complete = {name: bool(session.decoded.known[name].all()) for name in self.targets}
        self.pairs = _pairs(self.average, self.upper)
        self.micro = session.how.batch
        self.steps = len(self._draw(position.stage, 0))
        self.saved_at = time.monotonic()

    def run(self) -> None:
        """Train to the stage's end, and leave the best epoch's weights in the model."""
        position = self.position
        if position.best_epoch < 0 and position.step == 0 and position.epoch == 0:
            self._judge(epoch=-1, seconds=0.0)
        while position.epoch < self.stage.epochs and not self._is_stale():
            started = time.monotonic()
            self._run_epoch()
            self._judge(epoch=position.epoch, seconds=time.monotonic() - started)
            position.epoch, position.step, position.loss = position.epoch + 1, 0, 0.0
            self._save_if_due()
        if not math.isfinite(position.best):
            raise ZooError(
                f"No epoch of the stage {self.stage.name!r} had a finite validation figure. Lower the rate: "
                f"--rate {self.stage.rate / 3:.1e}."
            )
        self.upper.load_state_dict(self.best)

    def _draw(self, stage: int, epoch: int) -> list[Tensor]:
        """An epoch's batches; with several processes, two pictures for each at the least."""
        session = self.session
        fewest = 2 * session.accelerator.num_processes
        rows, seed = session.splits.train, session.seed + 1000 * stage
        return draw_batches(rows, max(session.how.batch, fewest), seed=seed, epoch=epoch, fewest=fewest)

    def _is_stale(self) -> bool:
        return self.position.epoch - 1 - self.position.best_epoch >= self.session.how.patience

    def _run_epoch(self) -> None:
        session, position = self.session, self.position
        rank, world = session.accelerator.process_index, session.accelerator.num_processes
        batches = self._draw(position.stage, position.epoch)
        self.upper.train()
        total = torch.tensor(position.loss, dtype=torch.float64)
        summed = torch.zeros((), device=session.arithmetic.device)
        while position.step < len(batches):
            mine = batches[position.step].tensor_split(world)[rank]
            summed += self._take_step(mine, rank)
            position.step += 1
            done = position.epoch * self.steps + position.step
            session.progress(self._title(), done, self.stage.epochs * self.steps, self._note())
            stopping = bool(self._agreed(float(session.stop()), largest=True))
            if stopping or self._is_due():
                total, summed = total + summed.cpu().double(), torch.zeros_like(summed)
                position.loss = float(total)
                self._save_if_due(force=stopping)
        position.loss = float(total + summed.cpu().double())
        if not math.isfinite(position.loss):
            raise ZooError(
                f"The training diverged in epoch {position.epoch + 1} of the stage {self.stage.name!r} "
                f"(the loss is {position.loss}). Lower the rate: --rate {self.stage.rate / 3:.1e}."
            )

    def _take_step(self, rows: Tensor, rank: int) -> Tensor:
        """One optimizer step; the batch is halved until it fits into the GPU's memory."""
        session, position = self.session, self.position
        key = (session.seed, position.stage, position.epoch, position.step, rank)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_rate"] * rate_factor(
                position.epoch * self.steps + position.step, self.stage.epochs * self.steps, session.how.warmup
            )
        while True:
            try:
                torch.manual_seed(generator_for(*key, 1).initial_seed())  # dropout
                generator = generator_for(*key, 2)  # views
                loss = torch.zeros((), device=session.arithmetic.device)
                for part in even_parts(rows, self.micro):
                    loss += self._backward(part, generator, share=len(part) / len(rows))
                break
            except torch.OutOfMemoryError:
                if self.micro <= 2:
                    raise
                self.micro //= 2
                self.prepared.zero_grad()
                torch.cuda.empty_cache()
        session.accelerator.clip_grad_norm_(self.upper.parameters(), session.how.clip)
        self.prepared.step()
        self.prepared.zero_grad()
        self._average_weights()
        return loss

    def _backward(self, rows: Tensor, generator: torch.Generator, *, share: float) -> Tensor:
        session, device = self.session, self.session.arithmetic.device
        inputs, moved = self.feed.train(rows, generator)
        outputs = self.wrapped(inputs)
        loss = torch.zeros((), device=device)
        for name, spec in session.model.specs.items():
            target = spec.target or ""
            wanted = moved.get(target, session.decoded.targets[target][rows]).to(device, non_blocking=True)
            output = outputs[name]
            if not self.complete[target]:
                known = session.decoded.known[target][rows]
                if not bool(known.any()):
                    loss = loss + output.sum() * 0  # keeps every parameter in the graph
                    continue
                output, wanted = output[known.to(device)], wanted[known.to(device)]
            loss = loss + spec.weight * session.model.head(name).loss(output, wanted)
        session.accelerator.backward(loss * share)
        return loss.detach() * share

    def _average_weights(self) -> None:
        taken = self.position.epoch * self.steps + self.position.step + 1
        decay = min(self.session.how.ema, (1 + taken) / (10 + taken))
        any_parameters, ours, theirs, buffers = self.pairs
        if any_parameters:
            torch._foreach_lerp_(ours, theirs, 1 - decay)
        for mine, other in buffers:
            mine.copy_(other)

    def _judge(self, *, epoch: int, seconds: float) -> None:
        """Validate the averaged weights; keep them where they are the best so far."""
        session, position = self.session, self.position
        rows = session.splits.val
        outputs = self._validate(rows)
        figures = score(session.model, outputs, session.decoded, rows, calibrated=False)
        first = next(iter(figures), None)
        if first is None:
            raise ZooError("None of the validation pictures has a target. Say another seed, or label more pictures.")
        value = self._agreed(watched(session.model, first, outputs, figures[first], session.decoded, rows))
        improved = math.isfinite(value) and value < position.best
        if improved:
            position.best, position.best_epoch = value, epoch
            self.best = _copied(self.average)
        position.history.append(
            {
                "stage": self.stage.name,
                "epoch": epoch + 1,
                "train_loss": position.loss / self.steps if epoch >= 0 else None,
                "validation": {
                    name: {key: value for key, value in figure.items() if isinstance(value, float)}
                    for name, figure in figures.items()
                },
                "seconds": round(seconds, 3),
                "best": improved,
            }
        )

    def _agreed(self, value: float, *, largest: bool = False) -> float:
        """One value for all processes: the first's, or the largest, so that all stop at the same step."""
        accelerator = self.session.accelerator
        if accelerator.num_processes == 1:
            return value
        gathered = accelerator.gather(torch.tensor([value], dtype=torch.float32, device=accelerator.device))
        return float(gathered.max() if largest else gathered[0])

    def _validate(self, rows: Tensor) -> dict[str, Tensor]:
        """The averaged weights' outputs for rows."""

        def run(batch: Tensor) -> Mapping[str, Tensor]:
            with self.session.arithmetic.autocast():
                return self.average(self.feed.plain(batch))

        return collect_outputs(run, rows)

    def _is_due(self) -> bool:
        return time.monotonic() - self.saved_at >= self.session.how.checkpoint_seconds

    def _save_if_due(self, *, force: bool = False) -> None:
        if not force and not self._is_due():
            return
        tensors = {
            **prefixed("average", self.average.state_dict()),
            **prefixed("best", self.best),
            **prefixed("optimizer", optimizer_tensors(self.optimizer)),
        }
        self.session.save(tensors, self.position)
        self.saved_at = time.monotonic()
        if force:
            raise StoppedError("stopped")

    def _title(self) -> str:
        return "training the heads" if self.stage.whole else "fine-tuning"

    def _note(self) -> str:
        last = self.position.history[-1] if self.position.history else {}
        figures = [
            f"{key.replace('_', ' ')} {value:.3f}"
            for validation in last.get("validation", {}).values()
            for key, value in list(validation.items())[:2]
        ]
        return f"epoch {self.position.epoch + 1}/{self.stage.epochs}  {'  '.join(figures)}"


def _pairs(
    average: torch.nn.Module, trained: torch.nn.Module
) -> tuple[bool, list[Tensor], list[Tensor], list[tuple[Tensor, Tensor]]]:
    """The tensors of two equal modules side by side: parameters to average, and buffers to copy.

    Buffers are running statistics, averages already: averaging them again would lag behind the weights.
    """
    ours, theirs = average.state_dict(), trained.state_dict()
    names = [name for name, _ in average.named_parameters()]
    buffers = [(ours[name], theirs[name]) for name in ours if name not in set(names)]
    return bool(names), [ours[name] for name in names], [theirs[name] for name in names], buffers


def _copied(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
