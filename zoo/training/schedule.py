"""What is trained in which stage, at which rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from zoo.contracts import Cut
from zoo.errors import UnknownNameError
from zoo.models import Filters, linear_weights
from zoo.networks import truncate
from zoo.training.recipe import TrainingPart

FRESH_RATE = 3e-4  # from random weights
ADAPTER_RATE = 1e-3  # of factors, which begin at zero whatever the weights are
RELATIVE_RATE = 0.007  # of the root mean square of learnt weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stretch of training: the heads on frozen features, or heads and upper blocks together."""

    name: str  # "heads" or "filters"
    epochs: int
    rate: float
    frozen: Cut | None  # the last cut that stays as it is; None: everything is trained
    heads_only: bool = False  # True: no part of the filters is trained
    decay: float = 1.0  # of the rate, a block further down; random weights have no lower blocks that are good already


def plan_stages(options: TrainingPart, filters: Filters, *, fresh: bool) -> list[Stage]:
    """The stages of a recipe.

    Args:
        options: the recipe's `[training]`.
        filters: what is trained.
        fresh: True: the weights are random, so that everything is trained at once.

    Raises:
        UnknownNameError: `retrain` names no block of these filters.
        UsageError: an adapter is asked for, and they have nothing that one could update.
    """
    if options.adapt:
        linear_weights(filters.module, options.adapt.layers)
    retrain = "all" if options.adapt and options.retrain == "auto" else options.retrain
    frozen, heads_only = _find_boundary(retrain, filters, fresh=fresh)
    stages = []
    if not fresh or heads_only:
        stages.append(
            Stage(name="heads", epochs=options.head_epochs, rate=options.head_rate, frozen=filters.cut, heads_only=True)
        )
    if not heads_only:
        decay = 1.0 if fresh or options.adapt else options.layer_decay
        rate = choose_rate(options, filters, fresh=fresh)
        stages.append(Stage(name="filters", epochs=options.epochs, rate=rate, frozen=frozen, decay=decay))
    return [stage for stage in stages if stage.epochs]


def choose_rate(options: TrainingPart, filters: Filters, *, fresh: bool) -> float:
    """The rate of fine-tuning at the top block, where the recipe says none.

    AdamW moves every weight by about the rate in a step. Learnt filters bear a small share of what they are: the
    root mean square of the top block's weights times RELATIVE_RATE, as Adafactor scales its steps (Shazeer and Stern
    2018). ImageNet's VGG16 has 0.008 there, and nets trained here from random weights several times as much.
    """
    if options.rate is not None:
        return options.rate
    if options.adapt:
        return ADAPTER_RATE
    if fresh:
        return FRESH_RATE
    depths = depth_of_parameters(filters, [name for name, _ in filters.module.named_parameters()])
    top = [one.detach() for name, one in filters.module.named_parameters() if not depths[name] and one.ndim > 1]
    total = sum(float(one.float().pow(2).sum()) for one in top)
    mean = math.sqrt(total / max(1, sum(one.numel() for one in top)))
    return float(f"{RELATIVE_RATE * mean:.1e}") or FRESH_RATE


def _find_boundary(retrain: str, filters: Filters, *, fresh: bool) -> tuple[Cut | None, bool]:
    """The last frozen cut (None: nothing is frozen), and whether all is."""
    cuts = filters.cuts
    if retrain == "none":
        return filters.cut, True
    if retrain == "all" or (retrain == "auto" and fresh):
        return None, False
    if retrain == "auto":
        first = len(cuts) // 2
    else:
        names = [cut.name for cut in cuts]
        if retrain not in names:
            raise UnknownNameError("block to retrain from", retrain, ["none", "all", "auto", *names])
        first = names.index(retrain)
    return (cuts[first - 1] if first else None), False


def depth_of_parameters(filters: Filters, names: Sequence[str]) -> dict[str, int]:
    """How many blocks lie above each parameter: 0 for the top block's."""
    cuts = filters.cuts
    depths: dict[str, int] = {}
    for position, cut in enumerate(cuts):
        if position == len(cuts) - 1:
            inside = set(names)
        else:
            inside = set(truncate(filters.module, cut, size=filters.input.size).state_dict())
        for name in inside:
            depths.setdefault(name, len(cuts) - 1 - position)
    return {name: depths.get(name, 0) for name in names}


def parameter_groups(
    rest: nn.Module, heads: nn.Module, depths: Mapping[str, int], *, stage: Stage, weight_decay: float
) -> list[dict[str, Any]]:
    """AdamW's groups: a rate for each block, no weight decay on biases and norms."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for owner, module in (("rest", rest), ("heads", heads)):
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            depth = depths.get(name, 0) if owner == "rest" else 0
            shrink = weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((stage.rate * stage.decay**depth, shrink), []).append(parameter)
    return [
        {"params": parameters, "lr": own_rate, "base_rate": own_rate, "weight_decay": shrink}
        for (own_rate, shrink), parameters in sorted(groups.items(), key=lambda item: item[0], reverse=True)
    ]


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up, then a cosine down to 1% (Loshchilov and Hutter 2017). In 0 to 1."""
    warm = max(1, round(steps * warmup))
    if step < warm:
        return (step + 1) / warm
    along = (step - warm) / max(1, steps - warm)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, along)))
