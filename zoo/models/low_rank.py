"""Low-rank updates of frozen weights, W + B A: trained in place of the weights, and published as a small delta.

LoRA, by Hu et al. (arXiv 2106.09685, 2021): A (rank, in) begins random and B (out, rank) at zero, so that the network
begins as it was. Merged into the weights it costs nothing afterwards.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from zoo.data import generator_for
from zoo.errors import UsageError

DOWN, UP = "lora_A", "lora_B"  # behind a weight's name; peft calls the factors so too
_ORIGINAL = re.compile(r"\.parametrizations\.(\w+)\.original$")


class LowRankUpdate(nn.Module):
    """W -> W + B A.

    Shapes: W (out, in) float32; A (rank, in) and B (out, rank), parameters of W's device.
    """

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        bound = 1 / math.sqrt(weight.shape[1])
        down = torch.empty(rank, weight.shape[1]).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(down.to(weight.device))
        self.lora_B = nn.Parameter(torch.zeros(weight.shape[0], rank, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):  # the sum in full precision: merging gives the same
            return torch.addmm(weight, self.lora_B, self.lora_A)


def linear_weights(module: nn.Module, layers: str) -> list[tuple[nn.Module, str]]:
    """The weights that can be updated: the modules that hold them, and their names there.

    Args:
        layers: `attention`: the projections of attention; `all`: every linear layer, those of the MLPs too.

    Raises:
        UsageError: there are none: convolutions are not updated so.
    """
    found: list[tuple[nn.Module, str]] = []
    for path, part in module.named_modules():
        if layers == "attention" and "att" not in path.lower():
            continue
        if isinstance(part, nn.Linear):
            found.append((part, "weight"))
        elif isinstance(part, nn.MultiheadAttention) and part.in_proj_weight is not None:
            found.append((part, "in_proj_weight"))
    if not found:
        what = "linear layers" if layers == "all" else "linear layers of attention"
        raise UsageError(
            f"An adapter needs {what}, and these filters have none.",
            "Take a vision transformer (pip install zoo-timm), or fine-tune without `adapt=`.",
        )
    return found


def add_updates(module: nn.Module, *, rank: int, layers: str, seed: int) -> None:
    """Freeze a network, and give its linear layers low-rank updates that are trained instead.

    Args:
        module: changed in place.
        rank: of every update, at most.
        layers: as `linear_weights` takes it.
        seed: of the first factors.
    """
    found = linear_weights(module, layers)
    module.requires_grad_(False)
    for number, (part, name) in enumerate(found):
        weight = getattr(part, name)
        update = LowRankUpdate(weight, min(rank, *weight.shape), generator_for(seed, number))
        parametrize.register_parametrization(part, name, update, unsafe=True)  # its shape is known


def base_state(module: nn.Module) -> dict[str, Tensor]:
    """The state of a network without its low-rank updates, under the names that it has without them."""
    state = module.state_dict().items()
    return {_ORIGINAL.sub(r".\1", name): tensor for name, tensor in state if not name.endswith((DOWN, UP))}


def factors_of(module: nn.Module) -> dict[str, Tensor]:
    """The factors of all low-rank updates, `<weight>.lora_A` and `<weight>.lora_B`; empty where there are none."""
    return {
        f"{path}.{name}.{factor}": tensor
        for path, part, name in _updated_weights(module)
        for factor, tensor in _update_of(part, name).state_dict().items()
    }


@torch.no_grad()
def restore_factors(module: nn.Module, factors: Mapping[str, Tensor]) -> None:
    """Put back what `factors_of` took."""
    for name, tensor in factors_of(module).items():
        tensor.copy_(factors[name])


def merge_updates(module: nn.Module) -> None:
    """Add the updates to the weights, and take them off; all can be trained again then. Changed in place."""
    updated = list(_updated_weights(module))
    for _, part, name in updated:
        parametrize.remove_parametrizations(part, name, leave_parametrized=True)
    if updated:
        module.requires_grad_(True)


def merge_factors(tensors: Mapping[str, Tensor], factors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights with the factors that belong to them added, in float32; the others as they are."""
    return {
        name: torch.addmm(tensor.float(), factors[f"{name}.{UP}"].float(), factors[f"{name}.{DOWN}"].float())
        if f"{name}.{UP}" in factors
        else tensor
        for name, tensor in tensors.items()
    }


def _updated_weights(module: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Path, module and name of every weight that has an update."""
    for path, part in module.named_modules():
        if parametrize.is_parametrized(part):
            yield from ((path, part, name) for name in cast("nn.ModuleDict", part.parametrizations))


def _update_of(part: nn.Module, name: str) -> nn.Module:
    return cast("nn.ModuleList", cast("nn.ModuleDict", part.parametrizations)[name])[0]
