"""timm's networks as zoo takes them: traceable, and vision transformers that take pictures of any size."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import nn


def build_network(name: str) -> nn.Module:
    """A whole network of timm with fresh weights, under timm's parameter names.

    A vision transformer with position embeddings interpolates them to the picture's size, exactly the embeddings at
    the size that it was made for; the last row and column of patches are filled up with zeros where the picture ends.

    Args:
        name: timm's, with or without a tag.

    Returns:
        Images (N, 3, H, W) float -> what timm's classifier gives. What timm asks not to be traced is one step.
    """
    try:
        network = _create(name)
        if not any(buffer.is_meta for buffer in network.buffers()):
            return _mark_steps(network)
    except NotImplementedError:  # it computes with parameters, which have no values on the meta device
        pass
    with ThreadPoolExecutor(1) as elsewhere:  # `on_meta` leaves alone what other threads build
        network = elsewhere.submit(_create, name).result()
    return _mark_steps(_without_values(network))


def _create(name: str) -> nn.Module:
    import timm

    network = timm.create_model(name, pretrained=False)
    if "dynamic_img_size" in inspect.signature(type(network).__init__).parameters and not _is_windowed(network):
        network = timm.create_model(name, pretrained=False, dynamic_img_size=True)
        network.patch_embed.dynamic_img_pad = True
    return network


def _without_values(network: nn.Module) -> nn.Module:
    """Move the parameters to the meta device; buffers stay: windows' masks are in no file of weights."""
    empty: dict[int, nn.Parameter] = {}
    for part in network.modules():
        for name, value in part._parameters.items():
            if value is not None:
                meta = nn.Parameter(torch.empty_like(value, device="meta"), requires_grad=value.requires_grad)
                part._parameters[name] = empty.setdefault(id(value), meta)
    return network


def _is_windowed(network: Any) -> bool:
    """Whether its attention is in windows, which lie where the size of its pictures says."""
    return hasattr(network, "layers")


def _mark_steps(network: nn.Module) -> nn.Module:
    """Say what tracing shall take as one step: what timm registers, since its forward depends on values."""
    from timm.models import get_notrace_functions, get_notrace_modules

    whole = tuple(get_notrace_modules())
    for part in network.modules():
        if isinstance(part, whole):
            part.traced_whole = True
    network.traced_functions = tuple(get_notrace_functions())  # type: ignore[assignment]
    return network
