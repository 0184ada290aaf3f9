"""timm's own features of a network, for tests to compare with."""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn


def fill_randomly(network: nn.Module) -> dict[str, Tensor]:
    """Disturb norms, scales and running statistics: as ones and zeros they would hide mistakes. All tensors by name."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.copy_(torch.rand(value.shape, generator=generator) / 2 + 0.75)
            elif value.is_floating_point() and value.ndim < 2:
                value.add_(torch.randn(value.shape, generator=generator) / 10)
    return network.state_dict()


def features_of(name: str, state: dict[str, Tensor], images: Tensor) -> list[tuple[int, int, int, Tensor]]:
    """What timm's `features_only` gives with these weights: index, channels, reduction, (N, C, h, w) of each."""
    network = timm.create_model(name, features_only=True).eval()
    dotted = {key.replace("_", "."): value for key, value in state.items()}
    own = {key: key.replace("_", ".") for key in network.state_dict()}
    given = {key: dotted.get(text, dotted.get(text.removeprefix("model."))) for key, text in own.items()}
    network.load_state_dict({key: value for key, value in given.items() if value is not None})
    info = network.feature_info
    with torch.no_grad():
        found = network(images)
    maps = [
        one if one.shape[1] == count else one.permute(0, 3, 1, 2)
        for one, count in zip(found, info.channels(), strict=True)
    ]
    return list(zip(info.out_indices, info.channels(), info.reduction(), maps, strict=True))
