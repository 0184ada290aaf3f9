"""What the stages of a training share, and its position."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor

from zoo.contracts import Balancer
from zoo.data import DecodedDataset, Splits
from zoo.models import Model
from zoo.progress import Progress
from zoo.training.feature_cache import FeatureCachePool
from zoo.training.inputs import Arithmetic, beside_features
from zoo.training.recipe import TrainingPart
from zoo.training.targets import HeadTargets


@dataclass(kw_only=True)
class Position:
    """How far a training is: what a resume needs beside the tensors."""

    stage: int = 0
    epoch: int = 0
    step: int = 0  # within the epoch
    loss: float = 0.0  # summed over the epoch's steps so far
    best: float = math.inf
    best_epoch: int = -1
    cosines: dict[str, list[float]] = field(default_factory=dict)  # by pair of heads: sum and count in this epoch
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Session:
    """What the stages share."""

    model: Model
    balancer: Balancer
    decoded: DecodedDataset
    splits: Splits
    head_targets: Mapping[str, HeadTargets]  # by head
    cache_pool: FeatureCachePool
    options: TrainingPart
    seed: int
    arithmetic: Arithmetic
    accelerator: Accelerator
    save: Callable[[Mapping[str, Tensor], Position], None]  # writes a checkpoint
    stop: Callable[[], bool]
    progress: Progress
    tell: Callable[[str], None]

    def beside(self, rows: Tensor) -> dict[str, Tensor]:
        """The numbers that heads are given beside the features, of rows of the decoded pictures, by head, (n, K)."""
        return beside_features(self.model, self.decoded, rows)

    @property
    def detached_heads(self) -> frozenset[str]:
        """Heads of weight 0: trained on detached features, so that no gradient of theirs reaches the filters."""
        return frozenset(name for name, spec in self.model.specs.items() if not spec.weight)

    @property
    def limit(self) -> float:
        """Bytes of frozen features that stay in memory, at most."""
        asked = self.options.memory * 1e9
        if self.arithmetic.device.type != "cuda":
            return asked
        return max(asked, torch.cuda.mem_get_info(self.arithmetic.device)[0] / 4)


def make_accelerator(arithmetic: Arithmetic) -> Accelerator:
    """Accelerate for this device and precision; several processes where torchrun started several."""
    if AcceleratorState._shared_state and not torch.distributed.is_initialized():
        AcceleratorState._reset_state(reset_partial_state=True)  # an earlier run may have used another precision
    mixed = "bf16" if arithmetic.dtype == torch.bfloat16 else "no"
    return Accelerator(cpu=arithmetic.device.type == "cpu", mixed_precision=mixed)
