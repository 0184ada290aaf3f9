"""Features by timm's own taps, `forward_intermediates`, of networks that cannot be traced."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, fx, nn

from zoo.errors import UsageError


def can_be_tapped(network: nn.Module) -> bool:
    """Whether timm gives the network's inner features, and drops what lies behind them."""
    return hasattr(network, "forward_intermediates") and hasattr(network, "prune_intermediate_layers")


class TappedNetwork(nn.Module):
    """A network of timm up to one of its features; what lies behind it is gone. It cannot be cut or split again.

    Args:
        network: a network of timm, which is changed.
        index: of the feature, as `feature_info` counts.

    Shapes: images (N, 3, H, W) float -> features (N, C, h, w) float.
    """

    _network: Any  # timm's module; not registered as a part

    def __init__(self, network: nn.Module, index: int) -> None:
        super().__init__()
        pruned: Any = network
        pruned.prune_intermediate_layers([index], prune_norm=True, prune_head=True)
        self.index = index
        # Not a part of this module, but the same parts: names of parameters stay timm's.
        object.__setattr__(self, "_network", pruned)
        self._modules, self._parameters, self._buffers = pruned._modules, pruned._parameters, pruned._buffers
        self._non_persistent_buffers_set = pruned._non_persistent_buffers_set
        self.train(pruned.training)

    def train(self, mode: bool = True) -> TappedNetwork:
        """As in torch, for the network whose parts these are too."""
        super().train(mode)
        self._network.training = mode
        return self

    def forward(self, images: Tensor) -> Tensor:
        if isinstance(images, fx.Proxy):
            raise UsageError(
                f"{type(self._network).__name__} is cut by timm's own taps, once.", "Load it at the cut that you want."
            )
        return self._network.forward_intermediates(
            images, indices=[self.index], stop_early=True, intermediates_only=True, output_fmt="NCHW"
        )[0]


def tapped_parameters(network: nn.Module, index: int) -> int:
    """How many parameters there are up to a feature; nothing is allocated where the network's are on meta."""
    return sum(one.numel() for one in TappedNetwork(copy.deepcopy(network), index).parameters())
