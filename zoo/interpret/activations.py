"""The activation maps of one picture, layer by layer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoo.devices import pick_device
from zoo.interpret.layers import FeatureInterpreter, Layer
from zoo.models import Filters


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerActivations:
    """A layer's activations for one picture."""

    layer: Layer
    mean: np.ndarray  # float (h, w), over all channels
    channels: tuple[int, ...]  # (K), those with the strongest activations first
    strongest: np.ndarray  # float (K, h, w)


@torch.inference_mode()
def compute_activations(
    filters: Filters, picture: Tensor, layers: Sequence[Layer], *, strongest: int = 4, device: str | None = None
) -> tuple[LayerActivations, ...]:
    """Run one picture through, and keep the mean map and the strongest channels of every layer.

    Args:
        filters: the filters.
        picture: uint8 (3, S, S).
        layers: of these filters.
        strongest: how many channels of a layer.
        device: where; the GPU where there is one by default.
    """
    network = copy.deepcopy(filters).float().to(pick_device(device)).eval()
    found: dict[int, LayerActivations] = {}

    def on_features(number: int, features: Tensor) -> None:
        maps = features[0].float().cpu()
        chosen = maps.amax(dim=(1, 2)).argsort(descending=True, stable=True)[:strongest]
        found[number] = LayerActivations(
            layer=layers[number],
            mean=maps.mean(0).numpy(),
            channels=tuple(chosen.tolist()),
            strongest=maps[chosen].numpy().copy(),
        )

    images = network.normalise(picture[None].to(network.mean.device))
    FeatureInterpreter(network.module, [layer.cut for layer in layers], on_features).run(images)
    return tuple(found[number] for number in range(len(layers)))
