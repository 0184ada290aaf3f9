"""Pictures -> mean-pooled features at every cut, in one pass.

    VGG16, three cuts, N pictures -> (N, 64), (N, 128), (N, 256)

The network runs once; each cut's map is averaged the moment it is there, so that no later step in place can overwrite
it and none has to be kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from zoo import Cut
from zoo.data import DecodedDataset, sequential_batches
from zoo.errors import ZooError
from zoo.models import Filters
from zoo.networks import describe_cut, find_backbone, find_cuts, to_feature_map, trace, truncate
from zoo.progress import Progress
from zoo.training import EVALUATION_BATCH, Arithmetic

PIXEL_SIDE = 16  # the side that pictures are shrunk to where their raw pixels are the features
BYTES_PER_WEIGHT = {"float32": 4, "float16": 2, "bfloat16": 2}  # of a float32 weight


def measure_cut_costs(filters: Filters, names: Sequence[str] | None = None, *, size: int) -> list[Cut]:
    """The cuts of filters with their parameters and their GFLOP a picture at that size, the shallowest first.

    Args:
        filters: what is cut.
        names: blocks or nodes' paths; all the filters' cuts by default.
        size: the pictures' side in pixels.

    Raises:
        UnknownNameError: they have no such cut.
        ZooError: they do not take pictures of that size.
    """
    module, priced = filters.module, {cut.node: cut for cut in find_cuts(filters.module, size=size)}
    own = filters.cut
    known = [own if cut.node == own.node else cut for cut in filters.cuts]  # a node's path where it is no whole block
    known += [own] if own.node not in {cut.node for cut in known} else []
    by_name = {text: cut for cut in known for text in (cut.name, cut.node)}
    wanted = known if names is None else [by_name.get(name, name) for name in dict.fromkeys(names)]
    cuts: dict[str, Cut] = {}
    for one in wanted:
        node = one if isinstance(one, str) else one.node
        cost = priced.get(node) or describe_cut(module, node, size=size)
        name = cost.name if isinstance(one, str) else one.name
        cuts[cost.node] = replace(cost, name=name)
    return sorted(cuts.values(), key=lambda cut: (cut.gflop, cut.parameters))


def download_megabytes(filters: Filters, cut: Cut) -> float:
    """How many 10^6 bytes of weights are read to have that cut; 0 for random weights, which are drawn."""
    if filters.weights == "random":
        return 0.0
    manifest = filters.manifest
    return cut.parameters * BYTES_PER_WEIGHT[manifest.dtype if manifest else "float32"] / 1e6


def randomly_initialized(filters: Filters, *, seed: int) -> Filters:
    """The same network, cut at the same place, with newly drawn weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = find_backbone(filters.backbone).truncated(filters.cut, fresh=True)
    return Filters(module, backbone=filters.backbone, cut=filters.cut, input=filters.input, name=filters.name)


@torch.inference_mode()
def pool_features(
    filters: Filters,
    cuts: Sequence[Cut],
    decoded: DecodedDataset,
    rows: Tensor,
    *,
    arithmetic: Arithmetic,
    progress: Progress,
    what: str = "computing features",
) -> dict[str, np.ndarray]:
    """The mean of the feature map at every cut, of every picture, in one pass.

    Args:
        filters: what runs.
        cuts: of these filters.
        decoded: the pictures.
        rows: int64 (N,), which of them.
        arithmetic: where, and in which precision.
        progress: called with how far it is.
        what: the title of the progress.

    Returns:
        By the cut's name, float32 (N, C).

    Raises:
        ZooError: the features are not finite.
    """
    tapped = CutPooler(arithmetic.frozen(filters.module), cuts)
    mean, std = (buffer.to(arithmetic.device, torch.float32) for buffer in (filters.mean, filters.std))
    pooled: list[list[Tensor]] = [[] for _ in cuts]
    done = 0
    together = EVALUATION_BATCH if arithmetic.device.type == "cpu" else 4 * EVALUATION_BATCH
    for batch in sequential_batches(rows, together):
        images = decoded.images[batch].to(arithmetic.device).float() / 255
        for kept, part in zip(pooled, arithmetic.run(tapped, arithmetic.ready((images - mean) / std)), strict=True):
            kept.append(part)
        done += len(batch)
        progress(what, done, len(rows))
    features = {cut.name: torch.cat(parts).cpu().numpy() for cut, parts in zip(cuts, pooled, strict=True)}
    for name, found in features.items():
        if bad := int((~np.isfinite(found)).any(axis=1).sum()):
            raise ZooError(
                f"The features of {filters.name!r} at {name} are not finite for {bad} of {len(found)} pictures.",
                "Run `zoo verify` on the filters, or compute in `precision='fp32'`.",
            )
    return features


def shrink_pixels(decoded: DecodedDataset, rows: Tensor, *, side: int = PIXEL_SIDE) -> np.ndarray:
    """Raw pixels as features, the baseline that any filters must beat. Shapes: rows (N,) -> float32 (N, 3 * side²)."""
    parts = []
    for batch in sequential_batches(rows, 256):
        images = decoded.images[batch].float() / 255
        small = functional.interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)
        parts.append(small.flatten(1))
    return torch.cat(parts).numpy()


class CutPooler(nn.Module):
    """A network that returns the spatial means of its feature maps at some of its nodes.

    Args:
        module: a truncated network.
        cuts: the nodes.
    """

    def __init__(self, module: nn.Module, cuts: Sequence[Cut]) -> None:
        super().__init__()
        deepest = max(cuts, key=lambda cut: (cut.gflop, cut.parameters))
        self.module = truncate(module, deepest)
        network = trace(self.module)
        self.order = [network.find(cut.node) for cut in cuts]
        self.runner = _PoolingInterpreter(self.module, network.graph, dict(zip(self.order, cuts, strict=True)))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Shapes: images (N, 3, S, S), normalised -> a float32 (N, C) for every cut."""
        self.runner.pooled.clear()
        self.runner.run(images)
        return tuple(self.runner.pooled[node] for node in self.order)


class _PoolingInterpreter(fx.Interpreter):
    def __init__(self, module: nn.Module, graph: fx.Graph, taps: Mapping[fx.Node, Cut]) -> None:
        super().__init__(module, graph=graph)
        self.taps = taps
        self.pooled: dict[fx.Node, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n in self.taps:
            self.pooled[n] = to_feature_map(result, self.taps[n]).mean(dim=(2, 3), dtype=torch.float32)
        return result
