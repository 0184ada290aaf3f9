"""The loop: short, in plain torch on Accelerate. Everything random is a function of seed, stage, epoch and step."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zoo.data import draw_batches, generator_for, split_evenly, spread
from zoo.errors import ZooError
from zoo.models import Model
from zoo.training.balancing import compares_gradients_at, describe_cosines, mean_cosines
from zoo.training.checkpoints import optimizer_tensors, restore_optimizer, select_prefix, with_prefix
from zoo.training.gradients import Gradients
from zoo.training.inputs import EVALUATION_BATCH, StageInputs
from zoo.training.schedule import Stage, depth_of_parameters, parameter_groups, rate_factor
from zoo.training.scoring import TrainablePart, collect_outputs, monitored_value, score_outputs
from zoo.training.session import Position, Session

MEASURED_PICTURES = 512  # of training, at most, by which batch norms are measured


class StoppedError(ZooError):
    """The training was asked to stop by a signal; its checkpoint is written."""


class StageLoop:
    """One stage: epochs of steps, an averaged copy of the weights, the best epoch kept.

    Args:
        session: what the stages share.
        stage: which.
        upper: what is trained; shares its parameters with the session's model.
        stage_inputs: its inputs.
        restored: a checkpoint's tensors, empty at a stage's start.
        position: where the training is; moved along.
    """

    def __init__(
        self,
        session: Session,
        stage: Stage,
        upper: TrainablePart,
        stage_inputs: StageInputs,
        *,
        restored: Mapping[str, Tensor],
        position: Position,
    ) -> None:
        self.session, self.stage, self.stage_inputs, self.position = session, stage, stage_inputs, position
        self.upper = upper.to(session.arithmetic.device).to(memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.upper).eval().requires_grad_(False)
        rest = self.upper.rest
        names = [name for name, _ in rest.named_parameters()]
        depths = depth_of_parameters(session.model.filters, names) if names else {}
        groups = parameter_groups(
            rest, self.upper.heads, depths, stage=stage, weight_decay=session.options.weight_decay
        )
        balancer_parameters = list(session.balancer.parameters())
        if balancer_parameters:
            rate = session.options.head_rate
            groups.append({"params": balancer_parameters, "lr": rate, "base_rate": rate, "weight_decay": 0.0})
        fused = session.arithmetic.device.type in ("cuda", "cpu")
        self.optimizer = torch.optim.AdamW(groups, fused=fused)
        averaged = select_prefix("average", restored)
        if averaged:  # a checkpoint from between two stages has none
            self.average.load_state_dict(averaged)
            restore_optimizer(self.optimizer, select_prefix("optimizer", restored))
        self.best = select_prefix("best", restored) or _copy_state(self.average)
        wrapped, self.prepared = session.accelerator.prepare(self.upper, self.optimizer)
        self.gradients = Gradients(session, self.upper, wrapped, stage_inputs)
        self.weights = tuple([one.detach() for one in module.parameters()] for module in (self.average, self.upper))
        self.buffers = list(zip(self.average.buffers(), self.upper.buffers(), strict=True))
        self.micro = session.options.batch
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
            position.epoch, position.step, position.loss, position.cosines = position.epoch + 1, 0, 0.0, {}
            self._save_if_due()
        if not math.isfinite(position.best):
            raise ZooError(
                f"No epoch of the stage {self.stage.name!r} had a finite validation metric.",
                f"Lower the rate: `rate={self.stage.rate / 3:.1e}`.",
            )
        self.upper.load_state_dict(self.best)

    def _draw(self, stage: int, epoch: int) -> list[Tensor]:
        """An epoch's batches; with several processes, two pictures for each at the least."""
        session = self.session
        fewest = 2 * session.accelerator.num_processes
        rows, seed = session.splits.train, session.seed + 1000 * stage
        return draw_batches(rows, max(session.options.batch, fewest), seed=seed, epoch=epoch, fewest=fewest)

    def _is_stale(self) -> bool:
        return self.position.epoch - 1 - self.position.best_epoch >= self.session.options.patience

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
                f"(the loss is {position.loss}).",
                f"Lower the rate: `rate={self.stage.rate / 3:.1e}`.",
            )

    def _take_step(self, rows: Tensor, rank: int) -> Tensor:
        """One optimizer step; the batch is halved until it fits into the GPU's memory."""
        session, position = self.session, self.position
        key = (session.seed, position.stage, position.epoch, position.step, rank)
        for group in self.optimizer.param_groups:
            group["lr"] = group["base_rate"] * rate_factor(
                position.epoch * self.steps + position.step, self.stage.epochs * self.steps, session.options.warmup
            )
        while True:
            try:
                torch.manual_seed(generator_for(*key, 1).initial_seed())  # dropout
                generator = generator_for(*key, 2)  # views
                loss = torch.zeros((), device=session.arithmetic.device)
                cosines: dict[str, float] | None = {} if compares_gradients_at(position.step, self.steps) else None
                for part in split_evenly(rows, self.micro):
                    loss += self.gradients.add(part, generator, share=len(part) / len(rows), cosines=cosines)
                break
            except torch.OutOfMemoryError:
                if self.micro <= 2:
                    raise
                self.micro //= 2
                self.prepared.zero_grad()
                torch.cuda.empty_cache()
        self.gradients.finish()
        self.prepared.step()
        self.prepared.zero_grad()
        self._average_weights()
        for pair, cosine in (cosines or {}).items():
            total, count = position.cosines.get(pair, (0.0, 0))
            position.cosines[pair] = [total + cosine, count + 1]
        return loss

    def _average_weights(self) -> None:
        """Move the average towards the weights; buffers are copied, as running statistics are averages already.

        torch's `AveragedModel` groups the tensors anew at every step: 0.2 ms in place of 0.02 for heads on cached
        features, 5 in place of 1.6 for VGG16 up to block 3 (CPU). Its first step copies, and its decay is constant.
        """
        taken = self.position.epoch * self.steps + self.position.step + 1
        decay = min(self.session.options.ema, (1 + taken) / (10 + taken))
        average, trained = self.weights
        if average:
            torch._foreach_lerp_(average, trained, 1 - decay)
        for mine, other in self.buffers:
            mine.copy_(other)

    def _measure_statistics(self) -> None:
        """Measure the batch norms of the averaged weights anew, on plain training pictures (Wu and Johnson 2021).

        Running statistics are of weights that have moved on. The classifying head standardises features by them: with
        ImageNet's weights they were so late that an epoch of fine-tuning lost what the head had learnt.
        """
        norms = [one for one in self.average.modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)]
        if not norms:
            return
        rows = measured_rows(self.session.splits.train)
        momenta = [one.momentum for one in norms]
        for one in norms:
            one.reset_running_stats()
            one.train()
            one.momentum = None  # the mean of the batches
        with torch.no_grad(), self.session.arithmetic.autocast():
            for batch in split_evenly(rows, EVALUATION_BATCH):
                self.average(self.stage_inputs.plain(batch), self.session.beside(batch))
        for one, momentum in zip(norms, momenta, strict=True):
            one.eval()
            one.momentum = momentum

    def _judge(self, *, epoch: int, seconds: float) -> None:
        """Validate the averaged weights; keep them where they are the best so far."""
        session, position = self.session, self.position
        if epoch >= 0 and not self.stage.heads_only:
            self._measure_statistics()
        rows = session.splits.val
        outputs = self._validate(rows)
        metrics = score_outputs(session.model, outputs, session.decoded, rows, calibrated=False)
        first = next((name for name in metrics if name not in session.detached_heads), None)
        if first is None:
            raise ZooError("None of the validation pictures has a target.", "Use another seed, or label more pictures.")
        value = self._agreed(monitored_value(session.model, first, outputs, metrics[first], session.decoded, rows))
        if epoch < 0 and math.isnan(value):
            raise ZooError(
                f"The head {first!r} cannot be scored on the validation pictures.",
                "Use another seed, label more pictures, or put another head first.",
            )
        trained = epoch >= 0 or position.stage > 0  # untrained heads do not count, however low their loss
        improved = trained and math.isfinite(value) and value < position.best
        if improved:
            position.best, position.best_epoch = value, epoch
            self.best = _copy_state(self.average)
        entry: dict[str, Any] = {
            "stage": self.stage.name,
            "epoch": epoch + 1,
            "train_loss": position.loss / self.steps if epoch >= 0 else None,
            "validation": {
                name: {key: value for key, value in values.items() if isinstance(value, float)}
                for name, values in metrics.items()
            },
            "seconds": round(seconds, 3),
            "best": improved,
        }
        cosines = mean_cosines(position.cosines) if epoch >= 0 else {}
        position.history.append({**entry, "cosines": cosines} if cosines else entry)
        if epoch >= 0 and session.accelerator.is_main_process:
            session.tell(self._epoch_line(position.history[-1]))

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
                return self.average(self.stage_inputs.plain(batch), self.session.beside(batch))

        return collect_outputs(run, rows)

    def _is_due(self) -> bool:
        return time.monotonic() - self.saved_at >= self.session.options.checkpoint_seconds

    def _save_if_due(self, *, force: bool = False) -> None:
        if not force and not self._is_due():
            return
        tensors = {
            **with_prefix("average", self.average.state_dict()),
            **with_prefix("best", self.best),
            **with_prefix("optimizer", optimizer_tensors(self.optimizer)),
        }
        self.session.save(tensors, self.position)
        self.saved_at = time.monotonic()
        if force:
            raise StoppedError("stopped")

    def _title(self) -> str:
        return "training the heads" if self.stage.heads_only else "fine-tuning"

    def _note(self) -> str:
        last = self.position.history[-1] if self.position.history else {}
        return f"epoch {self.position.epoch + 1}/{self.stage.epochs}  {_describe_entry(last, self.session.model)}"

    def _epoch_line(self, entry: Mapping[str, Any]) -> str:
        """`fine-tuning 3/15  loss 0.412  accuracy 0.931  best`."""
        best = "  best" if entry["best"] else ""
        start = f"{self._title()} {entry['epoch']}/{self.stage.epochs}  loss {entry['train_loss']:.3f}"
        return f"{start}  {_describe_entry(entry, self.session.model)}{best}"


def measured_rows(train: Tensor) -> Tensor:
    """The training pictures by which batch norms are measured after every epoch of fine-tuning, int64 (N,)."""
    return train[spread(len(train), MEASURED_PICTURES)]


def _describe_entry(entry: Mapping[str, Any], model: Model) -> str:
    """Two metrics of every head on the validation pictures, the monitored one first, and the gradient cosines."""
    by_head = entry.get("validation", {})
    parts = []
    for head, metrics in by_head.items():
        chosen = sorted(metrics, key=lambda key: key != model.head(head).watch)[:2]
        said = [f"{key.replace('_', ' ')} {metrics[key]:.3f}" for key in chosen]
        parts.append(f"{head}: {', '.join(said)}" if len(by_head) > 1 else "  ".join(said))
    cosines = describe_cosines(entry.get("cosines", {}))
    return "  ".join([*parts, cosines] if cosines else parts)


def _copy_state(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
